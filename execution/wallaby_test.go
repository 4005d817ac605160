package execution

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"beampipe/configs"
	"beampipe/ledger"
)

// shared gives the content of a file of the real survey, and skips the test where there is none.
func shared(t testing.TB, name string) []byte {
	t.Helper()
	root := os.Getenv("BEAMPIPE_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "shared")
	}
	raw, err := os.ReadFile(filepath.Join(root, "data", "wallaby", filepath.FromSlash(name)))
	if err != nil {
		t.Skipf("the real survey's files are not here (set BEAMPIPE_SHARED): %v", err)
	}
	return raw
}

// wallaby adds the real survey with n of its sources, the first of them with two SBIDs.
func (r *rig) wallaby(n int) {
	r.t.Helper()
	graph := shared(r.t, "graphs/wallaby-hires_deploy-setonix-beampipe.graph")
	text := string(shared(r.t, "configs/wallaby_hires.v2.yaml"))
	text = strings.Replace(text, "concurrent_execution_run_limit: 10", "concurrent_execution_run_limit: 1000", 1)
	text = strings.Replace(text, "tick_execution_run_limit: 50", "tick_execution_run_limit: 1000", 1)
	cfg, report := configs.Load([]byte(text), "wallaby_hires.v2.yaml")
	r.must(report.Err())
	cfg.Metadata.ID = "demo"
	cfg.Automation.Execution.SettleHours = new(float64) // what is discovered here has settled
	r.addConfig(cfg, graph)
	r.addProfile("slurm-remote")
	r.start()
	r.o.Limits = Limits{MaxInFlightRuns: 1000, QueueMaxDepth: 1000}
	for i := range n {
		name := fmt.Sprintf("HIPASSJ%04d-%02d", i, i%60)
		blocks := []ledger.Metadata{wallabyBlock(name, "72962")}
		if i == 0 {
			blocks = append(blocks, wallabyBlock(name, "73011"))
		}
		r.discovered(name, "sig-"+name, blocks...)
	}
}

func wallabyBlock(source, sbid string) ledger.Metadata {
	m := ledger.Metadata{SBID: sbid, Flags: map[string]any{
		"ra_dec_vsys_complete": true, "complete": true, "ra_string": "13h13m34.1s", "dec_string": "-15.27.32", "vsys": "2505.3",
	}}
	for i := range 3 {
		name := fmt.Sprintf("%s_SB%s_F00_B%02d.ms.tar", source, sbid, i)
		m.Records = append(m.Records, map[string]any{
			"source_identifier": source, "sbid": sbid, "dataset_id": name, "visibility_filename": name, "obs_id": "ASKAP-" + sbid,
			"access_url": "https://archive.example/links?ID=" + name, "ra_string": "13h13m34.1s", "dec_string": "-15.27.32", "vsys": "2505.3",
			"evaluation_file": "calibration-metadata-processing-logs-SB" + sbid + "_2025.tar",
		})
	}
	return m
}

// prepareAll prepares everything that is pending on a number of workers.
func (r *rig) prepareAll(workers int) {
	r.t.Helper()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				run, ok, err := r.Next(context.Background())
				if err != nil || !ok {
					if err != nil {
						r.t.Error(err)
					}
					return
				}
				if err := run(context.Background()); err != nil {
					r.t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestTheProductionGraphOfASourceWithTwoSBIDsIsTheSameTwice(t *testing.T) {
	r := newRig(t)
	r.wallaby(1)
	a, err := r.Admit(context.Background(), "demo", AdmitOptions{Hold: true})
	r.must(err)
	if len(a.Executions) != 1 {
		t.Fatalf("%+v", a)
	}
	r.prepareAll(1)
	x := r.wantState(a.Executions[0], ledger.Ready)
	if x.Held == nil || r.record(x.ID).Staging != stagingNotBuilt {
		t.Errorf("%+v", r.record(x.ID))
	}
	stored, _, err := r.view().ArtifactOf(x.ID, ledger.ArtifactPatchedGraph)
	r.must(err)
	cfg, err := r.project(r.view(), "demo", 1)
	r.must(err)
	raw := shared(t, "graphs/wallaby-hires_deploy-setonix-beampipe.graph")
	for range 2 {
		m, err := BuildManifest(cfg, []ManifestSource{{Identifier: "HIPASSJ0000-00", Metadata: []ledger.Metadata{
			wallabyBlock("HIPASSJ0000-00", "73011"), wallabyBlock("HIPASSJ0000-00", "72962"),
		}}})
		r.must(err)
		again, changes, err := PrepareGraph(cfg, raw, m, x.ID, x.CreatedAt)
		r.must(err)
		if !bytes.Equal(again, stored) {
			t.Error("another graph")
		}
		if len(changes) != 1 || fmt.Sprint(changes[0].New) != "6" || m.Datasets != 6 || strings.Count(string(m.Bytes), `"sbids"`) != 1 {
			t.Errorf("%+v", changes)
		}
	}
}

// cpu is the processor time that this process has used: what counts on a busy machine.
func cpu() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkPrepare prepares the production graph for sources of the real survey.
func BenchmarkPrepare(b *testing.B) {
	r := newRig(b)
	r.wallaby(b.N)
	_, err := r.Admit(context.Background(), "demo", AdmitOptions{Hold: true})
	r.must(err)
	before := cpu()
	b.ResetTimer()
	r.prepareAll(2)
	b.StopTimer()
	b.ReportMetric(float64(cpu()-before)/float64(b.N)/1e6, "cpu-ms/op")
	counts, err := r.view().CountExecutions("demo")
	r.must(err)
	if counts[ledger.Ready] != b.N {
		b.Errorf("%v", counts)
	}
}
