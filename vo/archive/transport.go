package archive

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// Transport serves requests in this process, without a listener. It answers for any host, and for
// any address whose last part is that of a resource: both https://a.example/vo/tap/sync and
// http://archive.invalid/tap/sync are /tap/sync. An answer is in memory before it is given, at most
// Options.MaxRec rows. When the request's context ends, so does the request, with its error.
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
	served.URL.Path = "/tap" + served.URL.Path[max(strings.LastIndexByte(served.URL.Path, '/'), 0):]
	served.URL.RawPath = ""
	served.RequestURI = served.URL.RequestURI()
	if served.Host == "" {
		served.Host = served.URL.Host
	}
	rec := &recorder{header: http.Header{}, code: http.StatusOK}
	t.handler.ServeHTTP(rec, served)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(rec.code), StatusCode: rec.code,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: rec.header, Body: io.NopCloser(&rec.body), ContentLength: int64(rec.body.Len()),
		Request: req,
	}, nil
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
