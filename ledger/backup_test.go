package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
)

func (f *fixture) backup(name string) BackupReport {
	f.Helper()
	report, err := f.Backup(context.Background(), filepath.Join(f.TempDir(), name), nil)
	if err != nil {
		f.Fatal(err)
	}
	return report
}

// namesBeside lists what is in the folder of a file.
func namesBeside(t *testing.T, path string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestABackupIsOneFileThatHoldsAllThatWasDurableWhenItWasMade(t *testing.T) {
	f := newFixture(t)
	fillKept(f)
	want, _ := content(t, f.Path(), nil)
	var told []int64
	report, err := f.Backup(context.Background(), filepath.Join(t.TempDir(), "copy.db"), func(done, total int64) { told = append(told, done, total) })
	if err != nil {
		t.Fatal(err)
	}
	if list := namesBeside(t, report.Path); list != "copy.db" {
		t.Errorf("the folder holds %q", list)
	}
	info, err := os.Stat(report.Path)
	if err != nil || info.Size() != report.Bytes || len(told) < 2 || told[len(told)-1] != report.Bytes || told[len(told)-2] != report.Bytes {
		t.Errorf("%v, %v, told %v, reported %+v", info, err, told, report)
	}
	if report.Head.Seq != f.head() || report.SchemaVersion != present || !report.At.Equal(f.Now()) || len(report.SHA256) != 64 {
		t.Errorf("%+v", report)
	}
	got, _ := content(t, report.Path, nil)
	if len(got["provenance_events"]) != len(want["provenance_events"]) || len(got["artifacts"]) != len(want["artifacts"]) {
		t.Errorf("%d of %d events, %d of %d artifacts", len(got["provenance_events"]), len(want["provenance_events"]), len(got["artifacts"]), len(want["artifacts"]))
	}
	if list := namesBeside(t, report.Path); list != "copy.db" {
		t.Errorf("after it was read the folder holds %q", list)
	}
	verify(t, f.create(report.Path))
}

func TestABackupIsOfOneInstantWhileOthersWrite(t *testing.T) {
	f := newFixture(t)
	fillKept(f)
	stop := make(chan struct{})
	wrote := make(chan error, 1)
	var acknowledged int64
	begun := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				wrote <- nil
				return
			default:
			}
			if err := f.try(func(tx *Tx) error { return tx.Append(testEvent("x"), nil) }); err != nil {
				wrote <- err
				return
			}
			if n == 10 {
				close(begun)
			}
		}
	}()
	<-begun
	acknowledged = f.head()
	var backups []BackupReport
	for _, name := range []string{"a.db", "b.db", "c.db"} {
		report := f.backup(name) // its chain is checked, and that it ends where the ledger did
		if report.Head.Seq < acknowledged {
			t.Errorf("event %d was acknowledged, the backup ends at %d", acknowledged, report.Head.Seq)
		}
		acknowledged = report.Head.Seq
		backups = append(backups, report)
	}
	close(stop)
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	for _, b := range backups {
		verify(t, f.create(b.Path))
	}
}

func TestABackupIsNotWrittenOverWhatIsThere(t *testing.T) {
	f := newFixture(t)
	other := filepath.Join(t.TempDir(), "other.txt")
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(f.Path(), link); err != nil {
		t.Fatal(err)
	}
	for to, kind := range map[string]fault.Kind{
		other: fault.Conflict, f.Path(): fault.Invalid, link: fault.Invalid, f.Path() + "-journal": fault.Invalid, t.TempDir(): fault.Invalid,
		filepath.Join(t.TempDir(), "none", "x.db"): fault.Unavailable,
	} {
		_, err := f.Backup(context.Background(), to, nil)
		wantKind(t, err, kind, to)
	}
	if _, err := f.BackupOver(context.Background(), f.Path(), nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("over the ledger itself: %v", err)
	}
	if content, err := os.ReadFile(other); string(content) != "mine" || err != nil {
		t.Errorf("%q %v", content, err)
	}
	if _, err := f.BackupOver(context.Background(), other, nil); err != nil {
		t.Error(err)
	}
	verify(t, f.create(other))
}

func TestABackupThatCannotBeMadeLeavesNothing(t *testing.T) {
	f := newFixture(t)
	fillKept(f)
	to := filepath.Join(t.TempDir(), "copy.db")
	fails := func(ctx context.Context, kind fault.Kind, words ...string) {
		t.Helper()
		_, err := f.Backup(ctx, to, nil)
		wantKind(t, err, kind, append(words, to)...)
		if list := namesBeside(t, to); list != "" {
			t.Errorf("the folder holds %q", list)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	fails(ended, fault.Unavailable)

	setFreeBytes(t, 1<<20>>1)
	fails(context.Background(), fault.Unavailable, "0 MB are free")
	setFreeBytes(t, 1<<40)

	if _, err := f.raw().Exec("DROP TRIGGER event_fixed"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.raw().Exec("UPDATE provenance_events SET actor = 'user:eve' WHERE seq = 5"); err != nil {
		t.Fatal(err)
	}
	fails(context.Background(), fault.Invalid, "event 5", "the copy is not good")
}

func setFreeBytes(t *testing.T, n int64) {
	t.Helper()
	before := freeBytes
	freeBytes = func(string) (int64, error) { return n, nil }
	t.Cleanup(func() { freeBytes = before })
}

func TestWhatAnEndedBackupLeftIsRemovedByTheNext(t *testing.T) {
	f := newFixture(t)
	to := filepath.Join(t.TempDir(), "[copy]*.db")
	for _, left := range []string{".part-999999999", ".part-999999999-journal"} {
		if err := os.WriteFile(to+left, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Backup(context.Background(), to, nil); err != nil {
		t.Fatal(err)
	}
	if list := namesBeside(t, to); list != filepath.Base(to) {
		t.Errorf("the folder holds %q", list)
	}
}

func TestABackupWaitsForAnotherOfThisProcess(t *testing.T) {
	f := newFixture(t)
	makingCopies <- struct{}{}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := f.Backup(ctx, filepath.Join(t.TempDir(), "copy.db"), nil)
	wantKind(t, err, fault.Unavailable, "waiting for another copy")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	<-makingCopies
	f.backup("copy.db")
}
