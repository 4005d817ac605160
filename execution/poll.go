package execution

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"beampipe/backends"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/profiles"
	"beampipe/provenance"
)

const (
	maxPolled       = 10_000 // executions asked about in one poll
	maxAppliedAtOne = 50     // observations written in one transaction
	// maxAsk bounds the wait for a place's answer to the questions of one poll; past it the place could
	// not be asked, and the others are.
	maxAsk = 2 * time.Minute
)

// stateUnreachable is the observation of a place that could not be asked.
const stateUnreachable = "unreachable"

// PollResult is what one poll did.
type PollResult struct {
	Targets int      `json:"targets"` // places asked
	Asked   int      `json:"asked"`   // executions asked about
	Moved   int      `json:"moved"`   // executions that changed their state
	Errors  []string `json:"errors,omitempty"`
}

// Poll asks each place once about all executions that it has or may have, and moves them by what it
// says. A submission whose worker is gone becomes uncertain first, and its place is asked by its id. A
// place that cannot be asked leaves its executions as they are, and is reported. An error means that
// the ledger could not be read or written.
func (e *Engine) Poll(ctx context.Context) (PollResult, error) {
	e.pollMu.Lock()
	defer e.pollMu.Unlock()
	var result PollResult
	if err := e.loseOrphans(ctx, &result); err != nil {
		return result, fmt.Errorf("poll: %w", err)
	}
	list, err := e.ledger.View(ctx).Executions(ledger.ExecutionFilter{
		States: []ledger.State{ledger.Uncertain, ledger.Queued, ledger.Running, ledger.Cancelling}, Oldest: true, Limit: maxPolled,
	})
	if err != nil {
		return result, fmt.Errorf("poll: %w", err)
	}
	targets := map[string][]ledger.Execution{}
	for _, x := range list {
		targets[x.Target] = append(targets[x.Target], x)
	}
	seen := map[string]string{}
	e.metrics.pollBatch.Reset()
	e.metrics.inFlight.Reset()
	for _, target := range slices.Sorted(maps.Keys(targets)) {
		if err := e.pollTarget(ctx, target, targets[target], seen, &result); err != nil {
			return result, fmt.Errorf("poll %s: %w", target, err)
		}
	}
	e.seen = seen
	return result, e.recordPoll(ctx, result)
}

func (e *Engine) recordPoll(ctx context.Context, r PollResult) error {
	reason := "polled"
	switch {
	case len(r.Errors) > 0:
		reason = "could not ask every place"
	case r.Asked == 0:
		reason = "nothing to ask about"
	}
	return e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		return tx.RecordTick("", ledger.TickPoll, reason, map[string]int{"targets": r.Targets, "asked": r.Asked, "moved": r.Moved})
	})
}

// loseOrphans makes uncertain what is submitting although no worker is at it any more.
func (e *Engine) loseOrphans(ctx context.Context, result *PollResult) error {
	orphans, err := e.ledger.View(ctx).Executions(ledger.ExecutionFilter{
		States: []ledger.State{ledger.Submitting}, Unclaim: true, Oldest: true, Limit: maxPolled,
	})
	if err != nil {
		return err
	}
	for _, x := range orphans {
		err := e.ledger.Write(ctx, func(tx *ledger.Tx) error {
			// Taking the claim raises its fence: a worker that was only paused has lost it.
			claim, ok, err := tx.TryClaim(ledger.ClaimExecution, ledger.ExecutionSubject(x.ID), e.o.Owner, "", e.o.Lease)
			if err != nil || !ok {
				return err
			}
			if _, err := tx.Move(x, ledger.EventLost, ledger.Step{
				Why: "the worker that submitted it is gone, without having written an answer down", Actor: provenance.ActorPoll, Claim: &claim,
			}); err != nil {
				return err
			}
			return tx.ReleaseClaim(claim)
		})
		if errors.Is(err, fault.Conflict) {
			continue // it has moved meanwhile
		}
		if err != nil {
			return err
		}
		result.Moved++
	}
	return nil
}

// pollTarget asks one place. Its error is of the ledger; that of the place is reported.
func (e *Engine) pollTarget(ctx context.Context, target string, list []ledger.Execution, seen map[string]string, result *PollResult) error {
	result.Targets++
	result.Asked += len(list)
	b, kind, err := e.placeOfAll(ctx, list)
	var answers map[string]backends.Observation
	if err == nil {
		e.metrics.pollBatch.WithLabelValues(kind).Add(float64(len(list)))
		e.metrics.inFlight.WithLabelValues(kind).Add(float64(len(list)))
		asking, done := context.WithTimeout(ctx, maxAsk)
		answers, err = ask(asking, b, list)
		done()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		result.Errors = append(result.Errors, fmt.Sprintf("%s: %v", target, err))
		e.problem(ProblemBackendUnreachable, target, target+" cannot be asked", err.Error(), "error",
			"see that it runs and can be reached; its executions stay as they are until then")
		answers = unreachable(list, err)
	} else {
		e.o.Health.Clear(ProblemBackendUnreachable, target)
	}
	for lot := range slices.Chunk(list, maxAppliedAtOne) {
		if err := e.applyAll(ctx, b, kind, lot, answers, seen, result); err != nil {
			return err
		}
	}
	return nil
}

// placeOfAll opens a place by the newest profile revision that led to it.
func (e *Engine) placeOfAll(ctx context.Context, list []ledger.Execution) (b backends.Backend, kind string, err error) {
	v := e.ledger.View(ctx)
	var newest *profiles.Profile
	number := 0
	kind = "local"
	for _, x := range list {
		if newest != nil && x.ProfileRevision <= number {
			continue
		}
		p, err := e.profile(v, x.Profile, x.ProfileRevision)
		if err != nil {
			return nil, kind, err
		}
		newest, number, kind = p, x.ProfileRevision, placeKind(p)
	}
	b, err = e.backend(newest)
	return b, kind, err
}

// ask puts the batched questions: one for what is running, and one, where needed, for what may have
// been submitted.
func ask(ctx context.Context, b backends.Backend, list []ledger.Execution) (map[string]backends.Observation, error) {
	var running, uncertain []string
	for _, x := range list {
		if x.State == ledger.Uncertain {
			uncertain = append(uncertain, x.SubmissionID)
		} else {
			running = append(running, x.SubmissionID)
		}
	}
	answers := map[string]backends.Observation{}
	for _, q := range []struct {
		ids []string
		ask func(context.Context, []string) (map[string]backends.Observation, error)
	}{{uncertain, b.Find}, {running, b.Poll}} {
		if len(q.ids) == 0 {
			continue
		}
		found, err := q.ask(ctx, q.ids)
		if err != nil {
			return nil, err
		}
		maps.Copy(answers, found)
	}
	return answers, nil
}

// unreachable is the answer of a place that could not be asked, the same each time so that it is
// recorded once.
func unreachable(list []ledger.Execution, err error) map[string]backends.Observation {
	answers := map[string]backends.Observation{}
	for _, x := range list {
		answers[x.SubmissionID] = backends.Observation{
			ID: x.SubmissionID, Phase: stateUnreachable, Reason: "the place could not be asked", Raw: err.Error(),
		}
	}
	return answers
}

// answered is one execution with what its place said, ready to be written.
type answered struct {
	execution   ledger.Execution
	observation backends.Observation
	products    *madeProducts
	fenced      bool
}

// applyAll writes a lot of answers. Answers that say what was known already cost nothing.
func (e *Engine) applyAll(ctx context.Context, b backends.Backend, kind string, lot []ledger.Execution, answers map[string]backends.Observation, seen map[string]string, result *PollResult) error {
	var news []answered
	for _, x := range lot {
		o, ok := answers[x.SubmissionID]
		if !ok {
			o = backends.Observation{ID: x.SubmissionID, Phase: backends.PhaseUnknown, Reason: "its place said nothing about it"}
		}
		if o.At.IsZero() {
			o.At = e.ledger.Now()
		}
		key := seenKey(x, o)
		if e.seen[x.ID] == key {
			seen[x.ID] = key
			continue
		}
		n, err := e.prepareAnswer(ctx, x, o, kind)
		if err != nil {
			e.unusable(x, err, result)
			continue
		}
		news = append(news, n)
	}
	if len(news) == 0 {
		return nil
	}
	done, err := e.write(ctx, kind, news)
	if err == nil {
		for i, a := range done {
			e.settled(ctx, b, news[i], a, seen, result)
		}
		return nil
	}
	// One by one, so that an execution whose answer cannot be written harms itself alone.
	for _, n := range news {
		done, err := e.write(ctx, kind, []answered{n})
		switch {
		case err == nil:
			e.settled(ctx, b, n, done[0], seen, result)
		case fault.KindOf(err) == fault.Unavailable:
			return err // of the ledger: the next would fare no better
		default:
			e.unusable(n.execution, err, result)
		}
	}
	return nil
}

// write writes answers in one transaction.
func (e *Engine) write(ctx context.Context, kind string, news []answered) (done []applied, err error) {
	err = e.ledger.Write(ctx, func(tx *ledger.Tx) error {
		done = done[:0]
		for _, n := range news {
			a, err := e.apply(tx, n.execution, n.observation, kind, n.products, n.fenced)
			if err != nil {
				return fmt.Errorf("execution %s: %w", n.execution.ID, err)
			}
			done = append(done, a)
		}
		return nil
	})
	return done, err
}

// unusable reports an execution that stays as it is because what its place said cannot be written down.
func (e *Engine) unusable(x ledger.Execution, err error, result *PollResult) {
	result.Errors = append(result.Errors, err.Error())
	e.problem(ProblemAnswerUnusable, x.ID, "What "+x.Target+" says about execution "+x.ID+" cannot be written down", err.Error(), "error",
		"see: beampipe execution why "+x.ID+"; the others are not held up by it")
}

func seenKey(x ledger.Execution, o backends.Observation) string {
	return fmt.Sprintf("%d %s %s", x.Version, o.Phase, o.Reason)
}

// prepareAnswer does what must be done before the answer is written: list the products, and fence what
// is proved absent.
func (e *Engine) prepareAnswer(ctx context.Context, x ledger.Execution, o backends.Observation, kind string) (answered, error) {
	n := answered{execution: x, observation: o}
	var err error
	if n.products, err = packProducts(x, o, kind); err != nil {
		return n, err
	}
	if x.State == ledger.Uncertain && o.Phase == backends.PhaseLost {
		// fence reports why it could not; the execution stays uncertain then.
		n.fenced, err = e.fence(ctx, x)
		if err != nil {
			e.o.Log.Warn("fence", "execution", x.ID, "error", err)
		}
	}
	return n, nil
}

// settled does what follows once an answer is written.
func (e *Engine) settled(ctx context.Context, b backends.Backend, n answered, a applied, seen map[string]string, result *PollResult) {
	e.o.Health.Clear(ProblemAnswerUnusable, n.execution.ID)
	if a.moved {
		result.Moved++
		e.metrics.moved(a.execution)
		if n.execution.State == ledger.Uncertain {
			e.metrics.reconciled.WithLabelValues("submission", string(n.observation.Phase)).Inc()
		}
	}
	switch {
	case a.stale:
	case a.deliver:
		if b != nil {
			e.deliverCancel(ctx, b, a.execution.ID)
		}
	case !a.moved && n.execution.State == ledger.Uncertain && n.observation.Phase == backends.PhaseLost:
		// To be fenced again: not yet settled.
	default:
		seen[a.execution.ID] = seenKey(a.execution, n.observation)
	}
}
