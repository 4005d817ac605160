package crash

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"beampipe/ledger"
	"beampipe/provenance"
)

// book is a ledger and all that its children were told about it, to be held against the file.
type book struct {
	*testing.T
	path     string
	told     map[string]entry // by mark
	refused  map[string]bool  // marks that must not be in the file
	children []string         // that ended: the owners of claims that nobody works on
	problems []string         // what the file should not show
}

// newBook makes a ledger with a project and a profile in a folder of its own.
func newBook(t *testing.T) *book {
	t.Helper()
	b := &book{T: t, path: filepath.Join(t.TempDir(), "beampipe.db"), told: map[string]entry{}, refused: map[string]bool{}}
	b.open(func(l *ledger.Ledger) {
		must(t, l.Write(t.Context(), func(tx *ledger.Tx) error {
			if _, _, err := tx.AddConfig(ledger.NewConfig{Project: project, Digest: "c1", Spec: []byte("{}"), File: []byte("x"), FileName: "survey.yaml"}, person); err != nil {
				return err
			}
			_, _, err := tx.AddProfile(ledger.Profile{Name: profile, Digest: "p1", Spec: []byte("{}")}, person)
			return err
		}))
	})
	return b
}

// open opens the ledger in this process for a moment. The last one to close a ledger folds its
// write-ahead log into the file.
func (b *book) open(fn func(l *ledger.Ledger)) {
	b.Helper()
	l, err := ledger.Create(b.Context(), b.path, ledger.Options{HostID: host})
	must(b.T, err)
	fn(l)
	must(b.T, l.Close())
}

// learn adds what a child's diary says.
func (b *book) learn(entries []entry) {
	for _, e := range entries {
		if e.Bad != "" {
			b.found("a child found: %s", e.Bad)
			continue
		}
		if _, twice := b.told[e.Mark]; twice || b.refused[e.Mark] {
			b.found("the diaries tell twice of %s", e.Mark)
		}
		if e.No {
			b.refused[e.Mark] = true
		} else {
			b.told[e.Mark] = e
		}
	}
}

// maxProblems are told of one judgement; the rest would only repeat them.
const maxProblems = 10

// found takes down something that the file should not show.
func (b *book) found(format string, args ...any) {
	if len(b.problems) <= maxProblems {
		b.problems = append(b.problems, fmt.Sprintf(format, args...))
	}
}

// check takes down err, if it is one.
func (b *book) check(what string, err error) {
	if err != nil {
		b.found("%s: %v", what, err)
	}
}

// judge holds the file against what the children were told, and fails the test where they differ.
func (b *book) judge() {
	b.Helper()
	b.examine()
	b.report()
}

// report tells the test what was found.
func (b *book) report() {
	b.Helper()
	for _, problem := range b.problems {
		b.Error(problem)
	}
}

// examine fills the list of problems.
func (b *book) examine() {
	b.Helper()
	b.open(func(l *ledger.Ledger) {
		b.check("soundness", b.soundness(l))
		b.check("history", l.Snapshot(b.Context(), b.history))
		b.check("claims", b.claims(l))
	})
	b.check("structure", b.structureOf(b.path))
}

// soundness asks the ledger itself about all that it holds. Nothing may be found, and nothing is noted but that
// the witness has not seen the newest events: who dies between a commit and its witness leaves it so.
func (b *book) soundness(l *ledger.Ledger) error {
	report, err := l.Check(b.Context(), ledger.CheckOptions{})
	if err != nil {
		return err
	}
	for _, step := range report.Steps {
		told := step.Findings
		if step.Name != "witness" {
			told = append(told, step.Notes...)
		}
		for _, text := range told {
			b.found("check, step %s: %s", step.Name, text)
		}
		if !step.OK && len(step.Findings) == 0 {
			b.found("check, step %s: not sound, and it does not say why", step.Name)
		}
	}
	return nil
}

// seen is where the events say that an execution stands.
type seen struct {
	state            ledger.State
	attempt, version int
}

var marked = regexp.MustCompile(`mark\([^)]*\)`)

// history walks over the events: each mark once, none that was refused, each step from where the last
// one led. Then everything that was acknowledged must have been met, and the records must stand where
// the events led them.
func (b *book) history(v ledger.View) error {
	var chain provenance.Verifier
	runs := map[string]seen{}
	sources := map[string]string{} // name → signature
	met := map[string]entry{}
	if err := v.EachEvent(func(e provenance.Event) error {
		if err := chain.Next(e); err != nil {
			return err
		}
		mark := b.markOf(e)
		if mark == "" {
			return nil
		}
		if first, twice := met[mark]; twice {
			b.found("%s happened twice: events %d and %d", mark, first.Seq, e.Seq)
		}
		if b.refused[mark] {
			b.found("%s was refused and is event %d (%s)", mark, e.Seq, e.Type)
		}
		run, err := follow(runs[e.Execution], e)
		if err != nil {
			b.found("event %d (%s): %v", e.Seq, e.Type, err)
		}
		switch e.Type {
		case provenance.SourceRegistered:
			sources[e.Source] = ""
		case provenance.DiscoveryChanged:
			sources[e.Source] = nameOf("signature", mark)
		}
		if e.Execution != "" {
			runs[e.Execution] = run
		}
		met[mark] = entry{Mark: mark, Seq: e.Seq, Type: e.Type, Execution: e.Execution, Version: run.version}
		return nil
	}); err != nil {
		return err
	}
	for mark, want := range b.told {
		got := met[mark]
		if want.Digest != "" {
			want.Version = got.Version // an artifact does not move its execution
		}
		got.Digest = want.Digest
		if got != want {
			b.found("acknowledged and not as it was told: %+v, the file has %+v", want, got)
		}
	}
	return b.records(v, runs, sources)
}

// markOf gives the mark of an event. The ledger's own events have none.
func (b *book) markOf(e provenance.Event) string {
	text := string(e.Payload) + " " + e.Correlation
	if e.Type == provenance.SourceRegistered {
		text = nameOf("mark", strings.TrimPrefix(e.Source, "source"))
	}
	return marked.FindString(text)
}

// follow takes the step that an event tells of.
func follow(was seen, e provenance.Event) (seen, error) {
	now := was
	name, ofRun := strings.CutPrefix(e.Type, "execution.")
	switch {
	case !ofRun || e.Type == provenance.ExecutionObserved:
		return was, nil
	case e.Type == provenance.ExecutionCreated:
		return seen{state: ledger.Pending, attempt: 1, version: 1}, nil
	case e.Type == provenance.ExecutionHeld, e.Type == provenance.ExecutionReleased:
		now.version++
		return now, nil
	}
	for _, t := range ledger.Transitions() {
		if t.From != was.state || string(t.Event) != name {
			continue
		}
		now.state, now.version = t.To, was.version+1
		if t.NextAttempt {
			now.attempt++
		}
		var payload struct{ From, To ledger.State }
		if err := json.Unmarshal(e.Payload, &payload); err != nil || payload.From != t.From || payload.To != t.To {
			return now, fmt.Errorf("its payload says %s, the table %s to %s (%w)", e.Payload, t.From, t.To, err)
		}
		return now, nil
	}
	return was, fmt.Errorf("no step of the table leads from %s by %s", was.state, name)
}

// records holds the rows against where the events led them, and reads every artifact that was acknowledged.
func (b *book) records(v ledger.View, runs map[string]seen, sources map[string]string) error {
	list, err := v.Executions(ledger.ExecutionFilter{})
	if err != nil {
		return err
	}
	if len(list) != len(runs) {
		b.found("%d executions, and events of %d", len(list), len(runs))
	}
	for _, e := range list {
		if got, want := (seen{state: e.State, attempt: e.Attempt, version: e.Version}), runs[e.ID]; got != want {
			b.found("execution %s is %+v, its events led to %+v", e.ID, got, want)
		}
		if len(e.Sources) != 1 || e.Sources[0].Active == e.State.Terminal() {
			b.found("execution %s is %s, its sources: %+v", e.ID, e.State, e.Sources)
		}
	}
	known, err := v.Sources(ledger.SourceFilter{Project: project})
	if err != nil {
		return err
	}
	if len(known) != len(sources) {
		b.found("%d sources, and events of %d", len(known), len(sources))
	}
	for _, s := range known {
		if s.Signature != sources[s.Identifier] {
			b.found("source %s has signature %q, its events say %q", s.Identifier, s.Signature, sources[s.Identifier])
		}
	}
	for mark, e := range b.told {
		if e.Digest == "" {
			continue
		}
		if content, err := v.Content(e.Digest); err != nil || !strings.HasPrefix(string(content), mark) {
			b.found("the artifact of %s: %v", mark, err)
		}
	}
	return nil
}

// claims gives back what the dead held, as the next daemon does: somebody else can have it then, and the
// dead one could not write with it any more.
func (b *book) claims(l *ledger.Ledger) error {
	dead := map[string]bool{}
	for _, name := range b.children {
		dead[name] = true
	}
	return l.Write(b.Context(), func(tx *ledger.Tx) error {
		before, err := b.held(tx.View)
		if err != nil {
			return err
		}
		n, err := tx.ReleaseDead(func(owner string) bool { return dead[owner] })
		if err != nil {
			return err
		}
		if n != len(before) {
			return fmt.Errorf("%d claims of the dead were given back, they held %d", n, len(before))
		}
		for _, was := range before {
			now, ok, err := tx.TryClaim(was.Kind, was.Subject, "the living", "", claimTime)
			if err != nil {
				return err
			}
			if !ok || now.Fence <= was.Fence {
				return fmt.Errorf("%s of the dead %s (fence %d) was claimed: %v, fence %d", was.Subject, was.Owner, was.Fence, ok, now.Fence)
			}
			if err := tx.CheckClaim(was); err == nil {
				return fmt.Errorf("%s still belongs to the dead %s", was.Subject, was.Owner)
			}
			if err := tx.ReleaseClaim(now); err != nil {
				return err
			}
		}
		return nil
	})
}

// held lists the claims on sources, by whomever.
func (b *book) held(v ledger.View) ([]ledger.Claim, error) {
	list, err := v.Sources(ledger.SourceFilter{Project: project})
	if err != nil {
		return nil, err
	}
	var held []ledger.Claim
	for _, s := range list {
		c, err := v.ClaimOf(ledger.SourceSubject(s.ID))
		if err != nil {
			return nil, err
		}
		if c.Owner != "" {
			held = append(held, c)
		}
	}
	return held, nil
}

// structureOf asks SQLite itself about a file.
func (b *book) structureOf(path string) error {
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return err
	}
	defer db.Close()
	for pragma, clean := range map[string]string{"integrity_check": "ok", "foreign_key_check": ""} {
		rows, err := db.QueryContext(context.Background(), "PRAGMA "+pragma)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			row := make([]any, len(columns))
			for i := range row {
				row[i] = new(any)
			}
			if err := rows.Scan(row...); err != nil {
				return err
			}
			if text := fmt.Sprint(*row[0].(*any)); text != clean {
				b.found("%s: %s", pragma, text)
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	return nil
}
