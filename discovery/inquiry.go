package discovery

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/ledger"
)

// MaxSBIDs bounds the SBIDs of one source: each costs a request per enrichment.
const MaxSBIDs = 500

// inquiry is what one source's discovery asks and what it hears.
type inquiry struct {
	engine   *Engine
	project  *configs.Project
	owner    ownership
	answer   answer
	report   *Report
	requests int
}

// ask puts the project's questions about one source: the primary query; the others; the enrichments
// for each SBID. An empty answer to the primary query ends it there. Any failure is the source's.
func (n *inquiry) ask(ctx context.Context) error {
	queries := n.project.Discovery.Queries
	for i, q := range queries {
		vars := n.project.QueryVars(i, n.owner.identifier)
		t, err := n.query(ctx, i, q, "", vars)
		if err != nil {
			return err
		}
		n.answer.Queries = append(n.answer.Queries, namedTable{Name: q.Name, table: t})
		if i == 0 && len(t.Rows) == 0 {
			return nil
		}
	}
	sbids, err := mapper{project: n.project, identifier: n.owner.identifier}.sbids(n.answer)
	if err != nil {
		return err
	}
	if len(sbids) > MaxSBIDs {
		return fault.New(fault.Invalid, fmt.Sprintf("%s has %d SBIDs, expected at most %d", n.owner.identifier, len(sbids), MaxSBIDs), "narrow the primary query, or correct field_map.sbid")
	}
	n.report.SBIDs = sbids
	for _, sbid := range sbids {
		if err := n.enrich(ctx, sbid); err != nil {
			return err
		}
	}
	return nil
}

func (n *inquiry) enrich(ctx context.Context, sbid string) error {
	for j, q := range n.project.Discovery.Enrichments {
		i := len(n.project.Discovery.Queries) + j
		vars := n.project.QueryVars(i, n.owner.identifier)
		vars[configs.VarSBID] = sbid
		t, err := n.query(ctx, i, q, sbid, vars)
		if err != nil {
			return err
		}
		n.answer.Enrichments = append(n.answer.Enrichments, namedTable{Name: q.Name, SBID: sbid, table: t})
	}
	return nil
}

// query asks one archive once (its client may retry) and keeps the rows that are the source's.
func (n *inquiry) query(ctx context.Context, i int, q configs.Query, sbid string, vars map[string]string) (table, error) {
	adql, err := q.ADQL(vars)
	if err != nil {
		return table{}, err
	}
	client, err := n.engine.archives.Client(n.project, q.Adapter)
	if err != nil {
		return table{}, err
	}
	began := n.engine.ledger.Now()
	n.requests++
	got, err := client.Query(ctx, adql)
	n.engine.asked(ctx, q.Adapter, err)
	report := QueryReport{Name: q.Name, SBID: sbid, Archive: q.Adapter, Took: n.engine.ledger.Now().Sub(began)}
	if len(n.report.Queries) < maxReportedQueries {
		report.ADQL = ledger.Excerpt(strings.TrimSpace(adql), maxReportedADQL)
	}
	defer func() { n.report.Queries = append(n.report.Queries, report) }()
	if err != nil {
		return table{}, during(q, n.owner.identifier, sbid, err)
	}
	report.Rows = len(got.Rows)
	t, err := newTable(got)
	if err != nil {
		return table{}, during(q, n.owner.identifier, sbid, err)
	}
	own, foreign, err := n.owner.deal(i, q, t, vars)
	report.Foreign = foreign
	return own, err
}

// during says which query failed; the kind of the failure stays.
func during(q configs.Query, identifier, sbid string, err error) error {
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

// failed gives the outcome and the text of a failure.
func failed(err error) (outcome, text string) {
	outcome, text = ledger.OutcomeError, err.Error()
	var mixed ambiguous
	if errors.As(err, &mixed) {
		outcome = ledger.OutcomeAmbiguous
	}
	if hints := fault.Hints(err); len(hints) > 0 {
		text += "; to do: " + strings.Join(hints, "; ")
	}
	return outcome, ledger.Excerpt(text, maxErrorText)
}

// maxErrorText bounds the stored text of a failure.
const maxErrorText = 2000
