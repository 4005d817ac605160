package demo_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"beampipe/backends/local"
	"beampipe/control"
	"beampipe/demo"
	"beampipe/execution"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/provenance"
)

// TestMain makes this test binary its own shim, so that the demo's runs are real processes.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == local.ShimCommand {
		os.Exit(local.Main(context.Background(), os.Args[2]))
	}
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheDemoTurnsAnArchiveIntoRunsAndNewDataIntoReruns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	told := 0
	s, err := demo.Run(t.Context(), demo.Options{Dir: dir, Progress: io.Discard, Done: func(demo.Summary) { told++ }})
	must(t, err)
	checkFigures(t, s)
	if told != 1 {
		t.Errorf("told %d times", told)
	}
	l, err := ledger.Open(t.Context(), s.Ledger, ledger.Options{Rebuild: execution.Rebuild})
	must(t, err)
	defer l.Close()
	c, err := control.NewLocal(control.LocalOptions{Ledger: l, Actor: "user:test"})
	must(t, err)
	t.Run("the cast is there", func(t *testing.T) { checkCast(t, c) })
	t.Run("every other execution is completed, with its products", func(t *testing.T) { checkRuns(t, c, s) })
	t.Run("the failure says why", func(t *testing.T) { checkFailure(t, c, s) })
	t.Run("the events are one chain", func(t *testing.T) {
		var chain provenance.Verifier
		must(t, l.View(t.Context()).EachEvent(chain.Next))
		// The daemon may note why its last ticks did nothing after the summary was read.
		if seq, _ := chain.Head(); s.Events == 0 || seq < s.Events {
			t.Errorf("%d events, the summary says %d", seq, s.Events)
		}
	})
	t.Run("a second demo in the folder is refused", func(t *testing.T) {
		before, err := l.View(t.Context()).CountEvents()
		must(t, err)
		_, err = demo.Run(t.Context(), demo.Options{Dir: dir})
		if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), dir) || len(fault.Hints(err)) == 0 {
			t.Errorf("%v", err)
		}
		if n, err := l.View(t.Context()).CountEvents(); err != nil || n != before {
			t.Errorf("it wrote %d events, %v", n-before, err)
		}
	})
}

func checkFigures(t *testing.T, s demo.Summary) {
	t.Helper()
	if s.Sources < 60 || s.NoData < 3 || s.Refused != 1 || s.Discovered != s.Sources-s.NoData-s.Refused {
		t.Errorf("sources: %+v", s)
	}
	if s.Rediscovered != 3 || s.Reruns != 3 || s.Failed != 1 || s.Completed != s.Executions-1 || s.Executions != s.Discovered+s.Reruns {
		t.Errorf("executions: %+v", s)
	}
	raw, err := json.Marshal(s)
	must(t, err)
	var names map[string]any
	must(t, json.Unmarshal(raw, &names))
	for _, name := range []string{
		"sources", "discovered", "no_data", "refused", "executions", "completed", "failed", "rediscovered", "reruns", "events", "elapsed_ms",
	} {
		if _, ok := names[name].(float64); !ok {
			t.Errorf("%s is not a number in %s", name, raw)
		}
	}
	text := s.Text()
	for _, want := range []string{"64 sources registered", "beampipe execution why " + s.FailedID, s.Ledger, s.Refusal, s.Why} {
		if want == "" || !strings.Contains(text, want) {
			t.Errorf("the text does not say %q:\n%s", want, text)
		}
	}
}

// checkCast looks for every kind of source that the demo promises.
func checkCast(t *testing.T, c *control.Local) {
	list, err := c.ListSources(t.Context(), control.SourceQuery{Project: demo.Project})
	must(t, err)
	var names []string
	twoSBIDs, beams := 0, 0
	for _, s := range list.Sources {
		names = append(names, s.Identifier)
		d, err := c.ShowSource(t.Context(), demo.Project, s.Identifier)
		must(t, err)
		if len(d.Metadata) > 1 {
			twoSBIDs++
		}
		if slices.ContainsFunc(d.Metadata, func(m ledger.Metadata) bool { return len(m.Records) > 1 }) {
			beams++
		}
		for _, m := range d.Metadata {
			for _, record := range m.Records {
				if file, ok := record["filename"].(string); !ok || !strings.HasPrefix(file, s.Identifier+"_") {
					t.Errorf("%s has the file %v", s.Identifier, record["filename"])
				}
			}
		}
	}
	for _, name := range []string{"HIPASSJ0324-21", "HIPASSJ0324-21b", "HIPASSJ1300-13", "HIPASSJ1300-13B"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not there", name)
		}
	}
	if twoSBIDs < 2 || beams < 10 {
		t.Errorf("%d sources with two SBIDs, %d with several beams", twoSBIDs, beams)
	}
}

func checkRuns(t *testing.T, c *control.Local, s demo.Summary) {
	list, err := c.ListExecutions(t.Context(), control.ExecutionQuery{Project: demo.Project})
	must(t, err)
	listed := map[string]bool{}
	for _, path := range s.Products {
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("product %s: %v", path, err)
		}
		listed[path] = true
	}
	perSource := map[string]int{}
	for _, e := range list.Executions {
		perSource[e.Sources[0].Identifier]++
		if e.ID == s.FailedID {
			continue
		}
		if e.State != ledger.Completed || e.Attempt != 1 || !listed[filepath.Join(e.Folder, "data", "mosaic.txt")] {
			t.Errorf("%s of %s is %s, attempt %d, in %s", e.ID, e.Sources[0].Identifier, e.State, e.Attempt, e.Folder)
		}
	}
	reruns := 0
	for _, n := range perSource {
		reruns += n - 1
	}
	if reruns != s.Reruns {
		t.Errorf("%d sources ran again, want %d", reruns, s.Reruns)
	}
}

func checkFailure(t *testing.T, c *control.Local, s demo.Summary) {
	why, err := c.WhyExecution(t.Context(), s.FailedID)
	must(t, err)
	if why.Execution.State != ledger.Failed || why.Execution.Error == "" || !strings.Contains(why.Sentence, why.Execution.Error) || len(why.Failed) == 0 {
		t.Errorf("why: %q, %+v", why.Sentence, why.Failed)
	}
	line, err := c.Timeline(t.Context(), control.TimelineRequest{Execution: s.FailedID})
	must(t, err)
	told := false
	for _, e := range line.Events {
		told = told || e.Type == "execution.fail" && strings.Contains(string(e.Payload), "why")
	}
	if !told {
		t.Errorf("the timeline does not say why: %+v", line.Events)
	}
}

func TestTheObjectsThatShipAreTheSurveysSources(t *testing.T) {
	objects, err := demo.Objects()
	must(t, err)
	derived, seen := 0, map[string]bool{}
	for _, o := range objects {
		if o.RA < 0 || o.RA >= 360 || o.Dec < -90 || o.Dec > 90 || seen[o.Identifier] {
			t.Errorf("%+v", o)
		}
		seen[o.Identifier] = true
		if o.Derived {
			derived++
		}
	}
	if len(objects) != 801 || len(objects)-derived != 183 {
		t.Errorf("%d objects, %d of them with a catalogued position", len(objects), len(objects)-derived)
	}
}
