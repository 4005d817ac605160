package tap_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"beampipe/fault"
	"beampipe/vo/tap"
	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestAnUploadGoesAlongAsAVOTable(t *testing.T) {
	f := newFake(t)
	f.capabilities = capabilities(inline)
	var got query
	f.sync = func(_ int, q query) reply { got = q; return reply{body: good} }
	c := f.client(tap.Options{})
	two := ids("a&b", "ü")
	two.Name = "more_1"
	if _, err := c.Run(t.Context(), tap.Request{ADQL: "SELECT * FROM TAP_UPLOAD.ids", Uploads: []tap.Upload{ids("HIPASSJ1313-15", ""), two}, MaxRec: 7}); err != nil {
		t.Fatal(err)
	}
	const td = "application/x-votable+xml;serialization=TABLEDATA"
	want := map[string][]string{
		"REQUEST": {"doQuery"}, "LANG": {"ADQL"}, "QUERY": {"SELECT * FROM TAP_UPLOAD.ids"},
		"MAXREC": {"7"}, "FORMAT": {td}, "RESPONSEFORMAT": {td}, "UPLOAD": {"ids,param:ids", "more_1,param:more_1"},
	}
	if diff := cmp.Diff(want, got.form); diff != "" {
		t.Error(diff)
	}
	for name, rows := range map[string][][]string{"ids": {{"HIPASSJ1313-15"}, {""}}, "more_1": {{"a&b"}, {"ü"}}} {
		if diff := cmp.Diff(rows, texts(t, got.uploads[name])); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func texts(t interface{ Fatal(...any) }, doc string) (rows [][]string) {
	rd, err := votable.NewReader(strings.NewReader(doc), votable.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		err := rd.Next(nil)
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, rd.Text())
	}
}

// bodies keeps the bodies of requests.
type bodies struct {
	canned
	sent [][]byte
}

func (b *bodies) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		b.sent = append(b.sent, []byte(r.Header.Get("Content-Type")+"\n"+string(raw)))
	}
	return b.canned.RoundTrip(r)
}

func TestTheSameRequestHasTheSameBytesAndAnotherOneOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -~é\n]{0,20}`)
		draw := func() tap.Request {
			return tap.Request{ADQL: text.Draw(t, "adql"), Uploads: []tap.Upload{ids(rapid.SliceOfN(text, 0, 5).Draw(t, "ids")...)}}
		}
		a, b := draw(), draw()
		again := tap.Request{ADQL: a.ADQL, Uploads: []tap.Upload{{Name: "ids", Fields: a.Uploads[0].Fields, Rows: a.Uploads[0].Rows}}}
		w := &bodies{canned: canned{code: 200, body: []byte(good)}}
		c, err := tap.New(tap.Options{URL: "http://archive.invalid/tap", Transport: w})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []tap.Request{a, again, b} {
			if _, err := c.Run(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(w.sent[0], w.sent[1]) {
			t.Errorf("%q\n%q", w.sent[0], w.sent[1])
		}
		if same := cmp.Equal(a.ADQL, b.ADQL) && cmp.Equal(a.Uploads, b.Uploads); same != bytes.Equal(w.sent[0], w.sent[2]) {
			t.Errorf("same %v: %q\n%q", same, w.sent[0], w.sent[2])
		}
	})
}

func TestARequestThatCannotBeSentIsRefusedBeforehand(t *testing.T) {
	named := func(name string) []tap.Upload { u := ids("a"); u.Name = name; return []tap.Upload{u} }
	var many []tap.Upload
	for i := range tap.MaxUploads + 1 {
		many = append(many, named(fmt.Sprintf("t%d", i))...)
	}
	huge := ids(strings.Repeat("x", 1<<20))
	for range 64 {
		huge.Rows = append(huge.Rows, huge.Rows[0])
	}
	for words, r := range map[string]tap.Request{
		`upload "": a table's name`:        {Uploads: named("")},
		`upload "TAP_UPLOAD.ids": a table`: {Uploads: named("TAP_UPLOAD.ids")},
		`upload "1st": a table's name`:     {Uploads: named("1st")},
		`upload "Query" has the name of a`: {Uploads: named("Query")},
		`two uploads are named "IDS"`:      {Uploads: append(named("ids"), named("IDS")...)},
		"17 uploads":                       {Uploads: many},
		"it has no columns":                {Uploads: []tap.Upload{{Name: "ids"}}},
		"row 1: ":                          {Uploads: []tap.Upload{ids("\x00")}},
		"longer than 67108864 bytes":       {Uploads: []tap.Upload{huge}},
		"MAXREC -1 is negative":            {MaxRec: -1},
		`mode "later" is none of`:          {Mode: "later"},
	} {
		f := newFake(t)
		_, err := f.client(tap.Options{}).Run(t.Context(), r)
		wantKind(t, err, fault.Invalid, words)
		if len(f.asked) != 0 || len(fault.Hints(err)) == 0 {
			t.Errorf("%s: asked %q", words, f.asked)
		}
		if strings.Contains(words, "longer") != errors.Is(err, tap.ErrTooLarge) {
			t.Errorf("%s: %v", words, err)
		}
	}
	if _, err := tap.New(tap.Options{URL: "http://a/tap", Mode: "later"}); !errors.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func TestUploadsThatAnArchiveDoesNotTake(t *testing.T) {
	for _, tt := range []struct {
		name         string
		capabilities string
		reply        reply
		want         error // nil: neither
		kind         fault.Kind
		asked        int
	}{
		{"its capabilities offer none", capabilities(), reply{body: good}, tap.ErrUploadRefused, fault.Invalid, 0},
		{"its capabilities offer URLs alone", capabilities(`<uploadMethod ivo-id="ivo://ivoa.net/std/TAPRegExt#upload-http"/>`), reply{body: good}, tap.ErrUploadRefused, fault.Invalid, 0},
		{"its capabilities cannot be read", "<html>oops", reply{body: good}, nil, "", 1},
		{"it has no capabilities", "", reply{body: good}, nil, "", 1},
		{"its capabilities say nothing of TAP", "<capabilities/>", reply{body: good}, nil, "", 1},
		{"its capabilities name TAP alone", `<capabilities><capability standardID="ivo://ivoa.net/std/TAP"/></capabilities>`, reply{body: good}, nil, "", 1},
		{"too many rows, as advertised", capabilities(inline, `<uploadLimit><hard unit="row">1</hard></uploadLimit>`), reply{body: good}, tap.ErrTooLarge, fault.Invalid, 0},
		{"too many bytes, as advertised", capabilities(inline, `<uploadLimit><hard unit="byte">10</hard></uploadLimit>`), reply{body: good}, tap.ErrTooLarge, fault.Invalid, 0},

		{"413", "", reply{code: 413}, tap.ErrTooLarge, fault.Invalid, 1},
		{"400, too large", "", reply{code: 400, body: "Upload too large"}, tap.ErrTooLarge, fault.Invalid, 1},
		{"200, past a limit", "", reply{body: failedDoc("Upload limit exceeded: 500 rows")}, tap.ErrTooLarge, fault.Invalid, 1},
		{"200, in plain words", "", reply{body: "Request entity too large"}, tap.ErrTooLarge, fault.Invalid, 1},
		{"200, in a page", "", reply{body: "<html><title>413 Request Entity Too Large</title></html>"}, tap.ErrTooLarge, fault.Invalid, 1},
		{"200, not supported", "", reply{body: failedDoc("UPLOAD is not supported")}, tap.ErrUploadRefused, fault.Invalid, 1},
		{"400, not allowed", "", reply{code: 400, body: "table uploads are not allowed for anonymous users"}, tap.ErrUploadRefused, fault.Invalid, 1},
		{"DaCHS: the part is not there", "", reply{body: failedDoc("Field UPLOAD: No inline upload 'missing' found")}, tap.ErrUploadRefused, fault.Invalid, 1},
		{"DaCHS: it cannot be read", "", reply{body: failedDoc("While ingesting upload ids: /tmp/ids syntax error: line 1, column 0")}, nil, fault.Invalid, 1},
		{"UPLOAD was passed over", "", reply{body: failedDoc("Table tap_upload.ids does not exist")}, tap.ErrUploadRefused, fault.Invalid, 1},
		{"a column of the upload", "", reply{body: failedDoc("column nonesuch of TAP_UPLOAD.ids does not exist")}, nil, fault.Invalid, 1},
		{"a time", "", reply{body: failedDoc("request exceeds the limit of execution time")}, nil, fault.Invalid, 1},
		{"something else", "", reply{body: failedDoc("no such table: x")}, nil, fault.Invalid, 1},
	} {
		f := newFake(t)
		f.capabilities = tt.capabilities
		f.sync = func(int, query) reply { return tt.reply }
		_, err := f.client(tap.Options{Mode: tap.Sync}).Run(t.Context(), tap.Request{ADQL: "q", Uploads: []tap.Upload{ids("a", "b")}})
		if fault.KindOf(err) != tt.kind || f.syncs != tt.asked {
			t.Errorf("%s: %v, asked %d times", tt.name, err, f.syncs)
		}
		for _, is := range []error{tap.ErrUploadRefused, tap.ErrTooLarge} {
			if errors.Is(err, is) != (is == tt.want) {
				t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
			}
		}
	}
}

func TestARefusalIsNotBlamedOnUploadsThatWereNotSent(t *testing.T) {
	f := newFake(t)
	f.sync = func(int, query) reply { return reply{body: failedDoc("Table TAP_UPLOAD.ids does not exist")} }
	if _, err := f.client(tap.Options{}).Query(t.Context(), "q"); errors.Is(err, tap.ErrUploadRefused) || !errors.Is(err, fault.Invalid) {
		t.Error(err)
	}
}
