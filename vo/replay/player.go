package replay

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"beampipe/fault"
)

// player answers from a tape.
type player struct {
	dir     string
	answers map[string][]int

	mu    sync.Mutex
	asked map[string]int // how often a key was asked
}

// RoundTrip implements http.RoundTripper.
func (p *player) RoundTrip(req *http.Request) (*http.Response, error) {
	asked, err := read(req)
	if err != nil {
		return nil, err
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	number, err := p.next(asked)
	if err != nil {
		return nil, err
	}
	resp, err := p.answer(number)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, fmt.Sprintf("%s: read answer %06d of the tape in %q", asked, number, p.dir), "record the tape again")
	}
	resp.Request = req
	return resp, nil
}

// next gives the number of the answer that comes next for a request.
func (p *player) next(asked request) (int, error) {
	key := asked.key()
	p.mu.Lock()
	defer p.mu.Unlock()
	list, nth := p.answers[key], p.asked[key]
	again := asked.method == http.MethodGet || asked.method == http.MethodHead
	switch {
	case len(list) == 0:
		return 0, notOnTape(asked, p.dir, "")
	case nth < len(list):
		p.asked[key]++
		return list[nth], nil
	case again:
		return list[len(list)-1], nil
	}
	return 0, notOnTape(asked, p.dir, fmt.Sprintf(" once more: it was recorded %d times, and has been asked as often", len(list)))
}

// notOnTape names the request that the tape does not have.
func notOnTape(asked request, dir, times string) error {
	body := ""
	if len(asked.body) > 0 {
		body = fmt.Sprintf(" with a body that begins %.200q (SHA-256 %.16s…)", asked.body, asked.digest)
	}
	what := fmt.Sprintf("%s%s is not on the tape in %q%s", asked, body, dir, times)
	return fault.New(fault.Unavailable, what, "replay what was recorded: the same config, the same sources; or record again")
}

// answer opens an answer; its body is read from the file.
func (p *player) answer(number int) (*http.Response, error) {
	file, err := os.Open(numbered(p.dir, number, responseSuffix))
	if err != nil {
		return nil, err
	}
	resp, err := openAnswer(file)
	if err != nil {
		_ = file.Close() // it was only read
		return nil, err
	}
	return resp, nil
}

// openAnswer reads the head of an answer. The response's body is the rest of the file, and closes it.
func openAnswer(file io.ReadCloser) (*http.Response, error) {
	rest := bufio.NewReader(file)
	first, h, err := readHead(rest)
	if err != nil {
		return nil, err
	}
	digits, _, _ := strings.Cut(first, " ")
	code, err := strconv.Atoi(digits)
	size, sizeErr := strconv.ParseInt(h.Get(sizeHeader), 10, 64)
	if err != nil || sizeErr != nil || code < 100 || code > 999 {
		return nil, fmt.Errorf("it does not begin with a status and a header %s", sizeHeader)
	}
	cut := h.Get(cutHeader)
	h.Del(cutHeader)
	h.Del(sizeHeader)
	resp := &http.Response{
		Status: first, StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, ContentLength: size, Body: &body{rest: rest, file: file, left: size, cut: cut},
	}
	if cut != "" {
		resp.ContentLength = -1
	}
	return resp, nil
}

// body is what is left of an answer's file.
type body struct {
	rest io.Reader
	file io.Closer
	left int64
	cut  string // how the connection broke; "" when it did not
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.rest.Read(p)
	b.left -= int64(n)
	if err == io.EOF && (b.cut != "" || b.left != 0) {
		why := b.cut
		if why == "" {
			why = "the file of the tape is not whole"
		}
		return n, fmt.Errorf("%s: %w", why, io.ErrUnexpectedEOF)
	}
	return n, err
}

func (b *body) Close() error { return b.file.Close() }
