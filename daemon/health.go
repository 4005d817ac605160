package daemon

import (
	"sort"
	"sync"
	"time"

	"beampipe/ledger"
)

// Codes of the daemon's own health problems.
const (
	codeLedger   = "ledger_unavailable"
	codeMetrics  = "metrics_port"
	codeSchedule = "schedule_malformed"
	codeTick     = "tick_failed"
)

// health keeps the problems that the rooms report.
type health struct {
	now func() time.Time

	mu       sync.Mutex
	problems map[[2]string]ledger.Problem
	changed  bool
}

// newHealth begins as changed, so that what an earlier daemon stored is replaced.
func newHealth(now func() time.Time) *health {
	return &health{now: now, problems: map[[2]string]ledger.Problem{}, changed: true}
}

// Problem reports a problem, or says again that it is there.
func (h *health) Problem(p ledger.Problem) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := [2]string{p.Code, p.Subject}
	old, known := h.problems[key]
	if known {
		p.Since = old.Since
	} else {
		p.Since = h.now()
	}
	p.SeenAt = old.SeenAt
	if known && old == p {
		return
	}
	h.problems[key] = p
	h.changed = true
}

// Clear says that a problem is over.
func (h *health) Clear(code, subject string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := [2]string{code, subject}
	if _, known := h.problems[key]; known {
		delete(h.problems, key)
		h.changed = true
	}
}

// take gives the problems, and whether they have changed since they were last taken.
func (h *health) take() ([]ledger.Problem, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]ledger.Problem, 0, len(h.problems))
	for _, p := range h.problems {
		list = append(list, p)
	}
	sort.Slice(list, func(i, j int) bool {
		return list[i].Code+"\x00"+list[i].Subject < list[j].Code+"\x00"+list[j].Subject
	})
	changed := h.changed
	h.changed = false
	return list, changed
}

// again says that what was taken could not be stored.
func (h *health) again() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed = true
}

func ledgerProblem(err error) ledger.Problem {
	return ledger.Problem{
		Code: codeLedger, Title: "The ledger cannot be used", Text: err.Error(), Severity: "error",
		Todo: "see to the ledger's disk and file; the daemon goes on by itself when the cause is gone",
	}
}

func scheduleProblem(key tickKey, err error) ledger.Problem {
	return ledger.Problem{
		Code: codeSchedule, Subject: key.String(), Title: "A schedule cannot be read", Text: err.Error(), Severity: "error",
		Todo: "correct automation." + key.kind + ".schedule and add the project again; until then this tick does not run",
	}
}

func tickProblem(key tickKey, err error) ledger.Problem {
	return ledger.Problem{
		Code: codeTick, Subject: key.String(), Title: "A tick did not go well", Text: err.Error(), Severity: "warning",
		Todo: "it is tried again at its next time; see the text for the cause",
	}
}
