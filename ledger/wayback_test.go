package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"beampipe/fault"
)

const keptV2 = "testdata/ledger-v2.db.gz"

// migrateKept upgrades a ledger by this program's migrations and one more.
func migrateKept(t *testing.T, path string, o Options, last func(ctx context.Context, tx *sql.Tx) error) error {
	t.Helper()
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	return migrateWith(context.Background(), path, o, files, goose.NewGoMigration(nextVersion, &goose.GoFunc{RunTx: last}, nil))
}

func statement(query string) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query)
		return err
	}
}

func TestAnUpgradeThatDoesNotGoWellBringsTheLedgerBack(t *testing.T) {
	for name, tt := range map[string]struct {
		last func(context.Context, *sql.Tx) error
		want string
	}{
		"a migration fails":         {statement("SELECT nonsense"), "nonsense"},
		"rows are lost":             {statement("DELETE FROM archive_metadata"), "table archive_metadata had "},
		"references are cut":        {statement("PRAGMA defer_foreign_keys = ON; INSERT INTO prunings SELECT NULL, '', '', 0, 0, '', 0, '', '', '', '', 0"), "a pruning begins open"},
		"the disk is full half-way": {func(context.Context, *sql.Tx) error { return errors.New("no space left") }, "no space left"},
	} {
		t.Run(name, func(t *testing.T) {
			path := unpack(t, keptV2)
			before, _ := content(t, path, nil)
			err := migrateKept(t, path, Options{}, tt.last)
			wantKind(t, err, fault.Invalid, path, "from version 2 to", tt.want, "was brought back to version 2")
			after, _ := content(t, path, nil)
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("(-before +after)\n%.2000s", diff)
			}
			if _, version := rowsOf(t, path); version != 2 {
				t.Errorf("version %d", version)
			}
			if holder, runs := DaemonRuns(path); runs {
				t.Errorf("the lock is still held by %s", holder)
			}
			// The cause is gone: it is upgraded as if nothing had been.
			l, err := Open(context.Background(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			verify(t, l)
		})
	}
}

func TestWhatWasWrittenBesideAFailingUpgradeIsNotThrownAway(t *testing.T) {
	path := unpack(t, keptV2)
	var copied string
	err := migrateKept(t, path, Options{Pass: func(point string) {
		if point != "upgrade.backed_up" {
			return
		}
		copied = namesBeside(t, path)
		db, err := sql.Open("sqlite", dsn(path, false))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		appendPlain(t, db)
	}}, statement("SELECT nonsense"))
	wantKind(t, err, fault.Invalid, "was not brought back", "events were added", "nonsense")
	if !strings.Contains(copied, fmt.Sprintf(".before-v%d", nextVersion)) || !strings.Contains(strings.Join(fault.Hints(err), " "), "beampipe ledger restore "+path+".before-v") {
		t.Errorf("copied %q, hints %q", copied, fault.Hints(err))
	}
}

// appendPlain adds an event as a program of an earlier version would.
func appendPlain(t *testing.T, db *sql.DB) {
	t.Helper()
	head, err := headOn(context.Background(), db)
	if err != nil {
		t.Fatal(err)
	}
	e := testEvent("x")
	e.Seq, e.PrevHash = head.Seq+1, head.Hash
	if _, err := db.Exec("INSERT INTO provenance_events (seq, occurred_at, event_type, actor, prev_hash, hash) VALUES (?, ?, ?, ?, ?, ?)",
		e.Seq, Stamp(e.OccurredAt), e.Type, e.Actor, e.PrevHash, e.ChainHash()); err != nil {
		t.Fatal(err)
	}
}

func TestBesideADaemonNothingIsUpgraded(t *testing.T) {
	path := unpack(t, keptV2)
	lock, err := LockDaemon(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(context.Background(), path, Options{})
	wantKind(t, err, fault.Conflict, "a daemon of another version runs on it", path, fmt.Sprintf("process %d", os.Getpid()))
	if _, version := rowsOf(t, path); version != 2 {
		t.Errorf("version %d", version)
	}
	l, err := Open(context.Background(), path, Options{Holding: true}) // the daemon itself
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Close(), lock.Release()); err != nil {
		t.Fatal(err)
	}
}

func TestOfTwoProcessesThatUpgradeOneWaitsForTheOther(t *testing.T) {
	path := unpack(t, keptV2)
	const processes = 3
	failures := make(chan error, processes)
	var backups int
	for range processes {
		go func() {
			l, err := Open(context.Background(), path, Options{Pass: func(point string) {
				if point == "upgrade.backed_up" {
					backups++ // one at a time has the lock
				}
			}})
			if err == nil {
				err = l.Close()
			}
			failures <- err
		}()
	}
	for range processes {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	if backups != 1 {
		t.Errorf("%d of them upgraded it", backups)
	}
}

func TestAnUpgradeThatWasCutShortGoesOnAndTheCopyIsOfBeforeIt(t *testing.T) {
	for _, cutAt := range []string{"upgrade.backed_up", "between migrations", "upgrade.migrated"} {
		t.Run(cutAt, func(t *testing.T) {
			path := unpack(t, keptV2)
			copied := fmt.Sprintf("%s.before-v%d", path, nextVersion)
			if cutAt == "between migrations" {
				halfUpgrade(t, path, copied)
			} else {
				func() {
					defer func() {
						if recover() == nil {
							t.Error("it was not cut short")
						}
					}()
					_ = migrateKept(t, path, Options{Pass: func(point string) {
						if point == cutAt {
							panic("cut short")
						}
					}}, statement("SELECT 1"))
				}()
			}
			if err := migrateKept(t, path, Options{}, statement("SELECT 1")); err != nil {
				t.Fatal(err)
			}
			report, err := checkCopy(context.Background(), copied)
			if err != nil || report.SchemaVersion != 2 {
				t.Errorf("%+v, %v", report, err)
			}
			if _, version := rowsOf(t, path); version != nextVersion {
				t.Errorf("version %d", version)
			}
		})
	}
}

// halfUpgrade makes the first of several migrations, with the copy that comes before all of them.
func halfUpgrade(t *testing.T, path, copied string) {
	t.Helper()
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	half := fstest.MapFS{}
	for _, name := range names[:3] {
		script, err := migrationFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		half[filepath.Base(name)] = &fstest.MapFile{Data: script}
	}
	if err := migrateWith(context.Background(), path, Options{}, half); err != nil {
		t.Fatal(err)
	}
	made, err := filepath.Glob(path + ".before-v*")
	if err != nil || len(made) != 1 {
		t.Fatalf("%v %v", made, err)
	}
	if err := os.Rename(made[0], copied); err != nil {
		t.Fatal(err)
	}
}

func TestAnUpgradeWithoutRoomForItsCopyDoesNotBegin(t *testing.T) {
	path := unpack(t, keptV2)
	setFreeBytes(t, 1000)
	_, err := Open(context.Background(), path, Options{})
	wantKind(t, err, fault.Unavailable, "upgrade ledger "+path, "0 MB are free")
	if _, version := rowsOf(t, path); version != 2 {
		t.Errorf("version %d", version)
	}
}

func TestTheNewestTwoCopiesOfBeforeUpgradesAreKept(t *testing.T) {
	path := unpack(t, keptV2)
	for _, name := range []string{".before-v1", ".before-v2", ".before-vx", ".before-v2.mine"} {
		if err := os.WriteFile(path+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	told := ""
	l, err := Open(context.Background(), path, Options{Upgraded: func(from, to int64, copied string) { told = fmt.Sprint(from, " ", to, " ", copied) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if told != fmt.Sprintf("2 %d %s.before-v%d", present, path, present) {
		t.Errorf("told %q", told)
	}
	base := filepath.Base(path)
	want := fmt.Sprintf("%[1]s %[1]s.before-v2 %[1]s.before-v2.mine %[1]s.before-v%[2]d %[1]s.before-vx %[1]s.lock", base, present)
	if got := namesBeside(t, path); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestALedgerWithoutAnythingInItIsUpgradedWithoutACopy(t *testing.T) {
	path := firstLedger(t)
	db, err := sql.Open("sqlite", dsn(path, false))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("DROP TRIGGER event_kept; DELETE FROM provenance_events"); err != nil {
		t.Fatal(err)
	}
	script, err := migrationFiles.ReadFile("migrations/00001_ledger.sql")
	if err != nil {
		t.Fatal(err)
	}
	begin := strings.Index(string(script), "CREATE TRIGGER event_kept")
	if _, err := db.Exec(string(script[begin : begin+strings.Index(string(script[begin:]), "END;")+4])); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := Open(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if names := namesBeside(t, path); strings.Contains(names, "before") {
		t.Error(names)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
