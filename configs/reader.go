package configs

import (
	"fmt"
	"strconv"
	"strings"
)

// reader turns the tree into a Project and collects what does not fit. In a v1 document (legacy) an
// unknown key is a warning: the predecessor ignored it silently.
type reader struct {
	findings
	legacy  bool
	ignored []ignored
	aliases []string // transforms of a v1 document that were defined for it
}

// ignored is a member of a v1 document, found by its key's place, that v2 would refuse: what was
// skipped, or a mapping in the short form that is read as {from: text}.
type ignored struct {
	line, column int
	path         string
	short        *string // the text of the short form; nil for what was skipped
}

// skip reports a member of a v1 document that has no effect.
func (r *reader) skip(m member, path, message, hint string) {
	r.add(finding{placed: true, Diagnostic: Diagnostic{
		Path: path, Severity: SeverityWarning, Code: CodeIgnoredKey,
		Message: message, Hint: hint, Line: m.line, Column: m.column,
	}})
	r.ignored = append(r.ignored, ignored{line: m.line, column: m.column, path: path})
}

const upgradeTakesOut = "beampipe.dev/v2 refuses it: project upgrade takes it out"

func (r *reader) structure(path, message, hint string) {
	r.fail(path, CodeInvalidStructure, message, hint)
}

// section reads the members of one object. Each key that is asked for is known; done reports the others.
type section struct {
	r     *reader
	path  string
	n     *node
	known []string
}

// section takes a node for an object; nil and null are an empty one.
func (r *reader) section(n *node, path string) *section {
	if n != nil && n.kind != kindObject && n.kind != kindNull {
		r.structure(path, "expected an object, found "+n.what(), "")
		n = nil
	}
	return &section{r: r, path: path, n: n}
}

func (s *section) at(key string) string {
	if s.path == "" {
		return key
	}
	return s.path + "." + key
}

// get marks key as known and gives its value, nil when it is absent or null.
func (s *section) get(key string) *node {
	s.known = append(s.known, key)
	if n := s.n.get(key); n != nil && n.kind != kindNull {
		return n
	}
	return nil
}

func (s *section) wrong(key, expected string, n *node) {
	hint := ""
	if n.kind == kindNumber && expected == "text" {
		hint = "put the number in quotes"
	}
	s.r.structure(s.at(key), "expected "+expected+", found "+n.what(), hint)
}

func (s *section) text(key string, into *string) {
	n := s.get(key)
	if n == nil {
		return
	}
	if n.kind != kindText {
		s.wrong(key, "text", n)
		return
	}
	*into = n.text
}

func (s *section) optionalText(key string, into **string) {
	if n := s.get(key); n != nil {
		var text string
		s.text(key, &text)
		*into = &text
	}
}

func (s *section) boolean(key string, into *bool) {
	n := s.get(key)
	if n == nil {
		return
	}
	if n.kind != kindBoolean {
		s.wrong(key, "true or false", n)
		return
	}
	*into = n.boolean
}

func (s *section) integer(key string, into *int) {
	n := s.get(key)
	if n == nil {
		return
	}
	if n.kind == kindNumber {
		if v, err := strconv.ParseInt(n.number.String(), 10, strconv.IntSize); err == nil {
			*into = int(v)
			return
		}
	}
	s.wrong(key, "a whole number", n)
}

func (s *section) optionalInteger(key string, into **int) {
	if n := s.get(key); n != nil {
		var v int
		s.integer(key, &v)
		*into = &v
	}
}

func (s *section) float(key string, into *float64) {
	n := s.get(key)
	if n == nil {
		return
	}
	if n.kind == kindNumber {
		if v, err := n.number.Float64(); err == nil {
			*into = v
			return
		}
	}
	s.wrong(key, "a number", n)
}

func (s *section) optionalFloat(key string, into **float64) {
	if n := s.get(key); n != nil {
		var v float64
		s.float(key, &v)
		*into = &v
	}
}

// texts reads a list of texts. An empty list stays distinct from an absent one.
func (s *section) texts(key string, into *[]string) {
	n := s.get(key)
	if n == nil {
		return
	}
	if n.kind != kindList {
		s.wrong(key, "a list of text", n)
		return
	}
	list := make([]string, 0, len(n.items))
	for i, item := range n.items {
		if item.kind != kindText {
			s.wrong(fmt.Sprintf("%s[%d]", key, i), "text", item)
			continue
		}
		list = append(list, item.text)
	}
	*into = list
}

// free reads an object of any content. In a v1 document something else is skipped with a warning.
func (s *section) free(key string, into *map[string]any) {
	n := s.get(key)
	switch {
	case n == nil:
	case n.kind == kindObject:
		if object := n.any().(map[string]any); len(object) > 0 {
			*into = object
		}
	case s.r.legacy:
		s.skipMember(key, n)
	default:
		s.wrong(key, "an object", n)
	}
}

func (s *section) skipMember(key string, n *node) {
	for _, m := range s.n.members {
		if m.key == key {
			s.r.skip(m, s.at(key), "ignored, as in every v1 document: expected an object, found "+n.what(), upgradeTakesOut)
		}
	}
}

// child reads a nested object; an absent one is an empty one.
func (s *section) child(key string) *section { return s.r.section(s.get(key), s.at(key)) }

// items gives the entries of a list of objects, each as a section.
func (s *section) items(key string) []*section {
	n := s.get(key)
	if n == nil {
		return nil
	}
	if n.kind != kindList {
		s.wrong(key, "a list of objects", n)
		return nil
	}
	list := make([]*section, len(n.items))
	for i, item := range n.items {
		path := fmt.Sprintf("%s[%d]", s.at(key), i)
		if item.kind == kindNull {
			s.r.structure(path, "expected an object, found nothing", "")
		}
		list[i] = s.r.section(item, path)
	}
	return list
}

// names gives the members of an object whose keys are names, in document order.
func (s *section) names(key string) []member {
	n := s.get(key)
	if n == nil {
		return nil
	}
	if n.kind == kindObject {
		return n.members
	}
	if s.r.legacy {
		s.skipMember(key, n)
	} else {
		s.wrong(key, "an object", n)
	}
	return nil
}

// done reports every key that nobody asked for.
func (s *section) done() {
	if s.n == nil {
		return
	}
	for _, m := range s.n.members {
		if contains(s.known, m.key) {
			continue
		}
		if s.r.legacy {
			s.r.skip(m, s.at(m.key), fmt.Sprintf("unknown key %q is ignored, as in every v1 document", m.key), upgradeTakesOut)
			continue
		}
		s.r.add(finding{placed: true, Diagnostic: Diagnostic{
			Path: s.at(m.key), Severity: SeverityError, Code: CodeInvalidStructure,
			Message: fmt.Sprintf("unknown key %q; expected one of %s", m.key, strings.Join(s.known, ", ")),
			Line:    m.line, Column: m.column,
		}})
	}
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}
