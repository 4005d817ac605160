package configs

import (
	"bytes"
	"strings"
)

// Place is where something stands in a config file.
type Place struct {
	File    string `json:"file"`
	Path    string `json:"path"`           // dotted, as messages name it
	Line    int    `json:"line,omitempty"` // from 1; 0: the file has no such path
	Column  int    `json:"column,omitempty"`
	Excerpt string `json:"excerpt,omitempty"` // the line, safe for a terminal; "" where it may show a secret
}

// FindPlace finds a dotted path in a config file as its operator gave it. A path that the file does not
// have, because a default or an older form of the config stands for it, has no line.
func FindPlace(raw []byte, file, path string) Place {
	p := Place{File: file, Path: path}
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	root, err := parse(raw)
	if err != nil || root == nil || !root.has(path) {
		return p
	}
	p.Line, p.Column = root.find(path)
	s := newSource(raw, file)
	if !strings.HasPrefix(path, credentialsPath) && !s.mayBeSecret(p.Line) {
		p.Excerpt = strings.TrimSpace(s.excerpt(p.Line))
	}
	return p
}

// has tells whether a dotted path leads somewhere.
func (n *node) has(path string) bool {
	for path != "" {
		next, rest, _, _ := n.step(path)
		if next == nil {
			return false
		}
		n, path = next, rest
	}
	return true
}
