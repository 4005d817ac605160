package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"beampipe/configs"
	"beampipe/discovery"
	"beampipe/fault"
	"beampipe/ledger"
)

// registerChunk bounds one write transaction of an import.
const registerChunk = 10_000

// AddSources implements Sources.
func (c *Local) AddSources(ctx context.Context, project string, identifiers []string) (ImportReport, error) {
	lines := make([]importLine, len(identifiers))
	for i, id := range identifiers {
		lines[i] = importLine{number: i + 1, identifier: id}
	}
	return c.register(ctx, project, lines)
}

// ImportSources implements Sources.
func (c *Local) ImportSources(ctx context.Context, q ImportRequest) (ImportReport, error) {
	lines, err := readIdentifiers(q)
	if err != nil {
		return ImportReport{}, err
	}
	return c.register(ctx, q.Project, lines)
}

// register adds identifiers in as few transactions as possible and reports each that it refuses.
func (c *Local) register(ctx context.Context, project string, lines []importLine) (ImportReport, error) {
	if err := c.needLedger(); err != nil {
		return ImportReport{}, err
	}
	if _, err := c.ledger.View(ctx).Project(project); err != nil {
		return ImportReport{}, err
	}
	report := ImportReport{Project: project}
	accepted := make([]string, 0, len(lines))
	seen := map[string]int{}
	for _, l := range lines {
		first, twice := seen[l.identifier]
		switch err := configs.CheckIdentifier(l.identifier); {
		case err != nil:
			report.Refused = append(report.Refused, RefusedID{Line: l.number, Identifier: ledger.Excerpt(l.identifier, 120), Reason: err.Error()})
		case twice:
			report.Refused = append(report.Refused, RefusedID{Line: l.number, Identifier: l.identifier, Reason: fmt.Sprintf("stands in line %d already", first)})
		default:
			seen[l.identifier] = l.number
			accepted = append(accepted, l.identifier)
		}
	}
	for start := 0; start < len(accepted); start += registerChunk {
		chunk := accepted[start:min(start+registerChunk, len(accepted))]
		added := 0
		err := c.ledger.Write(ctx, func(tx *ledger.Tx) error {
			added = 0
			for _, id := range chunk {
				isNew, err := tx.RegisterSource(project, id, c.o.Actor)
				if err != nil {
					return err
				}
				if isNew {
					added++
				}
			}
			return nil
		})
		if err != nil {
			return report, err
		}
		report.Added += added
		report.Known += len(chunk) - added
	}
	all, err := c.ledger.View(ctx).Identifiers(project)
	report.Prefixes = prefixPairs(all, seen)
	report.At = c.now()
	return report, err
}

// prefixPairs finds, in a sorted list, every two identifiers of which one begins with the other and at
// least one is among those asked for.
func prefixPairs(sorted []string, asked map[string]int) []PrefixPair {
	var pairs []PrefixPair
	var open []string // each begins with the one before it
	for _, id := range sorted {
		for len(open) > 0 && !strings.HasPrefix(id, open[len(open)-1]) {
			open = open[:len(open)-1]
		}
		for _, short := range open {
			if asked[id] > 0 || asked[short] > 0 {
				pairs = append(pairs, PrefixPair{Short: short, Long: id})
			}
		}
		open = append(open, id)
	}
	return pairs
}

// ListSources implements Sources.
func (c *Local) ListSources(ctx context.Context, q SourceQuery) (SourceList, error) {
	if err := c.needLedger(); err != nil {
		return SourceList{}, err
	}
	v := c.ledger.View(ctx)
	f := ledger.SourceFilter{
		Project: q.Project, Prefix: q.Prefix, Outcome: q.Outcome, Pending: q.Pending, Enabled: q.Enabled, Removed: q.Removed, After: q.After,
	}
	if q.Limit > 0 {
		f.Limit = q.Limit + 1
	}
	list, err := v.Sources(f)
	answer := SourceList{At: v.Now(), Sources: list}
	if q.Limit > 0 && len(list) > q.Limit {
		answer.Sources, answer.More = list[:q.Limit], true
	}
	if answer.Sources == nil {
		answer.Sources = []ledger.Source{}
	}
	return answer, err
}

// ShowSource implements Sources.
func (c *Local) ShowSource(ctx context.Context, project, identifier string) (SourceDetail, error) {
	if err := c.needLedger(); err != nil {
		return SourceDetail{}, err
	}
	v := c.ledger.View(ctx)
	s, err := v.Source(project, identifier)
	if err != nil {
		return SourceDetail{}, err
	}
	d := SourceDetail{At: v.Now(), Source: s}
	if d.Metadata, err = v.Metadata(s.ID); err != nil {
		return d, err
	}
	if d.Changes, err = v.Changes(s.ID, 20); err != nil {
		return d, err
	}
	d.Executions, err = v.Executions(ledger.ExecutionFilter{Project: project, Source: identifier, Limit: 20})
	return d, err
}

// selected resolves a selection to sources; every name must be registered.
func (c *Local) selected(v ledger.View, q SourceSelection) ([]ledger.Source, error) {
	if q.All {
		return v.Sources(ledger.SourceFilter{Project: q.Project})
	}
	if len(q.Identifiers) == 0 {
		return nil, fault.New(fault.Invalid, "no source is named", "name one or more, or use --all")
	}
	list := make([]ledger.Source, 0, len(q.Identifiers))
	for _, id := range q.Identifiers {
		s, err := v.Source(q.Project, id)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// change runs one action on each selected source, all in one transaction. act reports whether the
// source changed; a Conflict or Invalid error refuses that source alone.
func (c *Local) change(ctx context.Context, q SourceSelection, act func(tx *ledger.Tx, s ledger.Source) (bool, error)) (SourceChanges, error) {
	if err := c.needLedger(); err != nil {
		return SourceChanges{}, err
	}
	var answer SourceChanges
	err := c.ledger.Write(ctx, func(tx *ledger.Tx) error {
		answer = SourceChanges{Project: q.Project, Changed: []string{}, Same: []string{}}
		list, err := c.selected(tx.View, q)
		if err != nil {
			return err
		}
		for _, s := range list {
			changed, err := act(tx, s)
			switch kind := fault.KindOf(err); {
			case kind == fault.Conflict || kind == fault.Invalid:
				answer.Refused = append(answer.Refused, RefusedID{Identifier: s.Identifier, Reason: err.Error()})
			case err != nil:
				return err
			case changed:
				answer.Changed = append(answer.Changed, s.Identifier)
			default:
				answer.Same = append(answer.Same, s.Identifier)
			}
		}
		return nil
	})
	answer.At = c.now()
	return answer, err
}

// EnableSources implements Sources.
func (c *Local) EnableSources(ctx context.Context, q SourceSelection) (SourceChanges, error) {
	return c.change(ctx, q, func(tx *ledger.Tx, s ledger.Source) (bool, error) {
		return tx.SetEnabled(q.Project, s.Identifier, true, q.Reason, c.o.Actor)
	})
}

// DisableSources implements Sources.
func (c *Local) DisableSources(ctx context.Context, q SourceSelection) (SourceChanges, error) {
	return c.change(ctx, q, func(tx *ledger.Tx, s ledger.Source) (bool, error) {
		return tx.SetEnabled(q.Project, s.Identifier, false, q.Reason, c.o.Actor)
	})
}

// RemoveSources implements Sources.
func (c *Local) RemoveSources(ctx context.Context, q SourceSelection) (SourceChanges, error) {
	return c.change(ctx, q, func(tx *ledger.Tx, s ledger.Source) (bool, error) {
		if s.RemovedAt != nil {
			return false, nil
		}
		return true, tx.RemoveSource(q.Project, s.Identifier, q.Reason, c.o.Actor)
	})
}

// BaselineSources implements Sources.
func (c *Local) BaselineSources(ctx context.Context, q SourceSelection) (SourceChanges, error) {
	if strings.TrimSpace(q.Reason) == "" {
		return SourceChanges{}, fault.New(fault.Invalid, "baseline: no reason is given", "say where the work was done: --reason TEXT")
	}
	return c.change(ctx, q, func(tx *ledger.Tx, s ledger.Source) (bool, error) {
		if s.Signature != "" && s.Signature == s.LastExecutedSignature && !s.Pending {
			return false, nil
		}
		return true, tx.Baseline(s, q.Reason, c.o.Actor)
	})
}

// DiscoverSources implements Sources: it asks the archives about the selected sources now.
func (c *Local) DiscoverSources(ctx context.Context, q SourceSelection) (DiscoverReport, error) {
	if err := c.needLedger(); err != nil {
		return DiscoverReport{}, err
	}
	var names []string
	err := c.ledger.Write(ctx, func(tx *ledger.Tx) error {
		names = nil
		list, err := c.selected(tx.View, q)
		if err != nil {
			return err
		}
		for _, s := range list {
			if !s.Enabled || s.RemovedAt != nil {
				return fault.New(fault.Conflict, fmt.Sprintf("discover source %s: it is disabled or removed", s.Identifier), "first: beampipe source enable "+s.Identifier)
			}
			if err := tx.RequestDiscovery(s, c.o.Actor); err != nil {
				return err
			}
			names = append(names, s.Identifier)
		}
		return nil
	})
	if err != nil {
		return DiscoverReport{}, err
	}
	tick := c.discoveryTick(ctx, q.Project, discovery.TickOptions{Sources: names})
	report := DiscoverReport{At: c.now(), Tick: tick, Sources: []ledger.Source{}}
	v := c.ledger.View(ctx)
	for _, name := range names {
		s, err := v.Source(q.Project, name)
		if err != nil {
			return report, err
		}
		report.Sources = append(report.Sources, s)
	}
	return report, nil
}

// WhySource implements Sources.
func (c *Local) WhySource(ctx context.Context, project, identifier string) (SourceWhy, error) {
	d, err := c.ShowSource(ctx, project, identifier)
	if err != nil {
		return SourceWhy{}, err
	}
	v := c.ledger.View(ctx)
	w := SourceWhy{At: d.At, Source: d.Source, SBIDs: []string{}}
	for _, m := range d.Metadata {
		if m.MissingSince == nil {
			w.SBIDs = append(w.SBIDs, m.SBID)
			w.Datasets += len(m.Records)
		}
	}
	if len(d.Changes) > 0 {
		w.LastChange = &d.Changes[0]
	}
	if len(d.Executions) > 0 {
		w.Execution = &d.Executions[0]
	}
	if d.Source.Report != "" {
		var report discovery.Report
		if err := json.Unmarshal([]byte(d.Source.Report), &report); err != nil {
			return w, fmt.Errorf("stored report of %s: %w", identifier, err)
		}
		w.Discovery, w.NotInSigned = report, report.NotInSignature
	}
	w.NotReady = discovery.Ready(d.Source, d.Metadata, nil)
	p, err := v.Project(project)
	if err != nil {
		return w, err
	}
	ticks, err := v.Schedules()
	if err != nil {
		return w, err
	}
	explainSource(&w, p, ticks)
	return w, nil
}

// explainSource says in one word and one sentence where a source stands, and what to do.
func explainSource(w *SourceWhy, p ledger.Project, ticks []ledger.Schedule) {
	s := w.Source
	for _, t := range ticks {
		if t.Project == p.ID && t.Kind == ledger.TickExecution {
			w.Admission = t.Reason
		}
	}
	name := s.Identifier
	active := w.Execution != nil && !w.Execution.State.Terminal()
	switch {
	case s.RemovedAt != nil:
		w.State, w.Sentence = "removed", "it was taken out of the survey; its history is kept"
	case !s.Enabled:
		w.State, w.Sentence, w.Next = "disabled", "nothing new starts for it", []string{"beampipe source enable " + name}
	case active:
		w.State, w.Sentence = string(w.Execution.State), "execution "+w.Execution.ID+" works on it"
		w.Next = []string{"beampipe execution why " + w.Execution.ID}
	case s.LastOutcome == ledger.OutcomeError || s.LastOutcome == ledger.OutcomeAmbiguous:
		w.State, w.Sentence = s.LastOutcome, fmt.Sprintf("its last discovery failed (%d in a row), what is known is kept: %s", s.Failures, s.LastError)
		w.Next = []string{"beampipe source discover " + name}
	case s.LastCheckedAt == nil:
		w.State, w.Sentence, w.Next = "never asked", "no archive has been asked about it yet", []string{"beampipe source discover " + name}
	case s.MissingSince != nil:
		w.State, w.Sentence = "missing", "what was known of it is no longer shown by the archive; it is kept and not run"
		w.Next = []string{"beampipe timeline source " + name}
	case s.Pending && len(w.NotReady) > 0:
		w.State, w.Sentence = "pending", "it waits for a run and is not ready: "+strings.Join(w.NotReady, "; ")
	case s.Pending:
		w.State, w.Sentence, w.Next = "pending", pendingSentence(p, w.Admission), []string{"beampipe tick execution --project " + p.ID}
		if !p.Admitting {
			w.Next = []string{"beampipe project start " + p.ID}
		}
	case s.LastOutcome == ledger.OutcomeNoData:
		w.State, w.Sentence = "no data", "the archive knows nothing of it"
	case w.Execution != nil && w.Execution.State == ledger.Failed:
		w.State, w.Sentence = "failed", "its execution "+w.Execution.ID+" failed: "+w.Execution.Error
		w.Next = []string{"beampipe execution why " + w.Execution.ID}
	case s.Signature == s.LastExecutedSignature:
		w.State, w.Sentence = "up to date", "its data was executed already"
	default:
		w.State, w.Sentence = "idle", "its data is known and no run is wanted; the next change makes one"
	}
}

func pendingSentence(p ledger.Project, admission string) string {
	if !p.Admitting {
		return "it waits for a run, and the project does not admit: " + fallback(p.AdmitReason, "it was not started yet")
	}
	return "it waits for a run; the last execution tick said: " + fallback(admission, "nothing yet")
}

func fallback(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
