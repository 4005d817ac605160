package replay_test

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"beampipe/fault"
	"beampipe/vo/archive"
	"beampipe/vo/replay"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answers makes a transport of a function.
type answers func(r *http.Request) (*http.Response, error)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func response(code int, body string) *http.Response {
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

func record(t testing.TB, dir string, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	r, err := replay.Record(dir, next)
	must(t, err)
	return r
}

func replayed(t testing.TB, dir string) http.RoundTripper {
	t.Helper()
	r, err := replay.Replay(dir)
	must(t, err)
	return r
}

// send asks a transport and gives status, headers and body.
func send(t testing.TB, tr http.RoundTripper, method, address, contentType, body string) (code int, header http.Header, got string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	must(t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Authorization", "Basic c2VjcmV0")
	req.Header.Set("Cookie", "session=secret")
	req.Header.Set("X-Api-Token", "secret")
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(raw), err
}

const formType = "application/x-www-form-urlencoded"

func TestAQueryAnswersFromTheTape(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tape")
	a, err := archive.Open(t.Context(), archive.Options{Dir: t.TempDir()})
	must(t, err)
	must(t, a.AddCatalogue(t.Context(), []archive.CatalogueEntry{{HIPASS: "J0001-01"}, {HIPASS: "J0002-02"}}))
	requests := []struct{ method, address, contentType, body string }{
		{"GET", archive.URL + "/capabilities", "", ""},
		{"POST", archive.URL + "/sync", formType, "LANG=ADQL&QUERY=SELECT+HIPASS+FROM+%22VIII/73/hicat%22"},
		{"POST", archive.URL + "/sync", formType, "LANG=ADQL&QUERY=SELECT+HIPASS+FROM+%22VIII/73/hicat%22&RESPONSEFORMAT=votable/b2"},
		{"POST", archive.URL + "/sync", formType, "LANG=ADQL&QUERY=nonsense"},
		{"GET", archive.URL + "/nowhere", "", ""},
	}
	recorder := record(t, dir, a.Transport())
	type exchange struct {
		code int
		kind string
		body string
	}
	var want []exchange
	for _, r := range requests {
		code, header, body, err := send(t, recorder, r.method, r.address, r.contentType, r.body)
		must(t, err)
		want = append(want, exchange{code, header.Get("Content-Type"), body})
	}
	if want[1].code != 200 || want[3].code != 400 || want[4].code != 404 || !strings.Contains(want[1].body, "J0002-02") {
		t.Fatal(want)
	}
	asked := a.Requests()
	must(t, a.Close())
	player := replayed(t, dir)
	for i, r := range requests {
		code, header, body, err := send(t, player, r.method, r.address, r.contentType, r.body)
		must(t, err)
		if diff := cmp.Diff(fmt.Sprint(want[i]), fmt.Sprint(exchange{code, header.Get("Content-Type"), body})); diff != "" {
			t.Errorf("%s %s: %s", r.method, r.address, diff)
		}
	}
	if a.Requests() != asked {
		t.Error("the archive was asked")
	}
	index, err := os.ReadFile(filepath.Join(dir, "index.tsv"))
	must(t, err)
	lines := strings.Split(string(index), "\n")
	if len(lines) != 7 || !strings.HasPrefix(lines[2], "000002\tPOST\thttp://archive.invalid/tap/sync\t") || !strings.HasSuffix(lines[2], "\t1\t200\t"+fmt.Sprint(len(want[1].body))+"\t\tSELECT HIPASS FROM \"VIII/73/hicat\"") {
		t.Errorf("index:\n%s", index)
	}
}

func TestWhatIsNotOnTheTapeIsNamed(t *testing.T) {
	dir := t.TempDir()
	recorder := record(t, dir, answers(func(*http.Request) (*http.Response, error) { return response(200, "yes"), nil }))
	for range 2 {
		_, _, _, err := send(t, recorder, "POST", "http://user:pass@a.example/sync", formType, "QUERY=one")
		must(t, err)
	}
	player := replayed(t, dir)
	for range 2 {
		_, _, _, err := send(t, player, "POST", "http://a.example/sync", formType, "QUERY=one")
		must(t, err)
	}
	for _, tt := range []struct{ method, address, body, want string }{
		{"POST", "http://a.example/sync", "QUERY=one", "recorded 2 times"},
		{"POST", "http://a.example/sync", "QUERY=two", `POST http://a.example/sync with a body that begins "QUERY=two"`},
		{"GET", "http://a.example/sync?QUERY=one", "", "GET http://a.example/sync?QUERY=one"},
		{"POST", "http://b.example/sync", "QUERY=one", "POST http://b.example/sync"},
	} {
		_, _, _, err := send(t, player, tt.method, tt.address, formType, tt.body)
		if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "not on the tape") || len(fault.Hints(err)) == 0 {
			t.Errorf("%s %s: %v", tt.method, tt.address, err)
		}
	}
}

func TestTheSameRequestGivesItsAnswersInTheirOrder(t *testing.T) {
	dir := t.TempDir()
	n := 0
	recorder := record(t, dir, answers(func(*http.Request) (*http.Response, error) { n++; return response(200, fmt.Sprint(n)), nil }))
	ask := func(tr http.RoundTripper, method, wait string) string {
		_, _, body, err := send(t, tr, method, "http://a.example/job?"+wait+"PHASE=QUEUED", "", "")
		must(t, err)
		return body
	}
	for i := range 3 {
		ask(recorder, "GET", fmt.Sprintf("WAIT=%d&", 60-i))
	}
	// Another process continues the tape.
	recorder = record(t, dir, answers(func(*http.Request) (*http.Response, error) { return response(200, "done"), nil }))
	ask(recorder, "GET", "")
	player := replayed(t, dir)
	var got []string
	for range 6 {
		got = append(got, ask(player, "GET", "wait=1&"))
	}
	if diff := cmp.Diff([]string{"1", "2", "3", "done", "done", "done"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAJobIsPolledFromTheTape(t *testing.T) {
	dir := t.TempDir()
	a, err := archive.Open(t.Context(), archive.Options{Dir: t.TempDir(), Elsewhere: true})
	must(t, err)
	run := func(tr http.RoundTripper) (result string) {
		ask := func(method, address, body string) (http.Header, string) {
			_, header, got, err := send(t, tr, method, address, formType, body)
			must(t, err)
			return header, got
		}
		made, _ := ask("POST", archive.URL+"/async", "LANG=ADQL&QUERY=SELECT+COUNT(*)+AS+n+FROM+ivoa.obscore&RESPONSEFORMAT=csv")
		job := made.Get("Location")
		ask("POST", job+"/phase", "PHASE=RUN")
		for phase := ""; phase != "COMPLETED"; {
			_, phase = ask("GET", job+"/phase?WAIT=60", "")
		}
		moved, _ := ask("GET", job+"/results/result", "")
		_, result = ask("GET", moved.Get("Location"), "")
		ask("DELETE", job, "")
		return result
	}
	want := run(record(t, dir, a.Transport()))
	must(t, a.Close())
	if got := run(replayed(t, dir)); got != want || want != "n\n0\n" {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestVolatilePartsAreNotPartOfTheQuestion(t *testing.T) {
	dir := t.TempDir()
	recorder := record(t, dir, answers(func(r *http.Request) (*http.Response, error) {
		raw, err := io.ReadAll(r.Body)
		if err == nil && int64(len(raw)) != r.ContentLength {
			err = fmt.Errorf("%d bytes of %d", len(raw), r.ContentLength)
		}
		return response(200, string(raw)), err
	}))
	upload := func(boundary, content string) (string, string) {
		var body strings.Builder
		w := multipart.NewWriter(&body)
		must(t, w.SetBoundary(boundary))
		must(t, w.WriteField("QUERY", "SELECT\tx\nFROM "+strings.Repeat("é", 200)))
		must(t, w.WriteField("table", content))
		must(t, w.Close())
		return w.FormDataContentType(), body.String()
	}
	kind, body := upload("first", "rows")
	_, _, sent, err := send(t, recorder, "POST", "http://a.example/sync", kind, body)
	must(t, err)
	if sent != body {
		t.Errorf("the archive got %q", sent)
	}
	_, _, _, err = send(t, recorder, "POST", "http://a.example/job", formType, "DESTRUCTION=2026-11-20T04:00:00Z&A=b")
	must(t, err)
	index, err := os.ReadFile(filepath.Join(dir, "index.tsv"))
	if want := "\tSELECT x FROM " + strings.Repeat("é", 93) + "…\n"; err != nil || !strings.Contains(string(index), want) {
		t.Errorf("the index shows the query, cut: %s, %v", index, err)
	}
	player := replayed(t, dir)
	kind, body = upload("second", "rows")
	if _, _, _, err := send(t, player, "POST", "http://a.example/sync", kind, body); err != nil {
		t.Error(err)
	}
	if _, _, _, err := send(t, player, "POST", "http://a.example/job", formType, "DESTRUCTION=2027-01-01T00:00:00Z&A=b"); err != nil {
		t.Error(err)
	}
	kind, body = upload("third", "other rows")
	if _, _, _, err := send(t, player, "POST", "http://a.example/sync", kind, body); !errors.Is(err, fault.Unavailable) {
		t.Errorf("other rows: %v", err)
	}
}

func TestCredentialsAreNeverWritten(t *testing.T) {
	dir := t.TempDir()
	var seen http.Header
	recorder := record(t, dir, answers(func(r *http.Request) (*http.Response, error) {
		seen = r.Header
		resp := response(303, "")
		resp.Header.Set("Set-Cookie", "session=secret")
		resp.Header.Set("Location", "https://user:secret@a.example/x")
		return resp, nil
	}))
	_, header, _, err := send(t, recorder, "GET", "https://user:secret@a.example/tap", "", "")
	must(t, err)
	if seen.Get("Authorization") == "" || header.Get("Set-Cookie") == "" {
		t.Error("recording keeps credentials from those whom they are for")
	}
	must(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if strings.Contains(strings.ToLower(string(raw)), "secret") || strings.Contains(string(raw), "c2VjcmV0") {
			t.Errorf("%s: %s", path, raw)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return err
	}))
	_, header, _, err = send(t, replayed(t, dir), "GET", "https://a.example/tap", "", "")
	if err != nil || header.Get("Location") != "https://a.example/x" {
		t.Errorf("%v, %v", header, err)
	}
}

func TestABrokenAnswerBreaksAgain(t *testing.T) {
	dir := t.TempDir()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half an ans")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	for _, tr := range []func() http.RoundTripper{
		func() http.RoundTripper { return record(t, dir, server.Client().Transport) },
		func() http.RoundTripper { return replayed(t, dir) },
	} {
		code, _, body, err := send(t, tr(), "GET", server.URL, "", "")
		if code != 200 || body != "half an ans" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("HTTP %d, %q, %v", code, body, err)
		}
	}
	index, err := os.ReadFile(filepath.Join(dir, "index.tsv"))
	if err != nil || !strings.Contains(string(index), "cut: unexpected EOF") {
		t.Errorf("%s, %v", index, err)
	}
}

func TestARequestWithoutAnAnswerLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	down := errors.New("nobody listens")
	recorder := record(t, dir, answers(func(*http.Request) (*http.Response, error) { return nil, down }))
	if _, _, _, err := send(t, recorder, "GET", "http://a.example/", "", ""); !errors.Is(err, down) {
		t.Error(err)
	}
	if names := filesOf(t, dir); len(names) != 1 {
		t.Error(names)
	}
	if _, err := replay.Replay(dir); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "nothing is recorded") {
		t.Error(err)
	}
}

func filesOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestManyAskAtOnce(t *testing.T) {
	dir := t.TempDir()
	var n atomic.Int64
	next := answers(func(r *http.Request) (*http.Response, error) {
		n.Add(1)
		return response(200, r.URL.Path), nil
	})
	const each, paths = 4, 25
	both := []http.RoundTripper{record(t, dir, next), record(t, dir, next)} // two on one folder
	var group errgroup.Group
	for i := range each * paths {
		group.Go(func() error {
			path := fmt.Sprintf("/%d", i%paths)
			_, _, body, err := send(t, both[i%2], "GET", "http://a.example"+path, "", "")
			if err == nil && body != path {
				err = fmt.Errorf("%s: %q", path, body)
			}
			return err
		})
	}
	must(t, group.Wait())
	player := replayed(t, dir)
	var mu sync.Mutex
	counts := map[string]int{}
	for i := range each * paths {
		group.Go(func() error {
			path := fmt.Sprintf("/%d", i%paths)
			_, _, body, err := send(t, player, "GET", "http://a.example"+path, "", "")
			mu.Lock()
			counts[body]++
			mu.Unlock()
			return err
		})
	}
	must(t, group.Wait())
	if len(counts) != paths || counts["/7"] != each || n.Load() != each*paths {
		t.Errorf("%v after %d requests", counts, n.Load())
	}
	index, err := os.ReadFile(filepath.Join(dir, "index.tsv"))
	must(t, err)
	if lines := strings.Split(strings.TrimSpace(string(index)), "\n"); len(lines) != 1+each*paths || !strings.HasPrefix(lines[0], "number\tmethod\turl\t") {
		t.Errorf("%d lines of the index", len(lines))
	}
	if names := filesOf(t, dir); len(names) != 1+2*each*paths {
		t.Errorf("%d files", len(names))
	}
}

func TestAFolderThatIsNoTapeIsRefused(t *testing.T) {
	strange := t.TempDir()
	must(t, os.WriteFile(filepath.Join(strange, "letter.txt"), []byte("dear"), 0o600))
	broken := t.TempDir()
	must(t, os.WriteFile(filepath.Join(broken, "index.tsv"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(broken, "000001.request"), []byte("GET http://a.example/\r\n\r\n"), 0o600))
	for dir, want := range map[string]string{strange: "no tape", broken: "000001.request"} {
		for name, open := range map[string]func() (http.RoundTripper, error){
			"record": func() (http.RoundTripper, error) { return replay.Record(dir, nil) },
			"replay": func() (http.RoundTripper, error) { return replay.Replay(dir) },
		} {
			if _, err := open(); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	}
	if _, err := replay.Replay(filepath.Join(strange, "nothing")); !errors.Is(err, fault.NotFound) {
		t.Error(err)
	}
	for _, dir := range []string{"", filepath.Join(strange, "letter.txt")} {
		if _, err := replay.Record(dir, nil); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", dir, err)
		}
	}
}

func TestAFileOfTheTapeThatIsNotWholeIsAnError(t *testing.T) {
	dir := t.TempDir()
	recorder := record(t, dir, answers(func(*http.Request) (*http.Response, error) { return response(200, "a whole answer"), nil }))
	_, _, _, err := send(t, recorder, "GET", "http://a.example/", "", "")
	must(t, err)
	path := filepath.Join(dir, "000001.response")
	raw, err := os.ReadFile(path)
	must(t, err)
	for keep, want := range map[int]string{len(raw) - 3: "not whole", 5: "answer 000001 of the tape", 0: "answer 000001 of the tape"} {
		must(t, os.WriteFile(path, raw[:keep], 0o600))
		if _, _, _, err := send(t, replayed(t, dir), "GET", "http://a.example/", "", ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: %v, want %q", keep, err, want)
		}
	}
	must(t, os.Remove(path))
	if _, _, _, err := send(t, replayed(t, dir), "GET", "http://a.example/", "", ""); !errors.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}
