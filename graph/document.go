package graph

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"beampipe/fault"
)

// MaxBytes is the longest graph document that Parse reads, and the longest manifest that Inject
// embeds.
const MaxBytes = 16 << 20

// Keys of the document that more than one file reads.
const (
	keyNodes        = "nodeDataArray"
	keyLinks        = "linkDataArray"
	keyModel        = "modelData"
	keyActiveConfig = "activeGraphConfigId"
	keyConfigs      = "graphConfigurations"
	keyFields       = "fields"
	keyInputFields  = "inputAppFields"
	keyOutputFields = "outputAppFields"
)

// Graph is a logical graph: the whole document, with indexes over its nodes. It is not safe for
// concurrent use while Patch or Inject changes it.
type Graph struct {
	name   string           // the file, for messages
	doc    map[string]any   // as decoded with UseNumber; never holds anything but JSON values
	nodes  []map[string]any // doc["nodeDataArray"], the same maps
	links  []map[string]any // doc["linkDataArray"], the same maps
	byID   map[string]int   // first node with that id
	byName map[string][]int // all nodes with that name, in document order
}

// Parse reads a logical graph. name is the file or URL, used in messages only.
//
// Errors are fault.Invalid and name the file with line and column (of broken JSON) or the key (of a
// wrong shape). Parse requires modelData and nodeDataArray; everything else is for Validate.
func Parse(raw []byte, name string) (*Graph, error) {
	what := "read graph " + quoteName(name)
	if len(raw) > MaxBytes {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("%s: %d bytes, more than the limit of %d (MaxBytes)", what, len(raw), MaxBytes),
			"make the graph smaller: the translator does not take such a document either")
	}
	doc, err := decode(raw)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, what, "save the graph again from EAGLE, or correct the place named")
	}
	g := &Graph{name: name, doc: doc}
	if err := g.index(); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, what, "expected a logical graph as EAGLE saves it: modelData, nodeDataArray, linkDataArray")
	}
	return g, nil
}

// decode reads one JSON object and keeps numbers as text. Its errors carry line and column.
func decode(raw []byte) (map[string]any, error) {
	if !utf8.Valid(raw) {
		offset := firstInvalid(raw)
		line, col := position(raw, offset)
		return nil, fmt.Errorf("line %d, column %d (offset %d): not UTF-8", line, col, offset)
	}
	// A first pass that only checks: it knows the offset of every error, and refuses what follows
	// the document.
	var whole json.RawMessage
	if err := json.Unmarshal(raw, &whole); err != nil {
		offset := len(raw)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) && int(syntax.Offset) > 0 {
			offset = int(syntax.Offset) - 1
		}
		line, col := position(raw, offset)
		return nil, fmt.Errorf("line %d, column %d (offset %d): not JSON: %w", line, col, offset, err)
	}
	dec := json.NewDecoder(bytes.NewReader(whole))
	dec.UseNumber()
	var top any
	if err := dec.Decode(&top); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	doc, ok := top.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("line 1: found %s, expected a JSON object", kindName(top))
	}
	return doc, nil
}

// index checks the shape of the document and finds its nodes and links.
func (g *Graph) index() error {
	if _, ok := g.doc[keyModel].(map[string]any); !ok {
		return fmt.Errorf("modelData: found %s, expected an object", kindAt(g.doc, keyModel))
	}
	if _, ok := g.doc[keyNodes]; !ok {
		return errors.New("nodeDataArray: missing")
	}
	var err error
	if g.nodes, err = objects(g.doc, keyNodes); err != nil {
		return err
	}
	if g.links, err = objects(g.doc, keyLinks); err != nil {
		return err
	}
	g.byID = make(map[string]int, len(g.nodes))
	g.byName = make(map[string][]int, len(g.nodes))
	for i, node := range g.nodes {
		for _, key := range []string{keyFields, keyInputFields, keyOutputFields} {
			if _, err := objects(node, key); err != nil {
				return fmt.Errorf("nodeDataArray[%d].%w", i, err)
			}
		}
		if id := text(node["id"]); id != "" {
			if _, known := g.byID[id]; !known {
				g.byID[id] = i
			}
		}
		name := text(node["name"])
		g.byName[name] = append(g.byName[name], i)
	}
	return nil
}

// Digest gives the SHA-256 of a document's bytes in lower-case hexadecimal.
func Digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Verify holds the bytes of a graph against the pin of a project (64 hexadecimal digits, in any
// case). It returns a fault.Invalid error that shows both digests when they differ.
func Verify(raw []byte, pin, name string) error {
	what := "verify graph " + quoteName(name)
	want := strings.ToLower(strings.TrimSpace(pin))
	if decoded, err := hex.DecodeString(want); err != nil || len(decoded) != sha256.Size {
		return fault.New(fault.Invalid, fmt.Sprintf("%s: graph.sha256 is %q, expected 64 hexadecimal digits", what, clip(pin)),
			"set graph.sha256 to "+Digest(raw)+" if this is the graph you mean")
	}
	if got := Digest(raw); got != want {
		return fault.New(fault.Invalid, fmt.Sprintf("%s: graph SHA-256 mismatch: %s pinned, %s found", what, want, got),
			"bring the graph that was pinned, or review the new one and set graph.sha256 to "+got)
	}
	return nil
}

// Clone gives an independent copy.
func (g *Graph) Clone() *Graph {
	c := &Graph{name: g.name, doc: cloneValue(g.doc).(map[string]any)}
	if err := c.index(); err != nil {
		panic("graph: a parsed graph lost its shape: " + err.Error()) // Parse has checked the same document
	}
	return c
}

// Encode gives the document as compact JSON: keys sorted, no HTML escaping, numbers as they came.
// Two graphs with the same content give the same bytes.
func (g *Graph) Encode() []byte {
	out, err := encode(g.doc)
	if err != nil {
		panic("graph: " + err.Error()) // g.doc holds decoded JSON only
	}
	return out
}

// Name is the name given to Parse.
func (g *Graph) Name() string { return g.name }

func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
