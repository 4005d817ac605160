package test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"

	"beampipe/control"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/provenance"
)

// traced is a world in which one run of two datasets has ended, and after it new data came.
func traced(t *testing.T) (*world, ledger.Execution) {
	t.Helper()
	w := started(t, graphOf("echo done > {result}"), source)
	w.observe(70001, 2, source)
	w.discover()
	w.admit(false)
	w.finish()
	return w, w.executions()[0]
}

func (w *world) trace(q control.TraceRequest) control.TraceAnswer {
	w.t.Helper()
	answer, err := w.Trace(context.Background(), q)
	must(w.t, err)
	return answer
}

// reaches tells whether a node came, over however many steps, of one of a kind, and gives the first of them.
func reaches(l *provenance.Lineage, from string, kind provenance.NodeKind) (provenance.Node, bool) {
	seen, next := map[string]bool{from: true}, []string{from}
	for len(next) > 0 {
		id := next[0]
		next = next[1:]
		if n, _ := l.Node(id); n.Kind == kind && id != from {
			return n, true
		}
		for _, e := range l.Edges {
			if e.From == id && !seen[e.To] {
				seen[e.To] = true
				next = append(next, e.To)
			}
		}
	}
	return provenance.Node{}, false
}

func TestAProductIsTracedToTheRowsAndBackAlsoAfterTheArchiveSaysOtherwise(t *testing.T) {
	w, e := traced(t)
	before := w.trace(control.TraceRequest{What: e.ID})
	w.observe(79001, 1, source)
	w.discover() // replaces the stored answer
	after := w.trace(control.TraceRequest{What: e.ID[24:]})
	if len(after.Gaps) > 0 || len(before.Lineage.Nodes) != len(after.Lineage.Nodes) || len(before.Lineage.Edges) != len(after.Lineage.Edges) {
		t.Errorf("%v; %d nodes, %d before the archive showed more", after.Gaps, len(after.Lineage.Nodes), len(before.Lineage.Nodes))
	}
	list, err := w.ListOutputs(context.Background(), control.OutputQuery{Execution: e.ID})
	must(t, err)
	i := slices.IndexFunc(list.Products, func(p ledger.Product) bool { return strings.HasSuffix(p.Path, "result.txt") })
	if i < 0 {
		t.Fatalf("products: %+v", list.Products)
	}
	product := list.Products[i]
	for _, name := range []string{"sha256:" + product.SHA256, product.URI, product.Path} {
		answer := w.trace(control.TraceRequest{What: name})
		id := "product:" + e.ID + "/1/" + product.Path
		if !slices.Contains(answer.Found, id) {
			t.Errorf("%s is %v", name, answer.Found)
		}
		for _, kind := range []provenance.NodeKind{
			provenance.NodeAttempt, provenance.NodeExecution, provenance.NodeManifest, provenance.NodePatchedGraph, provenance.NodeSourceGraph, provenance.NodeConfig,
			provenance.NodeProfile, provenance.NodeSource, provenance.NodeSBID, provenance.NodeDataset, provenance.NodeEvaluation, provenance.NodeAnswer, provenance.NodeQuery,
			provenance.NodeArchive, provenance.NodeBackendJob, provenance.NodeSoftware, provenance.NodeActor,
		} {
			if _, ok := reaches(answer.Lineage, id, kind); !ok {
				t.Errorf("from %s no %s is reached", name, kind)
			}
		}
		dataset, _ := reaches(answer.Lineage, id, provenance.NodeDataset)
		row, _ := dataset.Attributes["row"].(map[string]string)
		if row["filename"] != dataset.Label || row["obs_id"] != "ASKAP-70001" {
			t.Errorf("dataset %s has the row %v", dataset.Label, row)
		}
		query, _ := reaches(answer.Lineage, id, provenance.NodeQuery)
		if adql, _ := query.Attributes["adql"].(string); !strings.Contains(adql, "FROM") {
			t.Errorf("query %+v", query)
		}
	}
	for _, kind := range []string{ledger.ArtifactManifest, ledger.ArtifactPatchedGraph} {
		digest, err := w.ledger.View(context.Background()).ArtifactDigest(e.ID, kind)
		must(t, err)
		if answer := w.trace(control.TraceRequest{What: "sha256:" + digest}); !slices.Equal(answer.Found, []string{"sha256:" + digest}) || len(answer.Runs) != 1 {
			t.Errorf("%s: %v of %d runs", kind, answer.Found, len(answer.Runs))
		}
	}
	if _, err := w.Trace(context.Background(), control.TraceRequest{What: "sha256:" + strings.Repeat("0", 64)}); !errors.Is(err, fault.NotFound) {
		t.Errorf("of nothing: %v", err)
	}
}

func TestAFieldIsTracedThroughTheConfigToItsColumn(t *testing.T) {
	w, e := traced(t)
	record := "sources[0].sbids[70001].datasets[0]."
	for of, want := range map[string]struct {
		kinds  string
		value  string
		path   string
		column string
	}{
		record + "dataset_id":          {"value record_field mapping rows query", "_SB70001_beam00", "discovery.prepare_metadata.field_map.dataset_id", "filename"},
		"/sources/0/sbids/0/sbid":      {"value record_field mapping rows query", "70001", "discovery.prepare_metadata.field_map.sbid", "obs_id"},
		"sources[" + source + "].vsys": {"value template record_field mapping rows query", "1500", "", "RVmom"},
		"ra_string":                    {"value template record_field mapping rows query", "13h24m48s", "", "RAJ2000"},
		record + "evaluation_file":     {"value record_field mapping rows query", "SB70001", "", ""},
		record + "s_ra":                {"value record_field mapping rows query", "201.2", "", "s_ra"},
		"sources[0].source_identifier": {"value identifier", source, "", ""},
		"work.command":                 {"value source_graph", "echo done", "graph.sha256", ""},
	} {
		f := w.trace(control.TraceRequest{What: e.ID, Of: of}).Of
		var kinds []string
		path, column := "", ""
		for _, s := range f.Steps {
			kinds = append(kinds, s.Kind)
			if s.Place != nil && s.Place.Line > 0 {
				path = s.Place.Path
			}
			for _, name := range s.Columns {
				if s.Rows[0][name] == "" {
					t.Errorf("%s: column %s is empty: %v", of, name, s.Rows)
				}
				column = name
			}
		}
		value, _ := f.Value.(string)
		if got := strings.Join(kinds, " "); got != want.kinds || !strings.Contains(value, want.value) || path != want.path || want.column != "" && column != want.column {
			t.Errorf("%s = %s: %s, at %s, column %s; want %+v", of, value, got, path, column, want)
		}
	}
	for of, want := range map[string]fault.Kind{"sources[0]": fault.Invalid, "sources[0].nothing": fault.NotFound, "work.nothing": fault.NotFound, "/": fault.NotFound, "": ""} {
		_, err := w.Trace(context.Background(), control.TraceRequest{What: e.ID, Of: of})
		if fault.KindOf(err) != want {
			t.Errorf("%q: %v, want %s", of, err, want)
		}
	}
}

func TestWhatCameOfBadDataIsFoundMarkedAndTakenBack(t *testing.T) {
	w, e := traced(t)
	dataset := w.source(source).Metadata[0].Records[0]["dataset_id"].(string)
	evaluation := w.source(source).Metadata[0].Records[0]["evaluation_file"].(string)
	for _, from := range []string{"sbid:70001", "dataset:" + dataset, "evaluation:" + evaluation} {
		answer := w.trace(control.TraceRequest{From: from, Project: project})
		if len(answer.Runs) != 1 || answer.Runs[0].Execution.ID != e.ID || len(answer.Runs[0].Products) == 0 || len(answer.Found) != 1 {
			t.Fatalf("%s: %+v", from, answer)
		}
		if _, ok := answer.Lineage.Node(answer.Found[0]); !ok {
			t.Errorf("%s: the lineage has no %s", from, answer.Found[0])
		}
	}
	back := w.trace(control.TraceRequest{What: e.ID})
	if forward := w.trace(control.TraceRequest{From: "dataset:" + dataset}); func() bool { _, ok := back.Lineage.Node(forward.Found[0]); return !ok }() {
		t.Errorf("%s is not what the trace back calls it", forward.Found[0])
	}

	q := control.OutputSelection{Input: &ledger.Input{Kind: ledger.InputSBID, Value: "70001"}, Reason: "bad calibration", DryRun: true}
	events := w.events()
	dry, err := w.WithdrawOutputs(context.Background(), q)
	must(t, err)
	if dry.Changed == 0 || w.events() != events {
		t.Errorf("a dry run: %+v, and %d events", dry, w.events()-events)
	}
	q.DryRun = false
	done, err := w.WithdrawOutputs(context.Background(), q)
	must(t, err)
	if done.Changed != dry.Changed || done.Products[0].Withdrawn == nil || !slices.Equal(done.Executions, []string{e.ID}) || w.events() != events+1 {
		t.Errorf("%+v", done)
	}
	if again, err := w.WithdrawOutputs(context.Background(), q); err != nil || again.Changed != 0 || w.events() != events+1 {
		t.Errorf("again: %+v %v", again, err)
	}
	for _, p := range w.trace(control.TraceRequest{From: "sbid:70001"}).Runs[0].Products {
		if p.Withdrawn == nil || p.Withdrawn.By != "user:test" || p.Withdrawn.Reason != "bad calibration" {
			t.Errorf("%+v", p)
		}
	}
	shown, err := w.ShowExecution(context.Background(), e.ID)
	must(t, err)
	if shown.Withdrawn != shown.Products || shown.Products != done.Changed {
		t.Errorf("show: %d of %d", shown.Withdrawn, shown.Products)
	}
	one, err := w.RestoreOutputs(context.Background(), control.OutputSelection{Products: []string{"sha256:" + done.Products[0].SHA256}, Reason: "it was good"})
	must(t, err)
	left, err := w.ListOutputs(context.Background(), control.OutputQuery{Withdrawn: true})
	must(t, err)
	if one.Changed == 0 || len(left.Products) != done.Changed-one.Changed {
		t.Errorf("restored %d, %d are left of %d", one.Changed, len(left.Products), done.Changed)
	}

	for name, q := range map[string]control.OutputSelection{
		"no reason":  {Execution: e.ID},
		"nothing":    {Reason: "x"},
		"two things": {Execution: e.ID, Products: []string{"a"}, Reason: "x"},
		"no kind":    {Input: &ledger.Input{Kind: "beam", Value: "1"}, Reason: "x"},
	} {
		if _, err := w.WithdrawOutputs(context.Background(), q); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, q := range map[string]control.OutputSelection{
		"no such product": {Products: []string{"nothing.fits"}, Reason: "x"}, "no such data": {Input: &ledger.Input{Kind: ledger.InputSBID, Value: "1"}, Reason: "x"},
	} {
		if _, err := w.WithdrawOutputs(context.Background(), q); !errors.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOutputsAreListedPageByPage(t *testing.T) {
	w, _ := traced(t)
	w.observe(79001, 1, source)
	w.discover()
	w.admit(false)
	w.finish()
	all, err := w.ListOutputs(context.Background(), control.OutputQuery{})
	must(t, err)
	var paged []ledger.Product
	q := control.OutputQuery{Limit: 1}
	for {
		page, err := w.ListOutputs(context.Background(), q)
		must(t, err)
		paged = append(paged, page.Products...)
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if len(paged) != len(all.Products) || len(paged) < 2 || paged[0] != all.Products[0] || paged[len(paged)-1] != all.Products[len(paged)-1] {
		t.Errorf("%d products by pages, %d at once", len(paged), len(all.Products))
	}
	if _, err := w.ListOutputs(context.Background(), control.OutputQuery{After: "nonsense!"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
}

func TestARunOfAVersionThatKeptNoRowsIsTracedAsFarAsItGoes(t *testing.T) {
	w, e := traced(t)
	must(t, w.ledger.Close())
	db, err := sql.Open("sqlite", "file:"+w.ledger.Path())
	must(t, err)
	for _, query := range []string{"DROP TRIGGER execution_artifact_kept", "DELETE FROM execution_artifacts WHERE kind = 'lineage'"} {
		_, err := db.Exec(query)
		must(t, err)
	}
	must(t, db.Close())
	w.open()
	answer := w.trace(control.TraceRequest{What: e.ID, Of: "ra_string"})
	if len(answer.Gaps) != 1 || !strings.Contains(answer.Gaps[0], "kept no rows") {
		t.Errorf("%q", answer.Gaps)
	}
	last := answer.Of.Steps[len(answer.Of.Steps)-1]
	if last.Kind != "unknown" || answer.Of.Value != "13h24m48s" {
		t.Errorf("%+v", answer.Of)
	}
	if _, ok := reaches(answer.Lineage, "execution:"+e.ID, provenance.NodeSource); !ok {
		t.Error("not even the source is known")
	}
}

func TestARetryHasTheLineageOfItsFirstAttempt(t *testing.T) {
	w := started(t, graphOf("test -e ../../again || exit 3"), source)
	w.observe(70001, 1, source)
	w.discover()
	w.admit(false)
	w.finish()
	e := w.executions()[0]
	before, err := w.ledger.View(context.Background()).ArtifactDigest(e.ID, ledger.ArtifactLineage)
	must(t, err)
	w.observe(79001, 1, source)
	w.discover()
	_, err = w.RetryExecution(context.Background(), e.ID, "look again")
	must(t, err)
	w.admit(false)
	w.finish()
	artifacts, err := w.ledger.View(context.Background()).Artifacts(e.ID)
	must(t, err)
	n := 0
	for _, a := range artifacts {
		if a.Kind == ledger.ArtifactLineage {
			n++
			if a.SHA256 != before {
				t.Errorf("attempt %d has another lineage", a.Attempt)
			}
		}
	}
	if n != 2 {
		t.Errorf("%d attempts have a lineage, want 2", n)
	}
}
