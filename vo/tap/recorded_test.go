package tap_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"beampipe/fault"
	"beampipe/vo/tap"
	"beampipe/vo/uws"
	"beampipe/vo/votable"
)

// replay answers every request with a recorded answer.
type replay struct {
	status int
	header http.Header
	body   []byte
}

func (p replay) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: p.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: p.header, Body: io.NopCloser(bytes.NewReader(p.body)), Request: r, ContentLength: -1,
	}, nil
}

// load reads NAME.head and the body beside it.
func load(t *testing.T, dir, name string) replay {
	t.Helper()
	head, err := os.ReadFile(filepath.Join(dir, name+".head"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(append(bytes.TrimRight(head, "\r\n"), "\r\n\r\n"...))), nil)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	_ = resp.Body.Close()
	p := replay{status: resp.StatusCode, header: resp.Header}
	files, err := filepath.Glob(filepath.Join(dir, name+".*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if ext := filepath.Ext(file); ext == ".head" || ext == ".req" {
			continue
		}
		if p.body, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// TestEveryRecordedAnswerOfTheRealServiceIsTakenForWhatItIs takes each for the answer to a query.
func TestEveryRecordedAnswerOfTheRealServiceIsTakenForWhatItIs(t *testing.T) {
	dir := recorded(t)
	index, err := os.ReadFile(filepath.Join(dir, "index.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	tables, errs := 0, 0
	for _, line := range strings.Split(strings.TrimSpace(string(index)), "\n")[1:] {
		column := strings.Split(line, "\t")
		name, status, contentType, said := column[0], column[3], column[4], column[6]
		if column[1] == "HEAD" {
			continue
		}
		p := load(t, dir, name)
		c, err := tap.New(tap.Options{URL: "http://archive.example/tap", Transport: p, Mode: tap.Sync})
		if err != nil {
			t.Fatal(err)
		}
		table, err := c.Query(t.Context(), "q")
		if name == "gzip-accepted" {
			said = "OK" // the index could not look into it
		}
		switch {
		case said == "OK":
			tables++
			if err != nil || len(table.Fields) == 0 || (len(table.Rows) == 0) != strings.HasPrefix(name, "empty-") {
				t.Errorf("%s: %+v, %v", name, table, err)
			}
		case said == "OK+OVERFLOW":
			tables++
			if !errors.Is(err, votable.ErrOverflow) || !errors.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		case said == "ERROR":
			errs++
			words := uws.Words(p.body)
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), words) || len(words) < 10 {
				t.Errorf("%s: %v; want %q", name, err, words)
			}
		case status == "303":
			if !errors.Is(err, fault.Invalid) && !errors.Is(err, fault.Unavailable) {
				t.Errorf("%s: %v", name, err)
			}
		case status != "200":
			if !errors.Is(err, fault.Invalid) || strings.Contains(err.Error(), "<") {
				t.Errorf("%s: %v", name, err)
			}
		default: // CSV, FITS, JSON, pages, documents about the service and its jobs
			if !errors.Is(err, fault.Unavailable) || strings.Contains(contentType, "votable") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if tables < 30 || errs < 25 {
		t.Errorf("only %d tables and %d errors", tables, errs)
	}
}

func TestOneQueryGivesTheSameRowsInEverySerialization(t *testing.T) {
	dir := recorded(t)
	for _, group := range []string{"one", "odd", "uni"} {
		var want *tap.Table
		for _, kind := range []string{"td", "td-short", "binary-votable", "binary2", "binary2-short", "default", "textxml", "mimevot", "get"} {
			name := group + "-" + kind
			if _, err := os.Stat(filepath.Join(dir, name+".vot")); err != nil {
				continue
			}
			c, err := tap.New(tap.Options{URL: "http://archive.example/tap", Transport: load(t, dir, name)})
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Query(t.Context(), "q")
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if want == nil {
				want = got
				continue
			}
			for i, row := range got.Rows {
				for j, cell := range row {
					if cell != want.Rows[i][j] && !sameNumber(got.Fields[j], cell, want.Rows[i][j]) {
						t.Errorf("%s row %d %s: %q, want %q", name, i, got.Fields[j].Name, cell, want.Rows[i][j])
					}
				}
			}
		}
	}
}

// sameNumber holds for two texts of one floating-point number: TABLEDATA has the digits that the
// service wrote, a binary stream those that are needed.
func sameNumber(f votable.Field, a, b string) bool {
	bits := map[string]int{"float": 32, "double": 64}[f.Datatype]
	if bits == 0 {
		return false
	}
	x, err := strconv.ParseFloat(a, bits)
	if err != nil {
		return false
	}
	y, err := strconv.ParseFloat(b, bits)
	return err == nil && x == y
}
