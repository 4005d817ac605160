package archive_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"beampipe/vo/archive"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

// ask sends a query with further parameters as a form.
func ask(t testing.TB, a *archive.Archive, resource, adql string, more ...string) reply {
	t.Helper()
	return do(t, client(a), askRequest(t, archive.URL+resource, adql, more...))
}

// askRequest makes a request; more is NAME=VALUE.
func askRequest(t testing.TB, address, adql string, more ...string) *http.Request {
	t.Helper()
	form := url.Values{"LANG": {"ADQL"}, "QUERY": {adql}}
	for _, pair := range more {
		name, value, _ := strings.Cut(pair, "=")
		form.Set(name, value)
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", address, strings.NewReader(form.Encode()))
	must(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

func TestEverySerializationHoldsTheSameCells(t *testing.T) {
	a := open(t, archive.Options{})
	fill(t, a)
	const name = "HIPASSJ0324-21_A_beam00_10arc_split.ms.tar"
	for column, value := range map[string]any{"filesize": nil, "calib_level": nil, "s_ra": 1e-9, "s_region": "é <&> \"x\"\ttab, comma", "s_fov": 1.5} {
		must(t, a.UpdateObservation(t.Context(), name, column, value))
	}
	const all = "SELECT * FROM ivoa.obscore ORDER BY filename"
	want, err := rowsOf(ask(t, a, "/sync", all).body)
	if err != nil || len(want) != 4 {
		t.Fatal(len(want), err)
	}
	for asked, sent := range map[string]string{
		"":           "application/x-votable+xml;serialization=TABLEDATA",
		"votable/td": "application/x-votable+xml;serialization=TABLEDATA",
		"application/x-votable+xml; serialization=binary": "application/x-votable+xml;serialization=BINARY",
		"votable/b2": "application/x-votable+xml;serialization=BINARY2",
	} {
		got := ask(t, a, "/sync", all, "RESPONSEFORMAT="+asked, "FORMAT=csv")
		if asked == "" {
			got = ask(t, a, "/sync", all)
		}
		cells, err := rowsOf(got.body)
		if diff := cmp.Diff(want, cells); diff != "" || err != nil || got.header.Get("Content-Type") != sent {
			t.Errorf("%q: %s, %v\n%s", asked, got.header.Get("Content-Type"), err, diff)
		}
		if element := "<" + strings.TrimPrefix(sent, "application/x-votable+xml;serialization=") + ">"; !strings.Contains(got.body, element) {
			t.Errorf("%q: no %s", asked, element)
		}
	}
}

func TestCSVHasAHeaderLine(t *testing.T) {
	a := open(t, archive.Options{})
	fill(t, a)
	for adql, want := range map[string]string{
		`SELECT HIPASS, RAJ2000 AS "a, b", RV50max, 'x"y' AS q FROM "VIII/73/hicat"`: "HIPASS,\"a, b\",RV50max,q\nJ0324-21,51.1,,\"x\"\"y\"\n",
		"SELECT filename FROM ivoa.obscore WHERE 1 = 0":                              "filename\n",
		"SELECT s_region FROM ivoa.obscore WHERE filename LIKE '%21b_A_beam01%'":     "s_region\n\"\"\n",
	} {
		for _, format := range []string{"csv", "text/csv", "text/csv;header=present"} {
			got := ask(t, a, "/sync", adql, "FORMAT="+format)
			if got.body != want || got.header.Get("Content-Type") != "text/csv;header=present" || got.code != 200 {
				t.Errorf("%s: %q, %v", format, got.body, got.header)
			}
		}
	}
	if got := ask(t, a, "/sync", "SELECT nope FROM ivoa.obscore", "FORMAT=csv"); got.code != 400 || !strings.Contains(got.body, "QUERY_STATUS") {
		t.Errorf("an error is a VOTable whatever the format: HTTP %d %s", got.code, got.body)
	}
}

func TestAnswersAreCompressedForThoseWhoAskForIt(t *testing.T) {
	a := open(t, archive.Options{})
	fill(t, a)
	server := httptest.NewServer(a.Handler())
	defer server.Close()
	const all = "SELECT * FROM ivoa.obscore"
	plain := ask(t, a, "/sync", all)
	for range 3 { // the writers are used again
		req := askRequest(t, server.URL+"/tap/sync", all)
		req.Header.Set("Accept-Encoding", "br, gzip;q=0.5")
		resp, err := server.Client().Do(req)
		must(t, err)
		raw, err := gzip.NewReader(resp.Body)
		must(t, err)
		body, err := io.ReadAll(raw)
		must(t, err)
		must(t, resp.Body.Close())
		if string(body) != plain.body || resp.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%d bytes, %v", len(body), resp.Header)
		}
	}
	// net/http asks by itself, and unpacks.
	resp, err := server.Client().Do(askRequest(t, server.URL+"/tap/sync", all))
	must(t, err)
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); string(body) != plain.body || err != nil || !resp.Uncompressed {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	req := askRequest(t, archive.URL+"/sync", all)
	req.Header.Set("Accept-Encoding", "gzip;q=0, identity")
	if got := do(t, client(a), req); got.body != plain.body || got.header.Get("Content-Encoding") != "" {
		t.Error("compressed for a client that forbids it")
	}
}

// TestTheLatencyDelaysEachRequestByItself runs on a clock that moves only when nobody can go on.
func TestTheLatencyDelaysEachRequestByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := archive.Open(t.Context(), archive.Options{Dir: t.TempDir(), Latency: 50 * time.Millisecond})
		must(t, err)
		c := client(a)
		begin := time.Now()
		var group errgroup.Group
		for range 8 {
			group.Go(func() error {
				for range 5 {
					if got := do(t, c, askRequest(t, archive.URL+"/sync", "SELECT COUNT(*) AS n FROM ivoa.obscore")); got.code != 200 {
						return fmt.Errorf("HTTP %d", got.code)
					}
				}
				return nil
			})
		}
		must(t, group.Wait())
		if took := time.Since(begin); took != 250*time.Millisecond {
			t.Errorf("8 clients with 5 requests each took %s, want 5 × 50 ms", took)
		}
		must(t, a.Close())
	})
}
