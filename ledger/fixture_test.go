package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// fixture is a ledger in a folder of its own, with one project and one profile, on a clock that only
// the test moves.
type fixture struct {
	testing.TB
	*Ledger
	clock *clock
	ids   *atomic.Int64
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

const (
	project = "survey"
	profile = "here"
	person  = "user:ada"
)

func newFixture(t testing.TB) *fixture {
	t.Helper()
	return fixtureAt(t, filepath.Join(t.TempDir(), "beampipe.db"))
}

// fixtureAt makes the fixture's ledger at a path.
func fixtureAt(t testing.TB, path string) *fixture {
	t.Helper()
	f := &fixture{TB: t, clock: &clock{t: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)}, ids: newIDs()}
	if err := os.WriteFile(path, template(f), 0o644); err != nil {
		t.Fatal(err)
	}
	f.Ledger = f.create(path)
	return f
}

func newIDs() *atomic.Int64 { return new(atomic.Int64) }

var (
	templateOnce  sync.Once
	templateBytes []byte
)

// template gives the bytes of a fixture's ledger, which is made once: migrations take their time under
// the race detector.
func template(f *fixture) []byte {
	templateOnce.Do(func() {
		path := filepath.Join(f.TempDir(), "template.db")
		l, err := Create(context.Background(), path, f.options())
		if err != nil {
			f.Fatal(err)
		}
		err = l.Write(context.Background(), func(tx *Tx) error {
			if _, _, err := tx.AddConfig(NewConfig{Project: project, Digest: "c1", Spec: []byte("{}"), File: []byte("x"), FileName: "survey.yaml"}, person); err != nil {
				return err
			}
			_, _, err := tx.AddProfile(Profile{Name: profile, Digest: "p1", Spec: []byte("{}")}, person)
			return err
		})
		if err = errors.Join(err, l.Close()); err == nil {
			templateBytes, err = os.ReadFile(path)
		}
		if err != nil {
			f.Fatal(err)
		}
	})
	return templateBytes
}

// create opens another Ledger value on path with the fixture's clock and ids.
func (f *fixture) create(path string) *Ledger {
	f.Helper()
	l, err := Create(context.Background(), path, f.options())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := l.Close(); err != nil {
			f.Error(err)
		}
	})
	return l
}

func (f *fixture) options() Options {
	return Options{Now: f.clock.now, NewID: func() string {
		return fmt.Sprintf("01930000-0000-7000-8000-%012d", f.ids.Add(1))
	}}
}

func (f *fixture) try(fn func(tx *Tx) error) error { return f.Write(context.Background(), fn) }

func (f *fixture) write(fn func(tx *Tx) error) {
	f.Helper()
	if err := f.try(fn); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) view() View { return f.View(context.Background()) }

// raw is a plain SQL connection to the file, as an operator with sqlite3 would have it.
func (f *fixture) raw() *sql.DB {
	f.Helper()
	db, err := sql.Open("sqlite", "file:"+f.Path()+"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(ON)")
	if err != nil {
		f.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	f.Cleanup(func() { db.Close() })
	return db
}

// source reads a source and registers it first when it is new.
func (f *fixture) source(name string) Source {
	f.Helper()
	s, err := f.view().Source(project, name)
	if errors.Is(err, fault.NotFound) {
		f.write(func(tx *Tx) error { _, err := tx.RegisterSource(project, name, person); return err })
		s, err = f.view().Source(project, name)
	}
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// discover stores a discovery of the source that edit has shaped; one record under one SBID else.
func (f *fixture) discover(name, outcome, signature string, edit ...func(*Discovery)) Source {
	f.Helper()
	s := f.source(name)
	f.write(func(tx *Tx) error {
		c, ok, err := tx.TryClaim(ClaimDiscovery, SourceSubject(s.ID), "worker", tx.NewBatch(project), time.Hour)
		if err != nil || !ok {
			return errors.Join(err, fmt.Errorf("claimed: %v", ok))
		}
		d := Discovery{Source: s, Claim: c, Outcome: outcome, Signature: signature, Rule: "r1", NextDue: tx.Now().Add(time.Hour)}
		if outcome == OutcomeChanged || outcome == OutcomeUnchanged {
			d.Metadata = []Metadata{shown("100")}
		}
		for _, e := range edit {
			e(&d)
		}
		return tx.StoreDiscovery(d)
	})
	return f.source(name)
}

func shown(sbid string) Metadata {
	return Metadata{SBID: sbid, Records: []map[string]any{{"filename": sbid + ".tar"}}, Flags: map[string]any{"complete": true}}
}

// admit makes an execution of the sources as they are known now.
func (f *fixture) admit(names ...string) Execution {
	f.Helper()
	var e Execution
	f.write(func(tx *Tx) (err error) {
		e, err = tx.CreateExecution(f.order(names...))
		return err
	})
	return e
}

func (f *fixture) order(names ...string) NewExecution {
	n := NewExecution{Project: project, ConfigRevision: 1, Profile: profile, ProfileRevision: 1, Target: "local", Signature: "combined", Actor: provenance.ActorAdmission, Why: "pending"}
	for _, name := range names {
		s := f.source(name)
		n.Sources = append(n.Sources, ExecutionSource{SourceID: s.ID, Identifier: name, SBIDs: []string{"100"}, Signature: s.Signature})
	}
	return n
}

// walk applies events one after the other, each in a transaction of its own.
func (f *fixture) walk(e Execution, events ...Event) Execution {
	f.Helper()
	for _, event := range events {
		e = f.step(e, event, Step{})
	}
	return e
}

func (f *fixture) step(e Execution, event Event, s Step) Execution {
	f.Helper()
	to, err := f.tryStep(e, event, s)
	if err != nil {
		f.Fatal(err)
	}
	return to
}

func (f *fixture) tryStep(e Execution, event Event, s Step) (Execution, error) {
	if s.Actor == "" {
		s.Actor = provenance.ActorExecution
	}
	if s.Why == "" {
		s.Why = "test"
	}
	to := e
	err := f.try(func(tx *Tx) (err error) {
		to, err = tx.Move(e, event, s)
		return err
	})
	return to, err
}

// pathTo lists events that lead from pending to a state.
func pathTo(s State) []Event {
	return map[State][]Event{
		Pending: {}, Preparing: {EventPrepare}, Ready: {EventPrepare, EventPrepared},
		Submitting: {EventPrepare, EventPrepared, EventSubmit},
		Uncertain:  {EventPrepare, EventPrepared, EventSubmit, EventLost},
		Queued:     {EventPrepare, EventPrepared, EventSubmit, EventAccepted},
		Running:    {EventPrepare, EventPrepared, EventSubmit, EventAccepted, EventStarted},
		Cancelling: {EventPrepare, EventPrepared, EventSubmit, EventAccepted, EventCancel},
		Verifying:  {EventPrepare, EventPrepared, EventSubmit, EventAccepted, EventFinished},
		Completed:  {EventPrepare, EventPrepared, EventSubmit, EventAccepted, EventFinished, EventVerified},
		Failed:     {EventFail},
		Cancelled:  {EventCancel},
	}[s]
}

var allStates = []State{Pending, Preparing, Ready, Submitting, Uncertain, Queued, Running, Cancelling, Verifying, Completed, Failed, Cancelled}

var allEvents = []Event{
	EventPrepare, EventPrepared, EventSubmit, EventAccepted, EventRefused, EventLost, EventFound, EventAbsent, EventAbandoned,
	EventStarted, EventRequeued, EventFinished, EventStopped, EventVerified, EventCancel, EventFail, EventRetry, EventRecheck,
}

// eventTypes lists the types of the events after seq.
func (f *fixture) eventTypes(after int64) string {
	f.Helper()
	events, err := f.view().Events(EventFilter{After: after})
	if err != nil {
		f.Fatal(err)
	}
	var types []string
	for _, e := range events {
		types = append(types, e.Type)
	}
	return strings.Join(types, " ")
}

func (f *fixture) head() int64 {
	f.Helper()
	seq, _, err := f.view().Head()
	if err != nil {
		f.Fatal(err)
	}
	return seq
}

// wantKind fails the test unless err is of kind and its text holds each of the words.
func wantKind(t testing.TB, err error, kind fault.Kind, words ...string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Fatalf("error %v (kind %q), want kind %q", err, fault.KindOf(err), kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}
