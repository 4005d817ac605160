package discovery

import (
	"context"
	"fmt"
	"strings"

	"beampipe/configs"
	"beampipe/fault"
)

// Explained is one query as it would be sent for a source.
type Explained struct {
	Name       string `json:"name"`
	Archive    string `json:"archive"`
	URL        string `json:"url"`
	Enrichment bool   `json:"enrichment,omitempty"` // asked once per SBID; the ADQL shows {sbid} in its place
	ADQL       string `json:"adql,omitempty"`
	Rows       string `json:"rows,omitempty"`    // which rows of the answer count, where not all do
	Problem    string `json:"problem,omitempty"` // why it cannot be sent
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
		vars := project.QueryVars(i, identifier)
		if enrichment {
			vars[configs.VarSBID] = "{" + configs.VarSBID + "}"
		}
		list = append(list, explainQuery(project, archives, q, vars, enrichment))
	}
	for i, q := range project.Discovery.Queries {
		explain(i, q, false)
	}
	for j, q := range project.Discovery.Enrichments {
		explain(len(project.Discovery.Queries)+j, q, true)
	}
	return list, nil
}

func explainQuery(project *configs.Project, archives Archives, q configs.Query, vars map[string]string, enrichment bool) Explained {
	x := Explained{Name: q.Name, Archive: q.Adapter, Enrichment: enrichment, Rows: ownRows(q, vars)}
	problem := func(err error) {
		x.Problem = strings.Join(append([]string{err.Error()}, fault.Hints(err)...), "; ")
	}
	client, err := archives.Client(project, q.Adapter)
	if err != nil {
		problem(err)
		return x
	}
	x.URL = client.URL()
	if x.ADQL, err = q.ADQL(vars); err != nil {
		problem(err)
	}
	return x
}

// ownRows says in words what ownership.deal does.
func ownRows(q configs.Query, vars map[string]string) string {
	s := shapeOf(q)
	switch {
	case q.Key != nil && s.like != nil && s.like.open && !s.like.anywhere && strings.EqualFold(s.like.column, *q.Key):
		return fmt.Sprintf("those whose %s begins with %q and with no longer registered identifier", *q.Key, s.like.before+vars[s.like.variable])
	case q.Key != nil:
		return fmt.Sprintf("those whose %s is %q", *q.Key, vars[s.keyVariable()])
	case s.like == nil || !s.like.open || s.like.variable == configs.VarSBID:
		return ""
	case s.like.column == "" || s.like.anywhere:
		return "all; where a longer identifier is registered, the answer is ambiguous"
	}
	return fmt.Sprintf("those whose %s begins with %q and with no longer registered identifier", s.like.column, s.like.before+vars[s.like.variable])
}
