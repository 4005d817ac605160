package execution

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"beampipe/backends"
	"beampipe/backends/local"
	"beampipe/ledger"
	"beampipe/profiles"
)

// pollUntil polls until the execution is in one of the states. Real processes run outside, and nothing
// tells when they end but asking: hence a ticker, bounded by the test's own deadline.
func (r *rig) pollUntil(id string, states ...ledger.State) ledger.Execution {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		r.poll()
		x := r.get(id)
		for _, s := range states {
			if x.State == s {
				return x
			}
		}
		select {
		case <-ctx.Done():
			r.t.Fatalf("still %s: %+v", x.State, r.record(id))
		case <-ticker.C:
		}
	}
}

// onThisMachine makes the rig's engine run on this machine, with a graph of this command.
func (r *rig) onThisMachine(command string) string {
	r.t.Helper()
	root := filepath.Join(r.t.TempDir(), "runs")
	b, err := local.New(local.Options{Root: root})
	r.must(err)
	r.o.Backend = func(*profiles.Profile) (backends.Backend, error) { return b, nil }
	raw := testGraph(command)
	r.addConfig(loadSurvey(r.t, digest(raw), "max_sources_per_execution: 1"), raw)
	r.addProfile("here")
	r.start()
	r.discovered("S", "sig", block("S", "1", "a", "b"))
	a := r.admit()
	if len(a.Executions) != 1 {
		r.t.Fatalf("%+v", a)
	}
	if errs := r.work(); errs != nil {
		r.t.Fatal(errs)
	}
	return a.Executions[0]
}

func TestARunOnThisMachineEndsWithItsProducts(t *testing.T) {
	r := newRig(t)
	id := r.onThisMachine("grep -c dataset_id {manifest} > {count}")
	x := r.pollUntil(id, ledger.Completed, ledger.Failed)
	if x.State != ledger.Completed {
		t.Fatalf("%s: %+v", x.Error, r.record(id))
	}
	raw, _, err := r.view().ArtifactOf(id, ledger.ArtifactProducts)
	r.must(err)
	var list productList
	r.must(json.Unmarshal(raw, &list))
	found := false
	for _, p := range list.Products {
		content, err := os.ReadFile(filepath.Join(list.Folder, filepath.FromSlash(p.Path)))
		r.must(err)
		if digest(content) != p.SHA256 {
			t.Errorf("%s is not what was listed", p.Path)
		}
		found = found || strings.HasSuffix(p.Path, "product.txt") && string(content) == "1\n"
	}
	if !found {
		t.Errorf("%s", raw)
	}
}

func TestARunThatFailsOnThisMachineNamesTheDrop(t *testing.T) {
	r := newRig(t)
	id := r.onThisMachine("echo no such beam >&2; exit 7")
	x := r.pollUntil(id, ledger.Completed, ledger.Failed)
	run := r.record(id).Current()
	if x.State != ledger.Failed || x.Class != ledger.ClassScience || x.NextRetryAt != nil || len(run.Terminal.FailedDrops) != 1 {
		t.Fatalf("%+v\n%+v", x, run.Terminal)
	}
	if drop := run.Terminal.FailedDrops[0]; drop.Name != "measure" || !strings.Contains(drop.LogTail, "no such beam") {
		t.Errorf("%+v", drop)
	}
}

func TestARunOnThisMachineIsCancelled(t *testing.T) {
	r := newRig(t)
	id := r.onThisMachine("exec sleep 600")
	r.pollUntil(id, ledger.Running)
	_, err := r.Cancel(context.Background(), id, "enough", "user:a", false)
	r.must(err)
	r.pollUntil(id, ledger.Cancelled)
}
