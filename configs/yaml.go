package configs

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a YAML document beside MaxFileBytes. The parser is recursive and compares keys pairwise,
// so what would cost it too much is refused before it begins.
const (
	maxTokens = 50_000
	maxMarks  = 500_000 // indicator characters; bounds the tokens before they are made
	maxFlow   = 100     // brackets in brackets, and list dashes on one line
	maxDepth  = 64      // levels of the document
	maxNodes  = 100_000 // values once aliases are resolved
	maxKey    = 256     // bytes of a key
)

// placeError is a file that cannot become a tree, and where.
type placeError struct {
	code         string
	text         string
	line, column int
}

func (e *placeError) Error() string { return e.text }

func errorAt(code string, tk *token.Token, format string, args ...any) error {
	e := &placeError{code: code, text: fmt.Sprintf(format, args...), line: 1, column: 1}
	if tk != nil && tk.Position != nil {
		e.line, e.column = max(tk.Position.Line, 1), max(tk.Position.Column, 1)
	}
	return e
}

// parseYAML gives the single document of raw as a tree. JSON is read as the YAML that it is.
func parseYAML(raw []byte) (*node, error) {
	file, err := parseAST(raw, 0)
	if err != nil {
		return nil, err
	}
	if len(file.Docs) > 1 && file.Docs[1].Body != nil {
		return nil, errorAt(CodeInvalidYAML, file.Docs[1].Body.GetToken(), "a second document; expected one project config per file")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil, errorAt(CodeInvalidYAML, nil, "the file is empty; expected a project config")
	}
	b := &builder{anchors: map[string]ast.Node{}}
	return b.build(file.Docs[0].Body, 0)
}

// parseAST runs the parser within its limits. A panic of the parser is an error of the input.
func parseAST(raw []byte, mode parser.Mode) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			file, err = nil, errorAt(CodeInvalidYAML, nil, "the YAML parser gave up on this file: %v", p)
		}
	}()
	marks := 0
	for _, c := range raw {
		if strings.IndexByte("[]{},:-?&*!#'\"|>", c) >= 0 {
			marks++
		}
	}
	if marks > maxMarks {
		return nil, errorAt(CodeInvalidYAML, nil, "more than %d YAML indicator characters", maxMarks)
	}
	tokens := lexer.Tokenize(string(raw))
	if err := checkTokens(tokens); err != nil {
		return nil, err
	}
	file, err = parser.Parse(tokens, mode, parser.AllowDuplicateMapKey())
	if err == nil {
		return file, nil
	}
	var syntax interface {
		GetMessage() string
		GetToken() *token.Token
	}
	if errors.As(err, &syntax) {
		return nil, errorAt(CodeInvalidYAML, syntax.GetToken(), "%s", syntax.GetMessage())
	}
	return nil, errorAt(CodeInvalidYAML, nil, "%v", err)
}

func checkTokens(tokens token.Tokens) error {
	if len(tokens) > maxTokens {
		return errorAt(CodeInvalidYAML, tokens[maxTokens], "more than %d YAML tokens", maxTokens)
	}
	brackets, dashes, line := 0, 0, 0
	for _, tk := range tokens {
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			brackets++
		case token.MappingEndType, token.SequenceEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType:
			if tk.Position.Line != line {
				dashes, line = 0, tk.Position.Line
			}
			dashes++
		}
		if brackets > maxFlow || dashes > maxFlow {
			return errorAt(CodeInvalidYAML, tk, "nested deeper than %d levels", maxFlow)
		}
	}
	return nil
}

// builder turns a syntax tree into nodes. It resolves aliases, bounded by maxNodes in all.
type builder struct {
	anchors map[string]ast.Node
	nodes   int
}

func (b *builder) build(n ast.Node, depth int) (*node, error) {
	if n == nil {
		return &node{}, nil
	}
	tk := n.GetToken()
	if b.nodes++; b.nodes > maxNodes {
		return nil, errorAt(CodeInvalidValue, tk, "more than %d values, aliases resolved", maxNodes)
	}
	if depth > maxDepth {
		return nil, errorAt(CodeInvalidValue, tk, "nested deeper than %d levels", maxDepth)
	}
	out := &node{}
	if tk != nil && tk.Position != nil {
		out.line, out.column = tk.Position.Line, tk.Position.Column
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return b.object(out, n.Values, depth)
	case *ast.MappingValueNode:
		return b.object(out, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		return b.list(out, n, depth)
	case *ast.AnchorNode:
		value, err := b.build(n.Value, depth+1)
		b.anchors[n.Name.GetToken().Value] = n.Value // after its value: an anchor cannot hold itself
		return value, err
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		target, ok := b.anchors[name]
		if !ok {
			return nil, errorAt(CodeInvalidYAML, tk, "the alias *%s names no anchor before it", name)
		}
		return b.build(target, depth+1)
	case *ast.TagNode:
		return b.tagged(out, n, depth)
	}
	return out, scalar(out, n)
}

func (b *builder) object(out *node, values []*ast.MappingValueNode, depth int) (*node, error) {
	out.kind = kindObject
	seen := map[string]bool{}
	for _, v := range values {
		key, tk, err := keyOf(v.Key)
		if err != nil {
			return nil, err
		}
		if seen[key] {
			return nil, errorAt(CodeInvalidYAML, tk, "the key %q is there twice", key)
		}
		seen[key] = true
		value, err := b.build(v.Value, depth+1)
		if err != nil {
			return nil, err
		}
		m := member{key: key, line: tk.Position.Line, column: tk.Position.Column, value: value}
		if len(out.members) == 0 {
			out.line, out.column = m.line, m.column // the parser gives the colon's place
		}
		out.members = append(out.members, m)
	}
	return out, nil
}

// keyOf gives a key's text. JSON keys are text, so nothing else is taken.
func keyOf(key ast.MapKeyNode) (string, *token.Token, error) {
	tk := key.GetToken()
	text, ok := key.(*ast.StringNode)
	if !ok {
		if _, merge := key.(*ast.MergeKeyNode); merge {
			return "", nil, errorAt(CodeInvalidValue, tk, "merge keys (<<) are not supported; write the keys out")
		}
		return "", nil, errorAt(CodeInvalidValue, tk, "the key %q is not text; put it in quotes", tk.Value)
	}
	if len(text.Value) > maxKey {
		return "", nil, errorAt(CodeInvalidValue, tk, "a key longer than %d bytes", maxKey)
	}
	return text.Value, tk, nil
}

func (b *builder) list(out *node, n *ast.SequenceNode, depth int) (*node, error) {
	out.kind = kindList
	for _, value := range n.Values {
		item, err := b.build(value, depth+1)
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, item)
	}
	return out, nil
}

// tagged reads !!str, the one tag with a use here: it makes text of what looks like a number.
func (b *builder) tagged(out *node, n *ast.TagNode, depth int) (*node, error) {
	tag := n.GetToken().Value
	if tag != "!!str" {
		return nil, errorAt(CodeInvalidValue, n.GetToken(), "the tag %s is not supported", tag)
	}
	value, err := b.build(n.Value, depth+1)
	if err != nil {
		return nil, err
	}
	if value.kind == kindObject || value.kind == kindList {
		return nil, errorAt(CodeInvalidValue, n.GetToken(), "the tag !!str before %s", value.what())
	}
	if value.kind != kindText {
		value.kind, value.text = kindText, n.Value.GetToken().Value
	}
	value.line, value.column = out.line, out.column
	return value, nil
}

// jsonNumber are the plain words that are numbers in JSON and that the YAML parser leaves as text.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func scalar(out *node, n ast.Node) error {
	switch n := n.(type) {
	case *ast.NullNode:
		out.kind = kindNull
	case *ast.BoolNode:
		out.kind, out.boolean = kindBoolean, n.Value
	case *ast.IntegerNode:
		out.kind, out.number = kindNumber, json.Number(fmt.Sprint(n.Value))
	case *ast.FloatNode:
		out.kind, out.number = kindNumber, floatNumber(n.Value)
		return checkFinite(out, n.GetToken())
	case *ast.LiteralNode:
		out.kind, out.text = kindText, n.Value.Value
	case *ast.StringNode:
		out.kind, out.text = kindText, n.Value
		if n.GetToken().Type == token.StringType && jsonNumber.MatchString(n.Value) {
			out.kind, out.number = kindNumber, json.Number(n.Value)
			return checkFinite(out, n.GetToken())
		}
	case *ast.InfinityNode, *ast.NanNode:
		return errorAt(CodeInvalidValue, n.GetToken(), "%s cannot be written in JSON", n.GetToken().Value)
	default:
		return errorAt(CodeInvalidValue, n.GetToken(), "a %s is not supported here", n.Type())
	}
	return nil
}

func checkFinite(n *node, tk *token.Token) error {
	if v, err := n.number.Float64(); err != nil || math.IsInf(v, 0) {
		return errorAt(CodeInvalidValue, tk, "the number %.40s is out of range", tk.Value)
	}
	return nil
}

// floatNumber keeps a floating point number one: 1.0 does not become 1.
func floatNumber(v float64) json.Number {
	text := strconv.FormatFloat(v, 'g', -1, 64)
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		text += ".0"
	}
	return json.Number(text)
}
