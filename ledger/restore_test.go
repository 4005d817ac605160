package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
	"beampipe/provenance"
)

func (f *fixture) restore(from, to string) (RestoreReport, error) {
	f.Helper()
	o := f.options()
	return Restore(context.Background(), from, to, RestoreOptions{Actor: person, Reason: "the disk died", Now: o.Now, NewID: o.NewID, HostID: "machine"})
}

func (f *fixture) mustRestore(from, to string) RestoreReport {
	f.Helper()
	report, err := f.restore(from, to)
	if err != nil {
		f.Fatal(err)
	}
	return report
}

// closed closes the fixture's ledger and gives its path.
func (f *fixture) closed() string {
	f.Helper()
	if err := f.Close(); err != nil {
		f.Fatal(err)
	}
	return f.Path()
}

func TestARestoredLedgerIsThatOfTheBackupAndPausedAndTheOneBeforeIsKept(t *testing.T) {
	f := newFixture(t)
	fillKept(f)
	backup := f.backup("copy.db")
	f.clock.forward(day)
	f.appendEvents(7)
	lost := Head{}
	lost.Seq, lost.Hash, _ = f.view().Head()
	path := f.closed()
	was, err := os.ReadFile(backup.Path)
	if err != nil {
		t.Fatal(err)
	}
	report := f.mustRestore(backup.Path, path)
	if report.Head != backup.Head || report.From != backup.Path || report.Ledger != path || report.Before == nil || *report.Before != lost || report.SchemaVersion != present || !report.At.Equal(f.Now()) {
		t.Errorf("%+v, backup %+v", report, backup)
	}
	l := f.create(path)
	if pause, err := l.Paused(context.Background()); err != nil || pause.Code != PausedRestored {
		t.Errorf("%+v %v", pause, err)
	}
	events, err := l.View(context.Background()).Events(EventFilter{After: backup.Head.Seq})
	if err != nil || len(events) != 1 || events[0].Type != provenance.LedgerRestored || events[0].Actor != person || !strings.Contains(string(events[0].Payload), "the disk died") || events[0].PrevHash != backup.Head.Hash {
		t.Errorf("%+v %v", events, err)
	}
	verify(t, l)
	if now, err := os.ReadFile(backup.Path); err != nil || !bytes.Equal(was, now) || namesBeside(t, backup.Path) != "copy.db" {
		t.Errorf("the backup was changed: %v, beside it %s", err, namesBeside(t, backup.Path))
	}
	// What was there before is a whole ledger, and can be put back as well.
	if kept, err := checkCopy(context.Background(), report.Kept); err != nil || kept.Head != lost {
		t.Errorf("%+v %v", kept, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if again := f.mustRestore(report.Kept, path); again.Kept == report.Kept || again.Head != lost {
		t.Errorf("%+v", again)
	}
	if names := namesBeside(t, path); strings.Contains(names, "restoring") || strings.Contains(names, ".part") {
		t.Error(names)
	}
}

func TestABackupOfAnOlderSchemaIsUpgradedAsItIsRestored(t *testing.T) {
	f := newFixture(t)
	path, from := f.closed(), unpack(t, keptV2)
	before, _ := content(t, path, nil)
	report := f.mustRestore(from, path)
	if report.SchemaVersion != 2 {
		t.Errorf("%+v", report)
	}
	if names := namesBeside(t, from); names != filepath.Base(from) {
		t.Errorf("beside the backup: %s", names)
	}
	l := f.create(path)
	if have, known, err := l.SchemaVersion(context.Background()); have != known || err != nil {
		t.Errorf("%d of %d, %v", have, known, err)
	}
	verify(t, l)
	kept, _ := content(t, report.Kept, nil)
	if diff := cmp.Diff(before, kept); diff != "" {
		t.Errorf("what was kept (-was +kept)\n%.2000s", diff)
	}
}

func TestALedgerIsRestoredWhereNoneIs(t *testing.T) {
	f := newFixture(t)
	backup := f.backup("copy.db")
	to := filepath.Join(t.TempDir(), "new.db")
	if err := os.WriteFile(to+"-wal", []byte("of a ledger that is gone"), 0o600); err != nil {
		t.Fatal(err)
	}
	if report := f.mustRestore(backup.Path, to); report.Kept != "" {
		t.Errorf("%+v", report)
	}
	verify(t, f.create(to))
	_, err := f.restore(backup.Path, filepath.Join(t.TempDir(), "none", "new.db"))
	wantKind(t, err, fault.Unavailable, "none")
}

// TestADamagedLedgerIsReplaced also where SQLite cannot even open it.
func TestADamagedLedgerIsReplaced(t *testing.T) {
	for name, harm := range map[string]func(content []byte){
		"no header":         func(content []byte) { copy(content, "garbage garbage garbage") },
		"a page is garbage": func(content []byte) { copy(content[pageSize*5:], bytes.Repeat([]byte("x"), pageSize)) },
		"the schema":        func(content []byte) { copy(content[100:], bytes.Repeat([]byte("x"), pageSize-100)) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			fillKept(f)
			backup := f.backup("copy.db")
			path := f.closed()
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			harm(content)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			report := f.mustRestore(backup.Path, path)
			verify(t, f.create(path))
			if kept, err := os.ReadFile(report.Kept); err != nil || len(kept) != len(content) {
				t.Errorf("%d bytes were kept of %d, %v", len(kept), len(content), err)
			}
		})
	}
}

func TestWhatIsNoGoodBackupIsNotRestored(t *testing.T) {
	f := newFixture(t)
	fillKept(f)
	good := f.backup("good.db")
	content, err := os.ReadFile(good.Path)
	if err != nil {
		t.Fatal(err)
	}
	bad := func(name string, change func(db *sql.DB)) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", "file:"+path)
		if err != nil {
			t.Fatal(err)
		}
		change(db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	exec := func(query string) func(*sql.DB) {
		return func(db *sql.DB) {
			if _, err := db.Exec(query); err != nil {
				t.Fatal(err)
			}
		}
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte("no ledger "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(t.TempDir(), "torn.db")
	if err := os.WriteFile(torn, content[:len(content)/2/pageSize*pageSize], 0o600); err != nil {
		t.Fatal(err)
	}
	path := f.closed()
	before, _ := readTables(t, path)
	for from, want := range map[string]string{
		filepath.Join(t.TempDir(), "none"): "no such file", text: "no ledger", empty: "holds no ledger", torn: "damaged", path: "the ledger itself", t.TempDir(): "no file",
		bad("other.db", exec("PRAGMA application_id = 5")):                                                                      "another program",
		bad("newer.db", exec(fmt.Sprintf("UPDATE goose_db_version SET version_id = version_id + %d", nextVersion))):             "this program knows up to",
		bad("touched.db", exec("DROP TRIGGER event_fixed; UPDATE provenance_events SET actor = 'user:eve' WHERE seq = 3")):      "event 3",
		bad("orphans.db", exec("PRAGMA foreign_keys = OFF; DROP TRIGGER profile_revision_kept; DELETE FROM profile_revisions")): "parents are gone",
	} {
		_, err := f.restore(from, path)
		if err == nil || !strings.Contains(err.Error(), want) || (!errors.Is(err, fault.Invalid) && !errors.Is(err, fault.NotFound)) {
			t.Errorf("%s: %v, want %q", filepath.Base(from), err, want)
		}
	}
	after, names := readTables(t, path)
	if diff := cmp.Diff(before, after); diff != "" || strings.Contains(names, "before-restore") || strings.Contains(names, "restoring") {
		t.Errorf("the ledger was changed; beside it %s\n%.1000s", names, diff)
	}
}

func readTables(t *testing.T, path string) (map[string][]string, string) {
	t.Helper()
	rows, _ := content(t, path, nil)
	return rows, namesBeside(t, path)
}

func TestALedgerInUseIsNotRestored(t *testing.T) {
	f := newFixture(t)
	backup := f.backup("copy.db")
	before := f.head()
	_, err := f.restore(backup.Path, f.Path())
	wantKind(t, err, fault.Conflict, "another process uses ledger "+f.Path())
	lock, err := LockDaemon(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.restore(backup.Path, f.Path())
	wantKind(t, err, fault.Conflict, "a daemon runs on it")
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	f.appendEvents(1)
	if f.head() != before+1 {
		t.Error("the ledger was changed")
	}
	lock, err = LockDaemon(backup.Path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.restore(backup.Path, filepath.Join(t.TempDir(), "new.db"))
	wantKind(t, err, fault.Conflict, "a daemon runs on the file to restore from")
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	setFreeBytes(t, 10)
	_, err = f.restore(backup.Path, f.closed())
	wantKind(t, err, fault.Unavailable, "0 MB are free")
}

func TestARawCopyWithItsLogIsRestoredWithWhatIsInTheLog(t *testing.T) {
	f := newFixture(t)
	f.appendEvents(5)
	head := f.head()
	from := filepath.Join(t.TempDir(), "raw.db")
	for _, end := range []string{"", "-wal"} {
		if err := copyBytes(f.Path()+end, from+end); err != nil {
			t.Fatal(err)
		}
	}
	if report := f.mustRestore(from, filepath.Join(t.TempDir(), "new.db")); report.Head.Seq != head {
		t.Errorf("%+v, want event %d", report, head)
	}
}
