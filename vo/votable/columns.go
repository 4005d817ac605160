package votable

import "strings"

// maxDefinitions bounds how many TABLEs and VALUES are kept to be referred to.
const maxDefinitions = 1000

// definitions are what other elements may refer to instead of saying it again: a TABLE by its ID (then
// the columns are the same), and a VALUES by its ID (then the null is the same). Both must stand before.
type definitions struct {
	table, like string // ID and ref of the TABLE that is open
	tables      map[string][]Field
	nulls       map[string]string
	size        int // bytes of what is kept, at most maxFieldBytes
}

// room says whether size more bytes can be kept in a map that has n entries.
func (d *definitions) room(n, size int) bool {
	if n >= maxDefinitions || d.size+size > maxFieldBytes {
		return false
	}
	d.size += size
	return true
}

func (r *Reader) startField() error {
	if len(r.table) == r.limits.Fields {
		return r.scan.fail("more than %d fields (Limits.Fields)", r.limits.Fields)
	}
	r.table = append(r.table, r.column())
	return r.countField(r.scan.attrBytes())
}

// column reads the attributes of a FIELD or PARAM.
func (r *Reader) column() Field {
	return Field{
		Name: r.attr("name"), ID: r.attr("ID"),
		Datatype: r.attr("datatype"), Arraysize: r.attr("arraysize"),
		Unit: r.attr("unit"), UCD: r.attr("ucd"), Utype: r.attr("utype"), Xtype: r.attr("xtype"),
		Ref: r.attr("ref"),
	}
}

// startValues takes the null of a VALUES in a FIELD or PARAM, its own or that of the VALUES it refers to.
func (r *Reader) startValues(parent kind) error {
	null := strings.TrimSpace(r.attr("null"))
	if ref := r.attr("ref"); null == "" && ref != "" {
		null = r.defined.nulls[ref]
	}
	if id := r.attr("ID"); id != "" && null != "" && r.defined.room(len(r.defined.nulls), len(id)+len(null)) {
		if r.defined.nulls == nil {
			r.defined.nulls = map[string]string{}
		}
		r.defined.nulls[id] = null
	}
	f := &r.param.Field
	if parent == field {
		f = &r.table[len(r.table)-1]
	}
	if f.Null != "" {
		return nil
	}
	f.Null = null
	if parent == param {
		return nil
	}
	return r.countField(len(null))
}

// takeDescription gives a DESCRIPTION to what it describes.
func (r *Reader) takeDescription(parent kind) error {
	switch parent {
	case param:
		r.param.Description = r.keptText()
	case tableElement:
		return r.describeText(r.keptText())
	case field:
		r.table[len(r.table)-1].Description = r.keptText()
		return r.countField(len(r.kept))
	}
	return nil
}

// keepParam keeps the PARAM that ends.
func (r *Reader) keepParam() {
	p := r.param
	size := len(p.Name) + len(p.ID) + len(p.Datatype) + len(p.Arraysize) + len(p.Unit) + len(p.UCD) + len(p.Utype) +
		len(p.Xtype) + len(p.Ref) + len(p.Null) + len(p.Description) + len(p.Value)
	if len(r.params) < maxInfos && r.fits(size) {
		r.params = append(r.params, p)
	}
}

// fits says whether an INFO or PARAM of size bytes can be kept beside those that are.
func (r *Reader) fits(size int) bool {
	if r.infoLen+size > maxInfoBytes {
		return false
	}
	r.infoLen += size
	return true
}

// endTable keeps the columns of the TABLE that ends for those that refer to it.
func (r *Reader) endTable() error {
	if id := r.defined.table; id != "" && len(r.table) > 0 && r.defined.room(len(r.defined.tables), len(id)+r.fieldLen) {
		if r.defined.tables == nil {
			r.defined.tables = map[string][]Field{}
		}
		r.defined.tables[id] = r.table
	}
	err := r.describeFields()
	r.table = nil
	return err
}

// countField adds to what the fields of the open table say.
func (r *Reader) countField(size int) error {
	if r.fieldLen += size; r.fieldLen > maxFieldBytes {
		return r.scan.fail("the fields of the table say more than %d bytes together", maxFieldBytes)
	}
	return nil
}
