package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/provenance"
)

const (
	project = "survey"
	profile = "here"
	person  = "user:ada"

	claimTime = time.Hour // longer than any test: only ReleaseDead gives back what the dead held
)

// errRefused is what a closure answers that changes its mind after it has written.
var errRefused = errors.New("the closure refuses what it has written")

// caller is one goroutine that writes. It works on sources and executions of its own, so that it knows
// what must come next, and meddles with those of the callers before it.
type caller struct {
	*child
	name  string
	rng   *rand.Rand
	deeds int
	runs  []ledger.Execution // as the ledger answered last
}

func newCaller(c *child, n int) *caller {
	return &caller{child: c, name: fmt.Sprintf("%s-%d", c.Name, n), rng: rand.New(rand.NewPCG(c.Seed, uint64(n)))}
}

// mark gives the name of the next deed.
func (c *caller) mark() string {
	c.deeds++
	return fmt.Sprintf("mark(%s-%d)", c.name, c.deeds)
}

// nameOf names what a deed makes, so that it is not taken for the deed where another deed tells of it.
func nameOf(what, mark string) string { return what + strings.TrimPrefix(mark, "mark") }

// work does one deed after the other until ctx ends.
func (c *caller) work(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := c.deed(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		c.working()
	}
	return nil
}

func (c *caller) deed(ctx context.Context) error {
	if len(c.runs) == 0 {
		return c.begin(ctx)
	}
	switch n := c.rng.IntN(100); {
	case n < 8:
		return c.begin(ctx)
	case n < 16:
		return c.attach(ctx)
	case n < 24:
		return c.refuse(ctx)
	case n < 32:
		return c.stale(ctx)
	case n < 40:
		return c.leave(ctx)
	case n < 44:
		return c.panic(ctx)
	default:
		return c.step(ctx)
	}
}

// write makes one write and tells the diary how it ended. fn says what it did, in the run that counted.
// A refusal is an answer; anything else is a defect.
func (c *caller) write(ctx context.Context, mark string, fn func(tx *ledger.Tx) (entry, error)) (ok bool, err error) {
	var did entry
	err = c.Write(ctx, func(tx *ledger.Tx) (err error) {
		if did, err = fn(tx); err == nil {
			did.Seq, _, err = tx.Head()
		}
		return err
	})
	did.Mark, did.No = mark, err != nil
	switch {
	case err == nil:
	case errors.Is(err, fault.Conflict), errors.Is(err, errRefused), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		did = entry{Mark: mark, No: true}
	default:
		return false, fmt.Errorf("%s: %w", mark, err)
	}
	return err == nil, c.diary.write(did)
}

// begin registers a source, discovers data for it and makes an execution of it: four writes.
func (c *caller) begin(ctx context.Context) error {
	mark := c.mark()
	name := nameOf("source", mark)
	if ok, err := c.write(ctx, mark, func(tx *ledger.Tx) (entry, error) {
		_, err := tx.RegisterSource(project, name, person)
		return entry{Type: provenance.SourceRegistered}, err
	}); !ok {
		return err
	}
	s, err := c.View(ctx).Source(project, name)
	if err != nil {
		return err
	}
	if s, err = c.discover(ctx, s); err != nil || s.Signature == "" {
		return err
	}
	return c.admit(ctx, s)
}

// discover claims a source in one write and stores what an archive says of it in another.
func (c *caller) discover(ctx context.Context, s ledger.Source) (ledger.Source, error) {
	mark := c.mark()
	signature := nameOf("signature", mark)
	var claim ledger.Claim
	if err := c.Write(ctx, func(tx *ledger.Tx) (err error) {
		held := false
		if claim, held, err = tx.TryClaim(ledger.ClaimDiscovery, ledger.SourceSubject(s.ID), c.Name, mark, claimTime); err == nil && !held {
			err = fmt.Errorf("source %s is claimed by somebody", s.Identifier)
		}
		return err
	}); err != nil {
		return s, err
	}
	ok, err := c.write(ctx, mark, func(tx *ledger.Tx) (entry, error) {
		return entry{Type: provenance.DiscoveryChanged}, tx.StoreDiscovery(ledger.Discovery{
			Source: s, Claim: claim, Outcome: ledger.OutcomeChanged, Signature: signature, Rule: "r1", NextDue: tx.Now().Add(time.Hour),
			Metadata: []ledger.Metadata{{SBID: "100", Records: []map[string]any{{"filename": mark + ".tar", "filesize": c.rng.IntN(1e6)}}, Flags: map[string]any{"complete": true}}},
			Answer:   []byte(`{"mark": "` + mark + `"}`),
		})
	})
	if ok {
		s.Signature = signature
	}
	return s, err
}

func (c *caller) admit(ctx context.Context, s ledger.Source) error {
	mark := c.mark()
	var e ledger.Execution
	ok, err := c.write(ctx, mark, func(tx *ledger.Tx) (did entry, err error) {
		e, err = tx.CreateExecution(ledger.NewExecution{
			Project: project, ConfigRevision: 1, Profile: profile, ProfileRevision: 1, Target: "local", Signature: s.Signature,
			Sources: []ledger.ExecutionSource{{SourceID: s.ID, Identifier: s.Identifier, SBIDs: []string{"100"}, Signature: s.Signature}},
			Actor:   provenance.ActorAdmission, Why: mark, Record: map[string]any{"mark": mark},
		})
		return entry{Type: provenance.ExecutionCreated, Execution: e.ID, Version: e.Version}, err
	})
	if ok {
		c.runs = append(c.runs, e)
	}
	return err
}

// possible picks one of the steps that the table lists for an execution's state; a final state has none.
func (c *caller) possible(e ledger.Execution) (event ledger.Event, ok bool) {
	var events []ledger.Event
	for _, t := range ledger.Transitions() {
		// What is held is not submitted, and what was never submitted has no outputs to be looked at again.
		blocked := t.Event == ledger.EventSubmit && e.Held != nil || t.Event == ledger.EventRecheck && e.SubmissionID == ""
		if t.From == e.State && !blocked {
			events = append(events, t.Event)
		}
	}
	if len(events) == 0 {
		return "", false
	}
	return events[c.rng.IntN(len(events))], true
}

// move is a step of the table with its mark, and what the diary says of it.
func (c *caller) move(tx *ledger.Tx, e ledger.Execution, event ledger.Event, mark string) (ledger.Execution, entry, error) {
	to, err := tx.Move(e, event, ledger.Step{Actor: provenance.ActorExecution, Why: mark})
	return to, entry{Type: "execution." + string(event), Execution: e.ID, Version: to.Version}, err
}

// step moves one of its executions, or holds and releases it where that is possible. What is final is forgotten.
func (c *caller) step(ctx context.Context) error {
	i := c.rng.IntN(len(c.runs))
	e := c.runs[i]
	event, possible := c.possible(e)
	if !possible {
		c.runs = append(c.runs[:i], c.runs[i+1:]...)
		return nil
	}
	mark := c.mark()
	to := e
	hold := c.rng.IntN(10) == 0 && (e.State == ledger.Pending || e.State == ledger.Preparing || e.State == ledger.Ready)
	ok, err := c.write(ctx, mark, func(tx *ledger.Tx) (did entry, err error) {
		switch {
		case e.Held != nil:
			to, err = tx.Release(e, mark, person)
			return entry{Type: provenance.ExecutionReleased, Execution: e.ID, Version: to.Version}, err
		case hold:
			to, err = tx.Hold(e, mark, person)
			return entry{Type: provenance.ExecutionHeld, Execution: e.ID, Version: to.Version}, err
		}
		to, did, err = c.move(tx, e, event, mark)
		return did, err
	})
	if err == nil && !ok && ctx.Err() == nil {
		return fmt.Errorf("%s: execution %s is ours alone, and %q was refused in state %s, version %d", mark, e.ID, event, e.State, e.Version)
	}
	if ok {
		c.runs[i] = to
	}
	return err
}

// attach stores content and an event that names it: both or neither.
func (c *caller) attach(ctx context.Context) error {
	mark := c.mark()
	e := c.runs[c.rng.IntN(len(c.runs))]
	content := []byte(mark)
	for range c.rng.IntN(2000) {
		content = append(content, byte(c.rng.Uint32()))
	}
	packed, err := ledger.Pack("application/octet-stream", content)
	if err != nil {
		return err
	}
	_, err = c.write(ctx, mark, func(tx *ledger.Tx) (entry, error) {
		err := tx.AttachArtifact(e.ID, e.Attempt, "note "+mark, packed)
		if err == nil {
			err = tx.Append(provenance.Event{Type: provenance.ExecutionObserved, Project: project, Execution: e.ID, Actor: provenance.ActorPoll, Correlation: mark}, nil)
		}
		return entry{Type: provenance.ExecutionObserved, Execution: e.ID, Digest: packed.SHA256}, err
	})
	return err
}

// refuse writes a step and then says no: nothing of it may stay.
func (c *caller) refuse(ctx context.Context) error {
	e := c.runs[c.rng.IntN(len(c.runs))]
	event, possible := c.possible(e)
	if !possible {
		return nil
	}
	mark := c.mark()
	ok, err := c.write(ctx, mark, func(tx *ledger.Tx) (entry, error) {
		if _, _, err := c.move(tx, e, event, mark); err != nil {
			return entry{}, err
		}
		return entry{}, errRefused
	})
	if ok {
		return fmt.Errorf("%s: a write was acknowledged whose closure refused it", mark)
	}
	return err
}

// stale tries a step from where the execution was one version ago: it must lose.
func (c *caller) stale(ctx context.Context) error {
	e := c.runs[c.rng.IntN(len(c.runs))]
	e.Version--
	event, possible := c.possible(e)
	if !possible {
		return nil
	}
	mark := c.mark()
	ok, err := c.write(ctx, mark, func(tx *ledger.Tx) (entry, error) {
		_, did, err := c.move(tx, e, event, mark)
		return did, err
	})
	if ok {
		return fmt.Errorf("%s: a step was made from a version that was over", mark)
	}
	return err
}

// leave tries a step and may leave before its turn comes: it was made exactly when the ledger says so.
func (c *caller) leave(ctx context.Context) error {
	i := c.rng.IntN(len(c.runs))
	e := c.runs[i]
	event, possible := c.possible(e)
	if !possible {
		return nil
	}
	mark := c.mark()
	to := e
	hurried, cancel := context.WithTimeout(ctx, time.Duration(c.rng.IntN(3000))*time.Microsecond)
	defer cancel()
	ok, err := c.write(hurried, mark, func(tx *ledger.Tx) (did entry, err error) {
		to, did, err = c.move(tx, e, event, mark)
		return did, err
	})
	if ok {
		c.runs[i] = to
	}
	return err
}

// panic writes a step and panics: the panic is the caller's, and nothing of it stays.
func (c *caller) panic(ctx context.Context) (err error) {
	e := c.runs[c.rng.IntN(len(c.runs))]
	event, possible := c.possible(e)
	if !possible {
		return nil
	}
	mark := c.mark()
	defer func() {
		if r := recover(); r != nil && r != mark { //nolint:errorlint // it is the mark, or not ours
			panic(r)
		}
		if err == nil || ctx.Err() != nil {
			err = c.diary.write(entry{Mark: mark, No: true})
		}
	}()
	return c.Write(ctx, func(tx *ledger.Tx) error {
		if _, _, err := c.move(tx, e, event, mark); err != nil {
			return err
		}
		panic(mark)
	})
}

// read looks at the ledger as an operator would, and holds it to what one instant must show.
func (c *child) read(ctx context.Context) error {
	for ctx.Err() == nil {
		err := c.Snapshot(ctx, func(v ledger.View) error {
			seq, hash, err := v.Head()
			if err != nil || seq == 0 {
				return err
			}
			events, err := v.Events(ledger.EventFilter{Newest: true, Limit: 50})
			if err != nil {
				return err
			}
			if events[0].Seq != seq || events[0].Hash != hash {
				return fmt.Errorf("one instant shows head %d and event %d", seq, events[0].Seq)
			}
			for _, e := range events {
				if e.Execution == "" {
					continue
				}
				if _, err := v.Execution(e.Execution); err != nil {
					return fmt.Errorf("event %d: %w", e.Seq, err)
				}
			}
			_, err = v.CountExecutions(project)
			return err
		})
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}
