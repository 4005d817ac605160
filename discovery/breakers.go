package discovery

import (
	"strings"
	"time"

	"beampipe/configs"
	"beampipe/ledger"
	"beampipe/vo/tap"
)

// budgets gives the state of the archives that a project's queries use.
func (e *Engine) budgets(p *configs.Project) map[string]tap.BudgetState {
	set, ok := e.archives.(interface {
		States() map[string]tap.BudgetState
	})
	if !ok {
		return nil
	}
	states := map[string]tap.BudgetState{}
	all := set.States()
	for _, list := range [][]configs.Query{p.Discovery.Queries, p.Discovery.Enrichments} {
		for _, q := range list {
			for name, state := range all {
				if name == q.Adapter || strings.HasPrefix(name, q.Adapter+" ") { // one name can have several addresses
					states[name] = state
				}
			}
		}
	}
	return states
}

// longestPause is how long an archive can be left alone; a time further away is of another clock.
const longestPause = 15 * time.Minute

// closedArchive says why the archive of a project's primary query is not asked now; "" when it may be.
func (e *Engine) closedArchive(p *configs.Project) string {
	if len(p.Discovery.Queries) == 0 {
		return ""
	}
	name := p.Discovery.Queries[0].Adapter
	state, ok := e.budgets(p)[name]
	wait := state.RetryAt.Sub(e.ledger.Now())
	if !ok || state.Breaker != tap.BreakerOpen || wait <= 0 || wait > longestPause {
		return ""
	}
	return "archive " + name + " does not answer, and is asked again from " + ledger.Minute(state.RetryAt) + ": " + state.LastError
}
