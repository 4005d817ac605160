// Package replay keeps what archives answer, and answers from it later with the network off.
//
// A tape is a folder. Each exchange is a pair of files, 000001.request and 000001.response: a first
// line, the headers that matter, an empty line, and the body as it was. index.tsv lists them for
// people. [Record] makes a tape, [Replay] runs from one.
//
// A request finds its answer by method, address and body, and by how often the same was asked
// before. What differs from run to run without meaning is left out of that: the boundary of a
// multipart body, the fields WAIT and DESTRUCTION, and all headers. Headers that hold credentials
// (Authorization, Cookie, Set-Cookie and every other that is not known to be harmless) are never
// written, nor is a user or password in an address.
package replay

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"beampipe/fault"
)

// Limits of a tape.
const (
	MaxRequestBytes  = 64 << 20  // body of a request
	MaxResponseBytes = 512 << 20 // body of an answer
	MaxExchanges     = 999_999   // exchanges of a tape
)

// The headers that are kept. All others may hold credentials, or say nothing about the answer.
var (
	requestHeaders  = []string{"Accept", "Accept-Encoding", "Content-Type", "User-Agent"}
	responseHeaders = []string{"Allow", "Content-Disposition", "Content-Encoding", "Content-Type", "Date", "Last-Modified", "Location", "Retry-After", "Server", "Warning"}
)

// volatile are the parameters that are not part of what is asked: how long to wait for the answer,
// and until when to keep it.
var volatile = []string{"WAIT", "DESTRUCTION"}

// request is one that was made, with its body read.
type request struct {
	method string
	url    *url.URL // without a user
	header http.Header
	body   []byte
	digest string // of the body, without what is volatile
}

// read takes a request's body, which the request then has no more.
func read(req *http.Request) (request, error) {
	address := *req.URL
	address.User, address.Fragment, address.RawFragment = nil, "", ""
	r := request{method: req.Method, url: &address, header: req.Header}
	if r.method == "" {
		r.method = http.MethodGet
	}
	if req.Body != nil {
		body, err := io.ReadAll(io.LimitReader(req.Body, MaxRequestBytes+1))
		closed := req.Body.Close()
		switch {
		case err != nil:
			return r, fault.Wrap(fault.Unavailable, err, "read the body of "+r.String(), "")
		case len(body) > MaxRequestBytes:
			return r, fault.New(fault.Invalid, fmt.Sprintf("%s: its body is larger than the %d bytes that a tape takes", r, MaxRequestBytes), "ask for less at once, or run without a tape")
		case closed != nil:
			return r, fault.Wrap(fault.Unavailable, closed, "close the body of "+r.String(), "")
		}
		r.body = body
	}
	sum := sha256.Sum256(withoutVolatile(r.body, req.Header.Get("Content-Type")))
	r.digest = hex.EncodeToString(sum[:])
	return r, nil
}

// String names the request for messages.
func (r request) String() string { return r.method + " " + r.url.Redacted() }

// key is alike for requests that ask the same.
func (r request) key() string {
	address := *r.url
	address.RawQuery = withoutFields(address.RawQuery)
	return r.method + " " + address.String() + " " + r.digest
}

// maxIndexQuery bounds how much of a query the index shows.
const maxIndexQuery = 200

// query gives the beginning of the request's QUERY on one line, for the index; "" where it has none.
func (r request) query() string {
	text := r.url.Query().Get("QUERY")
	kind, options, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	switch {
	case err != nil:
	case kind == "application/x-www-form-urlencoded":
		if form, err := url.ParseQuery(string(r.body)); err == nil && text == "" {
			text = form.Get("QUERY")
		}
	case kind == "multipart/form-data":
		form, err := multipart.NewReader(bytes.NewReader(r.body), options["boundary"]).ReadForm(MaxRequestBytes)
		if err == nil && len(form.Value["QUERY"]) > 0 {
			text = form.Value["QUERY"][0]
		}
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxIndexQuery {
		text = strings.ToValidUTF8(text[:maxIndexQuery], "") + "…"
	}
	return text
}

// withoutVolatile gives a body without what differs from run to run.
func withoutVolatile(body []byte, contentType string) []byte {
	kind, options, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return body
	case kind == "application/x-www-form-urlencoded":
		return []byte(withoutFields(string(body)))
	case strings.HasPrefix(kind, "multipart/") && options["boundary"] != "":
		return []byte(strings.ReplaceAll(string(body), options["boundary"], "boundary"))
	}
	return body
}

// withoutFields takes the volatile fields out of a form; the others stay as they are.
func withoutFields(form string) string {
	fields := strings.Split(form, "&")
	kept := slices.DeleteFunc(fields, func(field string) bool {
		name, _, _ := strings.Cut(field, "=")
		return slices.Contains(volatile, strings.ToUpper(name))
	})
	return strings.Join(kept, "&")
}

// onlyKnown gives the headers that are kept.
func onlyKnown(h http.Header, names []string) http.Header {
	kept := http.Header{}
	for _, name := range names {
		if values := h.Values(name); len(values) > 0 {
			kept[name] = slices.Clone(values)
		}
	}
	return kept
}
