package ledger

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
)

func TestStatsCountWhatIsThere(t *testing.T) {
	f := newFixture(t)
	fillKept(f)
	f.clock.forward(40 * day)
	f.appendEvents(60)
	f.clock.forward(10 * day)
	f.appendEvents(5)
	f.clock.forward(time.Hour)
	if err := f.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Path()+".before-v3", []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := f.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	file, _ := f.Size()
	if s.Path != f.Path() || s.SchemaVersion != present || s.FileBytes != file || s.DiskFreeBytes <= 0 || s.Head.Seq != f.head() || len(s.LedgerID) != 32 || len(s.Notes) != 0 {
		t.Errorf("%+v", s)
	}
	total := int64(0)
	for _, table := range s.Tables {
		if strings.HasPrefix(table.Name, "sqlite_") {
			total += table.Bytes
			continue
		}
		if n := f.rows(table.Name); n != table.Rows {
			t.Errorf("%s has %d rows, told %d", table.Name, n, table.Rows)
		}
		total += table.Bytes
	}
	if total+s.FreeBytes != file {
		t.Errorf("tables of %d bytes and %d free ones in a file of %d", total, s.FreeBytes, file)
	}
	if !slices.IsSortedFunc(s.Tables, func(a, b TableStats) int { return int(b.Bytes - a.Bytes) }) {
		t.Error("the largest is not first")
	}
	if e := s.Events; e.First != 1 || e.Kept != s.Head.Seq || e.LastDay != 5 || e.Last30Days != 65 || e.GrowthPerMonth <= 0 || !e.Oldest.Before(*e.Newest) {
		t.Errorf("%+v", e)
	}
	if len(s.Artifacts) != 2 || s.Artifacts[0].Count != int64(len(allStates)) || s.Artifacts[0].Plain == 0 || s.Artifacts[0].Stored == 0 {
		t.Errorf("%+v", s.Artifacts)
	}
	if len(s.Backups) != 1 || s.Backups[0].Bytes != 3 || s.LastPruned != nil {
		t.Errorf("%+v, pruned %v", s.Backups, s.LastPruned)
	}
	f.clock.forward(200 * day)
	f.prune(Policy{Kind: KeepArtifacts, MaxAge: 7 * day})
	f.appendEvents(1)
	if s, err := f.Stats(context.Background()); err != nil || s.Events.Last30Days > 2 {
		t.Errorf("%+v %v", s.Events, err)
	}
}

func TestStatsOfALedgerOfAnOlderSchemaAreReadWithoutAnUpgrade(t *testing.T) {
	path := unpack(t, keptV2)
	l, err := OpenReader(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if s, err := l.Stats(context.Background()); err != nil || s.SchemaVersion != 2 || s.Events.Kept == 0 || len(s.Tables) == 0 {
		t.Errorf("%+v %v", s, err)
	}
}

func TestVacuumGivesBackWhatIsFree(t *testing.T) {
	f := newFixture(t)
	f.appendEvents(5000)
	f.clock.forward(100 * day)
	f.appendEvents(1)
	f.prune(Policy{Kind: KeepEvents, MaxAge: 90 * day})
	lock, err := LockDaemon(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Vacuum(context.Background())
	wantKind(t, err, fault.Conflict, "a daemon runs on it", "vacuum ledger")
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	head := f.head()
	report, err := f.Vacuum(context.Background())
	if err != nil || report.BytesAfter > report.BytesBefore/2 || report.BytesAfter == 0 {
		t.Errorf("%+v %v", report, err)
	}
	f.appendEvents(1)
	if f.head() != head+1 {
		t.Error("the ledger is not the one it was")
	}
	f.checkPruned()
	setFreeBytes(t, 1000)
	_, err = f.Vacuum(context.Background())
	wantKind(t, err, fault.Unavailable, "0 MB are free")
}
