package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"beampipe/control"
	"beampipe/ledger"
	"beampipe/provenance"
)

// Bounds of a tree: what more there is, is counted.
const (
	maxTreeProducts = 50
	maxTreeDatasets = 100
)

// lineageTree reads a lineage for a tree.
type lineageTree struct {
	page  *page
	nodes map[string]provenance.Node
	from  map[string][]provenance.Edge // by the later thing
	to    map[string][]provenance.Edge // by the earlier thing
	found map[string]bool              // what was asked for
}

// traceBack shows what something came of.
func (p *page) traceBack(t control.TraceAnswer, name string) {
	tree := lineageTree{page: p, nodes: map[string]provenance.Node{}, from: map[string][]provenance.Edge{}, to: map[string][]provenance.Edge{}, found: map[string]bool{}}
	for _, n := range t.Lineage.Nodes {
		tree.nodes[n.ID] = n
	}
	for _, e := range t.Lineage.Edges {
		tree.from[e.From], tree.to[e.To] = append(tree.from[e.From], e), append(tree.to[e.To], e)
	}
	products := 0
	for _, id := range t.Found {
		tree.found[id] = true
		n := tree.nodes[id]
		switch {
		case n.Kind == provenance.NodeProduct:
			products++
			p.line("%s is product %s of execution %s", p.bold(name), n.Label, executionOf(id))
		case n.Kind != provenance.NodeExecution:
			p.line("%s is the %s of %s", p.bold(name), strings.ReplaceAll(string(n.Kind), "_", " "), count(len(t.Runs), "execution"))
		}
	}
	if len(t.Runs) == 0 {
		p.line("no execution has used it yet")
	}
	for _, r := range t.Runs {
		p.tree(tree.execution(r.Execution, products > 0))
	}
	if t.More {
		p.line("there are more executions of it than one trace shows")
	}
}

func executionOf(product string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(product, "product:"), "/")
	return id
}

// attribute gives an attribute as text.
func attribute(n provenance.Node, name string) string {
	v, ok := n.Attributes[name]
	if !ok {
		return ""
	}
	return value(v)
}

// shownTime cuts a stored time to the minute.
func shownTime(stamp string) string {
	if len(stamp) < len("2006-01-02T15:04") {
		return stamp
	}
	return strings.Replace(stamp[:16], "T", " ", 1) + " UTC"
}

// join puts the parts that say something into one line.
func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// earlier gives what a node came of, by its relations and kind, in the order of the lineage.
func (t lineageTree) earlier(id string, kind provenance.NodeKind) []provenance.Node {
	var list []provenance.Node
	for _, e := range t.from[id] {
		if n := t.nodes[e.To]; n.Kind == kind {
			list = append(list, n)
		}
	}
	return list
}

func (t lineageTree) later(id string, kind provenance.NodeKind) []provenance.Node {
	var list []provenance.Node
	for _, e := range t.to[id] {
		if n := t.nodes[e.From]; n.Kind == kind {
			list = append(list, n)
		}
	}
	return list
}

// execution is the tree of one run. onlyFound leaves out the products that were not asked for.
func (t lineageTree) execution(e ledger.Execution, onlyFound bool) branch {
	id := "execution:" + e.ID
	out := branch{text: fmt.Sprintf("execution %s (%s)   %s, made %s by %s", e.ID, e.Project, e.State, when(e.CreatedAt), e.CreatedBy)}
	attempts := t.later(id, provenance.NodeAttempt)
	for _, n := range attempts {
		out.under = append(out.under, t.attempt(n, onlyFound))
	}
	graphs := t.later(id, provenance.NodePatchedGraph)
	for _, n := range graphs {
		out.under = append(out.under, t.graph(n))
	}
	for _, n := range t.later(id, provenance.NodeManifest) {
		out.under = append(out.under, t.manifest(n, e))
	}
	for _, n := range t.earlier(id, provenance.NodeConfig) {
		out.under = append(out.under, branch{text: fmt.Sprintf("config %s   %s", n.Label, join(attribute(n, "file_name"), prefixed("added ", shownTime(attribute(n, "added_at"))), t.by(n.ID)))})
	}
	for _, n := range t.earlier(id, provenance.NodeProfile) {
		out.under = append(out.under, branch{text: fmt.Sprintf("profile %s   %s", n.Label, join(prefixed("runs at ", attribute(n, "target")), prefixed("added ", shownTime(attribute(n, "added_at"))), t.by(n.ID)))})
	}
	return out
}

// by names whom something is attributed to.
func (t lineageTree) by(id string) string {
	for _, n := range t.earlier(id, provenance.NodeActor) {
		return "by " + n.Label
	}
	return ""
}

func (t lineageTree) attempt(n provenance.Node, onlyFound bool) branch {
	var software []string
	for _, s := range t.earlier(n.ID, provenance.NodeSoftware) {
		software = append(software, s.Label)
	}
	job := ""
	for _, b := range t.earlier(n.ID, provenance.NodeBackendJob) {
		job = "known there as " + b.Label
	}
	out := branch{text: fmt.Sprintf("attempt %s   %s", attemptNumber(n.Label), join(
		prefixed("at ", attribute(n, "target")), job, prefixed("submitted ", shownTime(attribute(n, "submitted_at"))), prefixed("ended ", shownTime(attribute(n, "ended_at"))),
		prefixed("as ", attribute(n, "ended_as")), strings.Join(software, ", ")))}
	if folder := attribute(n, "folder"); folder != "" {
		out.under = append(out.under, branch{text: "folder " + folder})
	}
	products := t.later(n.ID, provenance.NodeProduct)
	hidden := 0
	for _, o := range products {
		if onlyFound && !t.found[o.ID] || len(out.under) > maxTreeProducts {
			hidden++
			continue
		}
		b := branch{text: fmt.Sprintf("product %s   %s, sha256 %s", o.Label, sizeText(o), short(attribute(o, "sha256")))}
		if at := attribute(o, "withdrawn_at"); at != "" {
			b.mark = t.page.red(fmt.Sprintf("withdrawn %s by %s: %s", shownTime(at), attribute(o, "withdrawn_by"), attribute(o, "withdraw_reason")))
		}
		out.under = append(out.under, b)
	}
	if hidden > 0 {
		out.under = append(out.under, branch{text: "and " + count(hidden, "more product")})
	}
	return out
}

// attemptNumber is the end of a submission id.
func attemptNumber(id string) string { return id[strings.LastIndexByte(id, '-')+1:] }

func sizeText(n provenance.Node) string {
	switch v := n.Attributes["bytes"].(type) {
	case int64:
		return bytesText(v)
	case float64: // from JSON
		return bytesText(int64(v))
	}
	return "size not known"
}

func digestOf(n provenance.Node) string { return short(strings.TrimPrefix(n.ID, "sha256:")) }

func (t lineageTree) graph(n provenance.Node) branch {
	out := branch{text: fmt.Sprintf("patched graph %s   %s, made %s", digestOf(n), sizeText(n), shownTime(attribute(n, "made_at")))}
	for _, s := range t.earlier(n.ID, provenance.NodeSourceGraph) {
		out.under = append(out.under, branch{text: fmt.Sprintf("source graph %s   %s", digestOf(s), join(prefixed("from ", attribute(s, "origin")), prefixed("pinned by config ", strings.TrimPrefix(attribute(s, "pinned_by"), "config:")), t.by(s.ID)))})
	}
	for _, m := range t.earlier(n.ID, provenance.NodeManifest) {
		out.under = append(out.under, branch{text: fmt.Sprintf("manifest %s, with its graph patches", digestOf(m))})
	}
	return out
}

// manifest is a manifest with its sources: of each the datasets by SBID, and the queries.
func (t lineageTree) manifest(n provenance.Node, e ledger.Execution) branch {
	datasets := t.earlier(n.ID, provenance.NodeDataset)
	out := branch{text: fmt.Sprintf("manifest %s   %s of %s, made %s", digestOf(n), count(len(datasets), "dataset"), count(len(e.Sources), "source"), shownTime(attribute(n, "made_at")))}
	for _, s := range e.Sources {
		out.under = append(out.under, t.source(e.Project, s, n.ID, datasets))
	}
	return out
}

func (t lineageTree) source(project string, s ledger.ExecutionSource, manifest string, datasets []provenance.Node) branch {
	id := fmt.Sprintf("source:%s/%s", project, s.Identifier)
	answers := t.later(id, provenance.NodeAnswer)
	discovered := ""
	for _, a := range answers {
		discovered = prefixed("discovered ", shownTime(attribute(a, "discovered_at")))
	}
	out := branch{text: fmt.Sprintf("source %s   %s", s.Identifier, join("signature "+short(s.Signature), discovered))}
	for _, sbid := range s.SBIDs {
		b := branch{text: "SBID " + sbid}
		for _, v := range t.earlier(manifest, provenance.NodeEvaluation) {
			if attribute(v, "sbid") == sbid {
				b.text += "   evaluation file " + v.Label
			}
		}
		of := slices.DeleteFunc(slices.Clone(datasets), func(d provenance.Node) bool {
			return attribute(d, "sbid") != sbid || attribute(d, "source_identifier") != s.Identifier
		})
		for _, d := range of[:min(len(of), maxTreeDatasets)] {
			b.under = append(b.under, t.dataset(d))
		}
		if more := len(of) - maxTreeDatasets; more > 0 {
			b.under = append(b.under, branch{text: "and " + count(more, "more dataset")})
		}
		out.under = append(out.under, b)
	}
	for _, a := range answers {
		out.under = append(out.under, t.queries(a)...)
	}
	return out
}

func (t lineageTree) dataset(d provenance.Node) branch {
	out := branch{text: "dataset " + d.Label}
	if row, ok := d.Attributes["row"].(map[string]string); ok {
		columns, _ := d.Attributes["columns"].([]string)
		out.under = []branch{{text: cut("row of "+attribute(d, "query")+": "+rowText(row, columns), maxShownRow)}}
	}
	return out
}

func (t lineageTree) queries(answer provenance.Node) []branch {
	list := t.earlier(answer.ID, provenance.NodeQuery)
	slices.SortStableFunc(list, func(a, b provenance.Node) int {
		return cmp.Or(cmp.Compare(attribute(a, "sbid"), attribute(b, "sbid")), cmp.Compare(a.Label, b.Label))
	})
	var out []branch
	for _, q := range list {
		archive := attribute(q, "archive")
		for _, a := range t.earlier(q.ID, provenance.NodeArchive) {
			archive = orElse(attribute(a, "url"), archive)
		}
		kept := ""
		if attribute(q, "restored") != "" {
			kept = "text made again from the config"
		}
		out = append(out, branch{
			text:  fmt.Sprintf("query %s   %s", q.Label, join(prefixed("SBID ", attribute(q, "sbid")), "asked "+shownTime(attribute(q, "asked_at")), "at "+archive, kept)),
			under: []branch{{text: cut(attribute(q, "adql"), maxShownADQL)}},
		})
	}
	return out
}
