package control

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"beampipe/configs"
	"beampipe/discovery"
	"beampipe/execution"
	"beampipe/fault"
	"beampipe/graph"
	"beampipe/ledger"
	"beampipe/provenance"
)

func findPlace(c ledger.Config, path string) configs.Place {
	return configs.FindPlace(c.File, c.FileName, path)
}

// recordSteps goes on from a field of a metadata record to the rows that it was mapped from.
func (h *runHistory) recordSteps(t *FieldTrace, r recordRef, field string) error {
	t.add(FieldStep{Kind: "record_field", Text: fmt.Sprintf("field %s of dataset %s, SBID %s of %s", field, r.dataset, r.sbid, r.source)})
	return h.originSteps(t, r, func(o *discovery.Origins) (discovery.Origin, error) { return o.Field(r.sbid, r.dataset, field) })
}

// flagSteps goes on from a discovery flag.
func (h *runHistory) flagSteps(t *FieldTrace, r recordRef, flag string) error {
	t.add(FieldStep{Kind: "record_field", Text: "discovery flag " + flag + " of " + r.source})
	return h.originSteps(t, r, func(o *discovery.Origins) (discovery.Origin, error) { return o.Flag(flag) })
}

func (h *runHistory) originSteps(t *FieldTrace, r recordRef, find func(*discovery.Origins) (discovery.Origin, error)) error {
	origins, err := h.originsOf(r.source)
	if err != nil {
		return err
	}
	if origins == nil {
		t.add(FieldStep{Kind: "unknown", Text: "the rows that it was mapped from were not kept"})
		return nil
	}
	o, err := find(origins)
	if errors.Is(err, fault.NotFound) {
		h.gap("%s: config revision %d does not make it of the rows, so an earlier revision made the record: %v", t.Field, h.execution.ConfigRevision, err)
		t.add(FieldStep{Kind: "unknown", Text: "an earlier config revision made the record"})
		return nil
	}
	if err != nil {
		return err
	}
	if o.By == discovery.ByIdentifier {
		t.add(h.identifierStep(r.source))
		return nil
	}
	if differs(t.Value, o.Value) {
		h.gap("%s: config revision %d makes %v of these rows, so an earlier revision made the record", t.Field, h.execution.ConfigRevision, o.Value)
	}
	t.add(h.mappingStep(o))
	if o.Query != "" {
		t.add(FieldStep{Kind: "rows", Text: rowsText(o), Columns: o.Columns, Rows: o.Rows})
		if q := h.queryOf(r.source, o.Query, o.SBID); q != nil {
			t.add(FieldStep{Kind: "query", Text: fmt.Sprintf("query %s to %s", q.Name, q.Archive), Query: q})
		}
	}
	return nil
}

// differs tells whether a plain value of the manifest is another than the one that its rows give.
func differs(manifest, rows any) bool {
	a, plain := configs.Text(manifest)
	b, alsoPlain := configs.Text(rows)
	return plain && alsoPlain && a != b
}

func (h *runHistory) mappingStep(o discovery.Origin) FieldStep {
	s := FieldStep{Kind: "mapping", Value: o.Value, Transforms: o.Transforms}
	switch o.By {
	case discovery.ByFieldMap, discovery.ByFlag:
		s.Text = fmt.Sprintf("%s takes %s", o.Path, o.From)
		if len(o.Transforms) > 0 {
			s.Text += " through " + strings.Join(o.Transforms, ", ")
		}
	case discovery.ByCoordinates:
		s.Text = o.Path + " fills it"
		if c := h.project.Discovery.PrepareMetadata.Coordinates; c.RAFormat == configs.FormatDegrees && (o.Field == c.Targets.RA || o.Field == c.Targets.Dec) {
			s.Text += ", degrees written as sexagesimal text"
		}
	case discovery.ByEvaluation:
		s.Text = o.Path + " fills it"
	case discovery.ByEnrichment:
		s.Text = "the row of enrichment " + o.Query + " as a whole"
	default:
		s.Text = "the column as it came"
	}
	if o.Path != "" {
		s.Place = h.place(o.Path)
	}
	return s
}

func rowsText(o discovery.Origin) string {
	text := fmt.Sprintf("%d rows of query %s", len(o.Rows)+o.MoreRows, o.Query)
	if len(o.Rows)+o.MoreRows == 1 {
		text = "a row of query " + o.Query
	}
	if o.SBID != "" {
		text += " for SBID " + o.SBID
	}
	return text
}

// queryOf finds how a query about a source was asked.
func (h *runHistory) queryOf(source, name, sbid string) *TracedQuery {
	s := h.lineageOf(source)
	if s == nil {
		return nil
	}
	for _, q := range s.Queries {
		if q.Name == name && q.SBID == sbid {
			return &TracedQuery{Name: q.Name, Archive: q.Archive, URL: q.URL, ADQL: q.ADQL, AskedAt: q.AskedAt, Restored: q.Restored}
		}
	}
	return nil
}

// queryNode is the id of a traced query's node.
func queryNode(q TracedQuery) string {
	return queryID(execution.LineageQuery{Archive: q.Archive, ADQL: q.ADQL})
}

// patchSteps goes on from a value that a graph patch of the config sets.
func (h *runHistory) patchSteps(t *FieldTrace, patch int, field string) error {
	if patch >= len(h.project.GraphPatches) {
		t.add(FieldStep{Kind: "unknown", Text: "the config has no such patch: the manifest was given by hand"})
		return nil
	}
	p := h.project.GraphPatches[patch]
	path := fmt.Sprintf("graph_patches[%d].set.%s", patch, field)
	t.add(FieldStep{Kind: "patch", Text: fmt.Sprintf("%s sets %s of node %s", path, field, p.Match.Equals), Value: p.Set[field], Place: h.place(path)})
	text, _ := p.Set[field].(string)
	expression, ok := configs.ParseExpression(text)
	if !ok {
		t.add(FieldStep{Kind: "constant", Text: "it stands in the config as it is", Value: p.Set[field]})
		return nil
	}
	entries, _ := h.manifest.value["sources"].([]any)
	parts := map[string]any{}
	for i, entry := range entries {
		parts[h.manifest.Sources[i].Identifier] = expression.Eval(entry)
	}
	t.add(FieldStep{Kind: "expression", Text: text + " over the manifest's entry of each source, summed: " + partsText(parts), Value: parts})
	return nil
}

func partsText(parts map[string]any) string {
	const shown = 10
	var list []string
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		list = append(list, fmt.Sprintf("%s %v", name, parts[name]))
	}
	if len(list) > shown {
		list = append(list[:shown], fmt.Sprintf("and %d more", len(list)-shown))
	}
	return strings.Join(list, ", ")
}

// graphField traces node.field of the patched graph; nil where it has no such node.
func (h *runHistory) graphField(l *provenance.Lineage, of string) (*FieldTrace, error) {
	a, ok := h.artifacts[ledger.ArtifactPatchedGraph]
	if !ok {
		return nil, nil
	}
	raw, err := h.view.Content(a.SHA256)
	if err != nil {
		return nil, err
	}
	g, err := graph.Parse(raw, "sha256:"+a.SHA256)
	if err != nil {
		return nil, err
	}
	node, field, ok := findField(g, of)
	if !ok {
		return nil, nil
	}
	value := field.Value
	if value == nil || value == "" {
		value = field.Default
	}
	t := &FieldTrace{Field: node.Name + "." + field.Name, Artifact: a.SHA256, Execution: h.execution.ID}
	if node.Name == graph.IngestNode && field.Name == graph.IngestField && h.project.Graph.Manifest != configs.ManifestNone {
		t.Value = sha(h.manifest.sha256)
		t.add(FieldStep{Kind: "value", Text: "the manifest without graph_overrides, in the active configuration of the patched graph", Value: t.Value})
		h.addField(l, t)
		return t, nil
	}
	t.Value = value
	t.add(FieldStep{Kind: "value", Text: "in the patched graph of execution " + h.execution.ID, Value: value})
	if patch := h.patchOf(node.Name, field.Name); patch >= 0 {
		err = h.patchSteps(t, patch, field.Name)
	} else {
		t.add(FieldStep{
			Kind: "source_graph", Text: fmt.Sprintf("as it is in the source graph %s from %s, which config revision %d pins",
				sha(h.config.GraphSHA256), fallback(h.config.GraphOrigin, "an origin that was not kept"), h.execution.ConfigRevision),
			Place: h.place("graph.sha256"),
		})
	}
	h.addField(l, t)
	return t, err
}

// findField finds node.field; names of nodes may hold dots, so that the last part that fits is the field.
func findField(g *graph.Graph, of string) (graph.Node, graph.Field, bool) {
	nodes := g.Nodes()
	for at := strings.LastIndexByte(of, '.'); at > 0; at = strings.LastIndexByte(of[:at], '.') {
		for _, n := range nodes {
			if n.Name != of[:at] {
				continue
			}
			for _, f := range n.Fields {
				if f.Name == of[at+1:] {
					return n, f, true
				}
			}
		}
	}
	return graph.Node{}, graph.Field{}, false
}

// patchOf gives the last patch of the config that sets a field of a node; -1 for none.
func (h *runHistory) patchOf(node, field string) int {
	last := -1
	for i, p := range h.project.GraphPatches {
		if _, sets := p.Set[field]; sets && p.Match.Equals == node {
			last = i
		}
	}
	return last
}
