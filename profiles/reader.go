package profiles

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"beampipe/fault"
)

// maxProblems bounds how many problems one error lists.
const maxProblems = 20

// reader collects every problem of a file, so that an operator corrects them in one go.
type reader struct {
	file     string
	raw      []byte
	problems []string
}

func (r *reader) problem(offset int, path, text string) {
	line, column := r.place(offset)
	if path != "" {
		text = path + ": " + text
	}
	r.problems = append(r.problems, fmt.Sprintf("%s:%d:%d: %s", r.file, line, column, text))
}

// place turns an offset into a line and a column, both from 1; columns count characters.
func (r *reader) place(offset int) (line, column int) {
	before := r.raw[:min(offset, len(r.raw))]
	lineStart := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[lineStart:]) + 1
}

func (r *reader) err() error {
	n := len(r.problems)
	if n == 0 {
		return nil
	}
	shown := r.problems[:min(n, maxProblems)]
	what := "load profile " + shown[0]
	if n > 1 {
		what = fmt.Sprintf("load profile %s: %d problems:\n  %s", r.file, n, strings.Join(shown, "\n  "))
	}
	if n > maxProblems {
		what += fmt.Sprintf("\n  … and %d more", n-maxProblems)
	}
	return fault.New(fault.Invalid, what, "correct the file, then: beampipe profile validate -f "+r.file)
}

// object reads the members of one JSON object. Each key that is asked for is known; done reports the others.
type object struct {
	r     *reader
	path  string
	n     *node
	known []string
}

func (r *reader) object(n *node, path string) *object {
	if !n.object {
		r.problem(n.offset, path, "expected an object, found "+kindOf(n))
		return &object{r: r, path: path, n: &node{object: true, offset: n.offset}}
	}
	return &object{r: r, path: path, n: n}
}

func (o *object) at(key string) string {
	if o.path == "" {
		return key
	}
	return o.path + "." + key
}

// get marks key as known and gives its value, nil when it is absent.
func (o *object) get(key string) *node {
	o.known = append(o.known, key)
	for _, m := range o.n.members {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

func (o *object) wrong(n *node, key, expected string) {
	o.r.problem(n.offset, o.at(key), "expected "+expected+", found "+kindOf(n))
}

func (o *object) missing(key, expected string) {
	o.r.problem(o.n.offset, o.at(key), "missing; expected "+expected)
}

// rule is what a text must be. expected finishes the sentence "expected …".
type rule struct {
	expected string
	ok       func(string) bool
}

func (o *object) checked(n *node, key string, is rule) (string, bool) {
	s, ok := n.value.(string)
	if !ok || !is.ok(s) {
		o.wrong(n, key, is.expected)
		return "", false
	}
	return s, true
}

// needText reads a text that must be there.
func (o *object) needText(key string, into *string, is rule) {
	n := o.get(key)
	if n == nil {
		o.missing(key, is.expected)
		return
	}
	if s, ok := o.checked(n, key, is); ok {
		*into = s
	}
}

// text reads a text whose default is already in into. null means the default.
func (o *object) text(key string, into *string, is rule) {
	n := o.get(key)
	if n == nil || isNull(n) {
		return
	}
	if s, ok := o.checked(n, key, is); ok {
		*into = s
	}
}

// optionalText reads a text that may be absent or null.
func (o *object) optionalText(key string, into **string, is rule) {
	n := o.get(key)
	if n == nil || isNull(n) {
		return
	}
	if s, ok := o.checked(n, key, is); ok {
		*into = &s
	}
}

func (o *object) boolean(key string, into *bool) {
	n := o.get(key)
	if n == nil || isNull(n) {
		return
	}
	b, ok := n.value.(bool)
	if !ok {
		o.wrong(n, key, "true or false")
		return
	}
	*into = b
}

// integer reads a whole number from low to high whose default is already in into.
func (o *object) integer(key string, into *int, low, high int64) {
	if v, ok := o.number(key, low, high); ok {
		*into = int(v)
	}
}

func (o *object) optionalInteger(key string, into **int, low, high int64) {
	if v, ok := o.number(key, low, high); ok {
		i := int(v)
		*into = &i
	}
}

func (o *object) number(key string, low, high int64) (int64, bool) {
	n := o.get(key)
	if n == nil || isNull(n) {
		return 0, false
	}
	number, ok := n.value.(json.Number)
	if ok {
		v, err := number.Int64()
		if err == nil && v >= low && v <= high {
			return v, true
		}
	}
	o.wrong(n, key, fmt.Sprintf("a whole number from %d to %d", low, high))
	return 0, false
}

// list reads a list of at most limit texts, each by the rule.
func (o *object) list(key string, into *[]string, limit int, is rule) {
	n := o.get(key)
	if n == nil || isNull(n) {
		return
	}
	if !n.array || len(n.items) > limit {
		o.wrong(n, key, fmt.Sprintf("a list of at most %d entries", limit))
		return
	}
	values := []string{}
	for i, item := range n.items {
		if s, ok := o.checked(item, fmt.Sprintf("%s[%d]", key, i), is); ok {
			values = append(values, s)
		}
	}
	*into = values
}

// child reads a nested object; an absent one is an empty one.
func (o *object) child(key string) *object {
	n := o.get(key)
	if n == nil || isNull(n) {
		n = &node{object: true, offset: o.n.offset}
	}
	return o.r.object(n, o.at(key))
}

// done reports every key that nobody asked for.
func (o *object) done() {
	for _, m := range o.n.members {
		if !contains(o.known, m.key) {
			o.r.problem(m.offset, o.at(m.key), "unknown key; expected one of "+strings.Join(o.known, ", "))
		}
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

func isNull(n *node) bool { return n.value == nil && !n.object && !n.array }
