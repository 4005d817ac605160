package discovery

import (
	"fmt"
	"strings"
	"sync"

	"beampipe/ledger"
)

// Codes of health problems.
const (
	ProblemArchive     = "discovery_archive_unavailable" // subject: the archive's name
	ProblemRefused     = "discovery_config_refused"      // subject: the project
	ProblemSource      = "discovery_source_failing"      // subject: the project
	ProblemQuarantine  = "discovery_quarantine"          // subject: the project
	ProblemMassChange  = "discovery_mass_change"         // subject: the project; its admission is stopped
	ProblemMassMissing = "discovery_mass_missing"        // subject: the project
)

// troubled keeps sources that are in one kind of trouble, by project, as far as this process has seen it.
type troubled struct {
	mu sync.Mutex
	in map[string]map[string]bool
}

func (s *troubled) of(project string) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return union(s.in[project])
}

func (s *troubled) set(project, identifier string, in bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !in {
		delete(s.in[project], identifier)
		return
	}
	if s.in == nil {
		s.in = map[string]map[string]bool{}
	}
	if s.in[project] == nil {
		s.in[project] = map[string]bool{}
	}
	s.in[project][identifier] = true
}

// watch remembers which sources fail again and again, and which would have lost their data together with
// many others, until they give another answer.
func (e *Engine) watch(project string, g guarded) {
	for identifier := range g.suspect {
		e.suspects.set(project, identifier, true)
	}
	for _, c := range g.list {
		d := c.discovery
		failed := d.Outcome == ledger.OutcomeError || refusal(d.Outcome)
		e.failing.set(project, d.Source.Identifier, failed && d.Source.Failures+1 >= patience && d.Source.QuarantinedAt == nil && !quarantines(d))
		if !failed {
			e.suspects.set(project, d.Source.Identifier, false)
		}
	}
}

// maxForgotten bounds the troubled sources of which a tick asks whether they still count.
const maxForgotten = 1000

// forget drops troubled sources that are no longer discovered.
func (e *Engine) forget(v ledger.View, project string) error {
	for _, set := range []*troubled{&e.failing, &e.suspects} {
		names := sortedKeys(set.of(project))
		for _, identifier := range names[:min(len(names), maxForgotten)] {
			s, err := v.Source(project, identifier)
			if err != nil {
				return err
			}
			if !s.Enabled || s.RemovedAt != nil || s.QuarantinedAt != nil {
				set.set(project, identifier, false)
			}
		}
	}
	return nil
}

// reportProject shows what is wrong with a project's discovery as a whole, and takes back what no longer is.
func (e *Engine) reportProject(v ledger.View, project string) error {
	p, err := v.Project(project)
	if err != nil {
		return err
	}
	quarantined, err := v.CountQuarantined(project)
	if err != nil {
		return err
	}
	e.metrics.quarantined.WithLabelValues(project).Set(float64(quarantined))
	e.show(p.BrakeAt != nil, ledger.Problem{
		Code: ProblemMassChange, Subject: project, Severity: "error", Title: "Project " + project + " admits nothing: too much changed at once",
		Text: p.BrakeReason, Todo: "look at: beampipe source list --project " + project + " --outcome changed; if it is right: beampipe project release " + project + " --reason TEXT",
	})
	suspects, failing := sortedKeys(e.suspects.of(project)), sortedKeys(e.failing.of(project))
	e.show(len(suspects) > 0, ledger.Problem{
		Code: ProblemMassMissing, Subject: project, Severity: "error", Title: fmt.Sprintf("Project %s: an archive no longer shows the data of %d source%s", project, len(suspects), plural(len(suspects))),
		Text: "all at once, so an archive fault is suspected and what is known is kept: " + listed(suspects),
		Todo: "nothing is lost, the sources are asked again; if the archive really took the data back, raise automation.discovery.mass_change",
	})
	e.show(len(failing) > 0, ledger.Problem{
		Code: ProblemSource, Subject: project, Severity: "warning", Title: fmt.Sprintf("Project %s: %d source%s failed %d times in a row", project, len(failing), plural(len(failing)), patience),
		Text: listed(failing), Todo: "see: beampipe source why " + strings.Join(failing[:min(1, len(failing))], ""),
	})
	var names []string
	if quarantined > 0 {
		if names, err = firstQuarantined(v, project); err != nil {
			return err
		}
		if more := quarantined - len(names); more > 0 {
			names = append(names, fmt.Sprintf("and %d more", more))
		}
	}
	e.show(quarantined > 0, ledger.Problem{
		Code: ProblemQuarantine, Subject: project, Severity: "warning", Title: fmt.Sprintf("Project %s: %d source%s in quarantine", project, quarantined, plural(quarantined)),
		Text: "their answers cannot be used, and they are not asked any more: " + strings.Join(names, ", "),
		Todo: "see: beampipe source list --project " + project + " --quarantined; when it is corrected: beampipe source release NAME --reason TEXT",
	})
	return nil
}

func firstQuarantined(v ledger.View, project string) ([]string, error) {
	yes := true
	list, err := v.Sources(ledger.SourceFilter{Project: project, Quarantined: &yes, Limit: maxListed})
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.Identifier
	}
	return names, err
}

// show reports a problem, or takes it back.
func (e *Engine) show(wrong bool, p ledger.Problem) {
	if wrong {
		e.problem(p)
		return
	}
	e.clear(p.Code, p.Subject)
}
