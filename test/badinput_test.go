package test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // to make ledgers that are damaged or too new

	"beampipe/demo"
	"beampipe/ledger"
)

// bad is one wrong input and what the program must say about it.
type bad struct {
	name  string
	files map[string]string
	args  []string
	code  int
	says  []string // in the error: the file, the place in it, what was expected
}

const (
	invalid  = 3
	notFound = 4
)

const votableHead = `<?xml version="1.0"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/>
<TABLE><FIELD name="name" datatype="char" arraysize="*"/>
`

var badFiles = []bad{
	{
		name: "YAML that is none", files: map[string]string{"bad.yaml": "apiVersion: beampipe.dev/v2\nkind: ProjectConfig\nmetadata:\n  id: [demo\n"},
		args: []string{"project", "add", "-f", "bad.yaml"}, code: invalid, says: []string{"bad.yaml:4:"},
	},
	{
		name: "a key that there is not", files: map[string]string{"bad.yaml": "apiVersion: beampipe.dev/v2\nkind: ProjectConfig\nmetadata:\n  id: demo\ndiscovery:\n  querys: []\n"},
		args: []string{"project", "add", "-f", "bad.yaml"}, code: invalid, says: []string{"bad.yaml:6:", "querys"},
	},
	{
		name: "a project file that is not there",
		args: []string{"project", "add", "-f", "none.yaml"}, code: notFound, says: []string{"none.yaml", "no such file"},
	},
	{
		name: "a graph that is cut", files: map[string]string{"bad.graph": "{\n \"modelData\": {},\n \"nodeDataArray\": [\n"},
		args: []string{"graph", "diff", "bad.graph", "survey.graph"}, code: invalid, says: []string{"bad.graph", "line 3"},
	},
	{
		name: "a graph that is not the pinned one", files: map[string]string{"other.graph": string(demo.Graph())},
		args: []string{"project", "add", "-f", "survey.yaml", "--graph", "other.graph"}, code: invalid, says: []string{"other.graph", "sha256"},
	},
	{
		name: "a graph that is no graph", files: map[string]string{"bad.graph": "[1, 2, 3]"},
		args: []string{"graph", "diff", "survey.graph", "bad.graph"}, code: invalid, says: []string{"bad.graph", "line 1"},
	},
	{
		name: "a manifest that is none", files: map[string]string{"bad.json": "{\"sources\": []}"},
		args: []string{"graph", "prepare", "-f", "survey.yaml", "--graph", "survey.graph", "--manifest", "bad.json"}, code: invalid, says: []string{"bad.json", "no dataset"},
	},
	{
		name: "a profile that is no JSON", files: map[string]string{"bad.json": "{\"name\": \"p\",\n \"deployment\": {\"kind\": \"local\",}}\n"},
		args: []string{"profile", "add", "-f", "bad.json"}, code: invalid, says: []string{"bad.json:2:"},
	},
	{
		name: "a profile with a key that there is not", files: map[string]string{"bad.json": "{\"name\": \"p\",\n \"deployment\": {\"kind\": \"local\", \"cores\": 4}}\n"},
		args: []string{"profile", "add", "-f", "bad.json"}, code: invalid, says: []string{"bad.json:2:", "cores"},
	},
	{
		name: "a VOTable that is cut", files: map[string]string{"bad.xml": votableHead + "<DATA><TABLEDATA><TR><TD>HIPASSJ0001-01</TD></TR>\n<TR><TD>HIPASS"},
		args: []string{"source", "import", "-f", "bad.xml"}, code: invalid, says: []string{"bad.xml", "line 6"},
	},
	{
		name: "a VOTable with a tag that nothing opened", files: map[string]string{"bad.xml": votableHead + "<DATA><TABLEDATA><TR><TD>A</TD></TR>\n</TABLE>"},
		args: []string{"source", "import", "-f", "bad.xml"}, code: invalid, says: []string{"bad.xml", "line 6"},
	},
	{
		name: "a VOTable that says ERROR", files: map[string]string{"bad.xml": strings.Replace(votableHead, `value="OK"/>`, `value="ERROR">the table is locked</INFO>`, 1) + "<DATA><TABLEDATA></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"},
		args: []string{"source", "import", "-f", "bad.xml"}, code: invalid, says: []string{"bad.xml", "the table is locked"},
	},
	{
		name: "a CSV without such a column", files: map[string]string{"bad.csv": "object,ra\nA,1\n"},
		args: []string{"source", "import", "-f", "bad.csv"}, code: invalid, says: []string{"bad.csv", "object, ra", "--column"},
	},
	{
		name: "a CSV with a short line", files: map[string]string{"bad.csv": "ra,name\n1,A\n2\n"},
		args: []string{"source", "import", "-f", "bad.csv"}, code: invalid, says: []string{"bad.csv", "line 3", `"name"`},
	},
	{
		name: "a CSV with a quote that does not end", files: map[string]string{"bad.csv": "name,ra\n\"A,1\n"},
		args: []string{"source", "import", "-f", "bad.csv"}, code: invalid, says: []string{"bad.csv", "line 2"},
	},
	{
		name: "a list that is not text", files: map[string]string{"bad.txt": "A\n\xff\xfe\n"},
		args: []string{"source", "import", "-f", "bad.txt"}, code: invalid, says: []string{"bad.txt", "UTF-8"},
	},
	{
		name: "an empty list", files: map[string]string{"bad.txt": "# nobody\n"},
		args: []string{"source", "import", "-f", "bad.txt"}, code: invalid, says: []string{"bad.txt", "no identifier"},
	},
}

func TestEachBadFileIsOneErrorThatNamesItAndThePlaceAndNothingIsWritten(t *testing.T) {
	o := newOperator(t, "HIPASSJ0001-01")
	o.setUp(graphOf("true"), "HIPASSJ0001-01")
	events := func() (n int64) {
		o.look(func(v ledger.View) {
			var err error
			n, err = v.CountEvents()
			must(t, err)
		})
		return n
	}
	before := events()
	for _, tt := range badFiles {
		t.Run(tt.name, func(t *testing.T) {
			for name, content := range tt.files {
				o.write(name, []byte(content))
			}
			o.refuses(t, tt)
			if after := events(); after != before {
				t.Errorf("%d events were written", after-before)
			}
		})
	}
}

// refuses runs a command that must end with one error and say nothing else.
func (o *operator) refuses(t *testing.T, tt bad) {
	t.Helper()
	stdout, stderr, code := o.run(tt.args...)
	if code != tt.code || stdout != "" {
		t.Errorf("exit code %d, want %d; stdout %q", code, tt.code, stdout)
	}
	if !strings.HasPrefix(stderr, "beampipe: ") || strings.Count(stderr, "beampipe: ") != 1 {
		t.Errorf("not one error: %s", stderr)
	}
	if !strings.Contains(stderr, "\n  ") {
		t.Errorf("it does not say what to do: %s", stderr)
	}
	for _, want := range tt.says {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not say %q: %s", want, stderr)
		}
	}
	_, stderr, code = o.run(append(tt.args, "--json")...)
	var answer struct {
		Error struct {
			Kind, Message string
			Hints         []string
		}
	}
	if err := json.Unmarshal([]byte(stderr), &answer); err != nil || code != tt.code || answer.Error.Kind == "" || len(answer.Error.Hints) == 0 {
		t.Errorf("as JSON: exit code %d, %v: %s", code, err, stderr)
	}
}

func TestALedgerThatCannotBeUsedIsRefusedAndLeftAsItIs(t *testing.T) {
	o := newOperator(t)
	o.do("init")
	ledgerFile, err := os.ReadFile(o.path("beampipe.db"))
	must(t, err)
	o.write("notes.db", []byte("These are notes, and they are longer than a header.\n"))
	o.write("empty.db", nil)
	o.write("cut.db", ledgerFile[:len(ledgerFile)/2])
	o.write("newer.db", ledgerFile)
	execSQL(t, o.path("newer.db"), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	execSQL(t, o.path("foreign.db"), "CREATE TABLE recipes (name TEXT)")
	must(t, os.Mkdir(o.path("folder.db"), 0o755))
	o.write("file", []byte("a file, not a folder"))
	for _, tt := range []struct {
		name, file string
		args       []string
		code       int
		says       string
	}{
		{name: "in a folder that is not there", file: "none/beampipe.db", args: []string{"health"}, code: notFound, says: "no such file"},
		{name: "under a file", file: "file/beampipe.db", args: []string{"init"}, code: invalid, says: "not a directory"},
		{name: "not a database", file: "notes.db", args: []string{"health"}, code: invalid, says: "not a SQLite database"},
		{name: "not a database, to be made", file: "notes.db", args: []string{"init"}, code: invalid, says: "not a SQLite database"},
		{name: "not a database, served", file: "notes.db", args: []string{"serve", "--listen", "off"}, code: invalid, says: "not a SQLite database"},
		{name: "empty", file: "empty.db", args: []string{"health"}, code: invalid, says: "holds no ledger"},
		{name: "cut in the middle", file: "cut.db", args: []string{"health"}, code: invalid, says: "damaged"},
		{name: "of a newer program", file: "newer.db", args: []string{"health"}, code: invalid, says: "newer"},
		{name: "of another program", file: "foreign.db", args: []string{"health"}, code: invalid, says: "another program"},
		{name: "a folder", file: "folder.db", args: []string{"health"}, code: invalid, says: "it is a folder"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := o.content(tt.file)
			o.refuses(t, bad{args: append([]string{"--ledger", tt.file}, tt.args...), code: tt.code, says: []string{tt.file, tt.says}})
			if !bytes.Equal(before, o.content(tt.file)) {
				t.Error("the file was changed")
			}
		})
	}
	if left, err := filepath.Glob(o.path("none*")); err != nil || len(left) != 0 {
		t.Errorf("something was made: %v, %v", left, err)
	}
}

// content gives a file's bytes, nil for a folder and for what is not there.
func (o *operator) content(name string) []byte {
	raw, err := os.ReadFile(o.path(name))
	if err != nil {
		return nil
	}
	return raw
}

func execSQL(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	must(t, err)
	_, err = db.Exec(statement)
	must(t, err)
	must(t, db.Close())
}
