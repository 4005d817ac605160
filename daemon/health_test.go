package daemon

import (
	"fmt"
	"testing"
	"time"

	"beampipe/ledger"
)

func TestAHealthProblemKeepsItsBeginningAndIsWrittenOnlyWhenItChanges(t *testing.T) {
	now := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	h := newHealth(func() time.Time { return now })
	if _, changed := h.take(); !changed {
		t.Fatal("a new daemon does not replace what an earlier one stored")
	}
	began := now
	h.Problem(ledger.Problem{Code: "archive", Subject: "casda", Text: "timeout"})
	now = now.Add(time.Hour)
	h.take()
	h.Problem(ledger.Problem{Code: "archive", Subject: "casda", Text: "timeout"})
	problems, changed := h.take()
	if changed || len(problems) != 1 || !problems[0].Since.Equal(began) {
		t.Errorf("changed %v, problems %+v", changed, problems)
	}
	h.Problem(ledger.Problem{Code: "archive", Subject: "casda", Text: "refused"})
	if problems, changed = h.take(); !changed || !problems[0].Since.Equal(began) {
		t.Errorf("another text: changed %v, since %v", changed, problems[0].Since)
	}
	h.Clear("archive", "casda")
	h.Clear("archive", "casda")
	if problems, changed = h.take(); !changed || len(problems) != 0 {
		t.Errorf("cleared: changed %v, problems %v", changed, problems)
	}
	if _, changed = h.take(); changed {
		t.Error("clearing twice is a change")
	}
}

func TestManyProblemsOfOneKindAreCountedPastTheBound(t *testing.T) {
	now := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	h := newHealth(func() time.Time { return now })
	const many = 10 * maxPerCode
	for range 2 {
		for i := range many {
			h.Problem(ledger.Problem{Code: "source", Subject: fmt.Sprintf("S%04d", i), Text: "timeout"})
		}
	}
	problems, _ := h.take()
	if len(problems) != maxPerCode+1 || problems[0].Title != fmt.Sprintf("%d more problems of this kind", many-maxPerCode) {
		t.Errorf("%d problems, the first is %+v", len(problems), problems[0])
	}
	for i := range many {
		h.Clear("source", fmt.Sprintf("S%04d", i))
	}
	if problems, changed := h.take(); len(problems) != 0 || !changed {
		t.Errorf("%d problems are left", len(problems))
	}
}
