package main

import (
	"fmt"
	"strings"
	"time"

	"beampipe/control"
	"beampipe/ledger"
)

func (p *page) importReport(r control.ImportReport) {
	p.line("%s   %d added, %d known, %d refused", p.bold(r.Project), r.Added, r.Known, len(r.Refused))
	p.refusedIDs(r.Refused)
	if len(r.Prefixes) == 0 {
		return
	}
	p.line("  %s: one begins with the other, so a query with LIKE answers both", count(len(r.Prefixes), "pair"))
	var rows [][]any
	for _, pair := range r.Prefixes {
		rows = append(rows, []any{pair.Short, pair.Long})
	}
	p.table("      ", nil, rows)
}

func (p *page) refusedIDs(list []control.RefusedID) {
	var rows [][]any
	for _, r := range list {
		place := ""
		if r.Line > 0 {
			place = fmt.Sprintf("line %d", r.Line)
		}
		rows = append(rows, []any{p.red("refused"), place, cut(r.Identifier, 60), r.Reason})
	}
	if len(rows) > 0 {
		p.table("  ", nil, rows)
	}
}

func (p *page) sourceList(l control.SourceList, narrowed bool) {
	if len(l.Sources) == 0 {
		if narrowed {
			p.line("no source is like that")
			return
		}
		p.line("no source; register some with: beampipe source import -f sources.txt")
		return
	}
	var rows [][]any
	for _, s := range l.Sources {
		rows = append(rows, []any{
			s.Identifier, s.Project, p.outcome(s), ageOr(l.At, s.LastCheckedAt, "never"), short(s.Signature), p.waiting(l.At, s), cut(s.LastError, 60),
		})
	}
	p.table("", []string{"SOURCE", "PROJECT", "LAST FOUND", "CHECKED", "SIGNATURE", "PENDING", "ERROR"}, rows)
}

func (p *page) outcome(s ledger.Source) ink {
	text := strings.ReplaceAll(s.LastOutcome, "_", " ")
	switch {
	case s.RemovedAt != nil:
		return p.faint("removed")
	case !s.Enabled:
		return p.faint("disabled")
	case s.QuarantinedAt != nil:
		return p.red("quarantined")
	case text == "":
		return p.faint("never asked")
	case s.LastOutcome == ledger.OutcomeError, s.LastOutcome == ledger.OutcomeAmbiguous, s.LastOutcome == ledger.OutcomeRefused,
		s.LastOutcome == ledger.OutcomeMissing:
		return p.red(text)
	}
	return ink(clean(text, false))
}

func (p *page) waiting(at time.Time, s ledger.Source) string {
	if !s.Pending {
		return "–"
	}
	return ageOr(at, s.PendingAt, "yes")
}

func (p *page) sourceDetail(d control.SourceDetail) {
	s := d.Source
	p.line("%s (%s)   %s", p.bold(s.Identifier), s.Project, p.outcome(s))
	p.field("registered", "%s by %s", when(s.RegisteredAt), s.RegisteredBy)
	own := ""
	if s.StaleAfterHours != nil {
		own = fmt.Sprintf(", every %d h (set for it alone)", *s.StaleAfterHours)
	}
	p.field("checked", "%s, next %s%s", whenOrNever(s.LastCheckedAt), when(s.NextDueAt), own)
	p.field("signature", "%s, last executed %s", short(s.Signature), short(s.LastExecutedSignature))
	if s.Pending {
		p.field("pending", "since %s (%s)", whenOrNever(s.PendingAt), ageOr(d.At, s.PendingAt, "unknown"))
	}
	p.field("error", "%s", s.LastError)
	p.metadata(d.Metadata)
	var rows [][]any
	for _, e := range d.Executions {
		rows = append(rows, []any{e.ID, p.state(e), e.Profile, when(e.CreatedAt)})
	}
	p.titled("executions", rows)
	for _, set := range d.Changes {
		p.line("")
		p.line("  %s   %s, signature %s → %s", when(set.At), set.Outcome, short(set.Before), short(set.After))
		for _, line := range changeLines(set.Changes, maxChangeLines) {
			p.line("      %s", line)
		}
	}
}

func (p *page) metadata(list []ledger.Metadata) {
	var rows [][]any
	for _, m := range list {
		missing := ""
		if m.MissingSince != nil {
			missing = "missing since " + when(*m.MissingSince)
		}
		if n := len(m.Excluded); n > 0 {
			missing = strings.TrimSpace(fmt.Sprintf("%s  %d excluded", missing, n))
		}
		rows = append(rows, []any{"SBID " + m.SBID, count(len(m.Records), "dataset"), "changed " + when(m.ChangedAt), missing})
	}
	p.titled("data", rows)
}

// maxChangeLines bounds how many lines of one change a screen shows; --json has them all.
const maxChangeLines = 20

// changeLines tells a change as a person would: added and gone datasets counted per SBID, fields one
// by one.
func changeLines(changes []ledger.Change, limit int) []string {
	var lines []string
	where := map[string]int{} // line of a counted change
	number := map[string]int{}
	for _, c := range changes {
		sign, counted := map[string]string{"dataset_added": "+", "dataset_gone": "−"}[c.Kind]
		if counted {
			key := sign + c.SBID
			number[key]++
			if _, seen := where[key]; !seen {
				where[key] = len(lines)
				lines = append(lines, "")
			}
			lines[where[key]] = fmt.Sprintf("%s %s in SBID %s", sign, count(number[key], "dataset"), c.SBID)
			continue
		}
		lines = append(lines, changeLine(c))
	}
	if len(lines) > limit {
		more := len(lines) - limit
		lines = append(lines[:limit], fmt.Sprintf("… and %d more (--json has them all)", more))
	}
	return lines
}

func changeLine(c ledger.Change) string {
	switch c.Kind {
	case "sbid_added":
		return "+ SBID " + c.SBID
	case "sbid_gone":
		return "− SBID " + c.SBID
	}
	what := strings.TrimSpace(c.Dataset + " " + c.Field)
	if what == "" {
		what = strings.ReplaceAll(c.Kind, "_", " ")
	}
	return fmt.Sprintf("~ %s  %s → %s", what, cut(value(c.Before), 60), cut(value(c.After), 60))
}

// discoveryReport is what a screen needs of a source's last discovery.
type discoveryReport struct {
	At      time.Time `json:"at"`
	Took    int64     `json:"took_ns"`
	Queries []struct {
		Name    string `json:"name"`
		SBID    string `json:"sbid"`
		Archive string `json:"archive"`
		Form    string `json:"form"`
		Shared  int    `json:"shared"`
		Mode    string `json:"mode"`
		Rows    int    `json:"rows"`
		Foreign int    `json:"foreign"`
		Older   int    `json:"older"`
		Took    int64  `json:"took_ns"`
	} `json:"queries"`
}

// maxQueryLines bounds the queries that a screen shows; --json has them all.
const maxQueryLines = 12

// queryRows tells what each query of a source's last discovery returned.
func (r discoveryReport) queryRows(lastError string) [][]any {
	var rows [][]any
	for i, q := range r.Queries {
		if i == maxQueryLines {
			return append(rows, []any{"…", fmt.Sprintf("and %d more (--json has them all)", len(r.Queries)-i)})
		}
		name := q.Name
		if q.SBID != "" {
			name += " of SBID " + q.SBID
		}
		how := q.Form
		if q.Shared > 1 {
			how = fmt.Sprintf("%s of %d", q.Form, q.Shared)
		}
		if q.Mode == "async" {
			how += ", async"
		}
		found := count(q.Rows, "row")
		if i == len(r.Queries)-1 && strings.Contains(lastError, fmt.Sprintf("query %q", q.Name)) {
			found = "no answer that can be used"
		}
		if q.Foreign > 0 {
			found += fmt.Sprintf(", %d of other sources left out", q.Foreign)
		}
		if q.Older > 0 {
			found += fmt.Sprintf(", %d older left out (latest_by)", q.Older)
		}
		rows = append(rows, []any{name, q.Archive, how, found, took(time.Duration(q.Took))})
	}
	return rows
}

func (p *page) sourceWhy(w control.SourceWhy) {
	s := w.Source
	state := w.State
	if s.Pending && s.PendingAt != nil && strings.HasPrefix(state, "pending") {
		state += " since " + age(w.At, *s.PendingAt)
	}
	p.line("%s (%s)   %s", p.bold(s.Identifier), s.Project, state)
	p.line("  %s", w.Sentence)
	p.field("discovered", "%s", discovered(w))
	var r discoveryReport
	told := decode(w.Discovery, &r)
	if c := w.LastChange; c != nil {
		lines := changeLines(c.Changes, maxChangeLines)
		if told && !c.At.IsZero() && c.At.Before(r.At) { // an earlier discovery than the one above found it
			lines = append([]string{"at " + when(c.At)}, lines...)
		}
		p.fields("changed", lines)
	}
	p.field("signature", "%s", signatureText(w))
	p.fields("covers", wrapped(w.Signed))
	if s.LastError != "" && !strings.Contains(w.Sentence, s.LastError) {
		p.field("error", "%s", p.red(s.LastError))
	}
	if w.Missing != w.Sentence {
		p.field("missing", "%s", w.Missing)
	}
	p.fields("not ready", w.NotReady)
	if n := len(w.Excluded); n > 0 {
		p.field("excluded", "%s, see: beampipe dataset list %s", count(n, "dataset"), s.Project)
	}
	if !strings.Contains(w.Sentence, w.Admission) {
		p.field("admission", "%s", w.Admission)
	}
	if e := w.Execution; e != nil {
		p.field("execution", "%s, %s since %s", e.ID, p.state(*e), age(w.At, e.UpdatedAt))
		if e.Error != "" {
			p.field("", "%s", e.Error)
		}
	}
	if told {
		p.titled("queries", r.queryRows(s.LastError))
	}
	p.next(w.Next)
}

// discovered tells when a source was asked about, at what cost, and what is known since.
func discovered(w control.SourceWhy) string {
	data := count(w.Datasets, "dataset")
	if len(w.SBIDs) > 0 {
		data += " in SBID" + plural(len(w.SBIDs)) + " " + strings.Join(w.SBIDs, ", ")
	}
	var r discoveryReport
	if !decode(w.Discovery, &r) || r.At.IsZero() {
		return whenOrNever(w.Source.LastCheckedAt) + ", " + data
	}
	queries := fmt.Sprintf("%d queries", len(r.Queries))
	if len(r.Queries) == 1 {
		queries = "1 query"
	}
	foreign := 0
	for _, q := range r.Queries {
		foreign += q.Foreign
	}
	text := fmt.Sprintf("%s, %s, %s, %s", when(r.At), queries, took(time.Duration(r.Took)), data)
	if foreign > 0 {
		text += fmt.Sprintf("; %s of other sources left out", count(foreign, "row"))
	}
	return text
}

func signatureText(w control.SourceWhy) string {
	if w.Source.Signature == "" {
		return ""
	}
	text := short(w.Source.Signature)
	if c := w.LastChange; c != nil && c.Before != "" && c.Before != c.After && c.After == w.Source.Signature {
		text = short(c.Before) + " → " + short(c.After)
	}
	if len(w.NotInSigned) > 0 {
		text += "   (" + strings.Join(w.NotInSigned, ", ") + isAre(len(w.NotInSigned)) + " not part of it)"
	}
	if w.Source.LastExecutedSignature == w.Source.Signature {
		text += ", executed"
	}
	return text
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// wrapped puts names into lines of a width that a terminal has.
func wrapped(names []string) []string {
	const width = 90
	var lines []string
	for _, name := range names {
		if last := len(lines) - 1; last >= 0 && len(lines[last])+len(name) < width {
			lines[last] += ", " + name
			continue
		}
		lines = append(lines, name)
	}
	return lines
}

func isAre(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}

func (p *page) discoverReport(r control.DiscoverReport) {
	p.discoveryTick(r.Tick)
	if len(r.Sources) > 0 {
		p.sourceList(control.SourceList{At: r.At, Sources: r.Sources}, true)
	}
}

func (p *page) sourceChanges(c control.SourceChanges, done string) {
	p.line("%s   %d %s, %d unchanged, %d refused", p.bold(c.Project), len(c.Changed), done, len(c.Same), len(c.Refused))
	const shown = 10
	for i, id := range c.Changed {
		if i == shown {
			p.line("  … and %d more", len(c.Changed)-shown)
			break
		}
		p.line("  %s", id)
	}
	p.refusedIDs(c.Refused)
}
