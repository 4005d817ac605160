package discovery

import (
	"slices"
	"testing"

	"beampipe/ledger"
	"beampipe/vo/archive"
)

func TestANumberIsTheSameHoweverItIsSpelled(t *testing.T) {
	for _, tt := range []struct {
		alike []string
	}{
		{[]string{"59000", "59000.0", "59000.", "5.9E4", "5.9e+04", "+59000.00"}},
		{[]string{"0", "0.0", "-0.0", "0e0", ".0"}},
		{[]string{"-15.4590", "-15.459", "-1.5459E1"}},
		{[]string{"1e-07", "0.0000001", "1.0E-7"}},
		{[]string{"059000"}},
		{[]string{"9007199254740993"}},
		{[]string{"9007199254740992.0"}},
		{[]string{"59000a"}},
		{[]string{""}},
		{[]string{"."}},
		{[]string{"-"}},
		{[]string{"1.2.3"}},
		{[]string{"NaN"}},
		{[]string{"1e999"}},
		{[]string{"007.5"}},
	} {
		for _, text := range tt.alike {
			if got := respell(text); got != respell(tt.alike[0]) {
				t.Errorf("%q is %q, %q is %q", text, got, tt.alike[0], respell(tt.alike[0]))
			}
		}
	}
	for _, other := range []string{"59000.5", "59001", "059000", "59000 ", "5.9E5"} {
		if respell(other) == respell("59000") {
			t.Errorf("%q counts as 59000", other)
		}
	}
}

func TestAnArchiveThatSpellsItsNumbersInAnotherWayShowsNoNewData(t *testing.T) {
	for _, kind := range []string{archive.InBinary, archive.InBinary2} {
		w := newWorld(t, plainSurvey)
		w.stock(watched, sbidOne)
		w.register(watched)
		w.tick()
		w.executed(watched)
		w.line.respell = respell // as another program would write them
		w.archive.Misbehave(archive.Misbehaviour{Kind: kind})
		w.later()
		s := w.wantOutcome(watched, ledger.OutcomeUnchanged, false)
		if s.LastExecutedSignature != s.Signature {
			t.Errorf("what was executed counts as other data now: %+v", s)
		}
		w.observe(watched+"_B.ms.tar", sbidOne, 59001)
		w.line.respell = nil
		w.archive.Behave()
		w.later()
		w.wantOutcome(watched, ledger.OutcomeChanged, true)
		if got := w.changes(watched); !slices.Equal(got, []string{"dataset_added 72962 " + watched + "_B.ms.tar"}) {
			t.Errorf("changes %q", got)
		}
	}
}
