package execution

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"beampipe/ledger"
)

// maxNoted bounds the skipped sources that are told of a tick which admitted nothing.
const maxNoted = 5

// What a tick did with a source, in its history.
const (
	outcomeAdmitted = "admitted"
	outcomeSkipped  = "skipped"
)

// unsettled says why a source waits although it is pending: its data was not shown unchanged for long
// enough; "" when it was.
func unsettled(s ledger.Source, settle time.Duration, now time.Time) string {
	if s.Settled(settle) {
		return ""
	}
	age := time.Duration(0)
	if s.SignatureSince != nil {
		age = max(now.Sub(*s.SignatureSince), 0)
	}
	text := fmt.Sprintf("settling: data still changes, its signature is %s h old, of %s h (automation.execution.settle_hours)", hours(age), hours(settle))
	if age >= settle {
		text += "; the next discovery that finds it unchanged settles it"
	}
	return text
}

// hours writes a time in hours with at most one decimal, cut off.
func hours(d time.Duration) string {
	return strconv.FormatFloat(float64(d/(time.Hour/10))/10, 'f', -1, 64)
}

// tickRun is what the history of ticks keeps. The sources are listed when something was admitted: one
// that did nothing but look is no row, however many sources it skipped.
func (a *admission) tickRun(began time.Time) ledger.TickRun {
	t := ledger.TickRun{
		Project: a.Project, Kind: ledger.TickExecution, Reason: a.Reason, BeganAt: began,
		Counters: map[string]int{
			"pending": a.Pending, "examined": a.Examined, "admitted_sources": a.Sources,
			"admitted_executions": len(a.Executions), "skipped": len(a.Skipped),
		},
	}
	if len(a.made) == 0 {
		t.Note = a.skipNote()
		return t
	}
	t.Sources = a.made
	for _, s := range a.Skipped {
		t.Sources = append(t.Sources, ledger.TickSource{Identifier: s.Source, Outcome: outcomeSkipped, Text: s.Reason})
	}
	return t
}

// skipNote names the first sources that were skipped.
func (a *admission) skipNote() string {
	var notes []string
	for i, s := range a.Skipped {
		if i == maxNoted {
			notes = append(notes, fmt.Sprintf("and %d more", len(a.Skipped)-maxNoted))
			break
		}
		notes = append(notes, s.Source+": "+ledger.Excerpt(s.Reason, ledger.MaxTickText))
	}
	return strings.Join(notes, "; ")
}

// count tells the metrics.
func (a *admission) count() {
	m := a.engine.metrics
	age := 0.0
	if a.oldest != nil {
		age = a.now.Sub(*a.oldest).Seconds()
	}
	m.pending.WithLabelValues(a.Project).Set(float64(a.Pending - a.Sources))
	m.pendingAge.WithLabelValues(a.Project).Set(age)
	if n := len(a.Executions); n > 0 {
		m.admitted.WithLabelValues(a.Project, reasonAdmitted).Add(float64(n))
	}
	if n := len(a.Skipped); n > 0 {
		m.admitted.WithLabelValues(a.Project, reasonNotReady).Add(float64(n))
	}
	if code, _, _ := strings.Cut(a.Reason, ":"); code != reasonAdmitted && code != reasonNotReady {
		m.admitted.WithLabelValues(a.Project, code).Inc()
	}
}
