package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"beampipe/fault"
)

// smallDisk mounts a file system of its own with that much room.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a small file system cannot be mounted here (%v); the form with max_page_count runs always", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestAFullDiskIsSaidAndWritingGoesOnWhenThereIsRoom(t *testing.T) {
	dir := smallDisk(t, "3m")
	f := fixtureAt(t, filepath.Join(dir, "beampipe.db"))
	f.write(appends("before"))
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	wide := func(tx *Tx) error {
		return tx.Append(testEvent("wide"), map[string]string{"x": string(make([]byte, 100_000))})
	}
	var err error
	for range 100 { // what the log has been given already is written to in place
		if err = f.try(wide); err != nil {
			break
		}
	}
	wantKind(t, err, fault.Unavailable, "the disk is full", f.Path())
	if TroubleOf(err) != TroubleFull || len(fault.Hints(err)) == 0 {
		t.Errorf("trouble %q, hints %v", TroubleOf(err), fault.Hints(err))
	}
	told := f.together(wide, appends("one"), wide)
	for i, err := range told {
		if err != nil && TroubleOf(err) != TroubleFull {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := f.Probe(context.Background()); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	f.write(wide)
	verify(t, f.Ledger)
}

// fill writes until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

func TestAFileSystemThatIsReadOnlyIsSaidAndCanBeRead(t *testing.T) {
	dir := smallDisk(t, "3m")
	path := filepath.Join(dir, "beampipe.db")
	f := fixtureAt(t, path)
	f.write(appends("kept"))
	head := f.head()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	l, err := Open(context.Background(), path, Options{})
	if err == nil {
		l.Close()
	}
	wantKind(t, err, fault.Unavailable, path)
	if len(fault.Hints(err)) == 0 {
		t.Errorf("%v: nothing says what to do", err)
	}
	r, err := OpenReader(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := r.View(context.Background()).CountEvents(); err != nil || n != head {
		t.Errorf("%d events, %v", n, err)
	}
}

// A file system that holds files open for writing is not remounted read-only; what a disk error does to it,
// the immutable flag does to one file.
func TestAFileThatTurnsReadOnlyIsSaidAndWritingGoesOnAfterwards(t *testing.T) {
	f := newFixture(t)
	f.write(appends("before"))
	wal := f.Path() + "-wal"
	if err := setImmutable(wal, true); err != nil {
		t.Skipf("a file cannot be made immutable here: %v", err)
	}
	t.Cleanup(func() { _ = setImmutable(wal, false) }) // so that the folder can be removed
	err := errors.Join(f.try(appends("refused")), f.Probe(context.Background()))
	if TroubleOf(err) != TroubleReadOnly {
		t.Errorf("trouble %q of %v", TroubleOf(err), err)
	}
	wantKind(t, err, fault.Unavailable, "cannot be written to", f.Path())
	if err := setImmutable(wal, false); err != nil {
		t.Fatal(err)
	}
	if err := f.Probe(context.Background()); err != nil {
		t.Error(err)
	}
	f.write(appends("after"))
	verify(t, f.Ledger)
}

func setImmutable(path string, on bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	const immutable = 0x10 // FS_IMMUTABLE_FL
	flags, err := unix.IoctlGetUint32(int(file.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	flags &^= immutable
	if on {
		flags |= immutable
	}
	return unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, int(flags))
}
