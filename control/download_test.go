package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/graph"
)

type answer func(r *http.Request) (*http.Response, error)

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// answers gives a status and a body to every request.
func answers(status int, body []byte) answer {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
	}
}

func sendsOn(to string) answer {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {to}}, Body: http.NoBody, Request: r}, nil
	}
}

func TestAGraphFromAURLIsTakenWholeAndAsPinnedOrNotAtAll(t *testing.T) {
	content := []byte(`{"modelData": {}, "nodeDataArray": []}`)
	for _, tt := range []struct {
		name string
		url  string
		pin  string
		web  answer
		says string // of the error; "" = none
	}{
		{name: "as pinned", url: "https://graphs.example.org/a.graph", pin: strings.ToUpper(graph.Digest(content)), web: answers(200, content)},
		{name: "without a pin", url: "https://graphs.example.org/a.graph", web: answers(200, content)},
		{name: "another digest", url: "https://graphs.example.org/a.graph", pin: strings.Repeat("0", 64), web: answers(200, content), says: "graph SHA-256 mismatch"},
		{name: "not there", url: "https://graphs.example.org/a.graph", web: answers(404, nil), says: "answered Not Found"},
		{name: "past the limit", url: "https://graphs.example.org/a.graph", web: answers(200, make([]byte, graph.MaxBytes+1)), says: "larger than"},
		{name: "sent on to http", url: "https://graphs.example.org/a.graph", web: sendsOn("http://internal.example.org/"), says: "redirected from https"},
		{name: "sent on for ever", url: "https://graphs.example.org/a.graph", web: sendsOn("https://graphs.example.org/a.graph"), says: "more than 5 redirects"},
		{name: "a credential in it", url: "https://user:secret@graphs.example.org/a.graph", web: answers(200, content), says: "holds a credential"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Local{o: LocalOptions{Transport: func(string) http.RoundTripper { return tt.web }}}
			cfg := &configs.Project{Graph: &configs.Graph{URL: &tt.url, SHA256: tt.pin}}
			raw, origin, err := c.resolveGraph(t.Context(), cfg, ProjectFile{Name: "survey.yaml"})
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || !bytes.Equal(raw, content) || origin != tt.url {
				t.Errorf("%q from %s: %v", raw, origin, err)
			}
		})
	}
}

func TestASlowServerOfGraphsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := answer(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		c := &Local{o: LocalOptions{Transport: func(string) http.RoundTripper { return hangs }}}
		address := "https://graphs.example.org/a.graph"
		begun := time.Now()
		_, _, err := c.resolveGraph(t.Context(), &configs.Project{Graph: &configs.Graph{URL: &address}}, ProjectFile{Name: "survey.yaml"})
		if !errors.Is(err, fault.Unavailable) || !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != graphTimeout {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
	})
}
