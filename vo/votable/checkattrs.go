package votable

import (
	"slices"
	"strings"
)

// attributes checks the attributes of the start tag that was read last.
func (c *checker) attributes(element string, rule *rule) error {
	for _, want := range rule.attrs {
		if _, said := c.attr(want.name); want.required && !said {
			if err := c.wrong("<%s> has no %s", element, want.name); err != nil {
				return err
			}
		}
	}
	for _, a := range c.scan.attrs {
		if a.name == "xmlns" || strings.Contains(a.name, ":") {
			continue
		}
		i := slices.IndexFunc(rule.attrs, func(r attrRule) bool { return r.name == a.name })
		var err error
		switch {
		case i < 0:
			err = c.wrong("<%s> has an attribute %s, which VOTable has not there", element, a.name)
		case c.version < rule.attrs[i].since:
			err = c.wrong("attribute %s of <%s> came with VOTable %s, and the document says %s", a.name, element, rule.attrs[i].since, c.version)
		default:
			err = c.attribute(element, a.name, strings.TrimSpace(a.value))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// attribute checks the value of one.
func (c *checker) attribute(element, name, value string) error {
	if list := enumerations[element+" "+name]; list != nil && !slices.Contains(list, value) {
		return c.wrong("%s=%.40q of <%s>: expected %s", name, value, element, strings.Join(list, ", "))
	}
	if p, ok := patterns[name]; ok && !p.form.MatchString(value) {
		return c.wrong("%s=%.40q of <%s>: %s", name, value, element, p.want)
	}
	switch name {
	case "unit":
		if strings.ContainsAny(value, " \t") {
			return c.add(c.scan.tagLine, c.scan.tagCol, SeverityWarning, "unit=%.40q of <%s>: a unit is written without blanks (VOUnits)", value, element)
		}
	case "ID":
		return c.identify(element, value)
	case "ref":
		return c.refer(element, value)
	}
	return nil
}

// identify keeps an ID, and tells of one that is there already.
func (c *checker) identify(element, id string) error {
	if seen, ok := c.ids[id]; ok {
		return c.wrong("ID=%.80q of <%s> is that of the <%s> at line %d column %d", id, element, seen.element, seen.line, seen.col)
	}
	if c.keep(len(c.ids), len(id)) {
		c.ids[id] = target{element, c.within(element), c.scan.tagLine, c.scan.tagCol}
		return nil
	}
	return c.tooMany()
}

// within gives the number of the TABLE that an element which begins here is in, or is.
func (c *checker) within(element string) int {
	if element == "TABLE" {
		return c.table.number + 1
	}
	for _, f := range c.open {
		if f.name == "TABLE" {
			return c.table.number
		}
	}
	return 0
}

func (c *checker) refer(element, to string) error {
	if !c.keep(len(c.refs), len(to)) {
		return c.tooMany()
	}
	c.refs = append(c.refs, mention{element, to, c.within(element), c.scan.tagLine, c.scan.tagCol})
	return nil
}

func (c *checker) keep(n, size int) bool {
	if n == maxIDs || c.size+size > maxFieldBytes {
		return false
	}
	c.size += size
	return true
}

// tooMany says once that IDs are no longer compared.
func (c *checker) tooMany() error {
	if c.manyIDs {
		return nil
	}
	c.manyIDs = true
	return c.add(c.scan.tagLine, c.scan.tagCol, SeverityWarning, "more than %d IDs or references to them; what follows is not compared", maxIDs)
}

// referable are the elements that some references must lead to.
var referable = map[string]string{"FIELDref": "FIELD", "PARAMref": "PARAM", "VALUES": "VALUES", "TABLE": "TABLE"}

// resolve tells of references that lead to nothing, or to something else.
func (c *checker) resolve() {
	for _, r := range c.refs {
		to, ok := c.ids[r.to]
		want := referable[r.from]
		var err error
		switch {
		case !ok && c.manyIDs:
		case !ok:
			err = c.add(r.line, r.col, SeverityError, "ref=%.80q of <%s>: nothing in the document has that ID", r.to, r.from)
		case want != "" && to.element != want:
			err = c.add(r.line, r.col, SeverityError, "ref=%.80q of <%s> is the ID of a <%s>; expected a <%s>", r.to, r.from, to.element, want)
		case r.from == "FIELDref" && r.table > 0 && to.table != r.table:
			err = c.add(r.line, r.col, SeverityError, "ref=%.80q of <FIELDref> is a <FIELD> of another <TABLE>", r.to)
		case (r.from == "VALUES" || r.from == "TABLE" || to.element == "TIMESYS") && (to.line > r.line || to.line == r.line && to.col > r.col):
			err = c.add(r.line, r.col, SeverityError, "ref=%.80q of <%s>: that <%s> must stand before it", r.to, r.from, to.element)
		}
		if err != nil {
			return // the list is full
		}
	}
}
