package control_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"beampipe/control"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/vo/archive"
	"beampipe/vo/votable"
)

const (
	catalogue = `SELECT HIPASS, RV50max FROM "VIII/73/hicat" ORDER BY HIPASS`
	anywhere  = "http://elsewhere.invalid/tap"
)

// line is an archive in this process, and what came over the line to it.
type line struct {
	archive *archive.Archive
	mu      sync.Mutex
	headers []http.Header
	hear    func(*http.Request) // nil = nobody
}

func (l *line) RoundTrip(req *http.Request) (*http.Response, error) {
	l.mu.Lock()
	l.headers = append(l.headers, req.Header.Clone())
	hear := l.hear
	l.mu.Unlock()
	if hear != nil {
		hear(req)
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	return l.archive.Transport().RoundTrip(req)
}

// withArchive makes a control, with or without a ledger, whose archives are all one that knows A, B and C.
func withArchive(t *testing.T, withLedger bool) (*control.Local, *line) {
	t.Helper()
	a, err := archive.Open(t.Context(), archive.Options{Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { must(t, a.Close()) })
	speed := 5550.3
	must(t, a.AddCatalogue(t.Context(), []archive.CatalogueEntry{{HIPASS: "A", RV50max: &speed}, {HIPASS: "B"}, {HIPASS: "C"}}))
	l := &line{archive: a}
	o := control.LocalOptions{Actor: "user:test", Transport: func(string) http.RoundTripper { return l }}
	if withLedger {
		o.Ledger, err = ledger.Create(t.Context(), filepath.Join(t.TempDir(), "beampipe.db"), ledger.Options{})
		must(t, err)
		t.Cleanup(func() { must(t, o.Ledger.Close()) })
	}
	c, err := control.NewLocal(o)
	must(t, err)
	return c, l
}

// rows reads a VOTable with its end.
func rows(t *testing.T, document []byte) (list []string, end error) {
	t.Helper()
	rd, err := votable.NewReader(bytes.NewReader(document), votable.Limits{})
	if err != nil {
		return nil, err
	}
	for {
		if err := rd.Next(nil); err != nil {
			return list, err
		}
		list = append(list, strings.Join(rd.Text(), ","))
	}
}

func TestAnArchiveIsAskedByItsURLOrByAPublicNameWithoutALedger(t *testing.T) {
	c, _ := withArchive(t, false)
	for _, name := range []string{anywhere, "casda", "vizier"} {
		for _, async := range []bool{false, true} {
			var out bytes.Buffer
			answer, err := c.QueryArchive(t.Context(), control.ArchiveQuery{ArchiveRef: control.ArchiveRef{Archive: name}, ADQL: catalogue, Async: async}, &out)
			must(t, err)
			got, end := rows(t, out.Bytes())
			if strings.Join(got, " ") != "A,5550.3 B, C," || end != io.EOF || answer.Rows != 3 || answer.Columns != 2 || answer.Overflow || answer.URL == "" || answer.Requests == 0 {
				t.Errorf("%s, async %v: %q, %v, %+v", name, async, got, end, answer)
			}
		}
	}
	tables, err := c.ArchiveTables(t.Context(), control.ArchiveRef{Archive: anywhere}, `VIII/73/hicat`)
	if err != nil || len(tables.Tables) != 1 || len(tables.Tables[0].Columns) == 0 {
		t.Errorf("tables: %+v, %v", tables, err)
	}
	if _, err := c.ArchiveTables(t.Context(), control.ArchiveRef{Archive: anywhere}, "nothing"); !errors.Is(err, fault.NotFound) {
		t.Errorf("a table that is not there: %v", err)
	}
	can, err := c.ArchiveCapabilities(t.Context(), control.ArchiveRef{Archive: anywhere})
	if err != nil || !can.Available || !can.Limits.Async || !can.Limits.Upload || !strings.Contains(can.Document, "capabilities") {
		t.Errorf("capabilities: %+v, %v", can.Limits, err)
	}
}

func TestWhatAnArchiveGaveIsTakenForWholeOnlyWhenItIs(t *testing.T) {
	for _, tt := range []struct {
		name     string
		trouble  archive.Misbehaviour
		maxRec   int
		rows     int
		overflow bool
		kind     fault.Kind
		document string // "", or how it ends
	}{
		{name: "cut at MAXREC", maxRec: 2, rows: 2, overflow: true, document: "OVERFLOW"},
		{name: "cut by the archive", trouble: archive.Misbehaviour{Kind: archive.Overflow, Rows: 1}, rows: 1, overflow: true, document: "OVERFLOW"},
		{name: "no rows", trouble: archive.Misbehaviour{Kind: archive.Empty}, document: "OK"},
		{name: "an error behind the rows", trouble: archive.Misbehaviour{Kind: archive.LateError, Message: "the disk is full"}, rows: 3, kind: fault.Invalid, document: "ERROR"},
		{name: "refused", trouble: archive.Misbehaviour{Kind: archive.Error200, Message: "no such thing"}, kind: fault.Invalid},
		{name: "a web page", trouble: archive.Misbehaviour{Kind: archive.HTML200}, kind: fault.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, l := withArchive(t, false)
			if tt.trouble.Kind != "" {
				l.archive.Misbehave(tt.trouble)
			}
			var out bytes.Buffer
			answer, err := c.QueryArchive(t.Context(), control.ArchiveQuery{ArchiveRef: control.ArchiveRef{Archive: anywhere}, ADQL: catalogue, MaxRec: tt.maxRec}, &out)
			if fault.KindOf(err) != tt.kind || answer.Rows != tt.rows || answer.Overflow != tt.overflow {
				t.Errorf("%+v, %v", answer, err)
			}
			if tt.trouble.Message != "" && !strings.Contains(err.Error(), tt.trouble.Message) {
				t.Errorf("the archive's words are not told: %v", err)
			}
			_, end := rows(t, out.Bytes())
			var status *votable.StatusError
			switch tt.document {
			case "":
				if out.Len() != 0 {
					t.Errorf("written: %s", out.Bytes())
				}
			case "OK":
				if end != io.EOF {
					t.Errorf("the document ends with %v", end)
				}
			case "OVERFLOW":
				if !errors.Is(end, votable.ErrOverflow) {
					t.Errorf("the document ends with %v", end)
				}
			case "ERROR":
				if !errors.As(end, &status) || !strings.Contains(status.Message, tt.trouble.Message) {
					t.Errorf("the document ends with %v", end)
				}
			}
		})
	}
}

func TestWhatCannotBeAskedIsRefusedBeforeAnythingIsSent(t *testing.T) {
	c, l := withArchive(t, true)
	ask := func(q control.ArchiveQuery) error {
		_, err := c.QueryArchive(t.Context(), q, io.Discard)
		return err
	}
	upload := func(name, content string) []control.ArchiveUpload {
		return []control.ArchiveUpload{{Name: name, FileName: "t", Content: []byte(content)}}
	}
	here := control.ArchiveRef{Archive: anywhere}
	for name, q := range map[string]control.ArchiveQuery{
		"nothing named":         {ADQL: catalogue},
		"a blank query":         {ArchiveRef: here, ADQL: " \n"},
		"a negative bound":      {ArchiveRef: here, ADQL: catalogue, MaxRec: -1},
		"an unknown name":       {ArchiveRef: control.ArchiveRef{Archive: "nowhere"}, ADQL: catalogue},
		"no web address":        {ArchiveRef: control.ArchiveRef{Archive: "ftp://elsewhere.invalid"}, ADQL: catalogue},
		"a password":            {ArchiveRef: control.ArchiveRef{Archive: "http://ann:secret@elsewhere.invalid"}, ADQL: catalogue},
		"a URL of a project":    {ArchiveRef: control.ArchiveRef{Archive: anywhere, Project: "survey"}, ADQL: catalogue},
		"an upload's bad name":  {ArchiveRef: here, ADQL: catalogue, Uploads: upload("1a", "name\nA\n")},
		"an upload cut in CSV":  {ArchiveRef: here, ADQL: catalogue, Uploads: upload("a", "name,ra\nA\n")},
		"an empty upload":       {ArchiveRef: here, ADQL: catalogue, Uploads: upload("a", "")},
		"an upload that is XML": {ArchiveRef: here, ADQL: catalogue, Uploads: upload("a", "<html></html>")},
	} {
		err := ask(q)
		if !errors.Is(err, fault.Invalid) || len(fault.Hints(err)) == 0 || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, to do: %q", name, err, fault.Hints(err))
		}
	}
	if err := ask(control.ArchiveQuery{ArchiveRef: control.ArchiveRef{Archive: "casda", Project: "nowhere"}, ADQL: catalogue}); !errors.Is(err, fault.NotFound) {
		t.Errorf("an unknown project: %v", err)
	}
	if len(l.headers) != 0 {
		t.Errorf("%d requests were sent", len(l.headers))
	}
}

func TestTablesAreSentAsVOTableOrAsCSV(t *testing.T) {
	c, _ := withArchive(t, false)
	for name, content := range map[string]string{
		"CSV":               "name,note\nA,first\nC,ümlaut\n",
		"CSV behind a mark": "\xef\xbb\xbfname,note\r\nA,\r\nC,\r\n",
		"VOTable":           voTable(t, "name", "A", "C"),
	} {
		var out bytes.Buffer
		_, err := c.QueryArchive(t.Context(), control.ArchiveQuery{
			ArchiveRef: control.ArchiveRef{Archive: anywhere}, ADQL: `SELECT h.HIPASS FROM "VIII/73/hicat" h JOIN TAP_UPLOAD.mine m ON h.HIPASS = m.name ORDER BY h.HIPASS`,
			Uploads: []control.ArchiveUpload{{Name: "mine", FileName: name, Content: []byte(content)}},
		}, &out)
		must(t, err)
		if got, _ := rows(t, out.Bytes()); strings.Join(got, " ") != "A C" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestAProjectsCredentialsGoToItsArchiveAndToNoOther(t *testing.T) {
	t.Setenv("CASDA_TOKEN", "s3cret")
	c, l := withArchive(t, true)
	config := strings.Replace(text, "{required: [casda]}", `{required: [casda], credentials: {casda: {kind: bearer, secret: "env:CASDA_TOKEN"}}}`, 1)
	_, err := c.AddProject(t.Context(), control.ProjectFile{Name: "survey.yaml", Content: []byte(config)})
	must(t, err)
	for _, tt := range []struct {
		ref  control.ArchiveRef
		want string
	}{
		{control.ArchiveRef{Archive: "casda", Project: "survey"}, "Bearer s3cret"},
		{control.ArchiveRef{Archive: "vizier", Project: "survey"}, ""},
		{control.ArchiveRef{Archive: "casda"}, ""},
		{control.ArchiveRef{Archive: "https://casda.csiro.au/casda_vo_tools/tap"}, ""},
	} {
		l.headers = nil
		_, err := c.QueryArchive(t.Context(), control.ArchiveQuery{ArchiveRef: tt.ref, ADQL: catalogue}, io.Discard)
		must(t, err)
		if len(l.headers) == 0 || l.headers[0].Get("Authorization") != tt.want {
			t.Errorf("%+v: %v", tt.ref, l.headers)
		}
	}
}

// interruptedQuery ends a query while its job is looked at for the first time.
func interruptedQuery(t *testing.T, c *control.Local, l *line, ref control.ArchiveRef) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l.hear = func(req *http.Request) {
		if req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/async/") {
			cancel()
		}
	}
	_, err := c.QueryArchive(ctx, control.ArchiveQuery{ArchiveRef: ref, ADQL: catalogue, Async: true}, io.Discard)
	l.hear = nil
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("an interrupted query: %v", err)
	}
}

func TestAJobThatWasInterruptedIsKeptShownGoneOnWithOrStopped(t *testing.T) {
	c, l := withArchive(t, true)
	_, err := c.AddProject(t.Context(), control.ProjectFile{Name: "survey.yaml", Content: []byte(text)})
	must(t, err)
	ref := control.ArchiveRef{Archive: "casda", Project: "survey"}
	interruptedQuery(t, c, l, ref)
	jobs, err := c.ArchiveJobs(t.Context(), ref)
	if err != nil || len(jobs.Kept) != 1 || len(jobs.Jobs) != 1 || !jobs.Jobs[0].Kept || jobs.Kept[0].Project != "survey" {
		t.Fatalf("%+v, %v", jobs, err)
	}
	if byURL, err := c.ArchiveJobs(t.Context(), control.ArchiveRef{Archive: jobs.URL}); err != nil || len(byURL.Kept) != 1 {
		t.Errorf("by its URL: %+v, %v", byURL, err)
	}
	if other, err := c.ArchiveJobs(t.Context(), control.ArchiveRef{Archive: "vizier", Project: "survey"}); err != nil || len(other.Kept) != 0 {
		t.Errorf("of another archive: %+v, %v", other, err)
	}

	answer, err := c.QueryArchive(t.Context(), control.ArchiveQuery{ArchiveRef: ref, ADQL: catalogue, Async: true}, io.Discard)
	if err != nil || answer.Rows != 3 || l.archive.Jobs() != 1 {
		t.Errorf("gone on with: %+v, %v, %d jobs were made", answer, err, l.archive.Jobs())
	}
	if jobs, err = c.ArchiveJobs(t.Context(), ref); err != nil || len(jobs.Kept) != 0 {
		t.Errorf("a job that is done is kept: %+v, %v", jobs, err)
	}

	interruptedQuery(t, c, l, ref)
	jobs, err = c.ArchiveJobs(t.Context(), ref)
	must(t, err)
	url := jobs.Kept[0].URL
	if jobs, err = c.AbortArchiveJob(t.Context(), ref, url); err != nil || len(jobs.Kept) != 0 || jobs.Aborted != url {
		t.Errorf("stopped: %+v, %v", jobs, err)
	}
	if _, err := c.AbortArchiveJob(t.Context(), ref, url+"0"); !errors.Is(err, fault.NotFound) {
		t.Errorf("a job that is not there: %v", err)
	}
	if _, err := c.AbortArchiveJob(t.Context(), ref, "1"); !errors.Is(err, fault.Invalid) {
		t.Errorf("what is no URL: %v", err)
	}
	if _, err := c.AbortArchiveJob(t.Context(), ref, "http://elsewhere.invalid/tap/async/1"); !errors.Is(err, fault.Invalid) {
		t.Errorf("a job of somebody else: %v", err)
	}
}

func TestAJobThatBelongsToNoProjectEndsWithTheQuery(t *testing.T) {
	c, l := withArchive(t, true)
	ref := control.ArchiveRef{Archive: anywhere}
	interruptedQuery(t, c, l, ref)
	jobs, err := c.ArchiveJobs(t.Context(), ref)
	if err != nil || len(jobs.Kept) != 0 || len(jobs.Jobs) != 0 {
		t.Errorf("%+v, %v", jobs, err)
	}
}
