package archive

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// Transport serves requests in this process, without a listener. It answers for any host, and for
// any address in which a resource's name stands: both https://a.example/vo/tap/sync and
// http://archive.invalid/tap/sync are /tap/sync, and what follows async is a job. Redirects are
// given, not followed. An answer is in memory before it is given, at most Options.MaxRec rows. When
// the request's context ends, so does the request, with its error.
func (a *Archive) Transport() http.RoundTripper {
	return &transport{handler: a.Handler()}
}

type transport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	served := req.Clone(ctx)
	if served.Body == nil {
		served.Body = http.NoBody
	}
	defer served.Body.Close() // a RoundTripper closes the request's body
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	served.URL.Path = resourcePath(served.URL.Path)
	served.URL.RawPath = ""
	served.RequestURI = served.URL.RequestURI()
	if served.Host == "" {
		served.Host = served.URL.Host
	}
	if served.URL.Scheme == "https" {
		served.TLS = &tls.ConnectionState{} // the addresses that the service gives are https too
	}
	rec := &recorder{header: http.Header{}}
	broken := rec.serve(t.handler, served)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if broken && !rec.flushed {
		return nil, fmt.Errorf("the archive closed the connection: %w", io.EOF)
	}
	return rec.response(req, broken), nil
}

// resourcePath cuts an address down to the resource that is named last in it, and what follows.
func resourcePath(path string) string {
	parts := strings.Split(path, "/")
	for i := len(parts) - 1; i >= 0; i-- {
		if slices.Contains([]string{"sync", "async", "files", "availability", "capabilities", "tables"}, parts[i]) {
			return "/tap/" + strings.Join(parts[i:], "/")
		}
	}
	return "/tap" + path[max(strings.LastIndexByte(path, '/'), 0):]
}

// recorder keeps an answer.
type recorder struct {
	header  http.Header
	code    int
	body    bytes.Buffer
	flushed bool
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

// Flush says that a client would have seen what was written until now.
func (r *recorder) Flush() { r.flushed = true }

// serve runs the handler and reports whether it broke the connection.
func (r *recorder) serve(handler http.Handler, req *http.Request) (broken bool) {
	defer func() {
		switch p := recover(); {
		case p == nil:
		case p == any(http.ErrAbortHandler):
			broken = true
		default:
			panic(p)
		}
	}()
	handler.ServeHTTP(r, req)
	return false
}

var errBroken = errors.New("the archive closed the connection")

// response gives the answer; the body of a broken one ends in an error.
func (r *recorder) response(req *http.Request, broken bool) *http.Response {
	r.WriteHeader(http.StatusOK)
	body, length := io.Reader(&r.body), int64(r.body.Len())
	if broken {
		body, length = io.MultiReader(body, brokenEnd{}), -1
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", r.code, http.StatusText(r.code)), StatusCode: r.code,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.header, Body: io.NopCloser(body), ContentLength: length,
		Request: req,
	}
}

// brokenEnd is where a connection broke.
type brokenEnd struct{}

func (brokenEnd) Read([]byte) (int, error) {
	return 0, fmt.Errorf("%w: %w", errBroken, io.ErrUnexpectedEOF)
}
