package votable

import (
	"bytes"
	"strings"
)

// namespaces knows which elements are VOTable's. Documents in use declare one of many VOTable
// namespaces, none, or one that the elements then do not carry, so all these count as VOTable's:
// the namespace of the root element, every namespace under votableNamespace, and no namespace.
// What is left is another vocabulary inside the document, and is skipped.
type namespaces struct {
	bindings []binding
}

type binding struct {
	depth   int // of the element that declares it
	prefix  string
	uri     string
	votable bool
}

const votableNamespace = "http://www.ivoa.net/xml/VOTable"

// enter takes the declarations of a start tag and reports whether its element is foreign.
func (n *namespaces) enter(depth int, tag []byte, attrs []attribute) (foreign bool) {
	for _, a := range attrs {
		prefix, declares := strings.CutPrefix(a.name, "xmlns:")
		if a.name == "xmlns" {
			prefix, declares = "", true
		}
		if !declares {
			continue
		}
		known := a.value == "" || strings.HasPrefix(a.value, votableNamespace) || n.isRoot(a.value)
		n.bindings = append(n.bindings, binding{depth: depth, prefix: prefix, uri: a.value, votable: known})
	}
	prefix := tag[:max(bytes.IndexByte(tag, ':'), 0)]
	for i := len(n.bindings) - 1; i >= 0; i-- {
		b := &n.bindings[i]
		if string(prefix) != b.prefix {
			continue
		}
		if depth == 1 {
			b.votable = true
		}
		return !b.votable
	}
	return false
}

// of gives the namespace of an element that is open, by its name as written.
func (n *namespaces) of(tag []byte) string {
	uri, _ := n.lookup(string(tag[:max(bytes.IndexByte(tag, ':'), 0)]))
	return uri
}

// lookup gives the namespace that a prefix stands for, and whether it was declared.
func (n *namespaces) lookup(prefix string) (uri string, declared bool) {
	for i := len(n.bindings) - 1; i >= 0; i-- {
		if n.bindings[i].prefix == prefix {
			return n.bindings[i].uri, true
		}
	}
	return "", false
}

// isRoot holds for the namespace that the root element is in, where that is a strange one.
func (n *namespaces) isRoot(uri string) bool {
	for _, b := range n.bindings {
		if b.depth == 1 && b.votable && b.uri == uri {
			return true
		}
	}
	return false
}

// leave forgets the declarations of an element that ends.
func (n *namespaces) leave(depth int) {
	for len(n.bindings) > 0 && n.bindings[len(n.bindings)-1].depth == depth {
		n.bindings = n.bindings[:len(n.bindings)-1]
	}
}
