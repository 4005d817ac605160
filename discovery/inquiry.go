package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/ledger"
)

// MaxSBIDs bounds the SBIDs of one source: each costs a request per enrichment, or a key of a set.
const MaxSBIDs = 500

// asked is what the archives said about one source of a batch, or why that is not known.
type asked struct {
	answer   answer
	report   *Report
	owner    ownership
	digest   string // SHA-256 of the answer that is stored, "" = none
	requests int    // one that several sources share counts with the first of them
	err      error  // why the answer is not whole
	cut      bool   // ctx has ended: nothing is known
}

// inquiry puts a project's questions about the sources of a batch.
type inquiry struct {
	engine  *Engine
	project *configs.Project
	sources []ledger.Source
	forms   *formLog // of the tick
	heard   []asked  // by source
}

// question is one query about one source; of an enrichment, about one of its SBIDs.
type question struct {
	source int // index in the batch
	query  int // counts the queries, then the enrichments
	sbid   string
	vars   map[string]string

	answered bool // table is the answer
	table    table
	err      error // why there is none
	requests int
	report   QueryReport
}

// ask asks about all sources of the batch and gives what it heard, in their order: of each the primary
// query; when that has rows, the others; and the enrichments for its SBIDs. A failure is that of the
// sources whose question failed, and they are not asked about further.
func (b *batch) ask(ctx context.Context) []asked {
	t := b.tick
	n := &inquiry{engine: t.engine, project: t.project, sources: b.sources, forms: &t.forms, heard: make([]asked, len(b.sources))}
	began := t.engine.ledger.Now()
	known, err := b.stored(ctx)
	for i, s := range b.sources {
		a := &n.heard[i]
		a.report = &Report{At: began, Queries: []QueryReport{}}
		a.owner = ownership{project: t.project, identifier: s.Identifier, longer: known.longer[s.Identifier], shapes: &t.shapes}
		a.digest, a.err = known.digests[s.ID], err
	}
	if n.hasSets() {
		n.together(ctx)
	} else {
		inParallel(t.engine.limits.SourceConcurrency, len(n.heard), func(i int) { n.oneByOne(ctx, i) })
	}
	for i := range n.heard {
		n.heard[i].cut = n.heard[i].err != nil && ctx.Err() != nil
	}
	return n.heard
}

// storedBefore is what the ledger has of a batch's sources before they are asked about.
type storedBefore struct {
	longer  map[string][]string // by identifier
	digests map[int64]string    // of the stored answers, by source
}

// stored reads it for all sources at once.
func (b *batch) stored(ctx context.Context) (known storedBefore, err error) {
	identifiers, ids := make([]string, len(b.sources)), make([]int64, len(b.sources))
	for i, s := range b.sources {
		identifiers[i], ids[i] = s.Identifier, s.ID
	}
	view := b.tick.engine.ledger.View(ctx)
	if known.longer, err = view.LongerIdentifiers(b.tick.id, identifiers); err == nil {
		known.digests, err = view.AnswerDigests(ids)
	}
	return known, err
}

// hasSets tells whether a query can be asked for several sources at once.
func (n *inquiry) hasSets() bool {
	has := func(q configs.Query) bool { return len(q.Batch) > 0 }
	return slices.ContainsFunc(n.project.Discovery.Queries, has) || slices.ContainsFunc(n.project.Discovery.Enrichments, has)
}

// steps are the parts of an inquiry: each needs the answers of those before it.
var steps = []func(n *inquiry, source int) []*question{(*inquiry).primary, (*inquiry).others, (*inquiry).enrichments}

// together takes each step for all sources at once.
func (n *inquiry) together(ctx context.Context) {
	for _, step := range steps {
		var questions []*question
		for i := range n.heard {
			questions = append(questions, step(n, i)...)
		}
		n.answer(ctx, questions)
	}
}

// oneByOne asks all about one source, so that it can be concluded about whatever comes of the others.
func (n *inquiry) oneByOne(ctx context.Context, source int) {
	for _, step := range steps {
		for _, q := range step(n, source) {
			n.answer(ctx, []*question{q})
			if n.heard[source].err != nil {
				return
			}
		}
	}
}

func (n *inquiry) question(source, query int, sbid string) *question {
	q := &question{source: source, query: query, sbid: sbid, vars: n.project.QueryVars(query, n.heard[source].owner.identifier)}
	if sbid != "" {
		q.vars[configs.VarSBID] = sbid
	}
	return q
}

// query gives a query of the config, and whether it is an enrichment.
func (n *inquiry) query(i int) (q configs.Query, enrichment bool) {
	if first := len(n.project.Discovery.Queries); i >= first {
		return n.project.Discovery.Enrichments[i-first], true
	}
	return n.project.Discovery.Queries[i], false
}

func (n *inquiry) primary(source int) []*question {
	if n.heard[source].err != nil {
		return nil
	}
	return []*question{n.question(source, 0, "")}
}

// others gives the questions behind the primary query. An empty answer to that ends it for a source.
func (n *inquiry) others(source int) []*question {
	var list []*question
	for query := 1; query < len(n.project.Discovery.Queries) && n.heard[source].hasRows(); query++ {
		list = append(list, n.question(source, query, ""))
	}
	return list
}

// enrichments gives the questions about a source's SBIDs.
func (n *inquiry) enrichments(source int) []*question {
	a := &n.heard[source]
	if !a.hasRows() {
		return nil
	}
	if a.report.SBIDs, a.err = n.sbids(a); a.err != nil {
		return nil
	}
	first, count := len(n.project.Discovery.Queries), len(n.project.Discovery.Enrichments)
	var list []*question
	for _, sbid := range a.report.SBIDs {
		for query := first; query < first+count; query++ {
			list = append(list, n.question(source, query, sbid))
		}
	}
	return list
}

// hasRows tells whether the primary query gave rows and nothing has failed since.
func (a *asked) hasRows() bool { return a.err == nil && len(a.answer.Queries[0].Rows) > 0 }

func (n *inquiry) sbids(a *asked) ([]string, error) {
	sbids, err := mapper{project: n.project, identifier: a.owner.identifier}.sbids(a.answer)
	if err != nil {
		return nil, err
	}
	if len(sbids) > MaxSBIDs {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("%s has %d SBIDs, expected at most %d", a.owner.identifier, len(sbids), MaxSBIDs),
			"narrow the primary query, or correct field_map.sbid")
	}
	return sbids, nil
}

// answer asks some questions, a few requests at a time, and files what was heard with their sources,
// in the order of the questions. A request can leave questions to be asked in another way.
func (n *inquiry) answer(ctx context.Context, questions []*question) {
	for todo := n.requests(questions); len(todo) > 0; {
		again := make([][]request, len(todo))
		inParallel(n.engine.limits.SourceConcurrency, len(todo), func(i int) { again[i] = n.do(ctx, todo[i]) })
		todo = nil
		for _, list := range again {
			todo = append(todo, list...)
		}
	}
	for _, q := range questions {
		n.file(q)
	}
}

func (n *inquiry) file(q *question) {
	a := &n.heard[q.source]
	a.requests += q.requests
	if q.report.Name != "" { // it was asked
		if len(a.report.Queries) >= maxReportedQueries {
			q.report.ADQL = ""
		}
		a.report.Queries = append(a.report.Queries, q.report)
	}
	config, enrichment := n.query(q.query)
	named := namedTable{Name: config.Name, SBID: q.sbid, table: q.table}
	switch {
	case a.err != nil:
	case q.err != nil:
		a.err = q.err
	case !q.answered: // an answer without rows is one that came
		a.err = fmt.Errorf("defect: query %q for %s was not asked", config.Name, a.owner.identifier)
	case enrichment:
		a.answer.Enrichments = append(a.answer.Enrichments, named)
	default:
		a.answer.Queries = append(a.answer.Queries, named)
	}
}

// fail fails questions with an error that says which query failed; its kind stays.
func (n *inquiry) fail(questions []*question, err error) {
	for _, q := range questions {
		config, _ := n.query(q.query)
		q.err = during(config, n.heard[q.source].owner.identifier, q.sbid, err)
	}
}

// during says which query failed; the kind of the failure stays.
func during(q configs.Query, identifier, sbid string, err error) error {
	var mixed ambiguous
	if errors.As(err, &mixed) {
		return err // it says so itself
	}
	what := fmt.Sprintf("query %q for %s", q.Name, identifier)
	if sbid != "" {
		what += " SBID " + sbid
	}
	kind := fault.KindOf(err)
	if kind == "" {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fault.Wrap(kind, err, what, "")
}
