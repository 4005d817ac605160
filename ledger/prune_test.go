package ledger

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"beampipe/fault"
	"beampipe/provenance"
)

// prune runs one pruning by one policy.
func (f *fixture) prune(p Policy, edit ...func(*PruneOptions)) Pruned {
	f.Helper()
	pruned, err := f.tryPrune(p, edit...)
	if err != nil {
		f.Fatal(err)
	}
	return pruned
}

func (f *fixture) tryPrune(p Policy, edit ...func(*PruneOptions)) (Pruned, error) {
	f.Helper()
	o := PruneOptions{Policies: []Policy{p}, Actor: person, Reason: "room"}
	for _, e := range edit {
		e(&o)
	}
	report, err := f.Prune(context.Background(), o)
	if len(report.Kinds) == 0 {
		return Pruned{}, err
	}
	return report.Kinds[0], err
}

// passing opens the ledger once more, so that fn is told the points of prunings.
func (f *fixture) passing(fn func(point string)) {
	f.Helper()
	o := f.options()
	o.Pass = func(point string) {
		if strings.HasPrefix(point, "prune.") {
			fn(point)
		}
	}
	l, err := Open(context.Background(), f.Path(), o)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { l.Close() })
	f.Ledger = l
}

func dry(o *PruneOptions) { o.DryRun = true }

func (f *fixture) rows(table string) (n int64) {
	f.Helper()
	if err := f.view().get("rows", "SELECT count(*) FROM "+table, nil, &n); err != nil {
		f.Fatal(err)
	}
	return n
}

// begin gives the head behind which the log begins.
func (f *fixture) begin() Head {
	f.Helper()
	list, err := f.view().Events(EventFilter{Limit: 1})
	if err != nil || len(list) == 0 {
		f.Fatal(list, err)
	}
	return Head{list[0].Seq - 1, list[0].PrevHash}
}

// checkPruned checks that what is left of the log joins what the newest pruning took, and the whole ledger.
func (f *fixture) checkPruned() {
	f.Helper()
	begin := f.begin()
	var upto, open int64
	var hash string
	if err := f.view().get("pruning", "SELECT upto_seq, hash, open FROM prunings WHERE kind = 'events' ORDER BY id DESC LIMIT 1", nil, &upto, &hash, &open); err != nil {
		f.Fatal(err)
	}
	if (begin != Head{upto, hash}) || open != 0 {
		f.Errorf("the log begins behind %+v, the pruning went up to %d %s (open %d)", begin, upto, hash, open)
	}
	sound(f)
}

func (f *fixture) appendEvents(n int) {
	f.Helper()
	f.write(func(tx *Tx) error {
		for range n {
			if err := tx.Append(testEvent("x"), map[string]any{"why": "a < b & c"}); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestEventsArePrunedFromTheBeginningAndTheRestStaysVerifiable(t *testing.T) {
	f := newFixture(t)
	f.appendEvents(prunedEvents + 500) // more than one write takes
	old := f.head()
	f.clock.forward(100 * day)
	f.appendEvents(10)
	f.clock.forward(time.Hour)
	folder := filepath.Join(t.TempDir(), "new", "archive")
	p := Policy{Kind: KeepEvents, MaxAge: 90 * day, Archive: folder}
	if got := f.prune(p, dry); got.Rows != old || got.UptoSeq != old || f.begin().Seq != 0 || len(got.Archives) != 0 {
		t.Errorf("dry run: %+v, the log begins behind %d", got, f.begin().Seq)
	}
	var points []string
	f.passing(func(point string) { points = append(points, point) })
	got := f.prune(p)
	if got.Rows != old || got.UptoSeq != old || f.begin().Seq != old || len(got.Archives) != 1 {
		t.Errorf("%+v, the log begins behind %d, want %d", got, f.begin().Seq, old)
	}
	f.checkPruned()
	if told := strings.Join(points, " "); told != "prune.archived prune.deleted prune.deleted" {
		t.Errorf("points %s", told)
	}

	a, sum, err := VerifyArchive(got.Archives[0].Path)
	if err != nil || sum != got.Archives[0].SHA256 || a.First != 1 || a.Last != old || a.Hash != f.begin().Hash || filepath.Dir(got.Archives[0].Path) != folder {
		t.Errorf("%+v %s %v", a, sum, err)
	}
	events, err := f.view().Events(EventFilter{Type: provenance.LedgerPruned})
	if err != nil || len(events) != 2 {
		t.Fatalf("%d events of prunings, %v", len(events), err)
	}
	var payload struct {
		Kind, Hash, Reason string
		Upto               int64  `json:"upto_seq"`
		Count              int64  `json:"count"`
		Archive            string `json:"archive_sha256"`
	}
	if err := json.Unmarshal(events[1].Payload, &payload); err != nil || payload.Kind != "events" || payload.Upto != old || payload.Hash != a.Hash || payload.Archive != sum || payload.Count != old-prunedEvents || payload.Reason != "room" || events[1].Actor != person {
		t.Errorf("%+v %v", payload, err)
	}
	// Once more there is nothing to do, and nothing is written.
	before := f.head()
	if got := f.prune(p); got.Rows != 0 || f.head() != before {
		t.Errorf("%+v", got)
	}
	// Later prunings begin where this one ended.
	f.clock.forward(200 * day)
	f.appendEvents(1)
	if got := f.prune(Policy{Kind: KeepEvents, MaxAge: 90 * day}); got.UptoSeq != before || len(got.Archives) != 0 {
		t.Errorf("%+v, want up to %d", got, before)
	}
	f.checkPruned()
}

func TestEventsOfWhatIsGoingOnAreKept(t *testing.T) {
	f := newFixture(t)
	f.source("A")
	ended := f.walk(f.admit("A"), EventCancel)
	f.discover("B", OutcomeChanged, "s1")
	first := f.head() + 1
	running := f.walk(f.admit("B"), pathTo(Running)...)
	f.clock.forward(100 * day)
	f.appendEvents(1)
	got := f.prune(Policy{Kind: KeepEvents, MaxAge: 90 * day})
	if got.UptoSeq != first-1 || !strings.Contains(got.Note, running.ID) || strings.Contains(got.Note, ended.ID) {
		t.Errorf("%+v, want up to %d", got, first-1)
	}
	f.checkPruned()
	// One that is retried by itself goes on as well; one that waits for a person keeps no events.
	retry := f.Now().Add(1000 * day)
	failed := f.step(running, EventFail, Step{Class: ClassPlumbing, Why: "no node", NextRetry: &retry})
	f.clock.forward(100 * day)
	f.appendEvents(1)
	if got := f.prune(Policy{Kind: KeepEvents, MaxAge: 90 * day}); got.Rows != 0 || !strings.Contains(got.Note, failed.ID) {
		t.Errorf("%+v", got)
	}
	failed = f.step(f.walk(failed, EventRetry), EventFail, Step{Class: ClassScience, Why: "segfault"})
	f.clock.forward(100 * day)
	f.appendEvents(1)
	if got := f.prune(Policy{Kind: KeepEvents, MaxAge: 90 * day}); got.Rows == 0 || got.Note != "" {
		t.Errorf("%+v", got)
	}
	f.checkPruned()
	f.walk(failed, append([]Event{EventRetry}, pathTo(Completed)...)...)
}

func TestEventsAreLimitedByTheirNumberAndTheirBytes(t *testing.T) {
	for name, tt := range map[string]struct {
		policy Policy
		left   int64
	}{
		"rows":                            {Policy{Kind: KeepEvents, MaxRows: 100}, 100},
		"bytes":                           {Policy{Kind: KeepEvents, MaxBytes: 46_900}, 100}, // 469 each
		"the smaller of both":             {Policy{Kind: KeepEvents, MaxBytes: 46_900, MaxRows: 50}, 50},
		"rows, though none is old enough": {Policy{Kind: KeepEvents, MaxRows: 100, MaxAge: 900 * day}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.appendEvents(1000)
			if got := f.prune(tt.policy); got.Rows != 0 {
				t.Errorf("younger than a day: %+v", got)
			}
			f.clock.forward(25 * time.Hour)
			head := f.head()
			if got := f.prune(tt.policy); got.UptoSeq != head-tt.left {
				t.Errorf("%+v, want up to %d", got, head-tt.left)
			}
			f.checkPruned()
		})
	}
}

func TestABrokenLogIsNotPruned(t *testing.T) {
	f := newFixture(t)
	f.appendEvents(20)
	f.clock.forward(100 * day)
	f.appendEvents(1)
	db := f.raw()
	if _, err := db.Exec("DROP TRIGGER event_fixed"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("UPDATE provenance_events SET actor = 'user:eve' WHERE seq = 7"); err != nil {
		t.Fatal(err)
	}
	before := f.head()
	_, err := f.tryPrune(Policy{Kind: KeepEvents, MaxAge: 90 * day, Archive: t.TempDir()})
	wantKind(t, err, fault.Invalid, "broken at event 7", "not pruned")
	if f.head() != before || f.begin().Seq != 0 {
		t.Error("something was pruned")
	}
}

func TestAPruningThatIsBrokenOffIsGoneOnWithByTheNext(t *testing.T) {
	f := newFixture(t)
	f.appendEvents(2*prunedEvents + 100)
	old := f.head()
	f.clock.forward(100 * day)
	f.appendEvents(1)
	ctx, cancel := context.WithCancel(context.Background())
	f.passing(func(point string) {
		if point == "prune.deleted" {
			cancel()
		}
	})
	o := PruneOptions{Policies: []Policy{{Kind: KeepEvents, MaxAge: 90 * day}}, Actor: person}
	report, err := f.Prune(ctx, o)
	if !errors.Is(err, context.Canceled) || report.Kinds[0].Rows != prunedEvents {
		t.Errorf("%+v %v", report, err)
	}
	f.checkPruned()
	if report, err := f.Prune(context.Background(), o); err != nil || report.Kinds[0].Rows != old-prunedEvents {
		t.Errorf("%+v %v", report, err)
	}
	f.checkPruned()
}

// ran makes an execution of a source that ended as state, with all that hangs on one.
func (f *fixture) ran(name, signature string, state State) Execution {
	f.Helper()
	f.discover(name, OutcomeChanged, signature)
	e := f.admit(name)
	fillExecution(f, e)
	e = f.walk(e, pathTo(state)...)
	f.clock.forward(time.Minute)
	return e
}

func TestExecutionsGoWithAllThatHangsOnThemAndTheLastOfEachSourceStays(t *testing.T) {
	f := newFixture(t)
	gone := []string{f.ran("A", "s1", Completed).ID, f.ran("A", "s2", Cancelled).ID, f.ran("B", "s1", Cancelled).ID}
	var kept []string
	kept = append(kept, f.ran("A", "s3", Completed).ID, f.ran("A", "s4", Cancelled).ID) // the last completed, and the last
	kept = append(kept, f.ran("B", "s2", Running).ID)
	events := f.head()
	f.clock.forward(100 * day)
	kept = append(kept, f.ran("C", "s1", Completed).ID)
	f.ran("C", "s2", Cancelled)
	folder := t.TempDir()
	p := Policy{Kind: KeepExecutions, MaxAge: 90 * day, Archive: folder}
	if got := f.prune(p, dry); got.Rows != 3 || f.rows("batch_execution_record") != 8 {
		t.Errorf("dry run: %+v", got)
	}
	got := f.prune(p)
	if got.Rows != 3 || len(got.Archives) != 1 || got.Archives[0].Rows != 3 {
		t.Errorf("%+v", got)
	}
	for _, id := range gone {
		if _, err := f.view().Execution(id); !errors.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range kept {
		if _, err := f.view().Execution(id); err != nil {
			t.Error(err)
		}
	}
	for table, column := range map[string]string{"execution_sources": "execution", "execution_observations": "execution", "run_records": "execution", "execution_artifacts": "execution", "execution_inputs": "execution", "products": "execution"} {
		var left int64
		if err := f.view().get("left", "SELECT count(*) FROM "+table+" WHERE "+column+" NOT IN (SELECT uuid FROM batch_execution_record)", nil, &left); err != nil || left != 0 {
			t.Errorf("%s: %d rows are left, %v", table, left, err)
		}
	}
	told, err := f.view().Events(EventFilter{After: events, Type: provenance.LedgerPruned})
	if err != nil || len(told) != 1 || !strings.Contains(string(told[0].Payload), gone[1]) || !strings.Contains(string(told[0].Payload), got.Archives[0].SHA256) {
		t.Errorf("%d %v", len(told), err)
	}
	sound(f) // the events of what is gone stay

	lines := archiveLines(t, got.Archives[0].Path)
	if len(lines) != 3 || !strings.Contains(lines[0], gone[0]) || !strings.Contains(lines[0], `\"execution_id\":\"`+gone[0]) || !strings.Contains(lines[0], `"scheduler`) {
		t.Errorf("%d lines, the first %.2000s", len(lines), lines[0])
	}

	// What only they referred to goes after its grace.
	unused := f.rows("artifacts")
	if got := f.prune(Policy{Kind: KeepArtifacts, MaxAge: 7 * day}); got.Rows != 3 || f.rows("artifacts") != unused-3 {
		t.Errorf("%+v, %d artifacts", got, f.rows("artifacts"))
	}
	sound(f)
}

func archiveLines(t *testing.T, path string) []string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zip, err := zstd.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer zip.Close()
	scanner := bufio.NewScanner(zip)
	scanner.Buffer(nil, 1<<20)
	var lines []string
	for scanner.Scan() {
		if !json.Valid(scanner.Bytes()) {
			t.Errorf("no JSON: %.200s", scanner.Text())
		}
		lines = append(lines, scanner.Text())
	}
	if scanner.Err() != nil {
		t.Fatal(scanner.Err())
	}
	return lines
}

func TestAnExecutionWhoseProductsAreThereGoesOnlyIntoAnArchive(t *testing.T) {
	f := newFixture(t)
	e := f.ran("A", "s1", Completed)
	again := f.ran("B", "s1", Completed)
	f.ran("A", "s2", Completed)
	f.discover("B", OutcomeChanged, "s2")
	order := f.order("B")
	order.RerunOf = again.ID
	f.write(func(tx *Tx) error {
		n, err := tx.CreateExecution(order)
		if err != nil {
			return err
		}
		_, err = tx.Move(n, EventCancel, Step{Why: "x", Actor: person})
		return err
	})
	if _, err := f.raw().Exec("INSERT INTO products (execution, attempt, path, sha256, bytes) VALUES (?, 1, 'cube.fits', ?, 5)", e.ID, strings.Repeat("a", 64)); err != nil {
		t.Fatal(err)
	}
	f.clock.forward(100 * day)
	p := Policy{Kind: KeepExecutions, MaxAge: 90 * day}
	if got := f.prune(p); got.Rows != 0 {
		t.Errorf("%+v", got)
	}
	p.Archive = t.TempDir()
	got := f.prune(p)
	if got.Rows != 1 || !strings.Contains(archiveLines(t, got.Archives[0].Path)[0], "cube.fits") {
		t.Errorf("%+v", got)
	}
	if _, err := f.view().Execution(again.ID); err != nil {
		t.Errorf("what was made again from another: %v", err)
	}
}

func TestLogsArePrunedButForTheLastOfEach(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s0", func(d *Discovery) { d.Changes = []Change{{Kind: "sbid_added", SBID: "1"}} })
	f.ran("A", "s1", Completed) // two observations
	running := f.ran("B", "s1", Running)
	f.tick(TickRun{Project: project, Kind: TickDiscovery, Reason: "one"})
	f.tick(TickRun{Project: project, Kind: TickDiscovery, Reason: "two"})
	f.clock.forward(400 * day)
	f.tick(TickRun{Project: project, Kind: TickDiscovery, Reason: "three"})
	f.discover("A", OutcomeChanged, "s2")
	for _, tt := range []struct {
		kind, table string
		gone, left  int64
	}{
		{KeepObservations, "execution_observations", 1, 3}, // the last of A's, and both of what runs
		{KeepChanges, "discovery_changes", 2, 2},
		{KeepTickRuns, "tick_runs", 2, 1},
	} {
		p, err := DefaultPolicy(tt.kind)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.prune(p, dry); got.Rows != tt.gone {
			t.Errorf("%s, dry run: %+v", tt.kind, got)
		}
		before := f.head()
		if got := f.prune(p); got.Rows != tt.gone || f.rows(tt.table) != tt.left || f.head() != before {
			t.Errorf("%s: %+v, %d left", tt.kind, got, f.rows(tt.table))
		}
	}
	if list, err := f.view().Observations(running.ID); err != nil || len(list) != 2 {
		t.Errorf("%v %v", list, err)
	}
}

func TestLogsArePrunedByWindowsAndAcrossGaps(t *testing.T) {
	f := newFixture(t)
	f.ran("A", "s1", Completed)
	if _, err := f.raw().Exec(`WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
		INSERT INTO execution_observations (id, execution, attempt, kind, state, reason, raw, observed_at)
		SELECT i + CASE WHEN i > 1000 THEN 10000000 ELSE 0 END, uuid, 1, 'k', 's', '', '', '2026-11-20T05:00:00.000Z' FROM n, batch_execution_record`); err != nil {
		t.Fatal(err)
	}
	f.clock.forward(100 * day)
	if got := f.prune(Policy{Kind: KeepObservations, MaxAge: 90 * day}); got.Rows != 1991 || f.rows("execution_observations") != 2 {
		t.Errorf("%+v, %d left", got, f.rows("execution_observations"))
	}
	if got := f.prune(Policy{Kind: KeepObservations, MaxRows: 1}); got.Rows != 0 {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsFreeOrOfRemovedSourcesIsPruned(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"removed", "removed lately", "there"} {
		f.discover(name, OutcomeChanged, "s1", func(d *Discovery) { d.Answer = []byte(`{}`) })
	}
	f.write(func(tx *Tx) error { return tx.RemoveSource(project, "removed", "gone", person) })
	f.clock.forward(100 * day)
	f.write(func(tx *Tx) error { return tx.RemoveSource(project, "removed lately", "gone", person) })
	if got := f.prune(Policy{Kind: KeepAnswers, MaxAge: 90 * day}); got.Rows != 1 || f.rows("archive_answers") != 2 {
		t.Errorf("%+v", got)
	}
	var held Claim
	f.write(func(tx *Tx) (err error) {
		held, _, err = tx.TryClaim(ClaimDiscovery, SourceSubject(f.source("there").ID), "worker", "b", 200*day)
		return err
	})
	f.clock.forward(100 * day)
	if got := f.prune(Policy{Kind: KeepClaims, MaxAge: 30 * day}, dry); got.Rows != 2 || f.rows("claims") != 3 {
		t.Errorf("%+v", got)
	}
	if got := f.prune(Policy{Kind: KeepClaims, MaxAge: 30 * day}); got.Rows != 2 || f.rows("claims") != 1 {
		t.Errorf("%+v", got)
	}
	f.write(func(tx *Tx) error { return tx.CheckClaim(held) })
}

func TestTheFenceOfAClaimOnlyGrowsThoughItsRowWasPruned(t *testing.T) {
	f := newFixture(t)
	subject := SourceSubject(f.source("A").ID)
	claim := func() (c Claim) {
		f.write(func(tx *Tx) (err error) {
			c, _, err = tx.TryClaim(ClaimDiscovery, subject, "worker", "b", time.Minute)
			return err
		})
		return c
	}
	var paused Claim
	for range 3 {
		paused = claim()
		f.clock.forward(time.Hour)
	}
	f.write(func(tx *Tx) error { return tx.ReleaseClaim(paused) })
	f.clock.forward(100 * day)
	f.prune(Policy{Kind: KeepClaims, MaxAge: 30 * day})
	if now := claim(); now.Fence != paused.Fence+1 {
		t.Errorf("fence %d after %d", now.Fence, paused.Fence)
	}
	wantKind(t, f.try(func(tx *Tx) error { return tx.CheckClaim(paused) }), fault.Conflict)
}

func TestPhysicalGraphsGoBeforeTheirExecutions(t *testing.T) {
	f := newFixture(t)
	e, running := f.ran("A", "s1", Completed), f.ran("B", "s1", Running)
	for _, x := range []Execution{e, running} {
		p := pack(t, "physical "+x.ID)
		f.write(func(tx *Tx) error { return tx.AttachArtifact(x.ID, 1, ArtifactPhysicalGraph, p) })
	}
	f.clock.forward(31 * day)
	p := Policy{Kind: KeepPhysicalGraphs, MaxAge: 30 * day}
	if got := f.prune(p, dry); got.Rows != 1 {
		t.Errorf("%+v", got)
	}
	if got := f.prune(p); got.Rows != 1 {
		t.Errorf("%+v", got)
	}
	if list, err := f.view().Artifacts(e.ID); err != nil || len(list) != 2 {
		t.Errorf("%v %v", list, err)
	}
	if list, err := f.view().Artifacts(running.ID); err != nil || len(list) != 3 {
		t.Errorf("%v %v", list, err)
	}
	if got := f.prune(Policy{Kind: KeepArtifacts, MaxAge: 7 * day}); got.Rows != 1 {
		t.Errorf("%+v", got)
	}
}

func TestAPruningSaysWhatItCannotDo(t *testing.T) {
	f := newFixture(t)
	_, err := f.Prune(context.Background(), PruneOptions{Kinds: []string{"planets"}, Actor: person})
	wantKind(t, err, fault.Invalid, "planets")
	report, err := f.Prune(context.Background(), PruneOptions{Kinds: []string{KeepEvents}, Actor: person})
	if err != nil || len(report.Kinds) != 1 || !strings.Contains(report.Kinds[0].Note, "for ever") {
		t.Errorf("%+v %v", report, err)
	}
	prunings <- struct{}{}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = f.Prune(ctx, PruneOptions{Actor: person, Policies: []Policy{}})
	wantKind(t, err, fault.Unavailable, "waiting for another pruning")
	<-prunings
	if _, err := f.Prune(context.Background(), PruneOptions{}); err == nil {
		t.Error("without an actor")
	}
	f.appendEvents(1)
	f.clock.forward(100 * day)
	f.appendEvents(1)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = f.tryPrune(Policy{Kind: KeepEvents, MaxAge: 90 * day}, func(o *PruneOptions) { o.Archive = file })
	wantKind(t, err, fault.Unavailable, file)
	if f.begin().Seq != 0 {
		t.Error("it was pruned without its archive")
	}
}

func TestAPruningThatSomebodyOpenedIsFound(t *testing.T) {
	f := newFixture(t)
	f.write(func(tx *Tx) error {
		return tx.prune(pruning{kind: KeepArtifacts}, PruneOptions{Actor: person}, func() (int64, error) { return 0, nil })
	})
	f.appendEvents(1)
	db := f.raw()
	insert := `INSERT INTO prunings (at, kind, event, upto_seq, hash, count, archive, archive_sha256, actor, reason, open)
		SELECT at, kind, event + %d, upto_seq, hash, count, archive, archive_sha256, actor, reason, %d FROM prunings`
	for name, query := range map[string]string{
		"for an old event":      fmt.Sprintf(insert, 1, 1),
		"for the same event":    fmt.Sprintf(insert, 0, 1),
		"closed from the start": fmt.Sprintf(insert, 1, 0),
		"opened again":          "UPDATE prunings SET open = 1",
		"changed":               "UPDATE prunings SET count = 5",
		"deleted":               "DELETE FROM prunings",
		"replaced":              "REPLACE INTO prunings SELECT * FROM prunings",
	} {
		if n, err := rolledBack(t, db, query); err == nil {
			t.Errorf("a pruning %s: %d rows", name, n)
		}
	}
	f.write(func(tx *Tx) error {
		return tx.Append(provenance.Event{Type: provenance.LedgerPruned, Actor: "user:eve"}, map[string]any{"kind": KeepArtifacts, "upto_seq": 0, "hash": "", "count": 0})
	})
	if _, err := db.Exec(fmt.Sprintf(insert, 2, 1)); err != nil {
		t.Fatal(err)
	}
	if found := strings.Join(f.findings(), "\n"); !strings.Contains(found, "pruning 2 of artifacts is open") {
		t.Errorf("found %s", found)
	}
	// It lets nobody delete more than it says.
	for name, query := range map[string]string{
		"events":     "DELETE FROM provenance_events WHERE seq = 1",
		"executions": "DELETE FROM batch_execution_record",
		"sources":    "DELETE FROM execution_sources",
	} {
		if n, err := rolledBack(t, db, query); err == nil && n > 0 {
			t.Errorf("%s: %d rows were deleted", name, n)
		}
	}
}
