package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"beampipe/configs"
	"beampipe/control"
	"beampipe/ledger"
)

// next ends a screen with the commands to try.
func (p *page) next(commands []string) {
	p.fields("next", commands)
}

// diagnostics shows findings as a compiler would, with the offending line.
func (p *page) diagnostics(list []configs.Diagnostic) {
	for _, d := range list {
		p.line("%s", d.String())
	}
}

func (p *page) projectAdded(a control.ProjectAdded) {
	p.diagnostics(a.Warnings)
	if a.Added {
		p.line("%s   revision %d added", p.bold(a.Project), a.Revision)
	} else {
		p.line("%s   nothing to do: this is its active revision %d already", p.bold(a.Project), a.Revision)
	}
	p.field("config", "%s", short(a.Digest))
	if a.GraphSHA256 != "" {
		pin := "as pinned in the config"
		if !a.GraphPinned {
			pin = "not pinned in the config: pinned now by these bytes"
		}
		p.field("graph", "%s, %s, from %s (%s)", short(a.GraphSHA256), count(a.GraphNodes, "node"), a.GraphOrigin, pin)
	}
	if !a.Admitting {
		p.field("runs", "none until: beampipe project start %s", a.Project)
	}
	p.next(a.Next)
}

func (p *page) projectReport(r control.ProjectReport) {
	p.diagnostics(r.Report.Errors)
	p.diagnostics(r.Report.Warnings)
	verdict := p.green("valid")
	if !r.Report.Valid {
		verdict = p.red("not valid")
	}
	project := ""
	if r.Report.ProjectID != "" {
		project = " (" + r.Report.ProjectID + ")"
	}
	p.line("%s%s   %s: %s, %s", r.File, project, verdict, count(len(r.Report.Errors), "error"), count(len(r.Report.Warnings), "warning"))
	p.refused("discovery", r.RefusedDiscovery)
	p.refused("runs", r.RefusedExecution)
}

// refused names what cannot run although the file loads. The places were shown with the warnings.
func (p *page) refused(what string, list []configs.Diagnostic) {
	var lines []string
	for _, d := range list {
		lines = append(lines, "refused: "+strings.TrimPrefix(d.Path+": ", ": ")+d.Message)
	}
	p.fields(what, lines)
}

func (p *page) explanation(e control.Explanation) {
	p.line("%s   queries for %s", p.bold(e.Project), e.Source)
	for _, q := range e.Queries {
		p.line("")
		p.line("  %s   %s, asks %s at %s", p.bold(q.Name), q.Role, q.Archive, q.URL)
		for _, line := range strings.Split(strings.TrimSpace(q.ADQL), "\n") {
			p.line("      %s", line)
		}
		if q.Rows != "" {
			p.line("      of its rows count %s", q.Rows)
		}
		if q.Error != "" {
			p.line("      %s", p.red("refused: "+q.Error))
		}
		p.forms(q.Forms)
	}
	p.cost(e.Cost)
	p.line("")
	p.field("signature", "covers %severy column and every mapped field%s", flagsToo(e.Signature.Flags), except(e.Signature.Excluded))
	var rows [][]any
	for _, f := range e.Fields {
		rows = append(rows, []any{f.Target, "← " + f.From, strings.Join(f.Transform, " → ")})
	}
	p.titled("fields", rows)
	p.titled("limits", limitRows(e.Limits))
	p.titled("schedules", limitRows(e.Schedules))
	p.line("")
	p.field("graph", "%s", e.Graph)
	rows = nil
	for _, patch := range e.Patches {
		rows = append(rows, []any{patch.Node, patch.Field, "= " + cut(patch.Value, 80)})
	}
	p.titled("graph patches", rows)
	for _, r := range e.Refused {
		p.line("  %s", p.red("refused: "+r))
	}
}

func except(excluded []string) string {
	if len(excluded) == 0 {
		return ""
	}
	return "; not " + strings.Join(excluded, ", ")
}

func flagsToo(on bool) string {
	if on {
		return "the discovery flags and "
	}
	return ""
}

func limitRows(limits []control.ExplainLimit) [][]any {
	var rows [][]any
	for _, l := range limits {
		rows = append(rows, []any{l.Name, l.Value, "(" + l.From + ")"})
	}
	return rows
}

// titled writes a small table under its name; an empty one is left out.
func (p *page) titled(name string, rows [][]any) {
	if len(rows) == 0 {
		return
	}
	p.line("")
	p.line("  %s", name)
	p.table("      ", nil, rows)
}

func (p *page) projectDiff(d control.ProjectDiff) {
	if d.Same {
		p.line("%s   the same as its active revision %d", p.bold(d.Project), d.Revision)
		return
	}
	p.line("%s   %s against revision %d", p.bold(d.Project), count(len(d.Changes), "change"), d.Revision)
	var rows [][]any
	for _, c := range d.Changes {
		rows = append(rows, []any{c.Path, orElse(cut(value(c.Before), 60), "–"), "→", orElse(cut(value(c.After), 60), "–")})
	}
	p.table("  ", nil, rows)
	p.impact(d.Impact)
	p.diagnostics(d.Warnings)
}

func (p *page) projectList(l control.ProjectList) {
	p.paused(l.Paused)
	if len(l.Projects) == 0 {
		p.line("no project; add one with: beampipe project add -f survey.yaml")
		return
	}
	var rows [][]any
	for _, s := range l.Projects {
		rows = append(rows, []any{
			s.ID, s.Revision, p.admitting(s.Project), s.Sources, s.Pending, ageOr(l.At, s.OldestPending, "–"),
			inFlight(s.Executions), s.Executions[ledger.Completed], p.ifAny(s.Executions[ledger.Failed]),
		})
	}
	p.table("", []string{"PROJECT", "REVISION", "RUNS", "SOURCES", "PENDING", "OLDEST", "ACTIVE", "COMPLETED", "FAILED"}, rows)
}

// inFlight counts the executions that are not terminal.
func inFlight(states map[ledger.State]int) int {
	n := 0
	for state, have := range states {
		if !state.Terminal() {
			n += have
		}
	}
	return n
}

func (p *page) admitting(s ledger.Project) ink {
	switch {
	case s.BrakeAt != nil:
		return p.red("braked")
	case s.Admitting:
		return p.green("started")
	case s.AdmitAt == nil:
		return p.yellow("not started")
	}
	return p.yellow("paused")
}

// ifAny shows a number that should be zero.
func (p *page) ifAny(n int) any {
	if n == 0 {
		return n
	}
	return p.red(value(n))
}

func (p *page) projectStatus(s control.ProjectStatus) {
	p.projectState(s)
	p.ticks(s.At, s.Ticks)
	switch {
	case s.BrakeAt != nil:
		p.next([]string{"beampipe source list --outcome changed --project " + s.ID, "beampipe project release " + s.ID + " --reason TEXT"})
	case !s.Admitting:
		p.next([]string{"beampipe project start " + s.ID})
	}
}

func (p *page) projectState(s control.ProjectStatus) {
	p.line("%s   %s, revision %d", p.bold(s.ID), p.admitting(s.Project), s.Revision)
	p.field("about", "%s", s.Description)
	if s.AdmitAt != nil {
		p.field("since", "%s by %s%s", when(*s.AdmitAt), s.AdmitBy, because(s.AdmitReason))
	}
	if s.BrakeAt != nil {
		p.field("braked", "since %s: %s", when(*s.BrakeAt), p.red(s.BrakeReason))
	}
	p.field("sources", "%d: %s", s.Sources, orNone(counts(s.Outcomes, "never asked")))
	if s.Pending > 0 {
		p.field("pending", "%d, the oldest since %s", s.Pending, ageOr(s.At, s.OldestPending, "an unknown time"))
	} else {
		p.field("pending", "none")
	}
	p.field("executions", "%s", orNone(counts(s.Executions, "")))
}

// ticks shows when each tick last ran, why it ended, and in lines of their own what it counted.
func (p *page) ticks(at time.Time, list []ledger.Schedule) {
	if len(list) == 0 {
		return
	}
	width := 0
	for _, t := range list {
		width = max(width, utf8.RuneCountInString(t.Project))
	}
	p.line("")
	p.line("  last ticks")
	for _, t := range list {
		reason, detail, _ := strings.Cut(t.Reason, ": ")
		p.line("      %-9s  %-*s  %-6s  %s", t.Kind, width, t.Project, ageOr(at, t.LastRunAt, "never"), reason)
		for _, more := range []string{detail, counters(t.Counters)} {
			if more != "" {
				p.line("          %s", more)
			}
		}
	}
}

// counters shows what a tick counted: "claimed 4, changed 3".
func counters(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		switch {
		case m[name] == 0:
		case name == "took_ms":
			parts = append(parts, "took "+took(time.Duration(m[name])*time.Millisecond))
		default:
			parts = append(parts, fmt.Sprintf("%s %d", strings.ReplaceAll(name, "_", " "), m[name]))
		}
	}
	return strings.Join(parts, ", ")
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func orNone(text string) string { return orElse(text, "none") }

func (p *page) projectDetail(d control.ProjectDetail) {
	p.projectState(d.ProjectStatus)
	p.field("config", "%s from %s", short(d.Digest), d.Config.FileName)
	if d.Config.GraphSHA256 != "" {
		p.field("graph", "%s from %s", short(d.Config.GraphSHA256), d.Config.GraphOrigin)
	}
	var rows [][]any
	for _, r := range d.Revisions {
		rows = append(rows, []any{r.Revision, short(r.Digest), short(r.GraphSHA256), when(r.CreatedAt), r.CreatedBy, r.FileName})
	}
	p.line("")
	p.table("  ", []string{"REVISION", "CONFIG", "GRAPH", "ADDED", "BY", "FILE"}, rows)
	p.ticks(d.At, d.Ticks)
}
