package replay

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"beampipe/fault"
)

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
func (endless) Close() error               { return nil }

// RoundTrip answers with an endless body.
func (endless) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: endless{}}, nil
}

func TestBodiesPastTheLimitAreRefused(t *testing.T) {
	dir := t.TempDir()
	transport, err := Record(dir, endless{})
	if err != nil {
		t.Fatal(err)
	}
	transport.(*recorder).max = 1000 // the real limit takes a while to reach
	for method, want := range map[string]string{"POST": "larger than the 67108864 bytes", "GET": "larger than a tape takes (1000 bytes)"} {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://a.example/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if method == "POST" {
			req.Body = endless{}
		}
		resp, err := transport.RoundTrip(req)
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", method, resp, err)
		}
	}
	if entries, err := os.ReadDir(dir); len(entries) != 1 || err != nil {
		t.Errorf("%v, %v: want the index alone", entries, err)
	}
}
