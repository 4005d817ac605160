package discovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"beampipe/configs"
	"beampipe/fault"
)

// Explained is one query as it would be sent for a source.
type Explained struct {
	Name       string          `json:"name"`
	Archive    string          `json:"archive"`
	URL        string          `json:"url"`
	Enrichment bool            `json:"enrichment,omitempty"` // asked once per SBID; the ADQL shows {sbid} in its place
	ADQL       string          `json:"adql,omitempty"`
	Rows       string          `json:"rows,omitempty"`    // which rows of the answer count, where not all do
	Problem    string          `json:"problem,omitempty"` // why it cannot be sent
	Forms      []ExplainedForm `json:"forms,omitempty"`   // how it is asked for several sources, in order of preference
}

// ExplainedForm is one form of a query as it would be sent for two sources.
type ExplainedForm struct {
	Form    string   `json:"form"` // list or upload
	ADQL    string   `json:"adql,omitempty"`
	Table   string   `json:"table,omitempty"`   // of an upload, as the ADQL names it
	Columns []string `json:"columns,omitempty"` // of that table
	Values  []string `json:"values,omitempty"`  // the two that are asked for here
	Key     string   `json:"key"`               // the column by which the rows are dealt back
	Keys    int      `json:"keys"`              // values of one request, at most
	Bytes   int      `json:"bytes"`             // of one request, at most
	Problem string   `json:"problem,omitempty"` // why it is never used
}

// Explain gives the queries of a project as they would be sent for a source, without sending any. A
// query that cannot be sent says why. The error is fault.Invalid: the identifier cannot be registered.
func (e *Engine) Explain(ctx context.Context, project *configs.Project, identifier string) ([]Explained, error) {
	return Explain(ctx, project, e.archives, identifier)
}

// Explain is Engine.Explain where there is no ledger.
func Explain(_ context.Context, project *configs.Project, archives Archives, identifier string) ([]Explained, error) {
	if err := configs.CheckIdentifier(identifier); err != nil {
		return nil, err
	}
	var list []Explained
	explain := func(i int, q configs.Query, enrichment bool) {
		vars, other := project.QueryVars(i, identifier), project.QueryVars(i, identifier+otherSource)
		if enrichment {
			vars[configs.VarSBID], other[configs.VarSBID] = "{"+configs.VarSBID+"}", "{"+configs.VarSBID+otherSource+"}"
		}
		x := explainQuery(project, archives, q, vars, enrichment)
		for _, f := range q.Batch {
			x.Forms = append(x.Forms, explainForm(q, f, vars, other, enrichment))
		}
		list = append(list, x)
	}
	for i, q := range project.Discovery.Queries {
		explain(i, q, false)
	}
	for j, q := range project.Discovery.Enrichments {
		explain(len(project.Discovery.Queries)+j, q, true)
	}
	return list, nil
}

// otherSource makes a second source of the one that is explained.
const otherSource = "-2"

func explainQuery(project *configs.Project, archives Archives, q configs.Query, vars map[string]string, enrichment bool) Explained {
	x := Explained{Name: q.Name, Archive: q.Adapter, Enrichment: enrichment, Rows: ownRows(q, vars, enrichment)}
	client, err := archives.Client(project, q.Adapter)
	if err != nil {
		x.Problem = problemText(err)
		return x
	}
	x.URL = client.URL()
	if x.ADQL, err = q.ADQL(vars); err != nil {
		x.Problem = problemText(err)
	}
	return x
}

func explainForm(q configs.Query, f configs.BatchForm, vars, other map[string]string, enrichment bool) ExplainedForm {
	variable := q.KeyVariable(f, enrichment)
	x := ExplainedForm{Form: f.Form(), Key: f.Key, Keys: f.Rows(), Bytes: f.Bytes(), Values: []string{vars[variable], other[variable]}}
	if !f.InList {
		x.Table, x.Columns = "TAP_UPLOAD."+f.Upload, uploadColumns(vars, enrichment)
	}
	var err error
	if x.ADQL, err = q.SetADQL(f, x.Values); err != nil {
		x.Problem = problemText(err)
	} else if why := unfit(q, f, enrichment); why != "" {
		x.Problem = why
	}
	return x
}

func problemText(err error) string {
	return strings.Join(append([]string{err.Error()}, fault.Hints(err)...), "; ")
}

// ownRows says in words what ownership.deal and latest do.
func ownRows(q configs.Query, vars map[string]string, enrichment bool) string {
	rows := dealtRows(q, vars, enrichment)
	if q.LatestBy == nil {
		return rows
	}
	if rows == "" {
		rows = "all"
	}
	return fmt.Sprintf("%s; of these the ones with the largest %s", rows, *q.LatestBy)
}

func dealtRows(q configs.Query, vars map[string]string, enrichment bool) string {
	s := shapeOf(q)
	switch {
	case q.Key != nil && s.like != nil && s.like.open && !s.like.anywhere && strings.EqualFold(s.like.column, *q.Key):
		return fmt.Sprintf("those whose %s begins with %q and with no longer registered identifier", *q.Key, s.like.before+vars[s.like.variable])
	case q.Key != nil:
		return fmt.Sprintf("those whose %s is %q", *q.Key, vars[keyVariable(q, s, enrichment)])
	case s.like == nil || !s.like.open || s.like.variable == configs.VarSBID:
		return ""
	case s.like.column == "" || s.like.anywhere:
		return "all; where a longer identifier is registered, the answer is ambiguous"
	}
	return fmt.Sprintf("those whose %s begins with %q and with no longer registered identifier", s.like.column, s.like.before+vars[s.like.variable])
}

// uploadColumns gives the columns of an uploaded table: the variables, for an enrichment the SBID alone.
func uploadColumns(vars map[string]string, enrichment bool) []string {
	if enrichment {
		return []string{configs.VarSBID}
	}
	return slices.Sorted(maps.Keys(vars))
}

// QueryCost is how many requests a query costs when each source is asked about alone, and when they are
// asked about in sets of its first form.
type QueryCost struct {
	Name    string `json:"name"`
	Archive string `json:"archive"`
	Form    string `json:"form"` // single, list or upload: how it is asked
	Single  int    `json:"single"`
	Set     int    `json:"set"`
}

// Cost estimates the requests of a tick that claims so many sources, each with data in so many SBIDs, in
// batches of the config's batch_size. It assumes that every value of a request fits its max_bytes, that
// no SBID is shared, and that no request is refused or repeated.
func Cost(p *configs.Project, sources, sbidsPerSource int) []QueryCost {
	var list []QueryCost
	add := func(q configs.Query, perSource int, enrichment bool) {
		c := QueryCost{Name: q.Name, Archive: q.Adapter, Form: configs.FormSingle, Single: sources * perSource}
		c.Set = c.Single
		for _, f := range q.Batch {
			if unfit(q, f, enrichment) == "" {
				c.Form, c.Set = f.Form(), setRequests(sources, perSource, p.Automation.Discovery.BatchSize, f.Rows())
				break
			}
		}
		list = append(list, c)
	}
	for _, q := range p.Discovery.Queries {
		add(q, 1, false)
	}
	for _, q := range p.Discovery.Enrichments {
		add(q, sbidsPerSource, true)
	}
	return list
}

// setRequests counts the requests for some keys per source when a request holds so many keys and never
// those of two batches.
func setRequests(sources, perSource, batch, keys int) int {
	if sources <= 0 || perSource <= 0 {
		return 0
	}
	batch = min(max(batch, 1), sources)
	full, rest := sources/batch, sources%batch
	up := func(n int) int { return (n + keys - 1) / keys }
	return full*up(batch*perSource) + up(rest*perSource)
}
