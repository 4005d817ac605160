package archive_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"beampipe/vo/archive"
	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

// client asks an archive in this process, and follows nothing.
func client(a *archive.Archive) *http.Client {
	return &http.Client{
		Transport:     a.Transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// reply is an answer that was read to its end.
type reply struct {
	code   int
	header http.Header
	body   string
	err    error // of the body
}

func do(t testing.TB, c *http.Client, req *http.Request) reply {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(raw), err}
}

// rowsOf reads a VOTable and gives its rows, and the error that ends them.
func rowsOf(body string) (rows [][]string, err error) {
	reader, err := votable.NewReader(strings.NewReader(body), votable.Limits{})
	for err == nil {
		if err = reader.Next(nil); err == nil {
			rows = append(rows, reader.Text())
		}
	}
	if err == io.EOF {
		err = nil
	}
	return rows, err
}

// form is a multipart body: fields, and tables as files.
func form(t testing.TB, fields map[string]string, files map[string]string) (body *bytes.Buffer, contentType string) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for name, value := range fields {
		must(t, w.WriteField(name, value))
	}
	for name, content := range files {
		part, err := w.CreateFormFile(name, name+".vot")
		must(t, err)
		_, err = io.WriteString(part, content)
		must(t, err)
	}
	must(t, w.Close())
	return body, w.FormDataContentType()
}

// askWith sends a query with uploaded tables.
func askWith(t testing.TB, a *archive.Archive, resource, adql string, tables map[string]string) reply {
	t.Helper()
	fields := map[string]string{"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": adql}
	files := map[string]string{}
	var pairs []string
	for name, document := range tables {
		pairs = append(pairs, name+",param:part-"+name)
		files["part-"+name] = document
	}
	slices.Sort(pairs)
	fields["UPLOAD"] = strings.Join(pairs, ";")
	body, contentType := form(t, fields, files)
	req, err := http.NewRequestWithContext(t.Context(), "POST", archive.URL+resource, body)
	must(t, err)
	req.Header.Set("Content-Type", contentType)
	return do(t, client(a), req)
}

// document writes a table.
func document(t testing.TB, form votable.Serialization, fields []votable.Field, rows ...[]string) string {
	t.Helper()
	var doc bytes.Buffer
	w := votable.NewBinaryWriter(&doc, fields, form)
	for _, row := range rows {
		must(t, w.WriteText(row))
	}
	must(t, w.Close(votable.StatusOK, ""))
	return doc.String()
}

var sourceField = []votable.Field{{Name: "source_identifier", Datatype: "char", Arraysize: "*"}}

func sources(t testing.TB, names ...string) string {
	t.Helper()
	var rows [][]string
	for _, name := range names {
		rows = append(rows, []string{name})
	}
	return document(t, votable.TableData, sourceField, rows...)
}

func TestUploadedTablesAreJoined(t *testing.T) {
	a := open(t, archive.Options{})
	fill(t, a)
	fields := []votable.Field{
		{Name: "id", Datatype: "unicodeChar", Arraysize: "*"},
		{Name: "n", Datatype: "int", Null: "-1"},
		{Name: "x", Datatype: "double"},
		{Name: "list", Datatype: "short", Arraysize: "2"},
		{Name: "flag", Datatype: "boolean"},
	}
	rows := [][]string{{"HIPASSJ0324-21", "7", "1.5", "3 4", "T"}, {"HIPASSJ0324-21b", "", "", "5 6", "F"}, {"é 'none'", "9", "2", "0 0", "T"}}
	for _, form := range []votable.Serialization{votable.TableData, votable.Binary, votable.Binary2} {
		tables := map[string]string{"s": document(t, form, fields, rows...)}
		for adql, want := range map[string][][]string{
			"SELECT u.* FROM TAP_UPLOAD.s AS u ORDER BY u.x DESC": {
				{"é 'none'", "9", "2.0", "0 0", "T"}, {"HIPASSJ0324-21", "7", "1.5", "3 4", "T"}, {"HIPASSJ0324-21b", "", "", "5 6", "F"},
			},
			"SELECT u.id, COUNT(*) AS n FROM tap_upload.S u JOIN ivoa.obscore o ON o.target_name = u.id GROUP BY u.id ORDER BY 1": {
				{"HIPASSJ0324-21", "2"}, {"HIPASSJ0324-21b", "2"},
			},
			"SELECT u.id, COUNT(*) AS n FROM TAP_UPLOAD.s u JOIN ivoa.obscore o ON o.filename LIKE u.id || '%' GROUP BY u.id ORDER BY 1": {
				{"HIPASSJ0324-21", "4"}, {"HIPASSJ0324-21b", "2"},
			},
			"SELECT COUNT(*) AS n FROM ivoa.obscore WHERE target_name IN (SELECT id FROM TAP_UPLOAD.s WHERE n IS NULL)":  {{"2"}},
			"SELECT TAP_UPLOAD.s.n FROM TAP_UPLOAD.s WHERE id = 'é ''none'''":                                            {{"9"}},
			"SELECT MAX(n) - MIN(n) AS d, SUM(x) AS sum_x FROM TAP_UPLOAD.s":                                             {{"2", "3.5"}},
			"SELECT h.HIPASS FROM \"VIII/73/hicat\" h JOIN TAP_UPLOAD.s u ON 'HIPASS' || h.HIPASS = u.id WHERE u.n >= 7": {{"J0324-21"}},
		} {
			got := askWith(t, a, "/sync", adql, tables)
			cells, err := rowsOf(got.body)
			if diff := cmp.Diff(want, cells); diff != "" || err != nil || got.code != 200 {
				t.Errorf("%s, %s: HTTP %d, %v %s", form, adql, got.code, err, diff)
			}
		}
	}
}

func TestSeveralTablesComeWithOneRequest(t *testing.T) {
	a := open(t, archive.Options{})
	fill(t, a)
	got := askWith(t, a, "/sync", "SELECT l.source_identifier FROM TAP_UPLOAD.l l JOIN TAP_UPLOAD.r r ON l.source_identifier = r.source_identifier",
		map[string]string{"l": sources(t, "a", "b"), "r": sources(t, "b", "c")})
	rows, err := rowsOf(got.body)
	if diff := cmp.Diff([][]string{{"b"}}, rows); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestAnUploadedTableIsSeenByItsOwnRequestAlone(t *testing.T) {
	a := open(t, archive.Options{})
	var group errgroup.Group
	for i := range 24 {
		group.Go(func() error {
			name := fmt.Sprint("only ", i)
			got := askWith(t, a, "/sync", "SELECT source_identifier FROM TAP_UPLOAD.s", map[string]string{"s": sources(t, name)})
			if rows, err := rowsOf(got.body); err != nil || len(rows) != 1 || rows[0][0] != name {
				return fmt.Errorf("%s: %v, %v", name, rows, err)
			}
			return nil
		})
	}
	must(t, group.Wait())
	got := askWith(t, a, "/sync", "SELECT source_identifier FROM TAP_UPLOAD.s", nil)
	if got.code != 400 || !strings.Contains(got.body, "no such table") {
		t.Errorf("afterwards: HTTP %d %s", got.code, got.body)
	}
}

func TestBadUploadsAreRefused(t *testing.T) {
	a := open(t, archive.Options{Limits: archive.Limits{UploadRows: 3, UploadBytes: 4000, SyncUploadBytes: 3000}})
	const query = "SELECT * FROM TAP_UPLOAD.s"
	one := sources(t, "a")
	for _, tt := range []struct {
		name   string
		upload string
		file   string
		code   int
		want   string
	}{
		{"no such part", "s,param:q", one, 400, `no part named "q"`},
		{"by address", "s,http://x.invalid/t.vot", one, 400, "only inline tables"},
		{"no name", ",param:p", one, 400, "letters, digits"},
		{"a name that is none", "a b,param:p", one, 400, "letters, digits"},
		{"a reserved name", "sqlite_x,param:p", one, 400, "reserved"},
		{"nothing behind the name", "s", one, 400, "only inline tables"},
		{"twice", "s,param:p;S,param:p", one, 400, "two tables"},
		{"no VOTable", "s,param:p", "<html/>", 400, "not a VOTable"},
		{"cut", "s,param:p", one[:len(one)-60], 400, "UPLOAD s: VOTable line"},
		{"no table", "s,param:p", "<VOTABLE/>", 400, "no table"},
		{"an overflow", "s,param:p", strings.Replace(one, `</TABLE>`, `</TABLE><INFO name="QUERY_STATUS" value="OVERFLOW"/>`, 1), 400, "row limit"},
		{"a column twice", "s,param:p", document(t, votable.TableData, append(sourceField, sourceField...)), 400, "duplicate column"},
		{"too many rows", "s,param:p", sources(t, "a", "b", "c", "d"), 413, "upload limit"},
		{"too many rows together", "s,param:p;r,param:p;q,param:p;o,param:p", one, 413, "upload limit"},
		{"too many bytes", "s,param:p", sources(t, strings.Repeat("a", 3000)), 413, "upload limit is 3000 bytes"},
		{"another table's name", "r,param:p", one, 400, "no such table"},
	} {
		body, contentType := form(t, map[string]string{"LANG": "ADQL", "QUERY": query, "UPLOAD": tt.upload}, map[string]string{"p": tt.file})
		req, err := http.NewRequestWithContext(t.Context(), "POST", archive.URL+"/sync", body)
		must(t, err)
		req.Header.Set("Content-Type", contentType)
		got := do(t, client(a), req)
		if got.code != tt.code || !strings.Contains(got.body, tt.want) {
			t.Errorf("%s: HTTP %d %s", tt.name, got.code, got.body)
		}
	}
	large := sources(t, strings.Repeat("a", 5<<20))
	if got := askWith(t, a, "/sync", query, map[string]string{"s": large}); got.code != 413 || !strings.Contains(got.body, "the request is larger than") {
		t.Errorf("a body past every limit: HTTP %d %.200s", got.code, got.body)
	}
	if got := askWith(t, a, "/sync", query, map[string]string{"s": one}); got.code != 200 {
		t.Errorf("afterwards: HTTP %d %s", got.code, got.body)
	}
}

func TestAServiceCanTakeNoUploads(t *testing.T) {
	a := open(t, archive.Options{Limits: archive.Limits{NoUpload: true, NoAsync: true}})
	if got := askWith(t, a, "/sync", "SELECT * FROM TAP_UPLOAD.s", map[string]string{"s": sources(t, "a")}); got.code != 400 || !strings.Contains(got.body, "UPLOAD is not supported") {
		t.Errorf("HTTP %d %s", got.code, got.body)
	}
	said, _ := capabilities(t, a)
	for _, never := range []string{"upload", "retentionPeriod", "executionDuration"} {
		if strings.Contains(said, never) {
			t.Errorf("capabilities say %s", never)
		}
	}
	if got := askWith(t, a, "/async", "SELECT 1", nil); got.code != 404 {
		t.Errorf("async: HTTP %d", got.code)
	}
}

func TestALongListIsAnswered(t *testing.T) {
	a := open(t, archive.Options{})
	fill(t, a)
	names := []string{"'HIPASSJ0324-21'"}
	for i := range 9_999 {
		names = append(names, fmt.Sprintf("'no such source %040d, isn''t it'", i))
	}
	adql := "SELECT target_name FROM ivoa.obscore WHERE target_name IN (" + strings.Join(names, ", ") + ")"
	req, err := http.NewRequestWithContext(t.Context(), "POST", archive.URL+"/sync", strings.NewReader("LANG=ADQL&QUERY="+escapeAll(adql)))
	must(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got := do(t, client(a), req)
	if rows, err := rowsOf(got.body); err != nil || len(rows) != 2 || got.code != 200 {
		t.Errorf("%d bytes: HTTP %d, %d rows, %v", len(adql), got.code, len(rows), err)
	}
	got = askWith(t, a, "/sync", adql+" OR target_name = '"+strings.Repeat("x", 2<<20)+"'", nil)
	if got.code != 413 || !strings.Contains(got.body, "the query is longer than 2097152 bytes") {
		t.Errorf("past the limit: HTTP %d %.300s", got.code, got.body)
	}
}

// escapeAll writes each byte as three, the longest that a form can be.
func escapeAll(s string) string {
	out := make([]byte, 0, 3*len(s))
	for i := range len(s) {
		out = append(out, '%')
		out = hex.AppendEncode(out, []byte{s[i]})
	}
	return string(out)
}
