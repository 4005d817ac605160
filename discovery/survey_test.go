package discovery

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/configs"
	"beampipe/ledger"
	"beampipe/vo/archive"
)

func (w *world) project() *configs.Project {
	w.t.Helper()
	var p *configs.Project
	must(w.t, w.ledger.Snapshot(context.Background(), func(v ledger.View) error {
		record, err := v.Project("survey")
		if err != nil {
			return err
		}
		config, err := v.Config("survey", record.Revision)
		if err != nil {
			return err
		}
		p, err = configs.FromCanonical(config.Spec)
		return err
	}))
	return p
}

// signatures gives every source's signature and outcome.
func (w *world) signatures() map[string]string {
	w.t.Helper()
	list, err := w.ledger.View(context.Background()).Sources(ledger.SourceFilter{Project: "survey"})
	must(w.t, err)
	all := map[string]string{}
	for _, s := range list {
		all[s.Identifier] = s.LastOutcome + " " + s.Signature
	}
	return all
}

// TestTheSameContentGivesTheSameSignatures shuffles rows and columns of every answer, and deals the
// sources out in other batches to more or fewer workers.
func TestTheSameContentGivesTheSameSignatures(t *testing.T) {
	content := newWorld(t, plainSurvey)
	names := []string{short, long, "HIPASSJ0001-01", "HIPASSJ0002-02", "HIPASSJ0003-03"}
	for i, name := range names[:4] {
		content.stock(name, fmt.Sprint(30001+i))
	}
	content.observe(names[0]+"_B.ms.tar", "30011", 59001)
	content.evaluate("30011")
	content.register(names...)
	content.tick()
	want := content.signatures()
	answers := func(w *world) map[string]string {
		all := map[string]string{}
		for _, name := range names {
			b, _, err := w.ledger.View(context.Background()).Answer(w.source(name).ID)
			must(t, err)
			all[name] = string(b)
		}
		return all
	}
	wantAnswers := answers(content)
	for seed := range uint64(12) { // each takes a ledger of its own
		chance := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(t, strings.Replace(plainSurvey, "batch_size: 2", fmt.Sprintf("batch_size: %d", 1+chance.IntN(6)), 1))
		w.line.next = content.archive.Transport()
		w.line.shape = shuffled(seed)
		w.restart(Limits{SourceConcurrency: 1 + chance.IntN(5)})
		for _, i := range chance.Perm(len(names)) {
			w.register(names[i])
		}
		w.tick()
		if diff := cmp.Diff(want, w.signatures()); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
		if diff := cmp.Diff(wantAnswers, answers(w)); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
	}
}

// wallaby gives the real survey config, which discovers into the project "survey" here, with limits
// that let one tick do everything.
func wallaby(t testing.TB) (survey string, names []string) {
	survey = string(shared(t, "data", "wallaby", "configs", "wallaby_hires.v2.yaml"))
	survey = strings.Replace(survey, "id: wallaby_hires", "id: survey", 1)
	return survey, strings.Fields(string(shared(t, "data", "wallaby", "sources.txt")))
}

// stockSurvey puts beams files of every source but each tenth into the archive.
func (w *world) stockSurvey(names []string, beams int) {
	w.t.Helper()
	var observations []archive.Observation
	var evaluations []archive.Evaluation
	var catalogue []archive.CatalogueEntry
	v := 100.0
	for i, name := range names {
		if i%10 == 9 {
			continue
		}
		sbid := fmt.Sprint(30000 + i)
		for beam := range beams {
			observations = append(observations, archive.Observation{
				Filename: fmt.Sprintf("%s_A_beam%02d_10arc_split.ms.tar", name, beam), ObsID: "ASKAP-" + sbid, Collection: "WALLABY",
				PublisherDID: fmt.Sprintf("ivo://au.csiro/casda#visibility-%d-%d", i, beam), TMin: 59000, TMax: 59000.5 + float64(i), AccessURL: "https://archive.invalid/links",
			})
		}
		evaluations = append(evaluations, archive.Evaluation{
			SBID: sbid, Format: "calibration", Filename: "calibration-metadata-processing-logs-SB" + sbid + "_2021-12-31-011733.tar", Filesize: 9, AccessURL: "https://archive.invalid/e",
		})
		catalogue = append(catalogue, archive.CatalogueEntry{HIPASS: strings.TrimPrefix(name, "HIPASS"), RAJ2000: &v, DEJ2000: &v, RVmom: &v})
	}
	v = 45
	must(w.t, w.archive.AddObservations(context.Background(), observations))
	must(w.t, w.archive.AddEvaluations(context.Background(), evaluations))
	must(w.t, w.archive.AddCatalogue(context.Background(), catalogue))
}

func TestTheWholeWallabySurveyIsDiscoveredWithoutAnExtraRequest(t *testing.T) {
	survey, names := wallaby(t)
	w := newWorld(t, survey)
	w.stockSurvey(names, 3)
	w.register(names...)
	began := time.Now()
	r := w.tick()
	t.Logf("%d sources in %v: %+v", len(names), time.Since(began), r)
	if r.Claimed != 801 || r.Failed != 0 || r.Changed+r.NoData+r.Ambiguous != 801 || r.Ambiguous > 2 {
		t.Errorf("result %+v", r)
	}
	if want := 3*r.Changed + r.NoData + r.Ambiguous; r.Requests != want || w.archive.Queries() != int64(want) {
		t.Errorf("%d requests, the archive counts %d; want %d", r.Requests, w.archive.Queries(), want)
	}
	r = w.later()
	if r.Changed != 0 || r.Missing != 0 || r.Claimed != 801 {
		t.Errorf("the second time: %+v", r)
	}
}

func BenchmarkSurvey(b *testing.B) {
	survey, names := wallaby(b)
	source := newWorld(b, survey)
	source.stockSurvey(names, 6)
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, survey)
		w.line.next = source.archive.Transport()
		w.register(names...)
		b.StartTimer()
		w.tick()
	}
}

func FuzzDecodeAnswer(f *testing.F) {
	f.Add([]byte(`{"queries":[{"name":"visibility","columns":["a","b"],"rows":[["1","2"]]}],"enrichments":[{"name":"e","sbid":"1","columns":[],"rows":[]}]}`))
	f.Add([]byte(`{"queries":[{"columns":["a"],"rows":[[]]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := decodeAnswer(raw)
		if err != nil || a == nil {
			return
		}
		first, err := a.encode()
		must(t, err)
		b, err := decodeAnswer(first)
		must(t, err)
		second, err := b.encode()
		must(t, err)
		if !bytes.Equal(first, second) {
			t.Errorf("not canonical:\n%s\n%s", first, second)
		}
	})
}
