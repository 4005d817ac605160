package execution

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"beampipe/ledger"
)

func TestAdmissionTellsTheBindingLimitAndWhereItComesFrom(t *testing.T) {
	for _, tt := range []struct {
		name   string
		make   func(r *rig)
		reason string
		runs   int
	}{
		{"everything fits", func(r *rig) { r.standard(3) }, "admitted", 3},
		{"nothing pending", func(r *rig) { r.standard(0) }, "no_pending_sources", 0},
		{"automation is off", func(r *rig) {
			raw := testGraph("true")
			r.addConfig(load(r.t, strings.Replace(fmt.Sprintf(survey, digest(raw), ""), "enabled: true", "enabled: false", 1)), raw)
			r.start()
		}, "disabled: automation.execution.enabled is false", 0},
		{"never started", func(r *rig) {
			r.addProject()
			r.addProfile("here")
			r.discovered("S", "sig", block("S", "1", "a"))
		}, "paused: start it with: beampipe project start demo", 0},
		{"no graph", func(r *rig) {
			text := fmt.Sprintf(survey, strings.Repeat("0", 64), "")
			from := strings.Index(text, "graph: ")
			r.addConfig(load(r.t, text[:from]+text[from+strings.Index(text[from:], "\n"):]), []byte("{}"))
			r.start()
		}, "refused: missing_graph (graph): ", 0},
		{"the named profile does not exist", func(r *rig) { r.standard(1, "deployment_profile_name: other") }, `refused: profile "other" does not exist`, 0},
		{"the named profile is another project's", func(r *rig) {
			r.addProfile("theirs", func(d map[string]any) { d["project_module"], d["is_default"] = "else", false })
			r.standard(1, "deployment_profile_name: theirs")
		}, `refused: profile "theirs" belongs to project else`, 0},
		{"no profile named and none default", func(r *rig) {
			r.addProject()
			r.addProfile("here", func(d map[string]any) { d["is_default"] = false })
			r.start()
			r.discovered("S", "sig", block("S", "1", "a"))
		}, "refused: no profile is named and none is default", 0},
		{
			"project cap", func(r *rig) { r.standard(3, "concurrent_execution_run_limit: 2") },
			"project_in_flight_cap: 2 of 2 in flight (automation.execution.concurrent_execution_run_limit)", 2,
		},
		{
			"process cap", func(r *rig) { r.o.Limits.MaxInFlightRuns = 1; r.standard(3) },
			"in_flight_cap: 1 of 1 in flight (BEAMPIPE_SHAPING_EXECUTION_MAX_IN_FLIGHT_RUNS)", 1,
		},
		{
			"queue depth", func(r *rig) { r.o.Limits.QueueMaxDepth = 2; r.standard(3) },
			"queue_full: 2 of 2 wait for a worker (BEAMPIPE_SHAPING_QUEUE_MAX_DEPTH)", 2,
		},
		{"profile cap", func(r *rig) {
			r.addProfile("small", func(d map[string]any) { d["max_concurrent_executions"], d["is_default"] = 1, false })
			r.standard(3, "deployment_profile_name: small")
		}, `profile_in_flight_cap: 1 of 1 in flight (max_concurrent_executions of profile "small")`, 1},
		{
			"runs per tick", func(r *rig) { r.standard(3, "tick_execution_run_limit: 2") },
			"tick_run_limit: 2 of 2 executions in this tick (automation.execution.tick_execution_run_limit)", 2,
		},
		{
			"sources per tick", func(r *rig) { r.standard(3, "tick_execution_source_limit: 1") },
			"tick_source_limit: 1 of 1 sources in this tick (automation.execution.tick_execution_source_limit)", 1,
		},
		{
			"too few pending", func(r *rig) { r.standard(2, "min_sources_to_trigger: 5") },
			"threshold_not_met: 2 of 5 pending (automation.execution.min_sources_to_trigger)", 0,
		},
		{"too few pending, but one has waited long", func(r *rig) {
			r.standard(2, "min_sources_to_trigger: 5", "max_wait_minutes: 60")
			r.clock.forward(time.Hour)
		}, "admitted", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			tt.make(r)
			a := r.admit()
			if !strings.HasPrefix(a.Reason, tt.reason) || len(a.Executions) != tt.runs {
				t.Errorf("admitted %d, %q; expected %d, %q (skipped %v)", len(a.Executions), a.Reason, tt.runs, tt.reason, a.Skipped)
			}
			if refused := strings.HasPrefix(a.Reason, "refused: "); refused != r.health.has(ProblemAdmissionRefused, "demo") {
				t.Errorf("a refusal is a health problem: %v", r.health.problems)
			}
		})
	}
}

func TestAFullLimitStopsTheNextTick(t *testing.T) {
	r := newRig(t)
	r.standard(3, "concurrent_execution_run_limit: 2")
	r.admit()
	a := r.admit()
	if want := "project_in_flight_cap: 2 of 2 in flight (automation.execution.concurrent_execution_run_limit)"; a.Reason != want || len(a.Executions) != 0 {
		t.Errorf("%v %q, expected %q", a.Executions, a.Reason, want)
	}
}

func TestASourceThatCannotRunKeepsNobodyWaiting(t *testing.T) {
	r := newRig(t)
	r.o.Limits.MaxInFlightRuns = 2
	r.standard(0)
	for i := range pageSize + 20 { // more than one page of them, all before the good ones
		name := fmt.Sprintf("BAD%03d", i)
		b := block(name, "1", "a")
		b.Flags["complete"] = false
		r.discovered(name, "sig-"+name, b)
	}
	r.clock.forward(time.Minute)
	r.discovered("GOOD1", "g1", block("GOOD1", "1", "a"))
	r.clock.forward(time.Minute)
	r.discovered("GOOD2", "g2", block("GOOD2", "1", "a"))
	a := r.admit()
	if len(a.Executions) != 2 || len(a.Skipped) != pageSize+20 || a.Skipped[0].Reason != "flag complete does not hold" {
		t.Fatalf("%d admitted, %d skipped, %q", len(a.Executions), len(a.Skipped), a.Reason)
	}
	if s := r.source("BAD000"); !s.Pending {
		t.Error("a skipped source stays pending")
	}
}

func TestOnlySourcesThatCannotRunIsAReason(t *testing.T) {
	r := newRig(t)
	r.standard(0)
	b := block("BAD", "1", "a")
	b.Flags["complete"] = false
	r.discovered("BAD", "sig", b)
	if a := r.admit(); a.Reason != "sources_skipped_not_ready" {
		t.Errorf("%+v", a)
	}
}

func TestWhatIsMissingIsNeverAdmitted(t *testing.T) {
	r := newRig(t)
	r.standard(0)
	r.discovered("S", "sig", block("S", "1", "a"), block("S", "2", "b"))
	r.outcome("S", ledger.OutcomeMissing, func(d *ledger.Discovery) {
		d.Changes = []ledger.Change{{Kind: "sbid_gone", SBID: "1"}}
	})
	a := r.admit()
	if len(a.Executions) != 1 {
		t.Fatalf("%+v", a)
	}
	if got := r.get(a.Executions[0]).Sources[0].SBIDs; !slices.Equal(got, []string{"2"}) {
		t.Errorf("pinned %v", got)
	}
}

func TestExecutionsTakeSourcesInTheOrderInWhichTheyWait(t *testing.T) {
	r := newRig(t)
	r.addProject("max_sources_per_execution: 2")
	r.addProfile("here")
	r.start()
	for _, name := range []string{"C", "A", "B"} {
		r.discovered(name, "sig-"+name, block(name, "1", "x"))
		r.clock.forward(time.Second)
	}
	a := r.admit()
	if len(a.Executions) != 2 {
		t.Fatalf("%+v", a)
	}
	first := r.get(a.Executions[0])
	if len(first.Sources) != 2 || first.Sources[0].Identifier != "A" || first.Sources[1].Identifier != "C" {
		t.Errorf("%+v", first.Sources)
	}
	if want := CombinedSignature(first.Sources); first.Signature != want || first.CreatedBy != "system:admission" {
		t.Errorf("%+v", first)
	}
	record := r.record(first.ID)
	if record.Scheduler.PolicyDecision != "admitted" || record.Scheduler.ClaimToken == "" || record.RequestedSources.Count != 2 {
		t.Errorf("%+v", record)
	}
}

func TestAnIdleTickWritesNoEvent(t *testing.T) {
	r := newRig(t)
	r.standard(1, "concurrent_execution_run_limit: 1")
	r.discovered("T", "t", block("T", "1", "a"))
	r.admit()
	r.admit() // the cap becomes the reason
	before, err := r.view().CountEvents()
	r.must(err)
	for range 5 {
		r.clock.forward(time.Minute)
		r.admit()
	}
	after, err := r.view().CountEvents()
	r.must(err)
	if before != after {
		t.Errorf("%d events in five idle ticks", after-before)
	}
}

func TestHeldExecutionsAreNotInFlight(t *testing.T) {
	r := newRig(t)
	r.o.Limits.MaxInFlightRuns = 1
	r.standard(2)
	for range 2 {
		a, err := r.Admit(context.Background(), "demo", AdmitOptions{Hold: true})
		r.must(err)
		if len(a.Executions) != 1 {
			t.Fatalf("%+v", a)
		}
		r.work()
		if x := r.wantState(a.Executions[0], ledger.Ready); x.Held == nil {
			t.Fatal("not held when ready")
		}
	}
}

func TestLimitsFromTheEnvironment(t *testing.T) {
	env := map[string]string{}
	get := func(name string) string { return env[name] }
	if l, err := LimitsFromEnv(get); err != nil || l != (Limits{2, 200}) {
		t.Errorf("defaults: %+v %v", l, err)
	}
	env[EnvMaxInFlightRuns], env[EnvQueueMaxDepth] = "7", "9"
	if l, err := LimitsFromEnv(get); err != nil || l != (Limits{7, 9}) {
		t.Errorf("set: %+v %v", l, err)
	}
	for _, bad := range []string{"0", "-1", "many", "1.5", "99999999999999999999"} {
		env[EnvQueueMaxDepth] = bad
		if _, err := LimitsFromEnv(get); err == nil || !strings.Contains(err.Error(), EnvQueueMaxDepth) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
