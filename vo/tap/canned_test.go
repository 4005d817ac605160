package tap_test

import (
	"bytes"
	"io"
	"net/http"
)

// canned answers every request alike.
type canned struct {
	code int
	body []byte
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: c.code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(c.body)), Request: r,
	}, nil
}
