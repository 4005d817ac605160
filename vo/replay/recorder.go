package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"beampipe/fault"
)

// Record passes requests on to next and keeps every answer on the tape in dir, which is made when it
// is missing, and continued when it is there. A nil next is http.DefaultTransport.
//
// An answer is on the tape, whole, before the caller gets it. One whose connection breaks in its body
// is kept as far as it came, and breaks there again; a request without an answer leaves nothing.
// A body past MaxRequestBytes or MaxResponseBytes is fault.Invalid, a tape that cannot be written
// fault.Unavailable; then the caller gets no answer. A folder with other files is fault.Invalid.
//
// It is safe for concurrent use, also by several recorders on one folder.
func Record(dir string, next http.RoundTripper) (http.RoundTripper, error) {
	what := fmt.Sprintf("record to the tape in %q", dir)
	if dir == "" {
		return nil, fault.New(fault.Invalid, what+": no folder is given", "give a folder of its own")
	}
	if next == nil {
		next = http.DefaultTransport
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, what, "give a folder that can be written")
	}
	answers, last, err := load(dir)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, what, "give a new folder, or a tape to continue")
	}
	r := &recorder{dir: dir, next: next, max: MaxResponseBytes, number: last, nth: map[string]int{}}
	for key, list := range answers {
		r.nth[key] = len(list)
	}
	if err := r.begin(); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, what, "give a folder that can be written")
	}
	return r, nil
}

// recorder keeps answers on a tape.
type recorder struct {
	dir  string
	next http.RoundTripper
	max  int64 // bytes of an answer: MaxResponseBytes

	mu     sync.Mutex
	number int            // of the last exchange
	nth    map[string]int // how often a key was asked
}

// begin makes the index, if it is not there.
func (r *recorder) begin() error {
	file, err := os.OpenFile(filepath.Join(r.dir, indexName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString(indexHead)
	return errors.Join(err, file.Close())
}

// CloseIdleConnections closes those of the transport that is recorded.
func (r *recorder) CloseIdleConnections() {
	if next, ok := r.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	asked, err := read(req)
	if err != nil {
		return nil, err
	}
	passed := req.Clone(req.Context())
	passed.Body, passed.ContentLength = http.NoBody, int64(len(asked.body))
	if len(asked.body) > 0 {
		passed.Body = io.NopCloser(bytes.NewReader(asked.body))
		passed.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(asked.body)), nil }
	}
	resp, err := r.next.RoundTrip(passed)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	kept, err := r.keep(req.Context(), asked, resp)
	if err != nil {
		return nil, err
	}
	kept.Request, kept.Uncompressed, kept.TLS = req, resp.Uncompressed, resp.TLS
	kept.Header = resp.Header // the caller gets them all
	return kept, nil
}

// keep writes an exchange and gives its answer, read from the tape.
func (r *recorder) keep(ctx context.Context, asked request, resp *http.Response) (*http.Response, error) {
	what := fmt.Sprintf("record %s to the tape in %q", asked, r.dir)
	const try = "make room, or run without a tape"
	answer, err := r.copyAnswer(ctx, resp)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, errTooLarge):
		return nil, fault.Wrap(fault.Invalid, err, what, "ask for less at once, or run without a tape")
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, what, try)
	}
	defer os.Remove(answer.path) // it has another name by then; should it stay, it does no harm
	if err := r.commit(asked, answer); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, what, try)
	}
	file, err := os.Open(answer.path)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, what, try)
	}
	kept, err := openAnswer(file)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, errors.Join(err, file.Close()), what, try)
	}
	return kept, nil
}

// written is an answer in a file that is not yet part of the tape.
type written struct {
	path   string
	status int
	size   int64
	cut    string
}

var errTooLarge = errors.New("the answer is larger than a tape takes")

// copyAnswer writes an answer to a file of its own. The body goes to another one first, because the
// head says how long it is.
func (r *recorder) copyAnswer(ctx context.Context, resp *http.Response) (w written, err error) {
	content, err := os.CreateTemp(r.dir, ".body-*")
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, content.Close(), os.Remove(content.Name())) }()
	w.status = resp.StatusCode
	target := &target{file: content}
	w.size, err = io.Copy(target, io.LimitReader(resp.Body, r.max+1))
	switch {
	case target.err != nil:
		return w, target.err
	case ctx.Err() != nil:
		return w, ctx.Err()
	case w.size > r.max:
		return w, fmt.Errorf("%w (%d bytes)", errTooLarge, r.max)
	case err != nil:
		w.cut = strings.Join(strings.Fields(err.Error()), " ")
	}
	header := onlyKnown(resp.Header, responseHeaders)
	header.Set(sizeHeader, strconv.FormatInt(w.size, 10))
	if w.cut != "" {
		header.Set(cutHeader, w.cut)
	}
	if location, err := url.Parse(header.Get("Location")); err == nil && location.User != nil {
		location.User = nil
		header.Set("Location", location.String())
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return w, err
	}
	w.path, err = r.file(fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), header, content)
	return w, err
}

// target tells a file that cannot be written from a body that cannot be read.
type target struct {
	file *os.File
	err  error
}

func (t *target) Write(p []byte) (int, error) {
	n, err := t.file.Write(p)
	t.err = err
	return n, err
}

// file writes a head and a body to a new file with a name of its own.
func (r *recorder) file(first string, h http.Header, body io.Reader) (path string, err error) {
	file, err := os.CreateTemp(r.dir, ".part-*")
	if err != nil {
		return "", err
	}
	err = writeHead(file, first, h)
	if err == nil {
		_, err = io.Copy(file, body)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// commit makes an exchange part of the tape: the answer under the next free number, then the request,
// without which the answer does not count, then a line of the index.
func (r *recorder) commit(asked request, answer written) error {
	header := onlyKnown(asked.header, requestHeaders)
	header.Set(digestHeader, asked.digest)
	question, err := r.file(asked.method+" "+asked.url.String(), header, bytes.NewReader(asked.body))
	if err != nil {
		return err
	}
	defer os.Remove(question) // it is gone when all went well
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if r.number++; r.number > MaxExchanges {
			return fmt.Errorf("the tape has %d exchanges, which is as many as it takes", MaxExchanges)
		}
		err := os.Link(answer.path, numbered(r.dir, r.number, responseSuffix))
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) { // else another recorder had it
			return err
		}
	}
	if err := os.Rename(question, numbered(r.dir, r.number, requestSuffix)); err != nil {
		return err
	}
	r.nth[asked.key()]++
	return r.list(asked, answer)
}

// list adds a line to the index. The caller holds the lock.
func (r *recorder) list(asked request, answer written) error {
	file, err := os.OpenFile(filepath.Join(r.dir, indexName), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	note := ""
	if answer.cut != "" {
		note = "cut: " + answer.cut
	}
	_, err = fmt.Fprintf(file, "%06d\t%s\t%s\t%.16s\t%d\t%d\t%d\t%s\t%s\n",
		r.number, asked.method, asked.url, asked.digest, r.nth[asked.key()], answer.status, answer.size, note, asked.query())
	return errors.Join(err, file.Close())
}
