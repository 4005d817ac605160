package archive_test

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"beampipe/vo/archive"
	"beampipe/vo/tap"
	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
)

func TestTheServiceDescribesItself(t *testing.T) {
	now := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	a := open(t, archive.Options{Now: func() time.Time { return now }})
	c := clientOf(t, a, tap.Options{URL: "https://vo.example/casda_vo_tools/tap/sync"})
	must(t, c.Available(t.Context()))
	raw, err := c.Capabilities(t.Context())
	must(t, err)
	for _, want := range []string{"demonstration archive", "ivo://ivoa.net/std/TAP", "https://vo.example/tap"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("capabilities without %q", want)
		}
	}
	server := httptest.NewServer(a.Handler())
	defer server.Close()
	for _, path := range []string{"tables", "availability", "capabilities"} {
		body, code := get(t, server.URL+"/tap/"+path)
		if err := wellFormed(body); err != nil || code != 200 {
			t.Errorf("%s: HTTP %d, %v", path, code, err)
		}
		if path == "tables" && (!strings.Contains(body, "<name>&#34;VIII/73/hicat&#34;</name>") || !strings.Contains(body, "RVmom")) {
			t.Errorf("tables: %s", body)
		}
	}
}

// capabilities gives the document, and what a client reads of it.
func capabilities(t *testing.T, a *archive.Archive) (document string, c capability) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", archive.URL+"/capabilities", http.NoBody)
	must(t, err)
	document = do(t, client(a), req).body
	var all struct {
		List []capability `xml:"capability"`
	}
	must(t, xml.Unmarshal([]byte(document), &all))
	return document, all.List[0]
}

type capability struct {
	Standard  string   `xml:"standardID,attr"`
	Versions  []string `xml:"language>version"`
	Forms     []string `xml:"language>languageFeatures>feature>form"`
	Aliases   []string `xml:"outputFormat>alias"`
	Retention int      `xml:"retentionPeriod>default"`
	Duration  int      `xml:"executionDuration>hard"`
	Output    []bound  `xml:"outputLimit>hard"`
	OutputDef []bound  `xml:"outputLimit>default"`
	Upload    []bound  `xml:"uploadLimit>hard"`
	Method    struct {
		ID string `xml:"ivo-id,attr"`
	} `xml:"uploadMethod"`
}

type bound struct {
	Unit string `xml:"unit,attr"`
	Text string `xml:",chardata"`
}

func TestCapabilitiesTellTheLimits(t *testing.T) {
	_, got := capabilities(t, open(t, archive.Options{MaxRec: 5000, Limits: archive.Limits{OutputRows: 200, Retention: 2 * time.Hour}}))
	want := capability{
		Standard: "ivo://ivoa.net/std/TAP", Versions: []string{"2.0", "2.1"},
		Forms:     []string{"LOWER", "UPPER", "COALESCE", "UNION", "EXCEPT", "INTERSECT"},
		Aliases:   []string{"votable/td", "votable", "application/x-votable+xml", "text/xml", "votable/b", "votable/b2", "csv", "text/csv"},
		Retention: 7200, Duration: 600,
		Output: []bound{{"row", "5000"}}, OutputDef: []bound{{"row", "200"}}, Upload: []bound{{"byte", "20000000"}},
	}
	want.Method.ID = "ivo://ivoa.net/std/TAPRegExt#upload-inline"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	_, got = capabilities(t, open(t, archive.Options{Limits: archive.Limits{UploadRows: 500}}))
	if diff := cmp.Diff([]bound{{"row", "500"}}, got.Upload); diff != "" {
		t.Error(diff)
	}
}

func wellFormed(doc string) error {
	dec := xml.NewDecoder(strings.NewReader(doc))
	for {
		if _, err := dec.Token(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

func get(t *testing.T, url string) (body string, code int) {
	t.Helper()
	resp, err := http.Get(url)
	must(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	must(t, err)
	return string(raw), resp.StatusCode
}

func TestParametersHaveNoCaseAndAreChecked(t *testing.T) {
	a := open(t, archive.Options{})
	server := httptest.NewServer(a.Handler())
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	const good = "lang=ADQL&Query=SELECT+HIPASS+FROM+%22VIII/73/hicat%22"
	for query, want := range map[string]int{
		good: 200,
		good + "&request=doquery&maxrec=0&responseformat=votable/td": 200,
		good + "&REQUEST=doThis":   400,
		good + "&MAXREC=-1":        400,
		good + "&FORMAT=fits":      400,
		good + "&UPLOAD=t,param:t": 400,
		"LANG=PQL&QUERY=x":         400,
		"LANG=ADQL":                400,
		"LANG=ADQL&QUERY=%zz":      400,
	} {
		body, code := get(t, server.URL+"/tap/sync?"+query)
		if code != want {
			t.Errorf("%s: HTTP %d", query, code)
		}
		_, err := votable.NewReader(strings.NewReader(body), votable.Limits{})
		var status *votable.StatusError
		if failed := errors.As(err, &status); failed != (want == 400) {
			t.Errorf("%s: %v", query, err)
		}
	}
}
