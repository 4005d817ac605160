package demo_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/configs"
	"beampipe/demo"
	"beampipe/discovery"
	"beampipe/execution"
	"beampipe/ledger"
	"beampipe/vo/archive"
)

// wallabyForm loads a survey that ships, which has nothing to warn of.
func wallabyForm(t *testing.T, set bool) *configs.Project {
	t.Helper()
	p, report := configs.Load(demo.WallabyForm(set), "wallaby-form.yaml")
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	if len(report.Warnings) > 0 {
		t.Errorf("it ships with warnings: %v", report.Warnings)
	}
	return p
}

func TestTheWallabyFormPinsTheGraphThatShips(t *testing.T) {
	sum := sha256.Sum256(demo.Graph())
	for _, set := range []bool{false, true} {
		if p := wallabyForm(t, set); p.Graph.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("set %v pins %s, the graph is %x", set, p.Graph.SHA256, sum)
		}
	}
}

func TestTheTwoWallabyFormsAskTheSameQuestion(t *testing.T) {
	single, set := wallabyForm(t, false), wallabyForm(t, true)
	for _, c := range set.Diff(single) {
		if !strings.Contains(c.Path, ".batch[") && c.Path != "automation.discovery.batch_size" {
			t.Errorf("they differ in %s: %s and %s", c.Path, c.Old, c.New)
		}
	}
	if changes := set.ChangesFrom(single); changes != nil {
		t.Errorf("going from one to the other shapes signatures: %v", changes)
	}
	var forms []string
	for _, q := range append(append([]configs.Query{}, set.Discovery.Queries...), set.Discovery.Enrichments...) {
		for _, f := range q.Batch {
			forms = append(forms, q.Name+" "+f.Form())
		}
		if q.NeedsUpload() {
			t.Errorf("query %q cannot be asked for one source where no uploads are taken", q.Name)
		}
	}
	if diff := cmp.Diff([]string{"visibility upload", "ra_dec_vsys upload", "ra_dec_vsys list", "sbid_to_eval_file upload", "sbid_to_eval_file list"}, forms); diff != "" {
		t.Error(diff)
	}
}

// realWallaby gives the real survey file, or skips the test.
func realWallaby(t *testing.T) []byte {
	t.Helper()
	dir := os.Getenv("BEAMPIPE_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	raw, err := os.ReadFile(filepath.Join(dir, "data", "wallaby", "configs", "wallaby_hires.v2.yaml"))
	if err != nil {
		t.Skipf("the real survey file is not there (%v); set BEAMPIPE_SHARED to its folder", err)
	}
	return raw
}

// TestTheWallabyFormMapsRecordsLikeTheRealFile compares what makes records and signatures of rows.
func TestTheWallabyFormMapsRecordsLikeTheRealFile(t *testing.T) {
	real, report := configs.Load(realWallaby(t), "wallaby_hires.v2.yaml")
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	ours := wallabyForm(t, true)
	was, is := real.Discovery.PrepareMetadata, ours.Discovery.PrepareMetadata
	for what, pair := range map[string][2]any{
		"signature":   {was.Signature, is.Signature},
		"coordinates": {was.Coordinates, is.Coordinates},
		"group_by":    {real.Manifest.GroupBy, ours.Manifest.GroupBy},
		"template":    {real.Manifest.SourceTemplate, ours.Manifest.SourceTemplate},
		"adapters":    {real.Adapters.Required, ours.Adapters.Required},
	} {
		if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	for _, text := range []string{"ASKAP-72962", " ASKAP-33921 ", "ivo://au.csiro/casda#visibility-1-2", "a/b:c", "x.tar", ""} {
		for target, from := range was.FieldMap {
			to, ok := is.FieldMap[target]
			want, wanted := real.Map(from, text)
			got, found := ours.Map(to, text)
			if !ok || to.From != from.From || got != want || found != wanted {
				t.Errorf("%s of %q: %v %v, the real file gives %v %v", target, text, got, found, want, wanted)
			}
		}
	}
	if len(was.FieldMap) != len(is.FieldMap) || len(was.DiscoveryFlags) != len(is.DiscoveryFlags) {
		t.Error("another number of fields or flags")
	}
	for i, q := range real.Discovery.Queries {
		if mine := ours.Discovery.Queries[i]; mine.Name != q.Name || mine.Adapter != q.Adapter {
			t.Errorf("query %d is %s at %s, the real one %s at %s", i, mine.Name, mine.Adapter, q.Name, q.Adapter)
		}
	}
}

// sky is an archive with observations of some objects: the two pairs of which one name begins with the
// other, and sources with an older observation, with rows of another collection, and without any data.
type sky struct {
	archive *archive.Archive
	names   []string
}

func newSky(t *testing.T) sky {
	t.Helper()
	objects, err := demo.Objects()
	must(t, err)
	var data demo.Data
	s := sky{}
	for i, o := range objects {
		pair := strings.HasPrefix(o.Identifier, "HIPASSJ0324-21") || strings.HasPrefix(o.Identifier, "HIPASSJ1300-13")
		if i%10 != 0 && !pair {
			continue
		}
		s.names = append(s.names, o.Identifier)
		if i%50 == 0 {
			continue
		}
		data.List(o)
		data.Observe(o, 70001+i, 1+i%3)
		if i%20 == 0 {
			data.Observe(o, 70000, 2) // the oldest
		}
		if i%40 == 0 {
			data.Observe(o, 79999, 2) // the latest, of several sources
		}
		other := data.Observations[len(data.Observations)-1]
		other.Filename, other.Collection, other.TMax = o.Identifier+"_other.ms.tar", "EMU", other.TMax+1
		data.Observations = append(data.Observations, other)
	}
	s.archive, err = archive.Open(t.Context(), archive.Options{Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { must(t, s.archive.Close()) })
	must(t, s.archive.AddObservations(t.Context(), data.Observations))
	must(t, s.archive.AddEvaluations(t.Context(), data.Evaluations))
	must(t, s.archive.AddCatalogue(t.Context(), data.Catalogue))
	return s
}

// discover runs one discovery tick of a survey and gives what came of each source.
func (s sky) discover(t *testing.T, survey []byte) (map[string]string, discovery.Result) {
	t.Helper()
	p, report := configs.Load(survey, "survey.yaml")
	must(t, report.Err())
	now := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	l, err := ledger.Create(t.Context(), filepath.Join(t.TempDir(), "beampipe.db"), ledger.Options{Now: func() time.Time { return now }, Rebuild: execution.Rebuild})
	must(t, err)
	defer l.Close()
	must(t, l.Write(t.Context(), func(tx *ledger.Tx) error {
		config := ledger.NewConfig{Project: p.Metadata.ID, Digest: p.Digest(), Spec: p.Canonical(), File: survey, FileName: "survey.yaml"}
		if _, _, err := tx.AddConfig(config, "user:test"); err != nil {
			return err
		}
		for _, name := range s.names {
			if _, err := tx.RegisterSource(p.Metadata.ID, name, "user:test"); err != nil {
				return err
			}
		}
		return nil
	}))
	archives := discovery.NewArchives(discovery.ArchiveOptions{Transport: func(string) http.RoundTripper { return s.archive.Transport() }})
	defer archives.Close()
	result, err := discovery.New(discovery.Options{Ledger: l, Archives: archives}).Tick(t.Context(), p.Metadata.ID)
	must(t, err)
	sources, err := l.View(context.Background()).Sources(ledger.SourceFilter{Project: p.Metadata.ID})
	must(t, err)
	all := map[string]string{}
	for _, one := range sources {
		all[one.Identifier] = one.LastOutcome + " " + one.Signature + " " + one.LastError
	}
	return all, result
}

func TestEveryWallabySurveyGivesTheSameSignatures(t *testing.T) {
	s := newSky(t)
	single, slow := s.discover(t, demo.WallabyForm(false))
	set, fast := s.discover(t, demo.WallabyForm(true))
	if slow.Failed+slow.Ambiguous > 0 || slow.NoData == 0 || slow.Changed+slow.NoData != len(s.names) {
		t.Errorf("one at a time: %+v", slow)
	}
	t.Run("together as one at a time", func(t *testing.T) {
		if diff := cmp.Diff(single, set); diff != "" {
			t.Error(diff)
		}
		if slow.Requests < 2*slow.Changed || fast.Requests > slow.Requests/50 {
			t.Errorf("%d requests one at a time, %d together", slow.Requests, fast.Requests)
		}
	})
	t.Run("where no uploads are taken", func(t *testing.T) {
		s.archive.Misbehave(archive.Misbehaviour{Kind: "refuse_upload"})
		defer s.archive.Behave()
		lists, result := s.discover(t, demo.WallabyForm(true))
		if diff := cmp.Diff(single, lists); diff != "" {
			t.Error(diff)
		}
		t.Logf("%d sources: %d requests one at a time, %d together, %d without uploads", len(s.names), slow.Requests, fast.Requests, result.Requests)
	})
	t.Run("the real file's where that can tell", func(t *testing.T) {
		real, result := s.discover(t, realWallaby(t))
		for _, name := range []string{"HIPASSJ0324-21", "HIPASSJ1300-13"} { // another name begins with them
			if !strings.HasPrefix(set[name], ledger.OutcomeChanged) {
				t.Errorf("%s is %s; the form that ships can always tell", name, set[name])
			}
			if !strings.HasPrefix(real[name], ledger.OutcomeAmbiguous) && real[name] != set[name] {
				t.Errorf("%s: %s, the real file gives %s", name, set[name], real[name])
			}
			real[name] = set[name]
		}
		if diff := cmp.Diff(real, set); diff != "" {
			t.Error(diff)
		}
		if result.Changed < 50 {
			t.Errorf("%+v", result)
		}
	})
}
