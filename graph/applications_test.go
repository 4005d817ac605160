package graph

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestApplicationsComeInAnOrderInWhichTheyCanRun(t *testing.T) {
	for name, tt := range map[string]struct {
		g    *Graph
		want []string
	}{
		"against the document's order": {
			drawn(t, nodes(app("late", "in", ""), data("d"), app("early", "", "out")), "early.out d.io", "d.io late.in"), []string{"early", "late"},
		},
		"without links as they stand": {drawn(t, nodes(app("b", "", ""), app("a", "", ""))), []string{"b", "a"}},
		"a cycle comes last": {
			drawn(t, nodes(app("x", "in", "out"), data("d"), app("free", "", "")), "x.out d.io", "d.io x.in"), []string{"free", "x"},
		},
		"embedded in a construct": {drawn(t, nodes(app("a", "", ""), gather("g", 2), scatter("s", 3))), []string{"a", "g"}},
	} {
		var got []string
		for _, a := range tt.g.Applications() {
			got = append(got, a.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
