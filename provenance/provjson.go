package provenance

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Namespaces of our own in PROV documents. What stands behind them are names, no pages.
const (
	provNamespace     = "https://beampipe.dev/ns/prov#"
	provNodeNamespace = "https://beampipe.dev/ns/prov/" // + the kind that a node's id begins with + "/"
)

// provTime is xsd:dateTime.
const provTime = "2006-01-02T15:04:05.000Z07:00"

// class is what a node is in PROV-DM.
type class string

const (
	classEntity   class = "entity"
	classActivity class = "activity"
	classAgent    class = "agent"
)

// classOf says what a node of a kind is.
func classOf(k NodeKind) class {
	switch k {
	case NodeExecution, NodeAttempt, NodeQuery:
		return classActivity
	case NodeSoftware, NodeActor, NodeArchive, NodeBackendJob:
		return classAgent
	}
	return classEntity
}

// ends says for a relation what its two sides must be (PROV-DM, table 5) and how PROV-JSON calls them.
var ends = map[Relation]struct {
	from, to       class
	fromKey, toKey string
}{
	Used:           {from: classActivity, to: classEntity, fromKey: "prov:activity", toKey: "prov:entity"},
	GeneratedBy:    {from: classEntity, to: classActivity, fromKey: "prov:entity", toKey: "prov:activity"},
	DerivedFrom:    {from: classEntity, to: classEntity, fromKey: "prov:generatedEntity", toKey: "prov:usedEntity"},
	AssociatedWith: {from: classActivity, to: classAgent, fromKey: "prov:activity", toKey: "prov:agent"},
	AttributedTo:   {from: classEntity, to: classAgent, fromKey: "prov:entity", toKey: "prov:agent"},
	InformedBy:     {from: classActivity, to: classActivity, fromKey: "prov:informed", toKey: "prov:informant"},
}

// WriteProvJSON writes a bundle's lineage, its execution and its products as a W3C PROV-JSON document
// (member submission of 2013-04-24). An edge whose ends are not what PROV-DM asks for its relation is
// written as wasInfluencedBy, which holds between any two. Secrets are taken out; the entity bp:redaction
// then says so. The same bundle gives the same bytes.
func WriteProvJSON(w io.Writer, b Bundle) error {
	if err := b.check(); err != nil {
		return err
	}
	c, err := b.clean()
	if err == nil {
		_, err = w.Write(provJSON(c))
	}
	return err
}

func provJSON(c cleanBundle) []byte {
	d := newProvDocument()
	for _, n := range c.provNodes() {
		d.node(n, c.Bundle)
	}
	if c.Lineage != nil {
		for i, e := range c.Lineage.Edges {
			d.edge(i+1, e)
		}
	}
	d.products(c.Bundle)
	if r, ok := c.redacted[fileLineage]; ok {
		d.put(string(classEntity), "bp:redaction", map[string]any{
			"prov:type": qualified("bp:redaction"), "bp:values": r.Values, "bp:original_sha256": r.OriginalSHA256, "prov:label": "lineage " + r.String(),
		})
	}
	return indented(d.records)
}

// provNodes are the lineage's nodes; the execution is one of them whatever the lineage has.
func (b *Bundle) provNodes() []Node {
	var nodes []Node
	id := string(NodeExecution) + ":" + b.Execution
	if b.Lineage != nil {
		nodes = slices.Clone(b.Lineage.Nodes)
	}
	if !slices.ContainsFunc(nodes, func(n Node) bool { return n.ID == id }) {
		nodes = append(nodes, Node{ID: id, Kind: NodeExecution, Label: b.Title})
	}
	return nodes
}

// provDocument collects records by their kind: prefix, entity, activity, used, …
type provDocument struct {
	records map[string]map[string]any
	kinds   map[string]NodeKind // of the nodes, by id
}

func newProvDocument() *provDocument {
	return &provDocument{
		records: map[string]map[string]any{"prefix": {"bp": provNamespace}}, kinds: map[string]NodeKind{},
	}
}

func (d *provDocument) put(kind, id string, record map[string]any) {
	if d.records[kind] == nil {
		d.records[kind] = map[string]any{}
	}
	d.records[kind][id] = record
}

// name makes a node's id a qualified name: the kind that it begins with is the prefix.
func (d *provDocument) name(id string) string {
	prefix, local, ok := strings.Cut(id, ":")
	if !ok || strings.ContainsFunc(prefix, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' && (r < '0' || r > '9') }) || prefix == "" {
		prefix, local = "node", id
	}
	d.records["prefix"][prefix] = provNodeNamespace + prefix + "/"
	return prefix + ":" + localName(local)
}

// localName escapes what may not stand in the local part of a qualified name (PROV-N, PN_LOCAL).
func localName(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '/' || c == '@' || c == '~' || c == '+'
		inner := (c == '-' || c == '.') && i > 0 && i < len(text)-1
		if plain || inner {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// qualified makes a qualified name the value of an attribute.
func qualified(name string) map[string]any {
	return map[string]any{"$": name, "type": "prov:QUALIFIED_NAME"}
}

func (d *provDocument) node(n Node, b Bundle) {
	d.kinds[n.ID] = n.Kind
	record := map[string]any{"prov:type": qualified("bp:" + string(n.Kind)), "bp:id": n.ID}
	if n.Label != "" {
		record["prov:label"] = n.Label
	}
	for _, key := range slices.Sorted(maps.Keys(n.Attributes)) {
		if n.Attributes[key] != nil {
			record["bp:"+localName(key)] = provValue(n.Attributes[key])
		}
	}
	if classOf(n.Kind) == classActivity {
		times(record, n.Attributes)
	}
	if n.Kind == NodeExecution && n.ID == string(NodeExecution)+":"+b.Execution {
		b.describe(record)
	}
	if n.Kind == NodeSoftware {
		record["prov:type"] = qualified("prov:SoftwareAgent")
	}
	if n.Kind == NodeActor && strings.Contains(n.ID, "user:") {
		record["prov:type"] = qualified("prov:Person")
	}
	d.put(string(classOf(n.Kind)), d.name(n.ID), record)
}

// times gives an activity its times in PROV's words, from the attributes in which the lineage has them.
func times(record, attributes map[string]any) {
	for key, from := range map[string][]string{"prov:startTime": {"started_at", "asked_at"}, "prov:endTime": {"ended_at", "completed_at"}} {
		for _, name := range from {
			text, ok := attributes[name].(string)
			if !ok {
				continue
			}
			if at, err := time.Parse(time.RFC3339, text); err == nil {
				record[key] = at.UTC().Format(provTime)
			}
		}
	}
}

// describe adds to the execution's record what the bundle knows of it.
func (b *Bundle) describe(record map[string]any) {
	if b.Started != nil {
		record["prov:startTime"] = b.Started.UTC().Format(provTime)
	}
	if b.Ended != nil {
		record["prov:endTime"] = b.Ended.UTC().Format(provTime)
	}
	for key, value := range map[string]string{
		"bp:status": b.Status, "bp:error": b.Error, "bp:place": b.Place, "bp:project": b.Project, "bp:ledger_head": b.Head,
		"prov:label": b.Title,
	} {
		if value != "" {
			record[key] = value
		}
	}
}

// provValue gives an attribute as PROV-JSON has it: a plain text, number or boolean stays, a list of such
// too, anything else is its JSON text.
func provValue(v any) any {
	switch v := v.(type) {
	case string, bool, int, int64, float64, json.Number, []string:
		return v
	case []any:
		if !slices.ContainsFunc(v, func(item any) bool { _, isText := item.(string); return !isText }) {
			return v
		}
	case time.Time:
		return map[string]any{"$": v.UTC().Format(provTime), "type": "xsd:dateTime"}
	}
	return string(plainJSON(v))
}

// edge writes an edge. Its number makes its id.
func (d *provDocument) edge(number int, e Edge) {
	relation, fromKey, toKey := "wasInfluencedBy", "prov:influencee", "prov:influencer"
	rule, known := ends[e.Relation]
	fits := known && classOf(d.kinds[e.From]) == rule.from && classOf(d.kinds[e.To]) == rule.to
	if fits {
		relation, fromKey, toKey = string(e.Relation), rule.fromKey, rule.toKey
	}
	record := map[string]any{fromKey: d.name(e.From), toKey: d.name(e.To)}
	if !fits {
		record["prov:type"] = qualified("bp:" + localName(string(e.Relation)))
	}
	d.put(relation, fmt.Sprintf("_:e%d", number), record)
}

// products adds those that the lineage does not have, and marks the withdrawn ones.
func (d *provDocument) products(b Bundle) {
	for i, p := range b.Products {
		id := productID(b, p)
		name := d.name(id)
		if _, there := d.kinds[id]; !there {
			d.node(Node{ID: id, Kind: NodeProduct, Label: p.Path}, b)
			d.put(string(GeneratedBy), fmt.Sprintf("_:p%d", i+1), map[string]any{
				"prov:entity": name, "prov:activity": d.name(string(NodeExecution) + ":" + b.Execution),
			})
		}
		record := d.records[string(classEntity)][name].(map[string]any)
		record["bp:sha256"], record["bp:bytes"] = p.SHA256, p.Bytes
		if p.URI != "" {
			record["bp:uri"] = p.URI
		}
		if p.Withdrawn {
			record["bp:withdrawn"], record["bp:withdrawn_because"] = true, p.Why
		}
	}
}

// productID is a product's id in a lineage.
func productID(b Bundle, p BundleProduct) string {
	attempt := p.Attempt
	if attempt == 0 {
		attempt = b.Attempt
	}
	return fmt.Sprintf("%s:%s/%d/%s", NodeProduct, b.Execution, attempt, p.Path)
}
