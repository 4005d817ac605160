package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"beampipe/fault"
)

func TestAReaderReadsAndCannotWrite(t *testing.T) {
	f := newFixture(t)
	f.write(appends("seen"))
	r, err := OpenReader(context.Background(), f.Path(), f.options())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f.write(appends("beside it")) // it does not stand in the way
	if n, err := r.View(context.Background()).CountEvents(); err != nil || n != f.head() {
		t.Errorf("%d events of %d, %v", n, f.head(), err)
	}
	for name, err := range map[string]error{
		"write":      r.Write(context.Background(), func(*Tx) error { t.Error("it was run"); return nil }),
		"probe":      r.Probe(context.Background()),
		"checkpoint": r.Checkpoint(context.Background()),
	} {
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.readers.Exec("DELETE FROM schedules"); err == nil {
		t.Error("its connections write")
	}
	have, known, err := r.SchemaVersion(context.Background())
	if err != nil || have != known || known < 2 {
		t.Errorf("version %d of %d, %v", have, known, err)
	}
}

func TestAReaderOpensAnOlderSchemaAsItIs(t *testing.T) {
	path := closedLedger(t)
	_, known, err := func() (int64, int64, error) {
		r, err := OpenReader(context.Background(), path, Options{})
		if err != nil {
			return 0, 0, err
		}
		defer r.Close()
		return r.SchemaVersion(context.Background())
	}()
	if err != nil {
		t.Fatal(err)
	}
	for have, opens := range map[int64]bool{2: true, known: true, known + 1: false} {
		plainDatabase(t, path, "DELETE FROM goose_db_version", "INSERT INTO goose_db_version (version_id, is_applied) VALUES ("+strconv.FormatInt(have, 10)+", 1)")
		r, err := OpenReader(context.Background(), path, Options{})
		if (err == nil) != opens {
			t.Errorf("version %d: %v", have, err)
		}
		if err != nil {
			wantKind(t, err, fault.Invalid, "its schema is version")
			continue
		}
		if got, _, err := r.SchemaVersion(context.Background()); err != nil || got != have {
			t.Errorf("version %d after it was opened, %v", got, err)
		}
		r.Close()
	}
}

func TestAReaderRefusesWhatIsNoLedger(t *testing.T) {
	dir := t.TempDir()
	text, empty, other := filepath.Join(dir, "text"), filepath.Join(dir, "empty"), filepath.Join(dir, "other")
	if err := errors.Join(os.WriteFile(text, []byte("apiVersion: beampipe.dev/v2\n"), 0o644), os.WriteFile(empty, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	plainDatabase(t, other, "CREATE TABLE sources (x)")
	for path, kind := range map[string]fault.Kind{
		text: fault.Invalid, empty: fault.Invalid, other: fault.Invalid, dir: fault.Invalid, filepath.Join(dir, "none"): fault.NotFound,
	} {
		r, err := OpenReader(context.Background(), path, Options{})
		if err == nil {
			r.Close()
		}
		wantKind(t, err, kind, path)
		if len(fault.Hints(err)) == 0 {
			t.Errorf("%v: nothing says what to do", err)
		}
	}
}
