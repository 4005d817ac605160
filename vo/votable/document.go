package votable

import (
	"fmt"
	"strings"
)

// step reads one token outside the rows. It returns io.EOF or ErrOverflow at the document's end.
func (r *Reader) step() error {
	t, err := r.scan.next()
	if err != nil {
		return err
	}
	switch t {
	case startTag:
		return r.start()
	case endTag:
		return r.end()
	case text:
		r.keep(r.scan.chunk)
		return nil
	}
	return r.finish()
}

// start handles a start tag.
func (r *Reader) start() error {
	if len(r.open) == 0 {
		if string(r.scan.name) != "VOTABLE" {
			return r.scan.fail("not a VOTable: the document is a <%s>", r.scan.tag)
		}
		r.open = append(r.open, element{kind: document})
		return nil
	}
	parent := r.open[len(r.open)-1]
	e := element{kind: kindOf(r.scan.name, parent.kind), results: parent.results, meta: parent.meta, chosen: parent.chosen}
	if parent.kind == foreign || r.scan.foreign {
		e.kind = foreign
	}
	var err error
	switch e.kind {
	case resource:
		switch strings.ToLower(r.attr("type")) {
		case "results":
			e.results, e.meta = true, false
		case "meta":
			e.results, e.meta = false, true
		}
	case tableElement:
		r.table, r.fieldLen = nil, 0
		e.chosen = false
	case field:
		err = r.startField()
	case values:
		if f := &r.table[len(r.table)-1]; f.Null == "" {
			f.Null = strings.TrimSpace(r.attr("null"))
			err = r.countField(len(f.Null))
		}
	case description, info:
		r.kept = r.kept[:0]
		e.info = Info{Name: r.attr("name"), Value: strings.TrimSpace(r.attr("value"))}
	case data:
		e.chosen, err = r.choose(e)
	case tableData:
		if e.chosen && r.binary {
			return r.scan.fail("a second STREAM or TABLEDATA in one TABLE")
		}
		r.inRows = e.chosen
		r.begun = r.begun || e.chosen
	case binaryData:
		e.masked = string(r.scan.name) == "BINARY2"
	case streamElement:
		if e.chosen {
			err = r.startStream(parent.masked)
		}
	default:
		if parent.kind == data && parent.chosen {
			err = r.reject(unsupported(fmt.Sprintf("%s serialization", r.scan.name)))
		}
	}
	r.open = append(r.open, e)
	return err
}

// kindOf gives the kind of an element from its name and its place.
func kindOf(name []byte, parent kind) kind {
	if string(name) == "INFO" {
		return info
	}
	switch parent {
	case document, resource:
		switch string(name) {
		case "RESOURCE":
			return resource
		case "TABLE":
			return tableElement
		}
	case tableElement:
		switch string(name) {
		case "FIELD":
			return field
		case "DATA":
			return data
		}
	case field:
		switch string(name) {
		case "VALUES":
			return values
		case "DESCRIPTION":
			return description
		}
	case data:
		switch string(name) {
		case "TABLEDATA":
			return tableData
		case "BINARY", "BINARY2":
			return binaryData
		}
	case binaryData:
		if string(name) == "STREAM" {
			return streamElement
		}
	}
	return other
}

// end handles an end tag.
func (r *Reader) end() error {
	e := r.open[len(r.open)-1]
	r.open = r.open[:len(r.open)-1]
	switch e.kind {
	case tableElement:
		// A table without DATA has no rows, but is a table.
		_, err := r.choose(e)
		r.table = nil
		return err
	case description:
		r.table[len(r.table)-1].Description = r.keptText()
		return r.countField(len(r.kept))
	case info:
		e.info.Text = r.keptText()
		return r.take(e.info)
	}
	return nil
}

// keep collects the text of an INFO or a DESCRIPTION, as much as Limits.AttrBytes allows.
func (r *Reader) keep(chunk []byte) {
	if len(r.open) == 0 {
		return
	}
	if k := r.open[len(r.open)-1].kind; k == info || k == description {
		room := max(r.limits.AttrBytes-len(r.kept), 0)
		r.kept = append(r.kept, chunk[:min(room, len(chunk))]...)
	}
}

// keptText gives the collected text, trimmed. Where it was cut, the last character may be lost.
func (r *Reader) keptText() string {
	return strings.TrimSpace(strings.ToValidUTF8(string(r.kept), ""))
}

// take keeps an INFO and acts on QUERY_STATUS.
func (r *Reader) take(i Info) error {
	size := len(i.Name) + len(i.Value) + len(i.Text)
	if len(r.infos) < maxInfos && r.infoLen+size <= maxInfoBytes {
		r.infos = append(r.infos, i)
		r.infoLen += size
	}
	if !strings.EqualFold(i.Name, statusInfo) {
		return nil
	}
	switch strings.ToUpper(i.Value) {
	case StatusOverflow:
		r.overflow = true
	case StatusFailed:
		message := i.Text
		if message == "" {
			message = "no message given"
		}
		return &StatusError{Message: message}
	}
	return nil
}

func (r *Reader) startField() error {
	if len(r.table) == r.limits.Fields {
		return r.scan.fail("more than %d fields (Limits.Fields)", r.limits.Fields)
	}
	r.table = append(r.table, Field{
		Name: r.attr("name"), ID: r.attr("ID"),
		Datatype: r.attr("datatype"), Arraysize: r.attr("arraysize"),
		Unit: r.attr("unit"), UCD: r.attr("ucd"), Utype: r.attr("utype"), Xtype: r.attr("xtype"),
		Ref: r.attr("ref"),
	})
	size := 0
	for _, a := range r.scan.attrs {
		size += len(a.value)
	}
	return r.countField(size)
}

// countField adds to what the fields of the open table say.
func (r *Reader) countField(size int) error {
	if r.fieldLen += size; r.fieldLen > maxFieldBytes {
		return r.scan.fail("the fields of the table say more than %d bytes together", maxFieldBytes)
	}
	return nil
}

// choose decides at the end of a table's header whether this is the table to read.
func (r *Reader) choose(e element) (bool, error) {
	switch {
	case len(r.table) == 0 || e.meta:
		return false, nil
	case e.results && r.committed:
		return false, r.scan.fail(`a table in a RESOURCE of type "results" follows a table of more than %d bytes outside one; which of them is the answer cannot be told`, maxHeldBytes)
	case r.chosen == final:
		return false, nil
	case e.results:
		r.chosen = final
	case r.chosen == candidate:
		return false, nil
	default:
		r.chosen = candidate
	}
	r.fields = r.table
	r.held, r.heldSize, r.refused = nil, 0, nil
	r.stream, r.binary, r.begun = nil, false, false
	return true, nil
}

// reject says why the rows of the chosen table cannot be read. For a candidate that matters only if
// it stays chosen.
func (r *Reader) reject(err error) error {
	if r.chosen != candidate {
		return err
	}
	if r.refused == nil {
		r.refused = err
	}
	return nil
}

// attr gives an attribute of the start tag that was read last, or "".
func (r *Reader) attr(name string) string {
	for _, a := range r.scan.attrs {
		if a.name == name {
			return a.value
		}
	}
	return ""
}
