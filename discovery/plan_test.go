package discovery

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/ledger"
)

func TestPlanSaysWhatTheNextTickWouldDo(t *testing.T) {
	for _, tt := range []struct {
		name    string
		survey  string
		limits  Limits
		sources int
		prepare func(w *world)
		check   func(p Planned) bool
		idle    bool // the tick claims nothing
	}{
		{
			name: "all of it", survey: limited("batch_size: 2"), sources: 3,
			check: func(p Planned) bool { return p.Reason == ReasonNoneDue && p.Batches == 2 && len(p.First) == 3 },
		},
		{
			name: "as many sources as the project allows", survey: limited("batch_size: 2, tick_discovery_source_limit: 3"), sources: 9,
			check: func(p Planned) bool {
				return p.Reason == ReasonMaxSources && p.Claimed == 3 && p.Due == 9 && slices.Contains(p.Limits, PlanLimit{"automation.discovery.tick_discovery_source_limit", 3, true})
			},
		},
		{
			name: "as many batches as the process allows", survey: limited("batch_size: 2"), limits: Limits{MaxBatchesPerTick: 2}, sources: 9,
			check: func(p Planned) bool {
				return p.Reason == ReasonMaxBatches && p.Claimed == 4 && slices.Contains(p.Limits, PlanLimit{EnvMaxBatchesPerTick, 2, true})
			},
		},
		{
			name: "nothing is due", survey: limited("batch_size: 2"), sources: 2, idle: true, prepare: func(w *world) { w.tick() },
			check: func(p Planned) bool {
				return p.Reason == ReasonNoneDue && p.NextDue != nil && p.NextDue.Equal(time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC))
			},
		},
		{
			name: "switched off", survey: strings.Replace(plainSurvey, "enabled: true", "enabled: false", 1), sources: 2, idle: true,
			check: func(p Planned) bool { return p.Reason == ReasonDisabled && p.Due == 2 },
		},
		{
			name: "a config that cannot discover", survey: strings.Replace(plainSurvey, "'{source_name}'", "'{sorce_name}'", 1), sources: 2, idle: true,
			check: func(p Planned) bool { return p.Reason == ReasonConfigFailed && strings.Contains(p.Why, "sorce_name") },
		},
		{
			name: "some are in quarantine, some fail", survey: limited("batch_size: 9, quarantine_after: 1"), sources: 3, prepare: func(w *world) {
				w.stock("S0", "30000")
				w.catalogue("S0", 10, 100)
				w.stock("S1", "30001")
				w.tick()
				w.clock.advance(25 * time.Hour)
			},
			check: func(p Planned) bool {
				return p.Quarantined == 1 && p.Failing == 1 && p.Settling == 1 && p.Due == 2 && p.Enabled == 3 && p.Archives["casda"].Breaker == "closed"
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.survey)
			w.restart(tt.limits)
			for i := range tt.sources {
				w.register(fmt.Sprintf("S%d", i))
			}
			if tt.prepare != nil {
				tt.prepare(w)
			}
			events, err := w.ledger.View(t.Context()).CountEvents()
			must(t, err)
			queries := w.archive.Queries()
			p, err := w.engine.Plan(t.Context(), "survey")
			must(t, err)
			if !tt.check(p) || tt.idle != (p.Claimed == 0) {
				t.Errorf("plan %+v", p)
			}
			after, err := w.ledger.View(t.Context()).CountEvents()
			must(t, err)
			if events != after || queries != w.archive.Queries() {
				t.Error("a plan wrote, or asked")
			}
			r, err := w.engine.Tick(t.Context(), "survey")
			if p.Reason == ReasonConfigFailed {
				if !errors.Is(err, fault.Invalid) {
					t.Errorf("error %v", err)
				}
				return
			}
			must(t, err)
			if r.Claimed != p.Claimed || r.Batches != p.Batches || r.Reason != p.Reason {
				t.Errorf("the tick %+v, planned %+v", r, p)
			}
		})
	}
}

func TestPlanCountsTheRequestsByTheSBIDsOfLastTime(t *testing.T) {
	w := newWorld(t, plainSurvey)
	w.stock(watched, sbidOne)
	w.observe(watched+"_B.ms.tar", sbidTwo, 59001)
	w.evaluate(sbidTwo)
	w.register(watched)
	w.tick()
	w.clock.advance(25 * time.Hour)
	p, err := w.engine.Plan(t.Context(), "survey")
	must(t, err)
	sum := 0
	for _, c := range p.Requests {
		sum += c.Set
	}
	if r := w.tick(); r.Requests != sum || sum != 4 {
		t.Errorf("planned %+v, the tick asked %d", p.Requests, r.Requests)
	}
	if _, err := w.engine.Plan(t.Context(), "nobody"); !errors.Is(err, fault.NotFound) {
		t.Errorf("an unknown project: %v", err)
	}
}

func TestAnArchiveThatIsLeftAloneIsNotClaimedFor(t *testing.T) {
	w := newWorld(t, limited("batch_size: 1, tick_discovery_batch_limit: 100"))
	for i := range 20 {
		w.register(fmt.Sprintf("S%02d", i))
	}
	w.line.breaks = map[string]string{"obscore": "busy"}
	for range 8 {
		w.tick()
	}
	p, err := w.engine.Plan(t.Context(), "survey")
	must(t, err)
	r := w.tick()
	if r.Reason != ReasonUnavailable || r.Claimed != 0 || p.Reason != ReasonUnavailable || !strings.Contains(p.Why, "casda") {
		t.Errorf("result %+v, plan %+v", r, p)
	}
	w.line.breaks = nil
	w.clock.advance(time.Hour)
	if r := w.tick(); r.NoData == 0 {
		t.Errorf("an hour later: %+v", r)
	}
	var left []string
	for range 100 {
		left = left[:0]
		w.clock.advance(time.Minute)
		w.tick()
		list, err := w.ledger.View(t.Context()).Sources(ledger.SourceFilter{Project: "survey"})
		must(t, err)
		for _, s := range list {
			if s.LastOutcome != ledger.OutcomeNoData {
				left = append(left, s.Identifier)
			}
		}
		if len(left) == 0 {
			return
		}
	}
	t.Errorf("not asked: %v", left)
}
