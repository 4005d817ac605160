package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"beampipe/fault"
	"beampipe/provenance"
)

func TestALedgerIsMadeAndOpenedAgain(t *testing.T) {
	for _, name := range []string{"beampipe.db", "odd name?#%20&.db"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			l, err := Create(context.Background(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Write(context.Background(), func(tx *Tx) error { return tx.Append(testEvent("kept"), nil) }); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if l, err = Open(context.Background(), path, Options{}); err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if n, err := l.View(context.Background()).CountEvents(); err != nil || n != 1 {
				t.Errorf("%d events, %v; want 1", n, err)
			}
			if file, _ := l.Size(); file == 0 || l.Path() != path {
				t.Errorf("path %s, size %d", l.Path(), file)
			}
		})
	}
}

func testEvent(kind string) provenance.Event {
	return provenance.Event{Type: "test." + kind, Actor: person}
}

// plainDatabase makes a SQLite file with the given statements.
func plainDatabase(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
}

// closedLedger makes a ledger with something in it and gives its path.
func closedLedger(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "beampipe.db")
	l, err := Create(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = l.Write(context.Background(), func(tx *Tx) error {
		_, _, err := tx.AddConfig(NewConfig{Project: project, Digest: "c1", File: []byte("x")}, person)
		return err
	})
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func truncated(t *testing.T, size int64) string {
	path := closedLedger(t)
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileThatIsNoLedgerIsRefusedByNameAndLeftAsItIs(t *testing.T) {
	write := func(t *testing.T, content string) string {
		path := filepath.Join(t.TempDir(), "beampipe.db")
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		name   string
		file   func(t *testing.T) string
		kind   fault.Kind
		says   string
		create fault.Kind // what Create makes of it; "" = it becomes a ledger
	}{
		{"missing file", func(t *testing.T) string { return filepath.Join(t.TempDir(), "beampipe.db") }, fault.NotFound, "no such file", ""},
		{"missing folder", func(t *testing.T) string { return filepath.Join(t.TempDir(), "a/beampipe.db") }, fault.NotFound, "no such file", fault.NotFound},
		{"folder", func(t *testing.T) string { return t.TempDir() }, fault.Invalid, "it is a folder", fault.Invalid},
		{"file in a file", func(t *testing.T) string { return write(t, "text") + "/beampipe.db" }, fault.Unavailable, "not a directory", fault.Invalid},
		{"empty file", func(t *testing.T) string { return write(t, "") }, fault.Invalid, "holds no ledger", ""},
		{"text", func(t *testing.T) string { return write(t, "apiVersion: beampipe.dev/v2\n") }, fault.Invalid, "not a SQLite database", fault.Invalid},
		{"nothing but the magic words", func(t *testing.T) string { return write(t, "SQLite format 3\x00") }, fault.Invalid, "not a SQLite database", fault.Invalid},
		{"a SQLite file without a table", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "beampipe.db")
			plainDatabase(t, path, "CREATE TABLE t (x)", "DROP TABLE t")
			return path
		}, fault.Invalid, "holds no ledger", ""},
		{"another program's", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "beampipe.db")
			plainDatabase(t, path, "CREATE TABLE sources (x)", "INSERT INTO sources VALUES (1)")
			return path
		}, fault.Invalid, "another program", fault.Invalid},
		{"another program's by its mark", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "beampipe.db")
			plainDatabase(t, path, "PRAGMA application_id = 4711", "CREATE TABLE t (x)", "DROP TABLE t")
			return path
		}, fault.Invalid, "another program", fault.Invalid},
		{"newer schema", func(t *testing.T) string {
			path := closedLedger(t)
			plainDatabase(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
			return path
		}, fault.Invalid, "its schema is version 99", fault.Invalid},
		{"cut in its header", func(t *testing.T) string { return truncated(t, 60) }, fault.Invalid, "", fault.Invalid},
		{"cut behind its first page", func(t *testing.T) string { return truncated(t, 4096) }, fault.Invalid, "damaged", fault.Invalid},
		{"cut in a page", func(t *testing.T) string { return truncated(t, 20_000) }, fault.Invalid, "damaged", fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.file(t)
			before := folderContent(t, path)
			l, err := Open(context.Background(), path, Options{})
			if err == nil {
				l.Close()
			}
			wantKind(t, err, tt.kind, path, tt.says)
			if len(fault.Hints(err)) == 0 {
				t.Errorf("%v: nothing says what to do", err)
			}
			if after := folderContent(t, path); after != before {
				t.Errorf("the folder was %s\nand is      %s", before, after)
			}
			l, err = Create(context.Background(), path, Options{})
			if err == nil {
				l.Close()
			}
			if fault.KindOf(err) != tt.create || (err == nil) != (tt.create == "") {
				t.Errorf("Create: %v, want kind %q", err, tt.create)
			}
			if after := folderContent(t, path); tt.create != "" && after != before {
				t.Errorf("Create: the folder was %s\nand is              %s", before, after)
			}
		})
	}
}

// folderContent tells names, sizes and bytes of what lies beside path.
func folderContent(t *testing.T, path string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil && !errors.Is(err, os.ErrNotExist) && !isNotDir(err) {
		t.Fatal(err)
	}
	text := ""
	for _, e := range entries {
		if content, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name())); err == nil {
			text += fmt.Sprintf("%s %d %x; ", e.Name(), len(content), hashOf(content))
		}
	}
	return text
}

func TestAContextThatHasEndedWritesNothing(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 20 { // a free turn must not win by chance
		err := f.Write(ctx, func(*Tx) error { t.Error("it was run"); return nil })
		wantKind(t, err, fault.Unavailable, f.Path())
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("%v does not say that the context was cancelled", err)
		}
	}
	path := filepath.Join(t.TempDir(), "sub", "beampipe.db")
	if _, err := Create(ctx, path, Options{}); !errors.Is(err, fault.Unavailable) {
		t.Errorf("Create: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Create left a folder: %v", err)
	}
}

func TestAWaiterGivesUpWithItsContextAndAWriteThatBeganIsCarriedToItsEnd(t *testing.T) {
	f := newFixture(t)
	before := f.head()
	ctx, cancel := context.WithCancel(context.Background())
	err := f.Write(ctx, func(tx *Tx) error {
		waiting, stop := context.WithCancel(context.Background())
		stop()
		wantKind(t, f.Write(waiting, func(*Tx) error { return nil }), fault.Unavailable, "waiting for a turn")
		cancel()
		return tx.Append(testEvent("late"), nil)
	})
	if err != nil || f.head() != before+1 {
		t.Errorf("%v, %d events more", err, f.head()-before)
	}
}

func TestAnErrorOfTheFunctionRollsBackAndPassesUnchanged(t *testing.T) {
	f := newFixture(t)
	before := f.head()
	wrong := errors.New("wrong")
	err := f.try(func(tx *Tx) error {
		if err := tx.Append(testEvent("lost"), nil); err != nil {
			return err
		}
		return wrong
	})
	if err != wrong || f.head() != before { //nolint:errorlint // it must be the very one
		t.Errorf("%v, %d events more", err, f.head()-before)
	}
	func() {
		defer func() { _ = recover() }()
		_ = f.try(func(tx *Tx) error {
			if err := tx.Append(testEvent("lost"), nil); err != nil {
				return err
			}
			panic("a defect")
		})
	}()
	f.write(func(tx *Tx) error { return tx.Append(testEvent("next"), nil) })
	if got := f.eventTypes(before); got != "test.next" {
		t.Errorf("events %q", got)
	}
}

func TestACommitThatFailsLeavesTheLedgerUsable(t *testing.T) {
	f := newFixture(t)
	err := f.try(func(tx *Tx) error {
		if _, err := tx.exec("defer", "PRAGMA defer_foreign_keys = ON"); err != nil {
			return err
		}
		_, err := tx.exec("orphan", "INSERT INTO projects (project, revision, created_at) VALUES ('orphan', 7, '2026')")
		return err
	})
	wantKind(t, err, fault.Conflict, f.Path())
	f.write(func(tx *Tx) error { return tx.Append(testEvent("next"), nil) })
	if _, err := f.view().Project("orphan"); !errors.Is(err, fault.NotFound) {
		t.Errorf("the orphan: %v", err)
	}
}

func TestTwoLedgersOnOneFileWriteByTurns(t *testing.T) {
	f := newFixture(t)
	second := f.create(f.Path())
	before := f.head()
	const writers, each = 4, 10
	var wg sync.WaitGroup
	for w := range writers {
		l := []*Ledger{f.Ledger, second}[w%2]
		wg.Go(func() {
			for range each {
				if err := l.Write(context.Background(), func(tx *Tx) error { return tx.Append(testEvent("turn"), nil) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := f.head() - before; got != writers*each {
		t.Errorf("%d events, want %d", got, writers*each)
	}
	verify(t, second)
}

func TestSeveralProcessesMayCreateTheLedgerAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "beampipe.db")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			l, err := Create(context.Background(), path, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := l.Write(context.Background(), func(tx *Tx) error { return tx.Append(testEvent("here"), nil) }); err != nil {
				t.Error(err)
			}
			l.Close()
		})
	}
	wg.Wait()
	l, err := Open(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if n, err := l.View(context.Background()).CountEvents(); n != 4 || err != nil {
		t.Errorf("%d events, %v", n, err)
	}
}

func TestPragmasAreInForceOnEveryConnection(t *testing.T) {
	f := newFixture(t)
	want := map[string]string{"foreign_keys": "1", "journal_mode": "wal", "synchronous": "2", "busy_timeout": "10000"}
	check := func(name string, q querier) {
		for pragma, value := range want {
			var got string
			if err := q.QueryRowContext(context.Background(), "PRAGMA "+pragma).Scan(&got); err != nil || got != value {
				t.Errorf("%s: %s = %q, %v; want %q", name, pragma, got, err, value)
			}
		}
	}
	want["busy_timeout"] = "0" // who waits to write can leave
	check("writer", f.writer.conn)
	want["busy_timeout"] = "10000"
	for i := range defaultReaders { // all at the same time, so that each is another one
		conn, err := f.readers.Conn(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		check(fmt.Sprintf("reader %d", i), conn)
		if _, err := conn.ExecContext(context.Background(), "DELETE FROM schedules"); err == nil {
			t.Errorf("reader %d writes", i)
		}
	}
}

func TestASnapshotIsOneInstant(t *testing.T) {
	f := newFixture(t)
	err := f.Snapshot(context.Background(), func(v View) error {
		before, err := v.CountEvents()
		if err != nil {
			return err
		}
		f.write(func(tx *Tx) error { return tx.Append(testEvent("meanwhile"), nil) })
		after, err := v.CountEvents()
		if before != after {
			t.Errorf("%d events, then %d", before, after)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMoreStatementsThanAreKeptStillRun(t *testing.T) {
	f := newFixture(t)
	f.write(func(tx *Tx) error {
		for i := range maxStatements + 20 {
			var n int
			if err := tx.get("number", fmt.Sprintf("SELECT %d", i), nil, &n); err != nil || n != i {
				return fmt.Errorf("%d: %d, %w", i, n, err)
			}
		}
		return tx.Append(testEvent("last"), nil)
	})
	if n := len(f.writer.stmts); n > maxStatements {
		t.Errorf("%d statements are kept", n)
	}
}

func TestALedgerIsNotMadeInAFolderThatIsNotThere(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "typo")
	_, err := Create(context.Background(), filepath.Join(folder, "beampipe.db"), Options{})
	wantKind(t, err, fault.NotFound, folder)
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("the folder was made: %v", err)
	}
}
