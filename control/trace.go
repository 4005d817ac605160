package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/provenance"
)

// Bounds of traces.
const (
	maxTracedRuns   = 20   // executions that one thing is traced back through
	maxForwardRuns  = 1000 // executions of a trace forward, and products of each of them
	maxTracedOfFile = 200  // products with the same content that are looked at
)

// Traces is what came of what.
type Traces interface {
	// Trace follows something back to the rows that it came of, or forward to every execution and product.
	Trace(ctx context.Context, q TraceRequest) (TraceAnswer, error)
}

// Trace implements Traces.
func (c *Local) Trace(ctx context.Context, q TraceRequest) (TraceAnswer, error) {
	if err := c.needLedger(); err != nil {
		return TraceAnswer{}, err
	}
	switch {
	case (q.What == "") == (q.From == ""):
		return TraceAnswer{}, fault.New(fault.Invalid, "trace: what is to be traced? give one thing to trace back, or one to trace forward from", "")
	case q.From != "" && q.Of != "":
		return TraceAnswer{}, fault.New(fault.Invalid, "trace: a single value is traced back, not forward", "leave --of out, or name an execution")
	}
	var answer TraceAnswer
	err := c.ledger.Snapshot(ctx, func(v ledger.View) error {
		var err error
		if q.From != "" {
			answer, err = c.traceForward(v, q)
		} else {
			answer, err = c.traceBack(ctx, v, q)
		}
		return err
	})
	return answer, err
}

// traced is what is to be traced back: nodes of executions.
type traced struct {
	executions []string // the newest first
	found      []string // ids of nodes; empty = the executions themselves
	more       bool
}

// traceBack follows something back through the executions that it belongs to.
func (c *Local) traceBack(ctx context.Context, v ledger.View, q TraceRequest) (TraceAnswer, error) {
	answer := TraceAnswer{At: v.Now(), What: q.What, Found: []string{}, Runs: []TracedRun{}, Lineage: &provenance.Lineage{}}
	t, err := resolveTraced(v, q.What)
	if err != nil {
		return answer, err
	}
	answer.More = t.more
	answer.Found = append(answer.Found, t.found...)
	for _, id := range t.executions {
		h, err := c.history(ctx, v, id)
		if err != nil {
			return answer, err
		}
		graph, err := h.graph()
		if err != nil {
			return answer, err
		}
		merge(answer.Lineage, graph)
		answer.Runs = append(answer.Runs, TracedRun{Execution: h.execution, Products: orEmpty(h.products)})
		if len(t.found) == 0 {
			answer.Found = append(answer.Found, "execution:"+id)
		}
		if q.Of != "" && answer.Of == nil {
			if answer.Of, err = h.field(answer.Lineage, q.Of); err != nil {
				return answer, err
			}
		}
		for _, gap := range h.gaps {
			if len(t.executions) > 1 {
				gap = "execution " + id + ": " + gap
			}
			answer.Gaps = append(answer.Gaps, gap)
		}
	}
	answer.Lineage.Sort()
	return answer, nil
}

// merge adds one lineage to another.
func merge(into, from *provenance.Lineage) {
	for _, n := range from.Nodes {
		into.Add(n)
	}
	for _, e := range from.Edges {
		into.Link(e.From, e.Relation, e.To)
	}
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// resolveTraced finds what a name stands for: a digest, the URI or path of products, an execution.
func resolveTraced(v ledger.View, what string) (traced, error) {
	if digest, ok := strings.CutPrefix(what, "sha256:"); ok {
		if digest = strings.ToLower(digest); !digestPattern.MatchString(digest) {
			return traced{}, fault.New(fault.Invalid, fmt.Sprintf("trace %.100q: a digest has 64 hexadecimal digits", what), "")
		}
		return resolveDigest(v, digest)
	}
	for _, f := range []ledger.ProductFilter{{URI: what}, {Path: what}} {
		f.Newest, f.Limit = true, maxTracedOfFile
		products, err := v.Products(f)
		if err != nil || len(products) > 0 {
			return tracedProducts(products), err
		}
	}
	id, err := v.ResolveExecution(what)
	if err == nil {
		_, err = v.Execution(id)
	}
	if errors.Is(err, fault.NotFound) {
		return traced{}, fault.New(fault.NotFound, fmt.Sprintf("trace %.100q: there is no such file, and no execution or product of that name in this ledger", what),
			"list what there is with: beampipe execution list, beampipe outputs list")
	}
	return traced{executions: []string{id}}, err
}

func resolveDigest(v ledger.View, digest string) (traced, error) {
	products, err := v.Products(ledger.ProductFilter{SHA256: digest, Newest: true, Limit: maxTracedOfFile})
	if err != nil || len(products) > 0 {
		return tracedProducts(products), err
	}
	uses, err := v.UsesOf(digest, maxTracedOfFile)
	if err != nil {
		return traced{}, err
	}
	t := traced{found: []string{sha(digest)}}
	for _, u := range uses {
		t.add(u.Execution)
		if _, isNode := artifactKinds[u.Kind]; !isNode { // a list of products, a record of lineage: it is the run's own
			t.found = nil
		}
	}
	if len(uses) > 0 {
		return t, nil
	}
	pins, err := v.ConfigsWithGraph(digest)
	if err != nil {
		return t, err
	}
	for _, pin := range pins {
		list, err := v.Executions(ledger.ExecutionFilter{Project: pin.Project, Limit: maxTracedOfFile})
		if err != nil {
			return t, err
		}
		for _, e := range list {
			if e.ConfigRevision == pin.Revision {
				t.add(e.ID)
			}
		}
	}
	if len(pins) == 0 {
		return t, fault.New(fault.NotFound, "nothing in this ledger has the content sha256:"+digest+": no product, manifest or graph", "see that it is the file as the run left it, and the ledger of that run")
	}
	return t, nil
}

func tracedProducts(products []ledger.Product) traced {
	var t traced
	for _, p := range products {
		if t.add(p.Execution) {
			t.found = append(t.found, productID(p))
		}
	}
	return t
}

// add adds an execution once, as long as there is room; false: there is none.
func (t *traced) add(id string) bool {
	switch {
	case slices.Contains(t.executions, id):
		return true
	case len(t.executions) >= maxTracedRuns:
		t.more = true
		return false
	}
	t.executions = append(t.executions, id)
	return true
}

// parseInput reads sbid:N, dataset:NAME or evaluation:FILE.
func parseInput(text string) (ledger.Input, error) {
	kind, value, _ := strings.Cut(text, ":")
	in := ledger.Input{Kind: kind, Value: value}
	if err := in.Check(); err != nil {
		return in, fault.Wrap(fault.Invalid, err, fmt.Sprintf("trace from %.100q", text), "give sbid:NUMBER, dataset:NAME or evaluation:FILE")
	}
	return in, nil
}

// traceForward follows data to every execution that used it, and to what these made.
func (c *Local) traceForward(v ledger.View, q TraceRequest) (TraceAnswer, error) {
	answer := TraceAnswer{At: v.Now(), What: q.From, Found: []string{}, Runs: []TracedRun{}, Lineage: &provenance.Lineage{}}
	in, err := parseInput(q.From)
	if err != nil {
		return answer, err
	}
	if err := knownProject(v, q.Project); err != nil {
		return answer, err
	}
	limit := maxForwardRuns
	if q.Limit > 0 {
		limit = min(q.Limit, limit)
	}
	list, err := v.Executions(ledger.ExecutionFilter{Project: q.Project, Input: &in, Before: q.Before, Limit: limit + 1})
	if err != nil {
		return answer, err
	}
	if answer.More = len(list) > limit; answer.More {
		list = list[:limit]
	}
	for _, e := range list {
		run := TracedRun{Execution: e}
		if run.Products, err = v.Products(ledger.ProductFilter{Execution: e.ID, Limit: maxForwardRuns}); err != nil {
			return answer, err
		}
		if len(run.Products) == maxForwardRuns {
			all, _, err := v.CountProducts(e.ID)
			if err != nil {
				return answer, err
			}
			run.More = all - maxForwardRuns
		}
		run.Products = orEmpty(run.Products)
		answer.Runs = append(answer.Runs, run)
		found := forward(answer.Lineage, in, run)
		if !slices.Contains(answer.Found, found) {
			answer.Found = append(answer.Found, found)
		}
	}
	answer.Lineage.Sort()
	return answer, nil
}

// inputKinds says what the kinds of inputs are in a lineage.
var inputKinds = map[string]provenance.NodeKind{
	ledger.InputSBID: provenance.NodeSBID, ledger.InputDataset: provenance.NodeDataset, ledger.InputEvaluation: provenance.NodeEvaluation,
}

// forward adds an execution with its products to a lineage, as used of something. It gives the id of that.
func forward(l *provenance.Lineage, in ledger.Input, run TracedRun) string {
	e := run.Execution
	place := ""
	if in.Kind == ledger.InputDataset { // its SBID is known where there is only one
		if sbids := sbidsOf(e); len(sbids) == 1 {
			place = sbids[0]
		}
		place += "/"
	}
	found := fmt.Sprintf("%s:%s/%s%s", in.Kind, e.Project, place, in.Value)
	l.Add(provenance.Node{ID: found, Kind: inputKinds[in.Kind], Label: in.Value})
	id := "execution:" + e.ID
	l.Add(provenance.Node{ID: id, Kind: provenance.NodeExecution, Label: e.ID, Attributes: attributes("state", string(e.State), "project_module", e.Project, "created_at", ledger.Stamp(e.CreatedAt))})
	l.Link(id, provenance.Used, found)
	for _, p := range run.Products {
		attempt := "attempt:" + ledger.SubmissionID(p.Execution, p.Attempt)
		l.Add(provenance.Node{ID: attempt, Kind: provenance.NodeAttempt, Label: ledger.SubmissionID(p.Execution, p.Attempt)})
		l.Link(attempt, provenance.InformedBy, id)
		l.Add(productNode(p))
		l.Link(productID(p), provenance.GeneratedBy, attempt)
	}
	return found
}

// sbidsOf gives the SBIDs of all sources of an execution, each once, sorted.
func sbidsOf(e ledger.Execution) []string {
	var list []string
	for _, s := range e.Sources {
		list = append(list, s.SBIDs...)
	}
	slices.SortFunc(list, cmp.Compare[string])
	return slices.Compact(list)
}
