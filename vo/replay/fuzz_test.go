package replay

import (
	"bytes"
	"io"
	"testing"
)

// FuzzOpenAnswer holds that whatever an answer's file holds, it is an answer whose body ends, or an
// error.
func FuzzOpenAnswer(f *testing.F) {
	f.Add([]byte("200 OK\r\nBeampipe-Body-Bytes: 2\r\nContent-Type: text/xml\r\n\r\nhi"))
	f.Add([]byte("200 OK\r\nBeampipe-Body-Bytes: 9\r\nBeampipe-Cut: EOF\r\n\r\nhi"))
	f.Add([]byte("\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		resp, err := openAnswer(io.NopCloser(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		body, err := io.ReadAll(resp.Body)
		if err == nil && int64(len(body)) != resp.ContentLength {
			t.Errorf("%d bytes of %d", len(body), resp.ContentLength)
		}
	})
}
