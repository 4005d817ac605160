package configs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"beampipe/fault"
)

// Upgrade rewrites a v1 document as v2, comments kept, and lists what it changed. graphSHA256 is the
// digest of the graph file; it may be empty when the document pins the graph or has none. A v2
// document comes back as it is, with no changes.
//
// The result is read again and must mean exactly what the v1 document meant: nothing that is not
// listed has changed.
func Upgrade(raw []byte, file string, graphSHA256 string) ([]byte, []string, error) {
	p, report := Load(raw, file)
	if err := report.Err(); err != nil {
		return nil, nil, err
	}
	if p.APIVersion == APIVersion {
		return raw, nil, nil
	}
	text := bytes.TrimPrefix(raw, []byte("\ufeff"))
	root, err := parse(text)
	if err != nil {
		return nil, nil, upgradeError(file, err)
	}
	r, p := read(root)
	pin, err := pinFor(p, file, graphSHA256)
	if err != nil {
		return nil, nil, err
	}
	p.APIVersion = APIVersion
	if p.Graph != nil {
		p.Graph.SHA256 = pin
	}
	u := &upgrade{p: p, r: r}
	out, err := u.rewrite(text)
	wasJSON := json.Valid(text)
	if err == nil && !wasJSON && means(out, file, p) {
		return out, u.changes, nil
	}
	// A JSON document stays one. And the parser cannot print every YAML document that it reads: JSON
	// always works, without the comments.
	out, err = asJSON(p)
	if err != nil {
		return nil, nil, upgradeError(file, err)
	}
	if !means(out, file, p) {
		return nil, nil, upgradeError(file, fmt.Errorf("the v2 form would not mean the same"))
	}
	if !wasJSON {
		u.changed("the document is written as JSON, without its comments")
	}
	return out, u.changes, nil
}

func upgradeError(file string, err error) error {
	return fault.Wrap(fault.Invalid, err, "upgrade project config "+file, "write the v2 form by hand; docs/survey.md lists every key")
}

// pinFor gives the graph's digest in the v2 form.
func pinFor(p *Project, file, given string) (string, error) {
	const try = "give the graph file: beampipe project upgrade -f FILE --graph FILE"
	given = strings.ToLower(given)
	if given != "" && !sha256Pattern.MatchString(given) {
		return "", fault.New(fault.Invalid, fmt.Sprintf("upgrade project config %s: the graph's digest %.80q is not 64 hexadecimal digits", file, given), try)
	}
	if p.Graph == nil {
		return "", nil
	}
	pinned := p.Graph.SHA256
	switch {
	case pinned == "" && given == "":
		return "", fault.New(fault.Invalid, fmt.Sprintf("upgrade project config %s: graph.sha256 is missing, and v2 requires it", file), try)
	case pinned != "" && given != "" && pinned != given:
		return "", fault.New(fault.Invalid,
			fmt.Sprintf("upgrade project config %s: graph.sha256 is %s, the graph file given has %s", file, pinned, given),
			"give the graph that the project pins, or take graph.sha256 out")
	case pinned == "":
		return given, nil
	}
	return pinned, nil
}

// means reports whether text is a valid document with the meaning of p.
func means(text []byte, file string, p *Project) bool {
	again, report := Load(text, file)
	return report.Valid && again.Digest() == p.Digest()
}

// asJSON writes the document for people, defaults filled in.
func asJSON(p *Project) ([]byte, error) {
	compact, err := sortedJSON(p)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// upgrade edits the syntax tree, so that what is not touched prints as it was.
type upgrade struct {
	p       *Project
	r       *reader
	changes []string
}

func (u *upgrade) changed(format string, args ...any) {
	u.changes = append(u.changes, fmt.Sprintf(format, args...))
}

func (u *upgrade) rewrite(text []byte) (out []byte, err error) {
	defer func() { // the printer is the parser's: what it cannot do must not end us
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("print the YAML document: %v", p)
		}
	}()
	file, err := parseAST(text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	root, ok := file.Docs[0].Body.(*ast.MappingNode)
	if !ok {
		return nil, fmt.Errorf("the document is no mapping")
	}
	u.setVersion(root)
	u.dropIgnored(root)
	if err := u.pinGraph(root); err != nil {
		return nil, err
	}
	if err := u.writeAliases(root); err != nil {
		return nil, err
	}
	return append(bytes.TrimRight([]byte(file.String()), "\n"), '\n'), nil
}

func (u *upgrade) setVersion(root *ast.MappingNode) {
	if text, ok := memberOf(root, "apiVersion").(*ast.StringNode); ok {
		text.Value = APIVersion
		u.changed("apiVersion: %s → %s", LegacyAPIVersion, APIVersion)
	}
}

// dropIgnored takes out what v1 ignored and writes out the short forms.
func (u *upgrade) dropIgnored(root *ast.MappingNode) {
	for _, i := range u.r.ignored {
		if i.short != nil {
			u.changed("%s: written out as {from: %s}", i.path, *i.short)
		} else {
			u.changed("%s: taken out, v1 ignored it", i.path)
		}
	}
	for _, n := range ast.Filter(ast.MappingType, root) {
		mapping := n.(*ast.MappingNode)
		var kept []*ast.MappingValueNode
		for _, v := range mapping.Values {
			i := u.ignoredAt(v.Key)
			if i == nil {
				kept = append(kept, v)
				continue
			}
			if i.short != nil {
				if from, err := shortForm(*i.short); err == nil && v.Replace(from) == nil {
					kept = append(kept, v)
				}
			}
		}
		mapping.Values = kept
	}
}

func (u *upgrade) ignoredAt(key ast.MapKeyNode) *ignored {
	at := key.GetToken().Position
	for i, one := range u.r.ignored {
		if one.line == at.Line && one.column == at.Column {
			return &u.r.ignored[i]
		}
	}
	return nil
}

func (u *upgrade) pinGraph(root *ast.MappingNode) error {
	graph, ok := memberOf(root, "graph").(*ast.MappingNode)
	if !ok || memberOf(graph, "sha256") != nil {
		return nil
	}
	u.changed("graph.sha256: %s", u.p.Graph.SHA256)
	return merge(graph, "sha256: "+u.p.Graph.SHA256+"\n")
}

func (u *upgrade) writeAliases(root *ast.MappingNode) error {
	if len(u.r.aliases) == 0 {
		return nil
	}
	var b strings.Builder
	for _, name := range u.r.aliases {
		definition, err := sortedJSON(u.p.Definitions.Transforms[name])
		if err != nil {
			return err
		}
		definition = jsonKey.ReplaceAll(definition, []byte("$1: "))
		fmt.Fprintf(&b, "%s: %s\n", name, definition)
		u.changed("definitions.transforms.%s: %s, which v1 knew without a definition", name, definition)
	}
	definitions, ok := memberOf(root, "definitions").(*ast.MappingNode)
	if !ok {
		return merge(root, "definitions:\n  transforms:\n"+indent(b.String(), "    "))
	}
	transforms, ok := memberOf(definitions, "transforms").(*ast.MappingNode)
	if !ok {
		return merge(definitions, "transforms:\n"+indent(b.String(), "  "))
	}
	return merge(transforms, b.String())
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+by) + "\n"
}

// merge adds the members of a YAML text to a mapping.
func merge(into *ast.MappingNode, text string) error {
	file, err := parseAST([]byte(text), 0)
	if err != nil {
		return err
	}
	added, ok := file.Docs[0].Body.(*ast.MappingNode)
	if !ok {
		return fmt.Errorf("%q is no mapping", text)
	}
	if into.IsFlowStyle {
		added.SetIsFlowStyle(true)
	}
	into.Merge(added)
	return nil
}

// jsonKey is a key of an alias definition in JSON; none of their values looks like one.
var jsonKey = regexp.MustCompile(`"([a-z_]+)":`)

// shortForm gives {from: text} as a syntax tree.
func shortForm(text string) (ast.Node, error) {
	from, err := sortedJSON(text)
	if err != nil {
		return nil, err
	}
	file, err := parseAST([]byte("{from: "+string(from)+"}"), 0)
	if err != nil {
		return nil, err
	}
	return file.Docs[0].Body, nil
}

func memberOf(n *ast.MappingNode, key string) ast.Node {
	for _, v := range n.Values {
		if v.Key.GetToken().Value == key {
			return v.Value
		}
	}
	return nil
}
