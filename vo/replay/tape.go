package replay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"beampipe/fault"
)

// Names in a tape's folder.
const (
	indexName      = "index.tsv"
	indexHead      = "number\tmethod\turl\tbody_sha256\tnth\tstatus\tbytes\tnote\tquery\n"
	requestSuffix  = ".request"
	responseSuffix = ".response"
)

// Headers of a tape's own.
const (
	digestHeader = "Beampipe-Body-Sha256" // of a request, without what is volatile
	cutHeader    = "Beampipe-Cut"         // of an answer whose connection broke in its body: how
	sizeHeader   = "Beampipe-Body-Bytes"  // of an answer: how many were given
)

func numbered(dir string, n int, suffix string) string {
	return filepath.Join(dir, fmt.Sprintf("%06d%s", n, suffix))
}

// writeHead writes a first line, headers in their order, and the empty line.
func writeHead(w io.Writer, first string, h http.Header) error {
	if _, err := fmt.Fprintf(w, "%s\r\n", first); err != nil {
		return err
	}
	if err := h.Write(w); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\r\n")
	return err
}

// maxHeadBytes bounds the head of a file of a tape; a query in an address can be long.
const maxHeadBytes = 16 << 20

// readHead reads what writeHead wrote; r then stands at the body.
func readHead(r *bufio.Reader) (first string, h http.Header, err error) {
	head := textproto.NewReader(r)
	if first, err = head.ReadLine(); err != nil {
		return "", nil, err
	}
	mime, err := head.ReadMIMEHeader()
	if err != nil {
		return "", nil, err
	}
	return first, http.Header(mime), nil
}

// readKey reads a request file's head and gives the key under which it was asked.
func readKey(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	first, h, err := readHead(bufio.NewReader(io.LimitReader(file, maxHeadBytes)))
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	method, address, found := strings.Cut(first, " ")
	parsed, err := url.Parse(address)
	digest := h.Get(digestHeader)
	if err != nil || !found || len(digest) != 64 {
		return "", fmt.Errorf("%s: it does not begin with METHOD ADDRESS and a header %s", path, digestHeader)
	}
	return request{method: method, url: parsed, digest: digest}.key(), nil
}

// load reads which exchanges a tape has: for each key the numbers of its answers, in order.
func load(dir string) (answers map[string][]int, last int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, 0, err
	}
	answers = map[string][]int{}
	index := false
	for _, e := range entries { // in the order of their names
		index = index || e.Name() == indexName
		digits, ok := strings.CutSuffix(e.Name(), requestSuffix)
		n, err := strconv.Atoi(digits)
		if !ok || err != nil {
			continue
		}
		key, err := readKey(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, 0, err
		}
		if last = max(last, n); last > MaxExchanges {
			return nil, 0, fmt.Errorf("more than %d exchanges", MaxExchanges)
		}
		answers[key] = append(answers[key], n)
	}
	if !index && len(entries) > 0 {
		return nil, 0, fmt.Errorf("it has no %s, so it is no tape", indexName)
	}
	return answers, last, nil
}

// Replay answers from the tape in dir, and from nothing else: no request reaches the network. A
// request that is not on the tape is fault.Unavailable, and so is one that is asked more often than
// it was recorded, but for GET and HEAD: their last answer is given again and again, so that the polls
// of a job need not be as many. A folder that is no tape is fault.Invalid.
//
// It is safe for concurrent use.
func Replay(dir string) (http.RoundTripper, error) {
	what := fmt.Sprintf("replay the tape in %q", dir)
	answers, _, err := load(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Wrap(fault.NotFound, err, what, "give the folder that was recorded")
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, err, what, "give a folder that was recorded, unchanged")
	case len(answers) == 0:
		return nil, fault.New(fault.Invalid, what+": nothing is recorded there", "give the folder that was recorded")
	}
	return &player{dir: dir, answers: answers, asked: map[string]int{}}, nil
}
