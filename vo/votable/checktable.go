package votable

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// table is what Check knows of the TABLE at hand.
type table struct {
	number   int // from 1
	fields   []Field
	cells    []decoder
	told     []bool // of each field: something that is wrong with most of its cells was told
	names    map[string]bool
	bytes    int // of fields
	rows     int // counted
	counted  bool
	maskTold bool // a null mask that is wrong was told
	nrows    string
	like     string // attribute ref
	id       string
}

// statuses are the QUERY_STATUS of a RESOURCE (DALI 1.1 section 4.4): one before its table, and one behind
// it when something went wrong on the way.
type statuses struct {
	tables        int
	before, after int
}

// enter handles the start tag of an element that may stand where it does.
func (c *checker) enter(f *frame) error {
	switch f.name {
	case "RESOURCE":
		value, _ := c.attr("type")
		f.meta = f.meta || value == "meta"
	case "TABLE":
		for i := len(c.open) - 1; i >= 0; i-- {
			c.open[i].statuses.tables++
		}
		nrows, _ := c.attr("nrows")
		like, _ := c.attr("ref")
		id, _ := c.attr("ID")
		c.table = table{number: c.table.number + 1, names: map[string]bool{}, nrows: nrows, like: like, id: id}
	case "FIELD", "PARAM":
		return c.column(f)
	case "VALUES":
		return c.values()
	case "INFO":
		return c.info()
	case "DATA":
		return c.data(f)
	case "TD":
		c.value = c.value[:0]
		encoding, _ := c.attr("encoding")
		f.encoded = encoding == "base64"
	case "STREAM":
		if _, remote := c.attr("href"); remote {
			return c.add(f.line, f.col, SeverityWarning, "the rows are at an href, and were not looked at")
		}
	case "FITS":
		return c.add(f.line, f.col, SeverityWarning, "the rows are in FITS, and were not looked at")
	}
	return nil
}

// column checks a FIELD or PARAM.
func (c *checker) column(f *frame) error {
	attr := func(name string) string { value, _ := c.attr(name); return value }
	field := Field{Name: attr("name"), ID: attr("ID"), Datatype: attr("datatype"), Arraysize: attr("arraysize")}
	d := newDecoder(field)
	f.column = d
	if err := c.datatype(f.name, field, d); err != nil {
		return err
	}
	if f.name == "PARAM" {
		if value := c.rawAttr("value"); value != "" && d.datatype != unknownType {
			if err := d.strictly(value); err != nil {
				return c.wrong("value=%.40q of <PARAM> %.80s: %s", value, field.Name, err)
			}
		}
		return nil
	}
	t := &c.table
	if len(t.fields) == c.limits.Fields {
		return c.scan.fail("more than %d fields (Limits.Fields)", c.limits.Fields)
	}
	if t.bytes += c.scan.attrBytes(); t.bytes > maxFieldBytes {
		return c.scan.fail("the fields of the table say more than %d bytes together", maxFieldBytes)
	}
	t.fields, t.cells, t.told = append(t.fields, field), append(t.cells, d), append(t.told, false)
	if t.names[field.Name] {
		return c.add(f.line, f.col, SeverityWarning, "a second <FIELD> named %.80q in the table", field.Name)
	}
	t.names[field.Name] = true
	return nil
}

func (c *checker) rawAttr(name string) string {
	for _, a := range c.scan.attrs {
		if a.name == name {
			return a.value
		}
	}
	return ""
}

// datatypeNames are spelled as the standard has them.
var datatypeNames = []string{"boolean", "bit", "unsignedByte", "short", "int", "long", "char", "unicodeChar", "float", "double", "floatComplex", "doubleComplex"}

func (c *checker) datatype(element string, field Field, d decoder) error {
	if field.Datatype != "" && !slices.Contains(datatypeNames, field.Datatype) {
		hint := "expected one of " + strings.Join(datatypeNames, ", ")
		if d.datatype != unknownType {
			hint = "expected " + datatypeNames[d.datatype-1]
		}
		if err := c.wrong("datatype=%.40q of <%s> %.80s: %s", field.Datatype, element, field.Name, hint); err != nil {
			return err
		}
	}
	if _, err := shapeOf(field.Arraysize); err != nil {
		return c.wrong("<%s> %.80s: %s", element, field.Name, err)
	}
	if _, said := c.attr("arraysize"); said && field.Arraysize == "" {
		return c.wrong(`arraysize="" of <%s> %.80s: expected sizes such as 3, 2x2, * or 4x10*`, element, field.Name)
	}
	return nil
}

// values checks the null of a VALUES, and keeps it for its field.
func (c *checker) values() error {
	null, said := c.attr("null")
	if ref, _ := c.attr("ref"); !said && ref != "" {
		null = c.layouts.nulls[ref]
	}
	if null == "" {
		return nil
	}
	if id, _ := c.attr("ID"); id != "" && c.layouts.room(len(c.layouts.nulls), len(id)+len(null)) {
		if c.layouts.nulls == nil {
			c.layouts.nulls = map[string]string{}
		}
		c.layouts.nulls[id] = null
	}
	parent := &c.open[len(c.open)-1]
	d := &parent.column
	if parent.name == "FIELD" {
		last := len(c.table.fields) - 1
		c.table.fields[last].Null = null
		c.table.cells[last] = newDecoder(c.table.fields[last])
		d = &c.table.cells[last]
	}
	if !said {
		return nil
	}
	if err := d.strictNull(null); err != nil {
		return c.wrong("null=%.40q of <VALUES>: %s", null, err)
	}
	if !d.datatype.isInteger() {
		return c.add(c.scan.tagLine, c.scan.tagCol, SeverityWarning, "null=%.40q of <VALUES>: only integers should have one; an empty cell, NaN or ? says the same elsewhere", null)
	}
	return nil
}

// info checks a QUERY_STATUS.
func (c *checker) info() error {
	if name, _ := c.attr("name"); name != statusInfo {
		return nil
	}
	value, _ := c.attr("value")
	if value != StatusOK && value != StatusOverflow && value != StatusFailed {
		if err := c.wrong("QUERY_STATUS %.40q: expected OK, OVERFLOW or ERROR (DALI)", value); err != nil {
			return err
		}
	}
	i := len(c.open) - 1
	for i > 0 && c.open[i].name != "RESOURCE" {
		i--
	}
	s := &c.open[i].statuses
	if s.tables == 0 {
		if s.before++; s.before > 1 {
			return c.wrong("QUERY_STATUS twice before the table")
		}
		return nil
	}
	switch s.after++; {
	case s.after > 1:
		return c.wrong("QUERY_STATUS twice behind the table")
	case value == StatusOK && s.before > 0:
		return c.wrong("QUERY_STATUS OK behind the table, where there is one before it; behind the table only OVERFLOW and ERROR are told")
	}
	return nil
}

// data begins the rows of a table.
func (c *checker) data(f *frame) error {
	t := &c.table
	if f.meta {
		if err := c.wrong(`<DATA> in a <RESOURCE> of type "meta", which has no data`); err != nil {
			return err
		}
	}
	if len(t.fields) == 0 && t.like != "" {
		t.fields = c.layouts.tables[t.like]
		t.cells, t.told = decoders(t.fields), make([]bool, len(t.fields))
	}
	return nil
}

func (c *checker) endTable(f frame) error {
	t := &c.table
	if t.id != "" && len(t.fields) > 0 && c.layouts.room(len(c.layouts.tables), len(t.id)+t.bytes) {
		if c.layouts.tables == nil {
			c.layouts.tables = map[string][]Field{}
		}
		c.layouts.tables[t.id] = t.fields
	}
	if f.rank < 2 && t.like == "" {
		if err := c.add(f.line, f.col, SeverityError, "<TABLE> has no FIELD, PARAM or GROUP"); err != nil {
			return err
		}
	}
	if n, err := strconv.Atoi(t.nrows); err == nil && t.counted && n != t.rows {
		return c.add(f.line, f.col, SeverityError, "nrows=%q of <TABLE>, which has %d", t.nrows, t.rows)
	}
	return nil
}

func (c *checker) endRow(f frame) error {
	c.table.rows++
	if f.children != len(c.table.fields) {
		return c.add(f.line, f.col, SeverityError, "row %d has %d cells where the table has %d fields", c.table.rows, f.children, len(c.table.fields))
	}
	return nil
}

// endCell checks the cell of a TABLEDATA. Its row is still open.
func (c *checker) endCell(f frame) error {
	t := &c.table
	i := c.open[len(c.open)-1].children - 1
	if i >= len(t.fields) || f.encoded {
		return nil
	}
	d, cell := &t.cells[i], string(c.value)
	if d.datatype == unknownType || t.told[i] {
		return nil
	}
	trimmed := strings.TrimSpace(cell)
	var err error
	switch {
	case d.datatype.isString() && cell == "":
		return nil
	case trimmed == "" && !d.datatype.isString():
		if c.version < "1.3" && d.datatype.isInteger() && !d.array {
			t.told[i] = true
			err = errors.New("an empty cell of integers, which VOTable has since 1.3; a VALUES null says it before")
		}
	case d.null != "" && trimmed == d.null:
		return nil
	default:
		err = d.strictly(cell)
	}
	if err == nil {
		return nil
	}
	t.told[i] = t.told[i] || errors.Is(err, errNotASCII) || errors.Is(err, errNoArraysize)
	return c.add(f.line, f.col, SeverityError, "field %.80s: %s", fieldName(t.fields[i], i), err)
}
