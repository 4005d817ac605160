package ledger

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"beampipe/fault"
)

// nobody is the user id of the one who owns nothing.
const nobody = 65534

// withoutPrivileges runs fn as a user whom file permissions bind. For root, a thread of its own gives up
// its file system identity and ends with the goroutine; no other thread notices.
func withoutPrivileges(t *testing.T, fn func()) {
	t.Helper()
	if os.Getuid() != 0 {
		fn()
		return
	}
	done := make(chan bool)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		_, _ = unix.SetfsuidRetUid(nobody)
		now, err := unix.SetfsuidRetUid(-1) // -1 changes nothing and tells
		if err == nil && now == nobody {
			fn()
		}
		done <- err == nil && now == nobody
	}()
	if !<-done {
		t.Skip("root cannot give up its file system identity here, and permissions do not bind it")
	}
}

func TestWhatCannotBeWrittenToIsOneErrorThatNamesThePath(t *testing.T) {
	for _, tt := range []struct {
		name   string
		modes  func(t *testing.T, path string)
		create bool
		kind   fault.Kind
	}{
		{"read-only file", func(t *testing.T, path string) { chmod(t, path, 0o444) }, false, fault.Unavailable},
		{"read-only folder", func(t *testing.T, path string) { chmod(t, filepath.Dir(path), 0o555) }, false, fault.Unavailable},
		{"read-only file and folder", func(t *testing.T, path string) { chmod(t, path, 0o444); chmod(t, filepath.Dir(path), 0o555) }, false, fault.Unavailable},
		{"unreadable file", func(t *testing.T, path string) { chmod(t, path, 0) }, false, fault.Unavailable},
		{"new file in a read-only folder", func(t *testing.T, path string) { remove(t, path); chmod(t, filepath.Dir(path), 0o555) }, true, fault.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "folder", "beampipe.db")
			if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			l, err := Create(context.Background(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if os.Getuid() == 0 { // so that nothing but the modes stands in the way
				own(t, path)
			}
			tt.modes(t, path)
			before := folderContent(t, path)
			withoutPrivileges(t, func() {
				if tt.create {
					l, err = Create(context.Background(), path, Options{})
				} else {
					l, err = Open(context.Background(), path, Options{})
				}
				if err == nil {
					l.Close()
				}
			})
			wantKind(t, err, tt.kind, path)
			if len(fault.Hints(err)) == 0 {
				t.Errorf("%v: nothing says what to do", err)
			}
			if after := folderContent(t, path); after != before {
				t.Errorf("the folder was %s\nand is      %s", before, after)
			}
		})
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(path, 0o755) }) // so that the folder can be removed
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// own gives the ledger's file and the folders above it to nobody, up to the one that the test has made.
func own(t *testing.T, path string) {
	t.Helper()
	for range 4 { // the file, its folder, the test's folder and the one that holds it
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		path = filepath.Dir(path)
	}
}

func TestALedgerThatIsOnlyReadIsAtHomeWhereItWasMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "beampipe.db")
	l, err := Create(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, 0o444)
	chmod(t, filepath.Dir(path), 0o777)
	chmod(t, filepath.Dir(filepath.Dir(path)), 0o755) // the tests' own, which only their user may enter
	withoutPrivileges(t, func() {
		if _, err := Open(context.Background(), path, Options{}); TroubleOf(err) != TroubleReadOnly {
			t.Errorf("open: %v is %q", err, TroubleOf(err))
		}
		r, err := OpenReader(context.Background(), path, Options{})
		if err != nil {
			t.Error(err)
			return
		}
		if pause, err := r.Paused(context.Background()); err != nil || pause.Reason != "" {
			t.Errorf("%+v %v", pause, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}
