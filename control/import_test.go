package control_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/control"
	"beampipe/fault"
	"beampipe/vo/votable"
)

// voTable makes a document with rows of a position and a name.
func voTable(t *testing.T, column string, names ...string) string {
	t.Helper()
	var doc bytes.Buffer
	w := votable.NewWriter(&doc, []votable.Field{{Name: "ra", Datatype: "double"}, {Name: column, Datatype: "char", Arraysize: "*"}})
	for _, name := range names {
		must(t, w.WriteText([]string{"1.5", name}))
	}
	must(t, w.Close(votable.StatusOK, ""))
	return doc.String()
}

func TestIdentifiersAreReadFromEveryFormThatListsComeIn(t *testing.T) {
	for _, tt := range []struct {
		name, content, column string
	}{
		{name: "lines", content: "A\nB\nC\n"},
		{name: "lines with comments, blanks and the ends of another system", content: "# ours\r\n\r\n  A \r\nB\r\n# more\r\nC"},
		{name: "lines behind a byte order mark", content: "\xef\xbb\xbfA\nB\nC\n"},
		{name: "CSV by its usual name", content: "ra,name,dec\n1,A,2\n1,B,2\n1,C,2\n"},
		{name: "CSV with several usual names", content: "name,source_identifier\nx,A\ny,B\nz,C\n"},
		{name: "CSV by a column that is named", content: "ra,Object\n1,A\n2,B\n3,C\n", column: "object"},
		{name: "CSV with quotes and comments", content: "# a table\nname,note\n\"A\",\"x, y\"\n B,\n\"C\",z\n"},
		{name: "CSV with semicolons", content: "ra;name\n1,5;A\n2,5;B\n3,5;C\n"},
		{name: "TSV", content: "ra\tname\n1\tA\n2\tB\n3\tC\n"},
		{name: "VOTable by its usual name", content: voTable(t, "identifier", "A", "B", "C")},
		{name: "VOTable by a column that is named", content: "\n" + voTable(t, "HIPASS", "A", "B", "C"), column: "HIPASS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newControl(t)
			r, err := c.ImportSources(t.Context(), control.ImportRequest{Project: project, Name: "list", Content: []byte(tt.content), Column: tt.column})
			must(t, err)
			if diff := cmp.Diff([]string{"A", "B", "C"}, identifiers(t, c)); diff != "" || r.Added != 3 || len(r.Refused) != 0 {
				t.Errorf("%+v %s", r, diff)
			}
			again, err := c.ImportSources(t.Context(), control.ImportRequest{Project: project, Name: "list", Content: []byte(tt.content), Column: tt.column})
			must(t, err)
			if again.Added != 0 || again.Known != 3 {
				t.Errorf("again: %+v", again)
			}
		})
	}
}

func TestAListThatCannotBeReadIsOneErrorAndNothingIsImported(t *testing.T) {
	cut := voTable(t, "name", "A", "B")
	for _, tt := range []struct {
		name, content, column, want string
	}{
		{name: "nothing", content: "", want: "there is no identifier in it"},
		{name: "comments alone", content: "# A\n", want: "there is no identifier in it"},
		{name: "no usual column", content: "ra,object\n1,A\n", want: "its columns are: ra, object"},
		{name: "a column that is not there", content: "ra,name\n1,A\n", column: "object", want: "it has no column object"},
		{name: "a short line", content: "ra,name\n1,A\n2\n", want: "line 3"},
		{name: "a quote that does not end", content: "name,ra\n\"A,1\n", want: "line 2"},
		{name: "not UTF-8", content: "A\xff\n", want: "UTF-8"},
		{name: "a VOTable that is cut", content: cut[:len(cut)-60], want: "list"},
		{name: "a VOTable without such a column", content: cut, column: "object", want: "its columns are: ra, name"},
		{name: "markup that is no VOTable", content: "<html></html>", want: "list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newControl(t)
			_, err := c.ImportSources(t.Context(), control.ImportRequest{Project: project, Name: "list", Content: []byte(tt.content), Column: tt.column})
			if !errors.Is(err, fault.Invalid) || !strings.HasPrefix(err.Error(), "import list") || !strings.Contains(err.Error(), tt.want) || len(fault.Hints(err)) == 0 {
				t.Errorf("%v; to do: %q", err, fault.Hints(err))
			}
			if got := identifiers(t, c); len(got) != 0 {
				t.Errorf("imported: %v", got)
			}
		})
	}
}

func TestEachRefusedIdentifierIsReportedWithItsLineAndTheOthersAreAdded(t *testing.T) {
	c := newControl(t)
	content := "# header\nA\n\nB\x01\nA\n" + strings.Repeat("x", 5000) + "\nC\n"
	r, err := c.ImportSources(t.Context(), control.ImportRequest{Project: project, Name: "list", Content: []byte(content)})
	must(t, err)
	var got []string
	for _, refused := range r.Refused {
		got = append(got, fmt.Sprint(refused.Line))
		if len(refused.Identifier) > 200 {
			t.Errorf("line %d is repeated whole", refused.Line)
		}
	}
	if diff := cmp.Diff([]string{"4", "5", "6"}, got); diff != "" || r.Added != 2 || !strings.Contains(r.Refused[1].Reason, "line 2") {
		t.Errorf("%+v %s", r, diff)
	}
}

func TestEveryPrefixPairIsShownWhicheverHalfWasAskedFor(t *testing.T) {
	pair := func(short, long string) control.PrefixPair { return control.PrefixPair{Short: short, Long: long} }
	c := newControl(t)
	for _, tt := range []struct {
		add  []string
		want []control.PrefixPair
	}{
		{add: []string{"J1300-13B", "J1300-13", "J0324-21", "K1"}, want: []control.PrefixPair{pair("J1300-13", "J1300-13B")}},
		{add: []string{"J0324-21b"}, want: []control.PrefixPair{pair("J0324-21", "J0324-21b")}},
		{add: []string{"K"}, want: []control.PrefixPair{pair("K", "K1")}},
		{add: []string{"K12", "L"}, want: []control.PrefixPair{pair("K", "K12"), pair("K1", "K12")}},
		{add: []string{"M"}},
	} {
		r, err := c.AddSources(t.Context(), project, tt.add)
		must(t, err)
		if diff := cmp.Diff(tt.want, r.Prefixes); diff != "" {
			t.Errorf("%v: %s", tt.add, diff)
		}
	}
}

func TestADocumentWithoutAnyIdentifierIsRefused(t *testing.T) {
	for name, content := range map[string]string{
		"an empty file":          "",
		"comments alone":         "# nothing\n\n",
		"a CSV header alone":     "source_identifier,ra\n",
		"a VOTable without rows": `<VOTABLE version="1.3"><RESOURCE type="results"><TABLE><FIELD name="name" datatype="char" arraysize="*"/><DATA><TABLEDATA/></DATA></TABLE></RESOURCE></VOTABLE>`,
	} {
		_, err := newControl(t).ImportSources(t.Context(), control.ImportRequest{Project: project, Name: "list", Content: []byte(content)})
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
