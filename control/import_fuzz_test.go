package control

import (
	"strings"
	"testing"
)

// FuzzReadIdentifiers holds that any document is read or refused, and that what is read stands in the
// document's lines.
func FuzzReadIdentifiers(f *testing.F) {
	f.Add([]byte("# sources\nHIPASSJ0324-21\n\nHIPASSJ0324-21b\n"), "")
	f.Add([]byte("source_identifier,ra\nHIPASSJ0324-21,51.0\n\"a\nb\",1\n"), "")
	f.Add([]byte("name\tra\nHIPASSJ0324-21\t51.0\n"), "NAME")
	f.Add([]byte("\xef\xbb\xbfidentifier;dec\nA;1\n"), "identifier")
	f.Add([]byte(`<VOTABLE version="1.3"><RESOURCE type="results"><TABLE><FIELD name="name" datatype="char" arraysize="*"/>`+
		`<DATA><TABLEDATA><TR><TD>A</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>`), "name")
	f.Fuzz(func(t *testing.T, content []byte, column string) {
		lines, err := readIdentifiers(ImportRequest{Name: "list", Column: column, Content: content})
		if err != nil {
			if len(lines) != 0 {
				t.Errorf("%d identifiers beside the error %v", len(lines), err)
			}
			return
		}
		if len(lines) == 0 {
			t.Error("nothing was read, and nothing was refused")
		}
		bound := strings.Count(string(content), "\n") + strings.Count(string(content), "\r") + len(content)
		for _, l := range lines {
			if l.number < 1 || l.number > bound {
				t.Errorf("an identifier in line %d of %d bytes", l.number, len(content))
			}
		}
	})
}
