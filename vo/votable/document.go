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
		if r.outline != nil {
			r.outline.Version = r.attr("version")
			r.outline.Namespace = r.scan.spaces.of(r.scan.tag)
		}
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
		err = r.describeResource()
	case tableElement:
		r.table, r.fieldLen = nil, 0
		r.number++
		r.defined.table, r.defined.like = r.attr("ID"), r.attr("ref")
		e.chosen = false
		err = r.describeTable()
	case field:
		err = r.startField()
	case param:
		r.param = Param{Field: r.column(), Value: strings.TrimSpace(r.attr("value"))}
	case values:
		err = r.startValues(parent.kind)
	case description, info:
		r.kept = r.kept[:0]
		e.info = Info{Name: r.attr("name"), Value: strings.TrimSpace(r.attr("value"))}
	default:
		err = r.startData(&e, parent)
	}
	r.open = append(r.open, e)
	return err
}

// startData handles the start tag of DATA and of what is in it.
func (r *Reader) startData(e *element, parent element) (err error) {
	switch e.kind {
	case data:
		e.chosen, err = r.choose(*e)
	case tableData:
		if e.chosen && r.binary {
			return r.scan.fail("a second STREAM or TABLEDATA in one TABLE")
		}
		r.inRows = e.chosen
		r.begun = r.begun || e.chosen
		r.describeForm(TableData.String())
	case binaryData:
		e.masked = string(r.scan.name) == "BINARY2"
		r.describeForm(string(r.scan.name))
	case streamElement:
		if e.chosen {
			err = r.startStream(parent.masked)
		}
	default:
		if parent.kind == data && parent.chosen {
			r.describeForm(string(r.scan.name))
			err = r.reject(unsupported(fmt.Sprintf("%s serialization", r.scan.name)))
		}
	}
	return err
}

// kindOf gives the kind of an element from its name and its place.
func kindOf(name []byte, parent kind) kind {
	switch string(name) {
	case "INFO":
		return info
	case "PARAM":
		return param
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
		case "DESCRIPTION":
			return description
		}
	case field, param:
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
		if _, err := r.choose(e); err != nil {
			return err
		}
		return r.endTable()
	case resource:
		r.leaveResource()
	case param:
		r.keepParam()
	case description:
		return r.takeDescription(r.open[len(r.open)-1].kind)
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
	if len(r.infos) < maxInfos && r.fits(len(i.Name)+len(i.Value)+len(i.Text)) {
		r.infos = append(r.infos, i)
	}
	if !strings.EqualFold(i.Name, statusInfo) {
		return nil
	}
	switch strings.ToUpper(i.Value) {
	case StatusOK:
		r.saidOK = true
	case StatusOverflow:
		r.overflow = true
	case StatusFailed:
		message := i.Text
		if message == "" {
			message = "no message given"
		}
		if r.outline != nil {
			r.outline.Status, r.outline.Message = StatusFailed, message
			return nil
		}
		return &StatusError{Message: message}
	}
	return nil
}

// choose decides at the end of a table's header whether this is the table to read.
func (r *Reader) choose(e element) (bool, error) {
	if len(r.table) == 0 {
		r.table = r.defined.tables[r.defined.like]
	}
	if len(r.table) == 0 {
		r.headless = r.headless || e.kind == data && !e.meta
		return false, nil
	}
	switch {
	case r.outline != nil:
		if e.kind != data {
			return false, nil
		}
		r.chosen = final
	case r.want > 0:
		if r.number != r.want || r.chosen == final {
			return false, nil
		}
		r.chosen = final
	case e.meta:
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
	r.fields, r.decode = r.table, decoders(r.table)
	r.held, r.heldSize, r.refused = nil, 0, nil
	r.stream, r.binary, r.begun = nil, false, false
	return true, nil
}

// reject says why the rows of the chosen table cannot be read. For a candidate that matters only if
// it stays chosen; Describe goes on without the rows.
func (r *Reader) reject(err error) error {
	if r.outline != nil {
		r.describeUnread(err)
		return nil
	}
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
