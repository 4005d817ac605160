package discovery

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/configs"
	"beampipe/ledger"
	"beampipe/vo/archive"
)

// onlyUploads asks its primary query in no other way.
var onlyUploads = strings.NewReplacer(
	"SELECT o.* FROM ivoa.obscore o WHERE o.filename LIKE '{source_identifier}%'",
	"SELECT u.source_identifier, o.* FROM TAP_UPLOAD.sources AS u JOIN ivoa.obscore AS o ON o.filename LIKE u.source_identifier || '%'\n      batch: {upload: sources, key: source_identifier}",
	"batch_size: 2", "batch_size: 50").Replace(plainSurvey)

func TestAQueryThatNeedsAnUploadIsNeverAskedWithoutOne(t *testing.T) {
	w := newWorld(t, onlyUploads)
	names := w.crowd(3)
	w.observe("HIPASSJ0001-01b_A.ms.tar", "30001", 59000)
	w.register("HIPASSJ0001-01b")
	if r := w.tick(); r.Changed != 4 {
		t.Fatalf("result %+v: %s", r, w.source(names[0]).LastError)
	}
	if q := w.report("HIPASSJ0001-01").Queries[0]; q.Form != configs.FormUpload || q.Shared != 4 || q.Foreign != 1 {
		t.Errorf("%+v", q)
	}
	t.Run("for one source", func(t *testing.T) {
		tick, err := w.engine.Begin(t.Context(), "survey", TickOptions{Sources: names[:1]})
		must(t, err)
		run, _, err := tick.Next(t.Context())
		must(t, err)
		must(t, run(t.Context()))
		_, err = tick.Finish(t.Context())
		must(t, err)
		w.wantOutcome(names[0], ledger.OutcomeUnchanged, true)
		if q := w.report(names[0]).Queries[0]; q.Form != configs.FormUpload || q.Shared != 1 {
			t.Errorf("%+v", q)
		}
	})
	t.Run("and its sources could not be asked when the archive takes none", func(t *testing.T) {
		w.archive.Misbehave(archive.Misbehaviour{Kind: archive.RefuseUpload})
		defer w.archive.Behave()
		if r := w.later(); r.Failed != 4 || r.Refused != 0 {
			t.Errorf("result %+v", r)
		}
		if s := w.source(names[0]); !strings.Contains(s.LastError, "takes no uploads") || s.Refusals != 0 {
			t.Errorf("%d refusals, error %s", s.Refusals, s.LastError)
		}
	})
}

func TestTheValueForWhichASetIsRefusedIsFoundWhereNoOtherFormIs(t *testing.T) {
	w := newWorld(t, onlyUploads)
	names := w.crowd(8)
	w.line.next = refusing{next: w.archive.Transport(), text: names[5], words: "I do not like this one"}
	r := w.tick()
	if r.Changed != 7 || r.Refused != 1 {
		t.Errorf("result %+v", r)
	}
	if s := w.source(names[5]); s.LastOutcome != ledger.OutcomeRefused || !strings.Contains(s.LastError, "I do not like") {
		t.Errorf("%s: %s", s.LastOutcome, s.LastError)
	}
}

func TestASetInWhichWeFailIsAskedOneByOne(t *testing.T) {
	w := newWorld(t, setSurvey)
	names := w.crowd(4)
	w.line.before = func(query string) {
		if strings.Contains(query, "LIKE u.") || strings.Contains(query, names[2]) {
			panic("poisoned")
		}
	}
	r := w.tick()
	if r.Changed != 3 || r.Refused != 1 || !strings.Contains(w.source(names[2]).LastError, "defect: poisoned") {
		t.Errorf("result %+v: %s", r, w.source(names[2]).LastError)
	}
}

func TestASetThatIsCutOffGivesAllItsClaimsBack(t *testing.T) {
	w := newWorld(t, setSurvey)
	w.crowd(3)
	w.register("HIPASSJ9999-99") // of which nothing more is asked
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.line.before = func(query string) {
		if strings.Contains(query, "hicat") {
			cancel()
		}
	}
	r, _ := w.engine.Tick(ctx, "survey")
	if r.Released != 3 || r.NoData != 1 || r.Failed != 0 || r.Requests != 2 {
		t.Errorf("result %+v", r)
	}
	if len(w.health) != 0 {
		t.Errorf("our own end is a problem of the archive: %v", w.health)
	}
	w.line.before = nil
	if r := w.tick(); r.Changed != 3 {
		t.Errorf("result %+v", r)
	}
}

func TestKeysThatAnArchiveMayNotTellApartAreAskedForAlone(t *testing.T) {
	vars := func(identifier, name string) map[string]string {
		return map[string]string{configs.VarSourceIdentifier: identifier, configs.VarSourceName: name}
	}
	const byName = "SELECT o.*, u.source_name FROM TAP_UPLOAD.s AS u JOIN t AS o ON o.n = u.source_name"
	upload := func(template string) configs.BatchForm {
		return configs.BatchForm{Upload: "s", Key: configs.VarSourceName, Template: &template}
	}
	list := func(template string) configs.BatchForm {
		return configs.BatchForm{InList: true, Key: "n", Template: &template}
	}
	for _, tt := range []struct {
		name string
		form configs.BatchForm
		vars []map[string]string
		keys []string // value and how many questions
		rest []string
	}{
		{name: "sorted", form: upload(byName), vars: []map[string]string{vars("b", "2"), vars("a", "1")}, keys: []string{"1 1", "2 1"}},
		{name: "a shared value", form: upload(byName), vars: []map[string]string{vars("a", "1"), vars("b", "1")}, keys: []string{"1 2"}},
		{
			name: "a shared value where the query asks for more", form: upload(byName + " AND o.m = u.source_identifier"),
			vars: []map[string]string{vars("a", "1"), vars("b", "1"), vars("c", "2")}, keys: []string{"1 1", "2 1"}, rest: []string{"b"},
		},
		{name: "case twins", form: upload(byName), vars: []map[string]string{vars("a", "J1"), vars("b", "j1"), vars("c", "J2")}, keys: []string{"J2 1"}, rest: []string{"a", "b"}},
		{name: "twins beyond ASCII", form: upload(byName), vars: []map[string]string{vars("a", "é"), vars("b", "è"), vars("c", "?")}, rest: []string{"a", "b", "c"}},
		{name: "one beyond ASCII", form: upload(byName), vars: []map[string]string{vars("a", "é"), vars("b", "e")}, keys: []string{"e 1", "é 1"}},
		{name: "blanks around it, and nothing", form: upload(byName), vars: []map[string]string{vars("a", " 1"), vars("b", "1"), vars("c", "")}, keys: []string{"1 1"}, rest: []string{"a", "c"}},
		{name: "what a list cannot hold", form: list("SELECT * FROM t AS o WHERE n IN ({source_name:list})"), vars: []map[string]string{vars("a", "1\x002"), vars("b", "1'2")}, keys: []string{"1'2 1"}, rest: []string{"a"}},
		{name: "what an upload cannot hold", form: upload(byName), vars: []map[string]string{vars("a", "1\x002"), vars("b", "1<2")}, keys: []string{"1<2 1"}, rest: []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := configs.Query{Name: "q", Template: "SELECT * FROM t AS o WHERE n = '{source_name}'", Batch: []configs.BatchForm{tt.form}}
			n := &inquiry{project: &configs.Project{Discovery: configs.Discovery{Queries: []configs.Query{q}}}}
			var questions []*question
			for _, v := range tt.vars {
				questions = append(questions, &question{vars: v})
			}
			keys, rest := n.keys(0, 0, questions)
			var got, alone []string
			for _, k := range keys {
				got = append(got, fmt.Sprint(k.value, " ", len(k.questions)))
			}
			for _, q := range rest {
				alone = append(alone, q.vars[configs.VarSourceIdentifier])
			}
			if diff := cmp.Diff(tt.keys, got) + cmp.Diff(tt.rest, alone); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestARequestHoldsNoMoreThanItsFormSays(t *testing.T) {
	number := func(n int) *int { return &n }
	template := "SELECT * FROM t AS o WHERE n IN ({source_name:list})"
	for _, tt := range []struct {
		name  string
		rows  *int
		bytes *int
		value string
		keys  int
		sizes []int
	}{
		{name: "all in one", value: "J1", keys: 1000, sizes: []int{1000}},
		{name: "one too many", value: "J1", keys: 1001, sizes: []int{1000, 1}},
		{name: "so many at a time", rows: number(3), value: "J1", keys: 7, sizes: []int{3, 3, 1}},
		{name: "so large", bytes: number(4000), value: strings.Repeat("J", 500), keys: 7, sizes: []int{3, 3, 1}},
		{name: "a value alone is always asked for", bytes: number(1000), value: strings.Repeat("J", 900), keys: 2, sizes: []int{1, 1}},
		{name: "none", value: "J1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := configs.Query{Name: "q", Template: template, Batch: []configs.BatchForm{{InList: true, Key: "n", MaxRows: tt.rows, MaxBytes: tt.bytes}}}
			n := &inquiry{project: &configs.Project{Discovery: configs.Discovery{Queries: []configs.Query{q}}}}
			keys := make([]key, tt.keys)
			for i := range keys {
				keys[i].value = tt.value
			}
			var sizes []int
			for _, group := range n.cut(0, 0, keys) {
				sizes = append(sizes, len(group))
			}
			if diff := cmp.Diff(tt.sizes, sizes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestADeadArchiveCostsASetOneRequest(t *testing.T) {
	w := newWorld(t, setSurvey)
	names := w.crowd(6)
	w.line.breaks = map[string]string{"LIKE u.": "busy"}
	began := w.clock.Now()
	if r := w.tick(); r.Requests != 1 || r.Failed != 6 {
		t.Errorf("result %+v", r)
	}
	if s := w.source(names[0]); s.LastOutcome != ledger.OutcomeError || s.NextDueAt.Sub(began) > time.Hour {
		t.Errorf("%s, due %v", s.LastOutcome, s.NextDueAt)
	}
}
