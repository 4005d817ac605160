package backends

import (
	"errors"
	"strings"
	"testing"

	"beampipe/fault"
)

func TestAttemptIDsAreSafeNames(t *testing.T) {
	id := AttemptID("01934f2e-8c1a-7b3e-9d2f-0a1b2c3d4e5f", 12)
	if id != "bp-01934f2e-8c1a-7b3e-9d2f-0a1b2c3d4e5f-12" || CheckAttemptID(id) != nil {
		t.Errorf("%s: %v", id, CheckAttemptID(id))
	}
	for _, bad := range []string{
		"", "bp-", "bp-x", "bp-x-0", "bp-x-01", "xbp-a-1", "bp-a-1\n", "bp-../a-1", "bp-a/b-1", "bp--a-1", "bp-a b-1",
		"bp-" + strings.Repeat("a", maxAttemptID) + "-1",
	} {
		if err := CheckAttemptID(bad); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}
