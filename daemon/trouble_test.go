package daemon

import (
	"testing"

	"beampipe/ledger"
)

func TestEachTroubleIsAProblemOfItsOwnWithSomethingToDo(t *testing.T) {
	seen := map[string]ledger.Trouble{}
	for _, kind := range []ledger.Trouble{
		ledger.TroubleFull, ledger.TroubleReadOnly, ledger.TroubleLocked, ledger.TroubleDamaged, ledger.TroubleGone, ledger.TroubleUnavailable,
	} {
		p := troubleProblem(kind, errTest)
		if p.Code != string(kind) || p.Title == "" || p.Todo == "" || p.Text != errTest.Error() || p.Severity != "error" {
			t.Errorf("%s: %+v", kind, p)
		}
		if other, again := seen[p.Title]; again {
			t.Errorf("%s and %s read alike", kind, other)
		}
		seen[p.Title] = kind
	}
}

type testError string

func (e testError) Error() string { return string(e) }

const errTest = testError("the disk says no")
