package real

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// front stands between a client and the real service, under an address of its own that it also writes
// into the addresses of jobs. It counts what passes, and can spoil it.
type front struct {
	t      testing.TB
	url    string
	origin string // scheme and host of the service
	server *httptest.Server
	wire   *http.Transport

	mu     sync.Mutex
	counts map[string]int
	spoil  spoil
}

// spoil says what a front does to requests that match. The zero value passes everything.
type spoil struct {
	match   func(kind, body string) bool  // nil = every one
	cut     int                           // bytes of an answer after which the connection is closed; 0 = none
	bad400  bool                          // an ERROR with HTTP 200 becomes one with HTTP 400
	instead http.HandlerFunc              // answers in the service's place
	passed  func(kind string, status int) // told once the service has answered, before the client is
	midway  func()                        // runs in the middle of the first answer
}

// Kinds of request, by which a front counts.
const (
	kindSync   = "sync"
	kindCreate = "create"
	kindRun    = "run"
	kindAbort  = "abort"
	kindDelete = "delete"
	kindResult = "result"
	kindOther  = "other"
)

func newFront(t testing.TB, r rig) *front {
	t.Helper()
	base, err := url.Parse(r.url)
	must(t, err)
	small := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		// a small window: of a long answer most is still in the service when it is killed
		var set error
		err := c.Control(func(fd uintptr) { set = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
		if err != nil {
			return err
		}
		return set
	}}
	f := &front{
		t: t, origin: base.Scheme + "://" + base.Host, counts: map[string]int{},
		wire: &http.Transport{DisableCompression: true, DisableKeepAlives: true, DialContext: small.DialContext},
	}
	f.server = httptest.NewServer(f)
	f.url = f.server.URL + base.Path
	t.Cleanup(func() {
		f.server.CloseClientConnections()
		f.server.Close()
		f.wire.CloseIdleConnections()
	})
	return f
}

// set changes what the front does from now on.
func (f *front) set(s spoil) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spoil = s
}

// count gives how many requests of a kind came.
func (f *front) count(kind string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[kind]
}

func kindOf(r *http.Request, body string) string {
	async := strings.Contains(r.URL.Path, "/async")
	switch {
	case strings.HasSuffix(r.URL.Path, "/sync"):
		return kindSync
	case async && r.Method == http.MethodDelete:
		return kindDelete
	case async && strings.HasSuffix(r.URL.Path, "/async") && r.Method == http.MethodPost:
		return kindCreate
	case async && strings.Contains(body, "PHASE=RUN"):
		return kindRun
	case async && strings.Contains(body, "PHASE=ABORT"):
		return kindAbort
	case async && strings.Contains(r.URL.Path, "/results/"):
		return kindResult
	}
	return kindOther
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	kind := kindOf(r, string(raw))
	f.mu.Lock()
	f.counts[kind]++
	s := f.spoil
	f.mu.Unlock()
	if s.match != nil && !s.match(kind, string(raw)) {
		s = spoil{}
	}
	if s.instead != nil {
		s.instead(w, r)
		return
	}
	resp, err := f.ask(r, raw)
	if err != nil {
		panic(http.ErrAbortHandler) // the service is gone: so is the connection
	}
	defer resp.Body.Close()
	if s.passed != nil {
		s.passed(kind, resp.StatusCode)
	}
	f.pass(w, r, resp, s)
}

// ask sends a request on as it is.
func (f *front) ask(r *http.Request, body []byte) (*http.Response, error) {
	on, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, f.origin+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	on.Header = r.Header.Clone()
	on.ContentLength = int64(len(body))
	return f.wire.RoundTrip(on)
}

// pass hands an answer to the client, spoiled as told.
func (f *front) pass(w http.ResponseWriter, r *http.Request, resp *http.Response, s spoil) {
	body := io.Reader(resp.Body)
	status := resp.StatusCode
	job := strings.Contains(r.URL.Path, "/async") && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/xml")
	if job || s.bad400 {
		whole, err := io.ReadAll(resp.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if s.bad400 && bytes.Contains(whole, []byte(`value="ERROR"`)) {
			status = http.StatusBadRequest
		}
		if job {
			whole = bytes.ReplaceAll(whole, []byte(f.origin), []byte(f.server.URL))
		}
		body = bytes.NewReader(whole)
	}
	for name, values := range resp.Header {
		for _, value := range values {
			w.Header().Add(name, strings.ReplaceAll(value, f.origin, f.server.URL))
		}
	}
	w.Header().Del("Content-Length")
	w.WriteHeader(status)
	f.copy(w, body, s)
}

// copy hands on the body, as far as it may go.
func (f *front) copy(w http.ResponseWriter, body io.Reader, s spoil) {
	flush := func() {
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(http.ErrAbortHandler) // the client is gone
		}
	}
	if s.midway != nil {
		if _, err := io.CopyN(w, body, 1000); err != nil {
			panic(http.ErrAbortHandler)
		}
		flush()
		s.midway()
	}
	if s.cut > 0 {
		if _, err := io.CopyN(w, body, int64(s.cut)); err == nil {
			flush()
			panic(http.ErrAbortHandler)
		} else if err != io.EOF {
			panic(http.ErrAbortHandler)
		}
		return // shorter than that: it passes whole
	}
	if _, err := io.Copy(w, body); err != nil {
		panic(http.ErrAbortHandler)
	}
}
