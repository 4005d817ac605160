package control

import (
	"context"
	"fmt"
	"strings"

	"beampipe/configs"
	"beampipe/discovery"
	"beampipe/fault"
	"beampipe/ledger"
)

// registerChunk bounds one write transaction of an import, so that a daemon beside it is not held up.
const registerChunk = 500

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
		if err != nil && start > 0 {
			err = fmt.Errorf("import into %s: %d of %d identifiers are in it, the same import goes on behind them: %w", project, start, len(accepted), err)
		}
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
	if err := checkReason("change sources", q.Reason); err != nil {
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
		if s.LastOutcome == ledger.OutcomeNoData && !s.Pending {
			return false, nil // there is nothing that could have been executed
		}
		return true, tx.Baseline(s, q.Reason, c.o.Actor)
	})
}

// DiscoverSources implements Sources: it asks the archives about the selected sources now.
func (c *Local) DiscoverSources(ctx context.Context, q SourceSelection) (DiscoverReport, error) {
	if err := c.mayAsk(ctx, "discover sources"); err != nil {
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

// knownProject refuses a project that is named and not there, so that a list is never empty for a slip
// of the pen.
func knownProject(v ledger.View, project string) error {
	if project == "" {
		return nil
	}
	_, err := v.Project(project)
	return err
}

// shellWord quotes an identifier for the commands that are suggested, where a shell would not take it as
// one word.
func shellWord(text string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,_+:/@%=-"
	if text != "" && strings.Trim(text, plain) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func fallback(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
