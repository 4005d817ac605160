package daemon

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"beampipe/control"
	"beampipe/ledger"
)

// Codes of the daemon's own health problems.
const (
	codeLedger   = "ledger_unavailable"
	codeMetrics  = "metrics_port"
	codeSchedule = "schedule_malformed"
	codeConfig   = "config_unreadable"
	codeTick     = "tick_failed"
)

// maxPerCode bounds the problems of one code that are kept and stored with their texts. An archive that
// does not answer can be the problem of each of 100,000 sources; past the bound they are counted.
const maxPerCode = 100

// health keeps the problems that the rooms report.
type health struct {
	now func() time.Time

	mu       sync.Mutex
	problems map[[2]string]ledger.Problem
	kept     map[string]int             // how many of problems there are of a code
	more     map[string]map[string]bool // by code: the subjects past maxPerCode
	changed  bool
}

// newHealth begins as changed, so that what an earlier daemon stored is replaced.
func newHealth(now func() time.Time) *health {
	return &health{now: now, problems: map[[2]string]ledger.Problem{}, kept: map[string]int{}, more: map[string]map[string]bool{}, changed: true}
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
	if !known && h.kept[p.Code] >= maxPerCode {
		h.count(p.Code, p.Subject)
		return
	}
	if !known {
		h.kept[p.Code]++
		delete(h.more[p.Code], p.Subject)
	}
	h.problems[key] = p
	h.changed = true
}

// count takes a problem past maxPerCode by its subject alone.
func (h *health) count(code, subject string) {
	if h.more[code] == nil {
		h.more[code] = map[string]bool{}
	}
	if !h.more[code][subject] {
		h.more[code][subject] = true
		h.changed = true
	}
}

// Clear says that a problem is over.
func (h *health) Clear(code, subject string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := [2]string{code, subject}
	if _, known := h.problems[key]; known {
		delete(h.problems, key)
		h.kept[code]--
		h.changed = true
	}
	if h.more[code][subject] {
		delete(h.more[code], subject)
		h.changed = true
	}
}

// take gives the problems, and whether they have changed since they were last taken.
func (h *health) take() ([]ledger.Problem, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed := h.changed
	h.changed = false
	return h.list(), changed
}

// look gives the problems as they are now.
func (h *health) look() []ledger.Problem {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.list()
	for i := range list {
		list[i].SeenAt = h.now()
	}
	return list
}

// list is to be called with the lock held.
func (h *health) list() []ledger.Problem {
	list := make([]ledger.Problem, 0, len(h.problems))
	for _, p := range h.problems {
		list = append(list, p)
	}
	for code, subjects := range h.more {
		if n := len(subjects); n > 0 {
			list = append(list, moreProblems(code, n, h.now()))
		}
	}
	sort.Slice(list, func(i, j int) bool {
		return list[i].Code+"\x00"+list[i].Subject < list[j].Code+"\x00"+list[j].Subject
	})
	return list
}

// again says that what was taken could not be stored.
func (h *health) again() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed = true
}

// moreProblems stands for the problems of a code that are only counted.
func moreProblems(code string, n int, now time.Time) ledger.Problem {
	return ledger.Problem{
		Code: code, Subject: "(more)", Title: fmt.Sprintf("%d more problems of this kind", n),
		Text: fmt.Sprintf("%d are listed, %d more are only counted", maxPerCode, n), Severity: "warning",
		Todo: "see to those that are listed: many at once mostly have one cause", Since: now, SeenAt: now,
	}
}

func ledgerProblem(err error) ledger.Problem {
	return ledger.Problem{
		Code: codeLedger, Title: "The ledger cannot be used", Text: err.Error(), Severity: "error",
		Todo: "see to the ledger's disk and file; the daemon goes on by itself when the cause is gone",
	}
}

func configProblem(p ledger.Project, err error) ledger.Problem {
	return ledger.Problem{
		Code: codeConfig, Subject: p.ID, Title: "The stored config of project " + p.ID + " cannot be read", Text: err.Error(), Severity: "error",
		Todo: "add the project's file again: beampipe project add; until then its ticks do not run",
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

// healthNow is what /health answers: as "beampipe health", with the problems as they are known now, also
// those that could not be stored.
func (d *Daemon) healthNow(ctx context.Context) control.Health {
	c := d.serving.Load()
	if c == nil {
		r := d.standing.get()
		return control.Health{
			At: d.health.now(), Ledger: d.o.LedgerPath, Running: r.State == StateStandby, Daemon: cmp.Or(r.Reason, string(r.State)),
			Problems: d.health.look(), Ticks: []ledger.Schedule{},
		}
	}
	h, err := c.HealthNow(ctx, d.health.look())
	if err != nil && !slices.ContainsFunc(h.Problems, func(p ledger.Problem) bool { return strings.HasPrefix(p.Code, "ledger_") }) {
		p := ledgerProblem(err)
		p.Since, p.SeenAt = h.At, h.At
		h.Problems = append(h.Problems, p)
	}
	return h
}
