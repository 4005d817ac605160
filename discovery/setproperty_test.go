package discovery

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"beampipe/configs"
	"beampipe/ledger"
	"beampipe/vo/archive"
	"beampipe/vo/tap"
	"beampipe/vo/votable"
)

// clients are Archives whose clients all are as one tap.Options says.
type clients struct{ options tap.Options }

func (c clients) Client(_ *configs.Project, name string) (*tap.Client, error) {
	o := c.options
	o.Name, o.URL = name, archive.URL
	return tap.New(o)
}

// way is one way to ask the same.
type way struct {
	survey        string
	batch         int
	mode          tap.Mode
	serialization votable.Serialization
	concurrency   int
	order         []string // in which the sources are registered
	trouble       []archive.Misbehaviour
}

// heard discovers sources in a ledger of its own and gives what is stored of each.
func (y way) heard(t *rapid.T, dir string, a *archive.Archive, clock *clock) map[string]string {
	ctx := context.Background()
	l, err := ledger.Create(ctx, dir, ledger.Options{Now: clock.Now})
	rapidMust(t, err)
	defer func() { rapidMust(t, l.Close()) }()
	survey := strings.NewReplacer("batch_size: 2", fmt.Sprintf("batch_size: %d", y.batch), "batch_size: 50", fmt.Sprintf("batch_size: %d", y.batch)).Replace(y.survey)
	p, report := configs.Load([]byte(survey), "survey.yaml")
	rapidMust(t, report.Err())
	rapidMust(t, l.Write(ctx, func(tx *ledger.Tx) error {
		_, _, err := tx.AddConfig(ledger.NewConfig{Project: p.Metadata.ID, Digest: p.Digest(), Spec: p.Canonical(), File: []byte(survey), FileName: "survey.yaml"}, "user:test")
		for _, identifier := range y.order {
			if err == nil {
				_, err = tx.RegisterSource("survey", identifier, "user:test")
			}
		}
		return err
	}))
	archives := clients{tap.Options{
		Transport: a.Transport(), Mode: y.mode, Serialization: y.serialization, Retries: 0, Timeout: time.Minute,
		Wait: func(context.Context, time.Duration) error { return nil },
	}}
	e := New(Options{Ledger: l, Archives: archives, Limits: Limits{SourceConcurrency: y.concurrency}, Owner: "test"})
	a.Behave()
	for _, m := range y.trouble {
		a.Misbehave(m)
	}
	before := a.Queries()
	r, err := e.Tick(ctx, "survey")
	rapidMust(t, err)
	if y.mode == tap.Sync && int64(r.Requests) != a.Queries()-before {
		t.Fatalf("%d requests counted, the archive had %d", r.Requests, a.Queries()-before)
	}
	all := map[string]string{}
	for _, identifier := range y.order {
		s, err := l.View(ctx).Source("survey", identifier)
		rapidMust(t, err)
		b, _, err := l.View(ctx).Answer(s.ID)
		rapidMust(t, err)
		all[identifier] = fmt.Sprintf("%s %s %s\n%s", s.LastOutcome, s.Signature, failureKind(s), b)
	}
	return all
}

// failureKind leaves of an error what does not depend on how it was asked.
func failureKind(s ledger.Source) string {
	if s.LastOutcome == ledger.OutcomeAmbiguous {
		return s.LastError
	}
	return ""
}

func rapidMust(t *rapid.T, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

// awkward are parts of names: prefix pairs, a quote, a character beyond ASCII, case twins, an ampersand.
var awkward = []string{"J0001-01", "J0001-01b", "J0001-01bc", "J0001-01B", "j0001-01", "J0'2", "J0''2", "J0é3", "J0è3", "J0?3", "J<4>&", "J05 5", "J06"}

// stockAtRandom fills an archive by chance and gives the names of the sources to ask about.
func stockAtRandom(t *rapid.T, a *archive.Archive) []string {
	ctx := context.Background()
	var names []string
	for _, part := range awkward {
		if rapid.Bool().Draw(t, "register "+part) {
			names = append(names, "HIPASS"+part)
		}
	}
	if len(names) == 0 {
		names = []string{"HIPASSJ06"}
	}
	beam := 0
	for _, part := range awkward { // some of nobody's
		for range rapid.IntRange(0, 3).Draw(t, "beams of "+part) {
			beam++
			sbid := fmt.Sprint(30000 + rapid.IntRange(0, 3).Draw(t, "sbid")) // shared
			name := "HIPASS" + part
			rapidMust(t, a.AddObservations(ctx, []archive.Observation{{
				Filename: fmt.Sprintf("%s_A_beam%02d.ms.tar", name, beam), ObsID: "ASKAP-" + sbid, TargetName: name, Collection: "WALLABY",
				RA: 10.5, Dec: -15.25, TMin: 58999.5, TMax: 59000.5 + float64(rapid.IntRange(0, 2).Draw(t, "day")), Filesize: 1000,
			}}))
		}
		if rapid.Bool().Draw(t, "catalogue "+part) {
			ra, dec, v := 10.5, -15.25, 2505.3
			rapidMust(t, a.AddCatalogue(ctx, []archive.CatalogueEntry{{HIPASS: part, RAJ2000: &ra, DEJ2000: &dec, RVmom: &v}}))
		}
	}
	for i := range 4 {
		if i == 3 && rapid.Bool().Draw(t, "an SBID without evaluation") {
			continue
		}
		sbid := fmt.Sprint(30000 + i)
		rapidMust(t, a.AddEvaluations(ctx, []archive.Evaluation{{
			SBID: sbid, Filename: "calibration-metadata-processing-logs-SB" + sbid + "_2021-12-31-011733.tar", Format: "calibration",
			AccessURL: "https://archive.invalid/eval/" + sbid, Filesize: 10,
		}}))
	}
	return names
}

// surveys ask the same question alone, and in sets: by what a name begins with, of which only the latest
// counts or not, and by a whole name.
func surveys(t *rapid.T) (alone string, sets []string) {
	prefix := plainSurvey
	upload := uploadVisibility
	list := ""
	if rapid.Bool().Draw(t, "by the whole name") {
		const exact = "o.target_name = '{source_identifier}'"
		prefix = strings.Replace(prefix, "o.filename LIKE '{source_identifier}%'", exact, 1)
		upload = strings.Replace(upload, "o.filename LIKE u.source_identifier || '%'", "o.target_name = u.source_identifier", 1)
		list = `
        - in_list: true
          key: target_name
          template: SELECT * FROM ivoa.obscore WHERE target_name IN ({source_identifier:list})`
	}
	if rapid.Bool().Draw(t, "the latest only") {
		prefix = strings.Replace(prefix, "- name: visibility", "- name: visibility\n      latest_by: t_max", 1)
	}
	with := func(visibility, catalogue, evaluation string) string {
		s := prefix
		for _, part := range [][2]string{{"{source_identifier}%'", visibility}, {"target_name = '{source_identifier}'", visibility}, {"HIPASS = '{source_name}'", catalogue}, {"format = 'calibration'", evaluation}} {
			if part[1] != "" {
				s = strings.Replace(s, part[0], part[0]+"\n      batch:"+part[1], 1)
			}
		}
		return s
	}
	sets = []string{
		with(upload, uploadCatalogue, uploadEvaluation),
		with(list, listCatalogue, listEvaluation),
		with(upload+list, uploadCatalogue+listCatalogue, uploadEvaluation+listEvaluation),
		with("", listCatalogue, uploadEvaluation+listEvaluation),
	}
	return prefix, sets
}

// harmless are misbehaviours that must change nothing but the number of requests.
var harmless = []archive.Misbehaviour{
	{Kind: archive.RefuseUpload},
	{Kind: archive.RefuseUpload, Times: 1},
	{Kind: archive.Error400, Match: "TAP_UPLOAD"},
	{Kind: archive.Error200, Match: "TAP_UPLOAD", Times: 2},
	{Kind: archive.Error400, Match: " IN ("},
	{Kind: archive.TooLarge, Match: "TAP_UPLOAD", Times: 3},
	{Kind: archive.TooLarge, Match: " IN ("},
	{Kind: archive.InBinary, Times: 2},
	{Kind: archive.InBinary2},
}

func TestHoweverItIsAskedTheAnswersAreTheSame(t *testing.T) {
	dir := t.TempDir()
	n, outcomes := 0, map[string]int{}
	defer fewerChecks(t, 10)()
	rapid.Check(t, func(t *rapid.T) {
		n++
		clock := &clock{now: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)}
		a, err := archive.Open(context.Background(), archive.Options{Dir: fmt.Sprintf("%s/%d", dir, n), Now: clock.Now})
		rapidMust(t, err)
		defer func() { rapidMust(t, a.Close()) }()
		names := stockAtRandom(t, a)
		alone, sets := surveys(t)
		want := way{survey: alone, batch: 1, concurrency: 1, mode: tap.Sync, order: names}.heard(t, fmt.Sprintf("%s/%d/want.db", dir, n), a, clock)
		for _, stored := range want {
			outcome, _, _ := strings.Cut(stored, " ")
			outcomes[outcome]++
		}
		for i := range 3 {
			y := way{
				survey:        rapid.SampledFrom(sets).Draw(t, "survey"),
				batch:         rapid.SampledFrom([]int{1, 2, 3, 5, 50}).Draw(t, "batch"),
				concurrency:   rapid.IntRange(1, 4).Draw(t, "concurrency"),
				mode:          rapid.SampledFrom([]tap.Mode{tap.Sync, tap.Sync, tap.Async}).Draw(t, "mode"),
				serialization: rapid.SampledFrom([]votable.Serialization{votable.TableData, votable.Binary, votable.Binary2}).Draw(t, "serialization"),
				order:         rapid.Permutation(names).Draw(t, "order"),
				trouble:       rapid.SliceOfN(rapid.SampledFrom(harmless), 0, 2).Draw(t, "trouble"),
			}
			got := y.heard(t, fmt.Sprintf("%s/%d/%d.db", dir, n, i), a, clock)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s asked as %+v", diff, y)
			}
		}
	})
	for _, outcome := range []string{ledger.OutcomeChanged, ledger.OutcomeNoData, ledger.OutcomeError} {
		if !t.Failed() && outcomes[outcome] == 0 {
			t.Errorf("no source was %s, so little was compared: %v", outcome, outcomes)
		}
	}
	t.Log(outcomes)
}

// fewerChecks makes rapid check less, where nobody said how much: each of these checks takes some ledgers.
func fewerChecks(t *testing.T, n int) (restore func()) {
	checks := flag.Lookup("rapid.checks")
	if checks == nil || checks.Value.String() != checks.DefValue {
		return func() {}
	}
	must(t, checks.Value.Set(fmt.Sprint(n)))
	return func() { must(t, checks.Value.Set(checks.DefValue)) }
}
