package discovery

import (
	"context"
	"testing"
	"time"

	"beampipe/ledger"
)

// automated gives a survey with more settings of automation.discovery.
func automated(settings string) string {
	return limited("batch_size: 2, tick_discovery_source_limit: 1000, tick_discovery_batch_limit: 1000, " + settings)
}

func (w *world) remove(filenames ...string) {
	w.t.Helper()
	for _, name := range filenames {
		_, err := w.archive.RemoveObservations(context.Background(), name)
		must(w.t, err)
	}
}

// after makes the next tick so much later.
func (w *world) after(d time.Duration) Result {
	w.t.Helper()
	w.clock.advance(d)
	return w.tick()
}

func TestDataThatChangesIsLookedAtAgainWhenItWouldSettle(t *testing.T) {
	for _, tt := range []struct {
		name   string
		survey string
		own    int           // stale_after_hours of the source; 0 = the project's
		first  time.Duration // until the second look
		second time.Duration // until the third, after an equal answer
	}{
		{name: "by default after six hours", survey: plainSurvey, first: 6*time.Hour + time.Second, second: 24 * time.Hour},
		{name: "as the project says", survey: plainSurvey + "  execution: {settle_hours: 0.5}\n", first: 30*time.Minute + time.Second, second: 24 * time.Hour},
		{name: "at once", survey: plainSurvey + "  execution: {settle_hours: 0}\n", first: 24 * time.Hour, second: 24 * time.Hour},
		{name: "when the answer is stale before", survey: plainSurvey + "  execution: {settle_hours: 100}\n", first: 24 * time.Hour, second: 24 * time.Hour},
		{name: "when the source's own cadence comes before", survey: plainSurvey, own: 2, first: 2 * time.Hour, second: 2 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.survey)
			w.stock(watched, sbidOne)
			w.register(watched)
			if tt.own > 0 {
				must(t, w.ledger.Write(t.Context(), func(tx *ledger.Tx) error {
					_, err := tx.SetCadence("survey", watched, &tt.own, "it changes often", "user:test")
					return err
				}))
			}
			w.tick()
			for i, wait := range []time.Duration{tt.first, tt.second} {
				if got := w.source(watched).NextDueAt.Sub(w.clock.Now()); got != wait {
					t.Fatalf("look %d is followed after %v, want %v", i+1, got, wait)
				}
				if w.after(wait).Claimed != 1 {
					t.Fatalf("it is not asked after %v", wait)
				}
			}
		})
	}
}

func TestDataThatKeepsChangingDoesNotSettle(t *testing.T) {
	w := newWorld(t, plainSurvey)
	w.stock(watched, sbidOne)
	w.register(watched)
	w.tick()
	settle := w.project().Automation.Execution.Settle()
	for i, beam := range []string{"_B.ms.tar", "_C.ms.tar"} {
		w.observe(watched+beam, sbidOne, 59001+float64(i))
		w.after(settle + time.Second)
		if s := w.wantOutcome(watched, ledger.OutcomeChanged, true); s.Settled(settle) {
			t.Errorf("settled with data that came just now")
		}
	}
	w.after(settle + time.Second)
	if s := w.wantOutcome(watched, ledger.OutcomeUnchanged, true); !s.Settled(settle) {
		t.Errorf("two equal answers %v apart do not settle it: %+v", settle, s)
	}
}

func TestVanishedDataIsGoneAfterThreeAgreeingAnswersOverTwoDays(t *testing.T) {
	const one, two, three = watched + "_A_beam01.ms.tar", watched + "_A_beam02.ms.tar", watched + "_B.ms.tar"
	for _, tt := range []struct {
		name    string
		vanish  []string
		looks   []time.Duration                        // waits between the answers after data vanished
		between func(w *world, look int)               // happens before a look
		want    string                                 // the last outcome
		then    func(t *testing.T, w *world, d string) // d: the signature before
	}{
		{name: "two answers", vanish: []string{two}, looks: days(2), want: ledger.OutcomeMissing},
		{
			name: "three answers within two days", vanish: []string{two},
			looks: []time.Duration{24 * time.Hour, 24 * time.Hour, 23 * time.Hour}, want: ledger.OutcomeMissing,
			between: func(w *world, _ int) { w.due() },
		},
		{
			name: "three answers over two days", vanish: []string{two}, looks: days(3), want: ledger.OutcomeGone,
			then: func(t *testing.T, w *world, before string) {
				s, m := w.source(watched), w.metadata(watched)
				if s.Signature == before || s.MissingSince != nil || len(m) != 1 || len(m[0].Records) != 1 || s.LastExecutedSignature != s.Signature {
					t.Errorf("source %+v, metadata %+v", s, m)
				}
				if reasons := Ready(s, m, nil); reasons != nil {
					t.Errorf("what is left is not ready: %v", reasons)
				}
				w.after(24 * time.Hour)
				w.wantOutcome(watched, ledger.OutcomeUnchanged, false)
				w.observe(three, sbidOne, 59001)
				w.after(24 * time.Hour)
				w.wantOutcome(watched, ledger.OutcomeChanged, true)
			},
		},
		{
			name: "three answers of which one could not be given", vanish: []string{two}, looks: days(3), want: ledger.OutcomeMissing,
			between: func(w *world, look int) {
				w.line.breaks = nil
				if look == 1 {
					w.line.breaks = map[string]string{"obscore": "busy"}
				}
			},
		},
		{
			name: "three answers that do not agree", vanish: []string{two}, looks: days(3), want: ledger.OutcomeMissing,
			between: func(w *world, look int) {
				if look == 2 {
					w.remove(one)
				}
			},
		},
		{
			name: "it was shown again in between", vanish: []string{two}, looks: days(4), want: ledger.OutcomeMissing,
			between: func(w *world, look int) {
				if look == 1 {
					w.observe(two, sbidOne, 59000)
				} else {
					w.remove(two)
				}
			},
		},
		{
			name: "all of it", vanish: []string{one, two}, looks: days(3), want: ledger.OutcomeGone,
			then: func(t *testing.T, w *world, _ string) {
				m := w.metadata(watched)
				if s := w.source(watched); s.Signature != NoDataSignature || len(m) != 1 || m[0].MissingSince == nil || len(m[0].Records) != 2 {
					t.Errorf("source %+v, metadata %+v", s, m)
				}
				if len(Ready(w.source(watched), m, nil)) == 0 {
					t.Error("a source without data is ready")
				}
				w.after(24 * time.Hour)
				w.wantOutcome(watched, ledger.OutcomeNoData, false)
				w.observe(one, sbidOne, 59000)
				w.observe(three, sbidOne, 59001)
				w.after(24 * time.Hour)
				w.wantOutcome(watched, ledger.OutcomeChanged, true)
				if m := w.metadata(watched); m[0].MissingSince != nil || len(m[0].Records) != 2 {
					t.Errorf("metadata %+v", m)
				}
			},
		},
		{
			name: "all of it, and it comes back as it was", vanish: []string{one, two}, looks: days(3), want: ledger.OutcomeGone,
			then: func(t *testing.T, w *world, before string) {
				w.observe(one, sbidOne, 59000)
				w.observe(two, sbidOne, 59000)
				w.after(24 * time.Hour)
				if s := w.wantOutcome(watched, ledger.OutcomeChanged, false); s.Signature != before {
					t.Errorf("signature %s, before %s", s.Signature, before)
				}
			},
		},
		{
			name: "an operator accepts it", vanish: []string{two}, looks: days(2), want: ledger.OutcomeGone,
			between: func(w *world, look int) {
				if look == 1 {
					must(w.t, w.ledger.Write(context.Background(), func(tx *ledger.Tx) error {
						return tx.AcceptMissing(w.source(watched), "withdrawn by the archive", "user:test")
					}))
				}
			},
		},
		{
			name: "an operator accepts it and then the archive shows nothing", vanish: []string{two}, looks: days(3), want: ledger.OutcomeMissing,
			between: func(w *world, look int) {
				w.line.breaks = nil
				if look == 1 {
					must(w.t, w.ledger.Write(context.Background(), func(tx *ledger.Tx) error {
						return tx.AcceptMissing(w.source(watched), "withdrawn by the archive", "user:test")
					}))
					w.line.breaks = map[string]string{"obscore": "empty"}
				}
			},
			then: func(t *testing.T, w *world, before string) {
				if s := w.source(watched); s.Signature != before || s.AcceptMissingAt != nil {
					t.Errorf("source %+v", s)
				}
			},
		},
		{
			name: "an operator accepts it and it is shown again", vanish: []string{two}, looks: days(2), want: ledger.OutcomeUnchanged,
			between: func(w *world, look int) {
				if look == 1 {
					must(w.t, w.ledger.Write(context.Background(), func(tx *ledger.Tx) error {
						return tx.AcceptMissing(w.source(watched), "withdrawn by the archive", "user:test")
					}))
					w.observe(two, sbidOne, 59000)
				}
			},
			then: func(t *testing.T, w *world, _ string) {
				w.remove(two)
				w.after(24 * time.Hour)
				w.wantOutcome(watched, ledger.OutcomeMissing, false)
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, plainSurvey)
			w.stock(watched, sbidOne)
			w.register(watched)
			w.tick()
			w.after(24 * time.Hour)
			w.executed(watched)
			before := w.source(watched).Signature
			w.remove(tt.vanish...)
			for i, wait := range tt.looks {
				if tt.between != nil {
					tt.between(w, i)
				}
				if w.after(wait).Claimed != 1 {
					t.Fatalf("it is not asked a day later: due %v, now %v", w.source(watched).NextDueAt, w.clock.Now())
				}
			}
			w.wantOutcome(watched, tt.want, false)
			if tt.then != nil {
				tt.then(t, w, before)
			}
		})
	}
}

func days(n int) []time.Duration {
	list := make([]time.Duration, n)
	for i := range list {
		list[i] = 24 * time.Hour
	}
	return list
}

// due makes the source due now.
func (w *world) due() {
	w.t.Helper()
	must(w.t, w.ledger.Write(context.Background(), func(tx *ledger.Tx) error { return tx.RequestDiscovery(w.source(watched), "user:test") }))
}
