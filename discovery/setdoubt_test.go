package discovery

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"beampipe/ledger"
	"beampipe/vo/votable"
)

// forgetful leaves rows out of the answers to some queries, and says nothing of it.
type forgetful struct {
	next  http.RoundTripper
	match string
	keep  func(i int, fields []votable.Field, cells []string) bool
}

func (f forgetful) RoundTrip(req *http.Request) (*http.Response, error) {
	return rewritten{next: f.next, match: f.match, row: func(i int, fields []votable.Field, cells []string) []string {
		if !f.keep(i, fields, cells) {
			return nil
		}
		return cells
	}}.RoundTrip(req)
}

func TestDataThatASetLacksIsAskedForAloneBeforeItIsMissing(t *testing.T) {
	w := newWorld(t, setSurvey)
	names := w.crowd(8)
	w.tick()
	for _, name := range names {
		w.executed(name)
	}
	w.line.next = forgetful{next: w.archive.Transport(), match: "LIKE u.", keep: func(i int, _ []votable.Field, _ []string) bool { return i < 2 }}
	if r := w.later(); r.Unchanged != 8 || r.Requests != 3+7 {
		t.Errorf("an archive answers a set with the rows of its first key only: %+v", r)
	}
	w.line.next = w.archive.Transport()
	w.remove(names[3]+"_A_beam01.ms.tar", names[3]+"_A_beam02.ms.tar")
	if r := w.later(); r.Unchanged != 7 || r.Missing != 1 || r.Requests != 3+1 {
		t.Errorf("what is missing alone is missing: %+v", r)
	}
}

func TestManyThatASetLacksAreNotAskedForAlone(t *testing.T) {
	w := newWorld(t, setSurvey)
	w.crowd(maxDoubted + 1)
	w.tick()
	w.line.next = forgetful{next: w.archive.Transport(), match: "LIKE u.", keep: func(int, []votable.Field, []string) bool { return false }}
	if r := w.later(); r.Failed != maxDoubted+1 || r.Requests != 1 {
		t.Errorf("result %+v", r)
	}
}

func TestAnArchiveThatCutsUploadedNamesMixesNoSources(t *testing.T) {
	for _, tt := range []struct {
		name  string
		names []string
		cut   func(text string) string
	}{
		{"to as many characters as the first has", []string{"HIPASSJ1", "HIPASSJ1b", "HIPASSJ2"}, func(text string) string { return text[:min(len(text), 8)] }},
		{"to one blank", []string{"HIPASS J1", "HIPASS  J1", "HIPASSJ2"}, func(text string) string { return strings.Join(strings.Fields(text), " ") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, setSurvey)
			for i, name := range tt.names {
				w.stock(name, fmt.Sprint(30000+i))
			}
			w.register(tt.names...)
			w.line.next = spoiled{next: w.archive.Transport(), match: "LIKE u.", column: "source_identifier", change: tt.cut}
			w.tick()
			for _, name := range tt.names {
				w.wantOutcome(name, ledger.OutcomeChanged, true)
				if m := w.metadata(name); len(m) != 1 || len(m[0].Records) != 2 {
					t.Errorf("%s: %+v", name, m)
				}
			}
		})
	}
}
