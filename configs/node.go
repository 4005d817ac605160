package configs

import (
	"encoding/json"
	"fmt"
	"strings"
)

// nodeKind is the JSON kind of a node.
type nodeKind int

const (
	kindNull nodeKind = iota
	kindBoolean
	kindNumber
	kindText
	kindObject
	kindList
)

// node is one value of the document with its place.
type node struct {
	kind    nodeKind
	boolean bool
	number  json.Number
	text    string
	members []member
	items   []*node
	line    int
	column  int
}

type member struct {
	key    string
	line   int // of the key
	column int
	value  *node
}

func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, m := range n.members {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// find gives the place of a dotted path: of the value for a plain value, of its key for an object
// or list; of the nearest thing around it where the path leads nowhere.
func (n *node) find(path string) (line, column int) {
	line, column = n.line, n.column
	for path != "" {
		if only, ok := strings.CutPrefix(path, "[0]"); ok && n.kind == kindObject { // a list of one, written as its entry
			path = only
			continue
		}
		next, rest, keyLine, keyColumn := n.step(path)
		if next == nil {
			return line, column
		}
		line, column = keyLine, keyColumn
		if next.kind != kindObject && next.kind != kindList && next.line > 0 {
			line, column = next.line, next.column
		}
		n, path = next, rest
	}
	return line, column
}

// step takes the first segment off a path. Keys may hold dots, so the longest key that fits wins.
func (n *node) step(path string) (next *node, rest string, line, column int) {
	path = strings.TrimPrefix(path, ".")
	for i, item := range n.items {
		index := fmt.Sprintf("[%d]", i)
		if strings.HasPrefix(path, index) {
			return item, path[len(index):], item.line, item.column
		}
	}
	longest := -1
	for _, m := range n.members {
		if len(m.key) <= longest || !strings.HasPrefix(path, m.key) {
			continue
		}
		after := path[len(m.key):]
		if after == "" || after[0] == '.' || after[0] == '[' {
			next, rest, line, column, longest = m.value, after, m.line, m.column, len(m.key)
		}
	}
	return next, rest, line, column
}

// any gives the node as a JSON-like value: nil, bool, json.Number, string, []any, map[string]any.
func (n *node) any() any {
	switch n.kind {
	case kindBoolean:
		return n.boolean
	case kindNumber:
		return n.number
	case kindText:
		return n.text
	case kindList:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.any()
		}
		return list
	case kindObject:
		object := make(map[string]any, len(n.members))
		for _, m := range n.members {
			object[m.key] = m.value.any()
		}
		return object
	}
	return nil
}

// what names the node for a message.
func (n *node) what() string {
	switch n.kind {
	case kindBoolean:
		return fmt.Sprint("the boolean ", n.boolean)
	case kindNumber:
		return fmt.Sprintf("the number %.40s", n.number.String())
	case kindText:
		return fmt.Sprintf("the text %.60q", redact(n.text))
	case kindList:
		return "a list"
	case kindObject:
		return "an object"
	}
	return "nothing"
}
