package main

import (
	"fmt"
	"strings"
	"time"

	"beampipe/control"
	"beampipe/ledger"
)

// state shows where an execution stands, with what lies beside the state.
func (p *page) state(e ledger.Execution) ink {
	text := string(e.State)
	if e.Held != nil {
		text += ", held"
	}
	if e.CancelWanted != nil {
		text += ", cancel wanted"
	}
	switch {
	case e.State == ledger.Failed:
		return p.red(text)
	case e.State == ledger.Completed:
		return p.green(text)
	case e.State == ledger.Uncertain, e.Held != nil:
		return p.yellow(text)
	}
	return ink(clean(text, false))
}

func (p *page) created(a control.Created, q control.CreateRequest) {
	var plan plan
	if decode(a.Plan, &plan) {
		p.plan(plan)
	}
	if a.Execution == nil {
		p.line("nothing was created: this was a dry run")
		return
	}
	hold := ""
	if q.Hold && a.Execution.Held == nil {
		hold = ", to be held once it is ready"
	}
	p.line("created execution %s, %s%s", p.bold(a.Execution.ID), p.state(*a.Execution), hold)
	p.next([]string{"beampipe tick execution", "beampipe execution why " + a.Execution.ID})
}

func (p *page) plan(plan plan) {
	var rows [][]any
	for _, s := range plan.Sources {
		rows = append(rows, []any{s.Identifier, "SBIDs " + orNone(strings.Join(s.SBIDs, ", ")), count(s.Datasets, "dataset"), p.red(strings.Join(s.Problems, "; "))})
	}
	p.table("", nil, rows)
	p.field("datasets", "%d", plan.TotalDatasets)
	p.field("graph", "%s (config revision %d)", short(plan.GraphSHA256), plan.ConfigRevision)
	if plan.Target != "" {
		p.field("profile", "%s revision %d, runs at %s", plan.Profile, plan.ProfileRevision, plan.Target)
	}
	p.fields("would ask", plan.Asks)
	for _, problem := range plan.Problems {
		p.line("  %s", p.red(problem))
	}
}

// executionList shows a page of runs; the counts come at the end of the last.
func (p *page) executionList(l control.ExecutionList, goesOn bool) {
	if len(l.Executions) == 0 {
		p.line("no execution")
		return
	}
	var rows [][]any
	for _, e := range l.Executions {
		rows = append(rows, []any{
			e.ID, p.state(e), age(l.At, e.UpdatedAt), sourceNames(e), e.Attempt, e.Profile, e.Project, cut(e.Error, 60),
		})
	}
	p.table("", []string{"EXECUTION", "STATE", "SINCE", "SOURCES", "ATTEMPT", "PROFILE", "PROJECT", "ERROR"}, rows)
	if !goesOn {
		p.line("")
		p.line("in all: %s", counts(l.Counts, ""))
	}
}

// executionHead says which run this is and what lies beside its state.
func (p *page) executionHead(at time.Time, e ledger.Execution) {
	p.line("%s (%s)   %s since %s, attempt %d", p.bold(e.ID), e.Project, p.state(e), age(at, e.UpdatedAt), e.Attempt)
	p.mark("held", e.Held)
	p.mark("cancel wanted", e.CancelWanted)
}

func (p *page) mark(name string, m *ledger.Mark) {
	if m != nil {
		p.field(name, "%s by %s%s", when(m.At), m.By, because(m.Reason))
	}
}

func (p *page) executionDetail(d control.ExecutionDetail) {
	e := d.Execution
	p.executionHead(d.At, e)
	var rows [][]any
	for _, s := range e.Sources {
		rows = append(rows, []any{s.Identifier, "SBIDs " + orNone(strings.Join(s.SBIDs, ", ")), "signature " + short(s.Signature)})
	}
	p.titled("sources", rows)
	p.line("")
	p.field("created", "%s by %s, config revision %d", when(e.CreatedAt), e.CreatedBy, e.ConfigRevision)
	p.field("rerun of", "%s", e.RerunOf)
	p.field("profile", "%s revision %d, runs at %s", e.Profile, e.ProfileRevision, e.Target)
	if e.SubmissionID != "" {
		external := ""
		if e.ExternalID != "" {
			external = ", known there as " + e.ExternalID
		}
		p.field("submitted as", "%s%s", e.SubmissionID, external)
	}
	p.field("folder", "%s", e.Folder)
	p.times(e)
	p.failure(e)
	rows = nil
	for _, artifact := range d.Artifacts {
		rows = append(rows, []any{artifact.Kind, fmt.Sprintf("attempt %d", artifact.Attempt), short(artifact.SHA256), bytesText(artifact.Size), when(artifact.CreatedAt)})
	}
	p.titled("artifacts", rows)
	if d.Products > 0 {
		withdrawn := ""
		if d.Withdrawn > 0 {
			withdrawn = fmt.Sprintf(", %d withdrawn", d.Withdrawn)
		}
		p.field("products", "%s%s (beampipe outputs list %s)", count(d.Products, "file"), p.red(withdrawn), e.ID)
	}
	rows = nil
	for _, o := range d.Observations {
		rows = append(rows, []any{o.ObservedAt.UTC().Format(secondFormat), fmt.Sprintf("attempt %d", o.Attempt), o.Kind, o.State, cut(o.Reason, 80)})
	}
	p.titled("observations", rows)
	p.runRecord(d.RunRecord, maxRecordValues, everything)
}

func (p *page) times(e ledger.Execution) {
	if e.StartedAt != nil {
		p.field("started", "%s", when(*e.StartedAt))
	}
	if e.CompletedAt != nil {
		p.field("ended", "%s", when(*e.CompletedAt))
	}
	if e.NotBefore != nil && !e.State.Terminal() {
		p.field("not before", "%s (%s)", when(*e.NotBefore), count(e.Refusals, "refusal"))
	}
}

func (p *page) failure(e ledger.Execution) {
	if e.Error == "" {
		return
	}
	class := ""
	if e.Class != "" {
		class = string(e.Class) + ": "
	}
	p.field("error", "%s", p.red(class+e.Error))
	if e.NextRetryAt != nil {
		p.field("next try", "%s by itself (%d of 3 so far)", when(*e.NextRetryAt), e.AutoRetries)
	}
}

// maxRecordValues bounds how much of a run record is looked at for a screen.
const maxRecordValues = 1000

// runRecord shows at most limit values of what a backend said; keep chooses among them.
func (p *page) runRecord(record any, limit int, keep func(name string) bool) {
	pairs, more := flatten(record, maxRecordValues)
	var rows [][]any
	for _, v := range pairs {
		if keep(v.name) {
			rows = append(rows, []any{v.name, cut(v.value, maxValue)})
		}
	}
	if len(rows) > limit {
		rows, more = rows[:limit], true
	}
	if more {
		rows = append(rows, []any{"…", "(all of it: --json)"})
	}
	p.titled("run record", rows)
}

func everything(string) bool { return true }

// telling leaves out of a run record what the one screen shows elsewhere, and what only a program reads.
func telling(name string) bool {
	for _, part := range strings.Split(name, ".") {
		switch part {
		case "raw", "failed_drops", "details", "requested_sources":
			return false
		}
	}
	return true
}

// Limits of what the one screen of "execution why" shows; --json has everything.
const (
	whyRecordLines = 30
	whyLogLines    = 15
	whyFailedDrops = 5
	whySources     = 10
)

func (p *page) executionWhy(w control.ExecutionWhy) {
	p.executionHead(w.At, w.Execution)
	p.line("  %s", w.Sentence)
	p.readiness(w.Readiness)
	p.titled("figures", limitRows(w.Figures))
	if len(w.Events) > 0 {
		p.line("")
		p.line("  events (UTC)")
		p.events(w.Events)
	}
	p.runRecord(w.RunRecord, whyRecordLines, telling)
	p.failedDrops(w.Failed)
	if len(w.Next) > 0 {
		p.line("")
		p.next(w.Next)
	}
}

func (p *page) readiness(list []control.SourceReadiness) {
	var rows [][]any
	for i, r := range list {
		if i == whySources {
			rows = append(rows, []any{"…", fmt.Sprintf("and %d more", len(list)-whySources)})
			break
		}
		signature := ink("its signature is still the pinned one")
		if !r.Current {
			signature = p.yellow("its data changed since")
		}
		ready := p.green("ready")
		if len(r.NotReady) > 0 {
			ready = p.yellow("not ready: " + strings.Join(r.NotReady, "; "))
		}
		rows = append(rows, []any{r.Identifier, ready, signature})
	}
	p.titled("readiness", rows)
}

func (p *page) failedDrops(drops []control.FailedDrop) {
	if len(drops) == 0 {
		return
	}
	p.line("")
	p.line("  %s", p.red(count(len(drops), "failed drop")))
	for i, d := range drops {
		if i == whyFailedDrops {
			p.line("      … and %d more", len(drops)-whyFailedDrops)
			return
		}
		p.line("      %s (%s): %s", p.bold(d.Name), d.OID, d.Reason)
		lines := strings.Split(strings.TrimRight(d.Log, "\n"), "\n")
		for _, line := range lines[max(0, len(lines)-whyLogLines):] {
			if line != "" {
				p.line("        | %s", clean(line, false))
			}
		}
	}
}
