package votable

import (
	"errors"
	"io"
)

// Document is what a VOTable document holds, without its cells.
type Document struct {
	Version   string // as the document says it
	Namespace string // of the root element
	Resources []Resource
	Tables    []Table
	Infos     []Info  // at most 1000 and 4 MiB, together with Params
	Params    []Param // likewise
	Status    string  // StatusOK, StatusOverflow, StatusFailed, or "" where the document says none
	Message   string  // of StatusFailed
}

// Resource is a RESOURCE element.
type Resource struct {
	Name, ID, Type string
	Parent         int // its place in Document.Resources; -1 at the top
}

// Table is a TABLE element.
type Table struct {
	Number         int // from 1, as NewTableReader counts
	Name, ID       string
	Description    string
	Resource       int // its place in Document.Resources; -1 outside one
	Fields         []Field
	Serialization  string // "TABLEDATA", "BINARY", "BINARY2", "FITS"; "" without DATA
	Declared, Rows int    // the attribute nrows, and the rows counted; -1 where there is none, or they were not read
	Unread         string // why the rows were not read
}

// maxOutline bounds the RESOURCEs and TABLEs of a Document, each. The columns of all tables are bounded
// like those of one.
const maxOutline = 10_000

// Describe reads a document to its end and says what it holds: every RESOURCE and TABLE with its columns,
// its rows counted. Memory is bounded by limits. A QUERY_STATUS of ERROR is no error here. On an error, which is as of
// NewReader, the Document has what was read before it.
func Describe(r io.Reader, limits Limits) (Document, error) {
	rd, err := open(r, limits)
	if err != nil {
		return Document{}, err
	}
	doc := &Document{}
	rd.outline = doc
	for err == nil {
		if err = rd.nextRow(); err == nil {
			doc.Tables[len(doc.Tables)-1].Rows++
		}
	}
	doc.Infos, doc.Params = rd.infos, rd.params
	switch {
	case errors.Is(err, ErrOverflow):
		doc.setStatus(StatusOverflow)
	case !errors.Is(err, io.EOF):
		return *doc, err
	case rd.saidOK:
		doc.setStatus(StatusOK)
	}
	return *doc, nil
}

func (d *Document) setStatus(status string) {
	if d.Status == "" {
		d.Status = status
	}
}

// The following collect for Describe; without it they do nothing.

func (r *Reader) describeResource() error {
	if r.outline == nil {
		return nil
	}
	list := r.outline.Resources
	if len(list) == maxOutline {
		return r.scan.fail("more than %d RESOURCEs", maxOutline)
	}
	size := r.scan.attrBytes()
	if r.outlineLen += size; r.outlineLen > maxFieldBytes {
		return r.outlineTooLong()
	}
	r.outline.Resources = append(list, Resource{
		Name: r.attr("name"), ID: r.attr("ID"), Type: r.attr("type"), Parent: r.resource,
	})
	r.resource = len(list)
	return nil
}

// leaveResource makes the parent of the RESOURCE that ends the present one.
func (r *Reader) leaveResource() {
	if r.outline != nil {
		r.resource = r.outline.Resources[r.resource].Parent
	}
}

func (r *Reader) describeTable() error {
	if r.outline == nil {
		return nil
	}
	if len(r.outline.Tables) == maxOutline {
		return r.scan.fail("more than %d TABLEs", maxOutline)
	}
	if r.outlineLen += r.scan.attrBytes(); r.outlineLen > maxFieldBytes {
		return r.outlineTooLong()
	}
	declared, err := integer(r.attr("nrows"), 64)
	if err != nil || declared < 0 {
		declared = -1
	}
	r.outline.Tables = append(r.outline.Tables, Table{
		Number: r.number, Name: r.attr("name"), ID: r.attr("ID"), Resource: r.resource, Declared: int(declared), Rows: -1,
	})
	return nil
}

func (r *Reader) outlineTooLong() error {
	return r.scan.fail("the RESOURCEs, TABLEs and FIELDs say more than %d bytes together", maxFieldBytes)
}

// describeText is the DESCRIPTION of the open TABLE.
func (r *Reader) describeText(text string) error {
	if r.outline == nil {
		return nil
	}
	if r.outlineLen += len(text); r.outlineLen > maxFieldBytes {
		return r.outlineTooLong()
	}
	r.outline.Tables[len(r.outline.Tables)-1].Description = text
	return nil
}

// describeForm is the serialization of the open TABLE.
func (r *Reader) describeForm(name string) {
	if r.outline == nil {
		return
	}
	t := &r.outline.Tables[len(r.outline.Tables)-1]
	t.Serialization, t.Rows = name, 0
}

func (r *Reader) describeUnread(err error) {
	t := &r.outline.Tables[len(r.outline.Tables)-1]
	t.Unread, t.Rows = err.Error(), -1
}

// describeFields are the columns of the TABLE that ends.
func (r *Reader) describeFields() error {
	if r.outline == nil {
		return nil
	}
	if r.outlineLen += r.fieldLen; r.outlineLen > maxFieldBytes {
		return r.outlineTooLong()
	}
	r.outline.Tables[len(r.outline.Tables)-1].Fields = r.table
	return nil
}
