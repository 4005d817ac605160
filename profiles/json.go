package profiles

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a profile; the deepest real one has three levels.
const maxDepth = 16

// node is one JSON value with the place where it begins in the file.
type node struct {
	value   any // nil, bool, string, json.Number; unset for an object or array
	object  bool
	array   bool
	members []member
	items   []*node
	offset  int
}

type member struct {
	key    string
	offset int // of the key
	value  *node
}

// syntaxError is a file that is not JSON, with the place.
type syntaxError struct {
	offset int
	text   string
}

func (e *syntaxError) Error() string { return e.text }

// tree reads raw into nodes. encoding/json forgets where a value stood, so the tokens are taken one
// by one and the start of each is found between the end of the one before and its own end.
type tree struct {
	raw []byte
	dec *json.Decoder
}

func parseTree(raw []byte) (*node, error) {
	if !utf8.Valid(raw) {
		return nil, &syntaxError{validPrefix(raw), "the file is not UTF-8 text"}
	}
	t := &tree{raw: raw, dec: json.NewDecoder(bytes.NewReader(raw))}
	t.dec.UseNumber()
	root, err := t.next(0)
	if err != nil {
		return nil, err
	}
	at := t.start()
	if _, err := t.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, &syntaxError{at, "text after the end of the JSON document"}
	}
	return root, nil
}

func validPrefix(raw []byte) int {
	at := 0
	for at < len(raw) {
		r, size := utf8.DecodeRune(raw[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// start gives the offset of the next token.
func (t *tree) start() int {
	at := int(t.dec.InputOffset())
	for at < len(t.raw) && bytes.IndexByte([]byte(" \t\r\n,:"), t.raw[at]) >= 0 {
		at++
	}
	return at
}

func (t *tree) token() (json.Token, int, error) {
	at := t.start()
	tok, err := t.dec.Token()
	if err == nil {
		return tok, at, nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, at, &syntaxError{len(t.raw), "the JSON document ends too early"}
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Offset > 0 {
		at = max(at, min(int(syntax.Offset)-1, len(t.raw)))
	}
	return nil, at, &syntaxError{at, "not JSON: " + err.Error()}
}

func (t *tree) next(depth int) (*node, error) {
	tok, at, err := t.token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, &syntaxError{at, fmt.Sprintf("nested deeper than %d levels", maxDepth)}
	}
	switch tok {
	case json.Delim('{'):
		return t.readObject(at, depth)
	case json.Delim('['):
		return t.readArray(at, depth)
	}
	return &node{value: tok, offset: at}, nil
}

func (t *tree) readObject(at, depth int) (*node, error) {
	n := &node{object: true, offset: at}
	seen := map[string]bool{}
	for t.dec.More() {
		tok, keyAt, err := t.token()
		if err != nil {
			return nil, err
		}
		key, ok := tok.(string)
		if !ok {
			return nil, &syntaxError{keyAt, "expected a key in quotes"}
		}
		if seen[key] {
			return nil, &syntaxError{keyAt, fmt.Sprintf("the key %q is there twice", key)}
		}
		seen[key] = true
		value, err := t.next(depth + 1)
		if err != nil {
			return nil, err
		}
		n.members = append(n.members, member{key, keyAt, value})
	}
	_, _, err := t.token()
	return n, err
}

func (t *tree) readArray(at, depth int) (*node, error) {
	n := &node{array: true, offset: at}
	for t.dec.More() {
		item, err := t.next(depth + 1)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	_, _, err := t.token()
	return n, err
}

// userInfo is what may stand before the host in a URL, a user and a password: never shown.
var userInfo = regexp.MustCompile(`://[^/@\s]+@`)

// kindOf names what a value is, for an error.
func kindOf(n *node) string {
	switch v := n.value.(type) {
	case bool:
		return fmt.Sprint("the boolean ", v)
	case string:
		return fmt.Sprintf("the text %.60q", userInfo.ReplaceAllString(v, "://…@"))
	case json.Number:
		return fmt.Sprintf("the number %.40s", v.String())
	}
	switch {
	case n.object:
		return "an object"
	case n.array:
		return "a list"
	}
	return "null"
}
