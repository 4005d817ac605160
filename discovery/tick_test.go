package discovery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"beampipe/fault"
	"beampipe/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func limited(settings string) string {
	return strings.Replace(plainSurvey, "batch_size: 2, tick_discovery_source_limit: 1000, tick_discovery_batch_limit: 1000", settings, 1)
}

// TestATickStopsAtTheFirstLimit takes batches without running them, as a busy driver would.
func TestATickStopsAtTheFirstLimit(t *testing.T) {
	for _, tt := range []struct {
		name   string
		survey string
		limits Limits
		sizes  []int
		reason string
	}{
		{name: "nothing more is due", survey: limited("batch_size: 3"), limits: Limits{MaxInFlightBatches: 9, MaxBatchesPerTick: 9}, sizes: []int{3, 3, 1}, reason: ReasonNoneDue},
		{name: "the project's sources per tick", survey: limited("batch_size: 2, tick_discovery_source_limit: 3"), limits: Limits{}, sizes: []int{2, 1}, reason: ReasonMaxSources},
		{name: "the project's batches per tick", survey: limited("batch_size: 2, tick_discovery_batch_limit: 1"), limits: Limits{}, sizes: []int{2}, reason: ReasonMaxBatches},
		{name: "the process's batches per tick", survey: limited("batch_size: 1"), limits: Limits{MaxBatchesPerTick: 3}, sizes: []int{1, 1, 1}, reason: ReasonMaxBatches},
		{name: "the process's batches in flight", survey: limited("batch_size: 1"), limits: Limits{MaxInFlightBatches: 2}, sizes: []int{1, 1}, reason: ReasonInFlight},
		{name: "the project's batches in flight", survey: limited("batch_size: 1, concurrent_discovery_batch_limit: 1"), limits: Limits{}, sizes: []int{1}, reason: ReasonProjectCap},
		{name: "the project's queue", survey: limited("batch_size: 1, queue_max_depth: 1"), limits: Limits{}, sizes: []int{1}, reason: ReasonQueueFull},
		{name: "the process's queue", survey: limited("batch_size: 1"), limits: Limits{QueueMaxDepth: 2}, sizes: []int{1, 1}, reason: ReasonQueueFull},
		{name: "switched off", survey: strings.Replace(plainSurvey, "enabled: true", "enabled: false", 1), limits: Limits{}, reason: ReasonDisabled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.survey)
			w.restart(tt.limits)
			for i := range 7 {
				w.register(fmt.Sprintf("S%d", i))
			}
			tick, err := w.engine.Begin(t.Context(), "survey", TickOptions{})
			must(t, err)
			claimed := 0
			for i := 0; ; i++ {
				_, ok, err := tick.Next(t.Context())
				must(t, err)
				if !ok {
					if i != len(tt.sizes) {
						t.Errorf("%d batches, want %d", i, len(tt.sizes))
					}
					break
				}
				if size := tick.result.Claimed - claimed; i >= len(tt.sizes) || size != tt.sizes[i] {
					t.Fatalf("batch %d has %d sources, want %v", i, size, tt.sizes)
				}
				claimed = tick.result.Claimed
			}
			r, err := tick.Finish(t.Context())
			must(t, err)
			if r.Reason != tt.reason || r.Released != claimed {
				t.Errorf("result %+v, want reason %s and %d released", r, tt.reason, claimed)
			}
			live, err := w.ledger.View(t.Context()).LiveBatches(ledger.ClaimDiscovery, "")
			must(t, err)
			if live != 0 {
				t.Errorf("%d batches are still claimed", live)
			}
			schedules, err := w.ledger.View(t.Context()).Schedules()
			must(t, err)
			if len(schedules) != 1 || schedules[0].Reason != tt.reason || schedules[0].Counters["claimed"] != claimed {
				t.Errorf("schedules %+v", schedules)
			}
		})
	}
}

func TestABatchThatEndsMakesRoomForTheNext(t *testing.T) {
	w := newWorld(t, limited("batch_size: 1"))
	w.restart(Limits{MaxInFlightBatches: 1, MaxBatchesPerTick: 9})
	w.register("S1", "S2")
	tick, err := w.engine.Begin(t.Context(), "survey", TickOptions{})
	must(t, err)
	run, ok, err := tick.Next(t.Context())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if _, ok, _ := tick.Next(t.Context()); ok {
		t.Fatal("a second batch in flight")
	}
	must(t, run(t.Context()))
	if err := run(t.Context()); !errors.Is(err, fault.Conflict) {
		t.Errorf("a batch runs twice: %v", err)
	}
	if _, ok, err := tick.Next(t.Context()); err != nil || !ok {
		t.Errorf("no second batch: %v", err)
	}
	_, err = tick.Finish(t.Context())
	must(t, err)
}

func TestATickCanBeForNamedSourcesOnly(t *testing.T) {
	w := newWorld(t, strings.Replace(plainSurvey, "enabled: true", "enabled: false", 1))
	w.register("S1", "S2", "S3")
	w.tick()
	tick, err := w.engine.Begin(t.Context(), "survey", TickOptions{Sources: []string{"S3", "S1", "S3"}})
	must(t, err)
	run, ok, err := tick.Next(t.Context())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	must(t, run(t.Context()))
	if _, ok, _ := tick.Next(t.Context()); ok {
		t.Error("a second batch")
	}
	r, err := tick.Finish(t.Context())
	must(t, err)
	if r.Claimed != 2 || r.NoData != 2 || w.source("S2").LastOutcome != "" {
		t.Errorf("result %+v", r)
	}
	if _, err := w.engine.Begin(t.Context(), "survey", TickOptions{Sources: []string{"S4"}}); !errors.Is(err, fault.NotFound) {
		t.Errorf("a source that is not there: %v", err)
	}
	must(t, w.ledger.Write(t.Context(), func(tx *ledger.Tx) error {
		_, err := tx.SetEnabled("survey", "S2", false, "broken", "user:test")
		return err
	}))
	if _, err := w.engine.Begin(t.Context(), "survey", TickOptions{Sources: []string{"S2"}}); !errors.Is(err, fault.Conflict) {
		t.Errorf("a disabled source: %v", err)
	}
}

func TestATickThatIsCutOffStoresNothingFalseAndGivesItsClaimsBack(t *testing.T) {
	w := newWorld(t, limited("batch_size: 4"))
	w.restart(Limits{SourceConcurrency: 1})
	names := []string{"HIPASSJ0001-01", "HIPASSJ0002-02", "HIPASSJ0003-03"}
	for i, name := range names {
		w.stock(name, fmt.Sprint(30001+i))
	}
	w.register(names...)
	w.tick()
	for _, name := range names {
		w.executed(name)
	}
	w.clock.advance(25 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.line.before = func(query string) {
		if strings.Contains(query, "HIPASSJ0002-02%") {
			cancel()
		}
	}
	r, err := w.engine.Tick(ctx, "survey")
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if r.Unchanged != 1 || r.Released != 2 || r.Failed != 0 || r.NoData != 0 || r.Missing != 0 {
		t.Errorf("result %+v", r)
	}
	for _, name := range names {
		if s := w.source(name); s.LastError != "" || s.Pending || s.Failures != 0 {
			t.Errorf("source %+v", s)
		}
	}
	w.line.before = nil
	if r := w.tick(); r.Unchanged != 2 {
		t.Errorf("the others are not due again: %+v", r)
	}
	if len(w.health) != 0 {
		t.Errorf("our own end is a problem of the archive: %v", w.health)
	}
}

func TestALostClaimCostsOnlyItsSource(t *testing.T) {
	w := newWorld(t, limited("batch_size: 4"))
	w.restart(Limits{SourceConcurrency: 1})
	w.register("S1", "S2", "S3")
	var once sync.Once
	w.line.before = func(query string) {
		if !strings.Contains(query, "'S2%'") {
			return
		}
		once.Do(func() {
			w.clock.advance(181 * time.Minute) // we were asleep, and another daemon went on
			must(t, w.ledger.Write(context.Background(), func(tx *ledger.Tx) error {
				_, ok, err := tx.TryClaim(ledger.ClaimDiscovery, ledger.SourceSubject(w.source("S2").ID), "another", "survey/x", time.Hour)
				if !ok {
					t.Error("the claim had not expired")
				}
				return err
			}))
		})
	}
	r := w.tick()
	if r.Lost != 1 || r.NoData != 2 || r.Released != 0 {
		t.Errorf("result %+v", r)
	}
	claim, err := w.ledger.View(t.Context()).ClaimOf(ledger.SourceSubject(w.source("S2").ID))
	must(t, err)
	if claim.Owner != "another" || w.source("S2").LastOutcome != "" {
		t.Errorf("claim %+v, source %+v", claim, w.source("S2"))
	}
}

func TestTheClaimsOfABatchAreRenewedWhileAnArchiveTakesItsTime(t *testing.T) {
	w := newWorld(t, limited("batch_size: 4"))
	w.restart(Limits{SourceConcurrency: 1})
	w.register("S1", "S2")
	w.engine.renewEvery = time.Millisecond
	var once sync.Once
	w.line.before = func(string) {
		once.Do(func() {
			expires := func() time.Time {
				claim, err := w.ledger.View(context.Background()).ClaimOf(ledger.SourceSubject(w.source("S2").ID))
				must(t, err)
				return claim.ExpiresAt
			}
			for range 3 { // nine hours in all: more than claims hold
				w.clock.advance(170 * time.Minute)
				want := w.clock.Now().Add(180 * time.Minute)
				for look := time.NewTicker(time.Millisecond); expires().Before(want); <-look.C {
					if t.Context().Err() != nil {
						return
					}
				}
			}
		})
	}
	if r := w.tick(); r.Lost != 0 || r.NoData != 2 {
		t.Errorf("result %+v", r)
	}
}

func TestAConfigThatCannotDiscoverIsRefusedByName(t *testing.T) {
	for _, tt := range []struct {
		name, survey, says string
	}{
		{"no SBID", strings.Replace(plainSurvey, "      sbid: {from: obs_id, transform: digits}\n", "", 1), "missing_sbid_mapping"},
		{"a placeholder that nothing fills", strings.Replace(plainSurvey, "'{source_name}'", "'{sorce_name}'", 1), "sorce_name"},
		{"an archive without URL", strings.Replace(plainSurvey, "adapter: vizier", "adapter: elsewhere", 1), "elsewhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.survey)
			w.register("S1")
			_, err := w.engine.Tick(t.Context(), "survey")
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v does not say %s", err, tt.says)
			}
			if _, ok := w.health[ProblemRefused+" survey"]; !ok {
				t.Errorf("no problem among %v", sortedKeys(w.health))
			}
			schedules, err := w.ledger.View(t.Context()).Schedules()
			must(t, err)
			if len(schedules) != 1 || schedules[0].Reason != ReasonConfigFailed {
				t.Errorf("schedules %+v", schedules)
			}
			w.configure(plainSurvey)
			w.tick()
			if len(w.health) != 0 {
				t.Errorf("problems left: %v", sortedKeys(w.health))
			}
		})
	}
	w := newWorld(t, plainSurvey)
	if _, err := w.engine.Tick(t.Context(), "nobody"); !errors.Is(err, fault.NotFound) {
		t.Errorf("an unknown project: %v", err)
	}
}

func TestAnArchiveOnlyTheOperatorKnowsCanBeAsked(t *testing.T) {
	w := newWorld(t, strings.Replace(plainSurvey, "adapter: vizier", "adapter: elsewhere", 1))
	w.set.options.Overrides = map[string]string{"elsewhere": "http://elsewhere.invalid/tap"}
	w.stock("HIPASSJ1313-15", sbidOne)
	w.register("HIPASSJ1313-15")
	w.tick()
	w.wantOutcome("HIPASSJ1313-15", ledger.OutcomeChanged, true)
	if stats := w.set.Stats(); stats["elsewhere"].Requests != 1 || stats["casda"].Requests != 2 {
		t.Errorf("stats %+v", stats)
	}
}

func TestMetricsCountOutcomesAndRequests(t *testing.T) {
	w := newWorld(t, plainSurvey)
	registry := prometheus.NewRegistry()
	w.engine = New(Options{Ledger: w.ledger, Archives: w.set, Registerer: registry})
	again := New(Options{Ledger: w.ledger, Archives: w.set, Registerer: registry})
	w.stock("HIPASSJ1313-15", sbidOne)
	w.register("HIPASSJ1313-15", "HIPASSJ0001-01")
	w.tick()
	if got := testutil.ToFloat64(again.metrics.sources.WithLabelValues("survey", ledger.OutcomeChanged)); got != 1 {
		t.Errorf("%v changed", got)
	}
	if got := testutil.ToFloat64(again.metrics.requests.WithLabelValues("casda", "ok")); got != 3 {
		t.Errorf("%v requests to casda", got)
	}
	n, err := testutil.GatherAndCount(registry, "beampipe_discovery_sources_total", "beampipe_discovery_duration_seconds", "beampipe_tap_requests_total")
	must(t, err)
	if n != 5 {
		t.Errorf("%d series", n)
	}
}

func TestPacingWaitsBetweenClaims(t *testing.T) {
	w := newWorld(t, limited("batch_size: 1"))
	w.register("S1", "S2", "S3")
	var waits []time.Duration
	w.engine = New(Options{Ledger: w.ledger, Archives: w.set, Limits: Limits{Pacing: time.Second}, Wait: func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	}})
	if r := w.tick(); r.Batches != 3 || len(waits) != 3 || waits[0] != time.Second {
		t.Errorf("%d batches, waits %v", r.Batches, waits)
	}
}

func TestExplainShowsTheQueriesAsTheyWouldBeSent(t *testing.T) {
	w := newWorld(t, plainSurvey)
	list, err := w.engine.Explain(t.Context(), w.project(), "HIPASSJ1313-15")
	must(t, err)
	if len(list) != 3 || list[0].ADQL != "SELECT o.* FROM ivoa.obscore o WHERE o.filename LIKE 'HIPASSJ1313-15%'" ||
		!strings.Contains(list[1].ADQL, "= 'J1313-15'") || !strings.Contains(list[2].ADQL, "sbid = '{sbid}'") || !list[2].Enrichment ||
		!strings.Contains(list[0].Rows, "filename begins with") || list[0].URL == "" {
		t.Errorf("%+v", list)
	}
	list, err = w.engine.Explain(t.Context(), w.project(), "A_1")
	must(t, err)
	if list[0].ADQL != "" || !strings.Contains(list[0].Problem, "key_column") || list[1].ADQL == "" {
		t.Errorf("%+v", list)
	}
	if _, err := w.engine.Explain(t.Context(), w.project(), "a\nb"); !errors.Is(err, fault.Invalid) {
		t.Errorf("an identifier that cannot be registered: %v", err)
	}
	if w.archive.Queries() != 0 {
		t.Error("explaining asked the archive")
	}
}
