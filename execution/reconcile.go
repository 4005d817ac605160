package execution

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"beampipe/backends"
	"beampipe/fault"
	"beampipe/ledger"
)

// ReconcileOptions say how a ledger that may be behind what happened outside is brought up to it.
type ReconcileOptions struct {
	// Moved: the ledger acts from another file or machine than its runs were started from, so that a
	// work folder has first to show that it is the same. OtherHost: processes of its runs cannot be seen.
	Moved, OtherHost bool

	// ForgetStrangers goes on although attempts outside are not known here, or a place cannot be asked.
	ForgetStrangers bool
	DryRun          bool // ask, and change nothing
	Actor           string
}

// Reconciliation is what was found outside, and what was done about it.
type Reconciliation struct {
	Places    []AskedPlace `json:"places"`
	Strangers []Outside    `json:"strangers"` // attempts of executions that this ledger does not have
	Behind    []Outside    `json:"behind"`    // attempts further than this ledger knows: it is led there
	Poll      PollResult   `json:"poll"`
}

// NothingFound is the answer before anything was asked.
func NothingFound() Reconciliation {
	return Reconciliation{Places: []AskedPlace{}, Strangers: []Outside{}, Behind: []Outside{}}
}

// AskedPlace is a place that was asked what it has. Its Error says why what it has is not known.
type AskedPlace struct {
	Target   string `json:"target"`
	Attempts int    `json:"attempts"`
	Error    string `json:"error,omitempty"`
}

// Outside is an attempt that a place has.
type Outside struct {
	ID        string         `json:"id"`
	Execution string         `json:"execution"`
	Attempt   int            `json:"attempt"`
	Target    string         `json:"target"`
	Phase     backends.Phase `json:"phase"`
	Folder    string         `json:"folder,omitempty"`
	State     ledger.State   `json:"state,omitempty"`         // of the execution here; "" for a stranger
	Known     int            `json:"known_attempt,omitempty"` // the attempt that is known here

	place backends.Backend
	kind  string
}

// Reconcile asks every place of every profile in use what it has, and brings the executions up to it by
// legal steps, so that nothing is submitted twice: the ledger is a copy, or acts from elsewhere. It is
// refused, with nothing changed, while attempts outside are not known here (Conflict) or a place cannot
// be asked (Unavailable), unless ForgetStrangers says that they are given up. Nobody else may act on the
// ledger meanwhile.
func (e *Engine) Reconcile(ctx context.Context, o ReconcileOptions) (Reconciliation, error) {
	r, err := e.survey(ctx, o)
	if err != nil {
		return r, err
	}
	if err := r.stops(); err != nil && !o.ForgetStrangers {
		return r, err
	}
	if o.DryRun {
		return r, nil
	}
	// Whoever had a claim was another ledger's process, or is gone.
	if err := e.ledger.Write(ctx, func(tx *ledger.Tx) error { _, err := tx.ReleaseAllClaims(); return err }); err != nil {
		return r, err
	}
	for _, out := range r.Behind {
		if err := e.lead(ctx, out, o.Actor); err != nil {
			return r, fmt.Errorf("lead execution %s to its attempt %d at %s: %w", out.Execution, out.Attempt, out.Target, err)
		}
	}
	if r.Poll, err = e.Poll(ctx); err != nil {
		return r, err
	}
	if len(r.Poll.Errors) > 0 && !o.ForgetStrangers {
		return r, fault.New(fault.Unavailable, "ask what became of the runs: "+strings.Join(r.Poll.Errors, "; "), "see that the place can be asked, then try again")
	}
	return r, nil
}

// maxNamedAttempts bounds the attempts that one error names.
const maxNamedAttempts = 5

// stops says what stands in the way of trusting the ledger; nil for nothing.
func (r Reconciliation) stops() error {
	var failed []string
	for _, p := range r.Places {
		if p.Error != "" {
			failed = append(failed, p.Target+": "+p.Error)
		}
	}
	if len(failed) > 0 {
		return fault.New(fault.Unavailable, "what runs outside is not known: "+strings.Join(failed, "; "),
			"see that the place can be asked. If what runs there is given up, and may run twice: --forget-strangers")
	}
	if len(r.Strangers) == 0 {
		return nil
	}
	var names []string
	for _, s := range r.Strangers[:min(len(r.Strangers), maxNamedAttempts)] {
		names = append(names, fmt.Sprintf("%s (%s, %s)", s.ID, s.Phase, cmp.Or(s.Folder, s.Target)))
	}
	if more := len(r.Strangers) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fault.New(fault.Conflict, fmt.Sprintf("outside are attempts (%d) of executions that this ledger does not have: %s", len(r.Strangers), strings.Join(names, ", ")),
		"their sources would run a second time: stop them or keep their products first, or restore a newer copy of the ledger; then, or if that is wanted: --forget-strangers")
}

// survey asks the places.
func (e *Engine) survey(ctx context.Context, o ReconcileOptions) (Reconciliation, error) {
	r := NothingFound()
	v := e.ledger.View(ctx)
	inUse, err := v.ProfilesInUse()
	if err != nil {
		return r, err
	}
	behind := map[string]Outside{} // by execution: its latest attempt
	asked := map[string]bool{}
	for _, stored := range slices.Backward(inUse) { // of one place the revision that executions named last
		p, err := e.profile(v, stored.Name, stored.Revision)
		if err != nil {
			return r, err
		}
		target := p.Target()
		if asked[target] {
			continue
		}
		asked[target] = true
		live, err := v.Executions(ledger.ExecutionFilter{States: outsideStates, Target: target, Limit: maxPolled})
		if err != nil {
			return r, err
		}
		if p.Built() != nil && len(live) == 0 {
			continue // this build cannot have submitted anything there
		}
		place := AskedPlace{Target: target}
		b, err := e.backend(p)
		var found []Outside
		if err == nil {
			found, err = e.listPlace(ctx, b, target, placeKind(p))
		}
		if err == nil {
			err = e.doubt(ctx, o, b, placeKind(p), target, found, live)
		}
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		if err != nil {
			place.Error = err.Error()
		}
		place.Attempts = len(found)
		r.Places = append(r.Places, place)
		if err := e.sort(v, found, behind, &r); err != nil {
			return r, err
		}
	}
	for _, out := range behind {
		r.Behind = append(r.Behind, out)
	}
	slices.SortFunc(r.Behind, func(a, b Outside) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(r.Places, func(a, b AskedPlace) int { return cmp.Compare(a.Target, b.Target) })
	return r, e.look(ctx, r.Strangers, r.Behind)
}

var outsideStates = []ledger.State{ledger.Submitting, ledger.Uncertain, ledger.Queued, ledger.Running, ledger.Cancelling}

// listPlace lists what a place has.
func (e *Engine) listPlace(ctx context.Context, b backends.Backend, target, kind string) ([]Outside, error) {
	asking, done := context.WithTimeout(ctx, maxAsk)
	defer done()
	ids, err := b.List(asking)
	if err != nil {
		return nil, err
	}
	list := make([]Outside, 0, len(ids))
	for _, id := range ids {
		out := Outside{ID: id, Target: target, place: b, kind: kind}
		var ok bool
		if out.Execution, out.Attempt, ok = parseAttempt(id); ok {
			list = append(list, out)
		}
	}
	return list, nil
}

// parseAttempt takes an id of backends.AttemptID apart.
func parseAttempt(id string) (execution string, attempt int, ok bool) {
	rest, ours := strings.CutPrefix(id, "bp-")
	i := strings.LastIndexByte(rest, '-')
	if !ours || i < 0 || backends.CheckAttemptID(id) != nil {
		return "", 0, false
	}
	attempt, err := strconv.Atoi(rest[i+1:])
	return rest[:i], attempt, err == nil
}

// doubt says why a place of this machine may not be the one where the ledger's runs are. What is asked
// over a network is the same from everywhere.
func (e *Engine) doubt(ctx context.Context, o ReconcileOptions, b backends.Backend, kind, target string, found []Outside, live []ledger.Execution) error {
	if !o.Moved || kind != "local" {
		return nil
	}
	known, err := e.ledger.View(ctx).Executions(ledger.ExecutionFilter{Target: target, Limit: feedSize})
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, out := range found {
		there[out.Execution] = true
	}
	known = slices.DeleteFunc(append(known, live...), func(x ledger.Execution) bool { return x.SubmissionID == "" })
	if len(known) > 0 && !slices.ContainsFunc(known, func(x ledger.Execution) bool { return there[x.ID] }) {
		return fault.New(fault.Unavailable, fmt.Sprintf("its work folder here has none of the runs that this ledger knows (%s was in %s)", known[0].SubmissionID, cmp.Or(known[0].Folder, "an unknown folder")), "")
	}
	if !o.OtherHost || len(live) == 0 {
		return nil
	}
	ids := make([]string, len(live))
	for i, x := range live {
		ids[i] = x.SubmissionID
	}
	answers, err := b.Find(ctx, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		a := answers[id]
		vanished := a.Phase.Ended() && a.EndedAt == nil
		if vanished || a.Phase == backends.PhaseLost || a.Phase == backends.PhaseUnknown {
			return fault.New(fault.Unavailable, "whether "+id+" still runs on the machine that it was started on cannot be seen from here", "")
		}
	}
	return nil
}

// sort tells strangers from what is further than the ledger knows.
func (e *Engine) sort(v ledger.View, found []Outside, behind map[string]Outside, r *Reconciliation) error {
	for _, out := range found {
		s, known, err := v.Standing(out.Execution)
		if err != nil {
			return err
		}
		out.State, out.Known = s.State, s.Attempt
		notYet := s.State == ledger.Pending || s.State == ledger.Preparing || s.State == ledger.Ready
		switch {
		case !known:
			r.Strangers = append(r.Strangers, out)
		case s.State == "": // pruned
		case out.Attempt > s.Attempt || (out.Attempt == s.Attempt && notYet):
			if before, ok := behind[out.Execution]; !ok || before.Attempt < out.Attempt {
				behind[out.Execution] = out
			}
		}
	}
	return nil
}

// look fills in how far the attempts are. It is for people: a place that does not tell stops nothing.
func (e *Engine) look(ctx context.Context, lists ...[]Outside) error {
	for _, list := range lists {
		byPlace := map[backends.Backend][]string{}
		for _, out := range list {
			byPlace[out.place] = append(byPlace[out.place], out.ID)
		}
		answers := map[string]backends.Observation{}
		for b, ids := range byPlace {
			found, err := b.Find(ctx, ids)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				continue
			}
			for id, o := range found {
				answers[id] = o
			}
		}
		for i, out := range list {
			list[i].Phase, list[i].Folder = cmp.Or(answers[out.ID].Phase, backends.PhaseUnknown), answers[out.ID].Folder
		}
	}
	return nil
}

// errNotLed is part of the error of an execution that no legal step leads to what is outside.
var errNotLed = errors.New("no step of the state machine leads there")
