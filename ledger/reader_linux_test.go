package ledger

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"beampipe/fault"
)

func TestAReaderNeedsNoPlaceToWriteTo(t *testing.T) {
	for _, tt := range []struct {
		name  string
		modes func(t *testing.T, path string)
	}{
		{"read-only file", func(t *testing.T, path string) { chmod(t, path, 0o444) }},
		{"read-only folder", func(t *testing.T, path string) { chmod(t, filepath.Dir(path), 0o555) }},
		{"read-only file and folder", func(t *testing.T, path string) { chmod(t, path, 0o444); chmod(t, filepath.Dir(path), 0o555) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := aloneInAFolder(t)
			tt.modes(t, path)
			withoutPrivileges(t, func() {
				r, err := OpenReader(context.Background(), path, Options{})
				if err != nil {
					t.Error(err)
					return
				}
				defer r.Close()
				if n, err := r.View(context.Background()).CountEvents(); err != nil || n == 0 {
					t.Errorf("%d events, %v", n, err)
				}
			})
		})
	}
}

// What is in the log and not yet in the file must not be passed over in silence.
func TestAReaderSaysThatItCannotReadALogInAFolderThatItCannotWriteTo(t *testing.T) {
	f := newFixture(t)
	f.write(appends("in the log"))
	path := aloneInAFolder(t)
	for _, end := range []string{"", "-wal"} {
		content, err := os.ReadFile(f.Path() + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+end, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	chmod(t, filepath.Dir(path), 0o555)
	withoutPrivileges(t, func() {
		r, err := OpenReader(context.Background(), path, Options{})
		if err == nil {
			n, err := r.View(context.Background()).CountEvents()
			t.Errorf("it reads %d events, %v", n, err)
			r.Close()
			return
		}
		wantKind(t, err, fault.Unavailable, path)
	})
}

// aloneInAFolder makes a ledger in a folder of its own that belongs to nobody.
func aloneInAFolder(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "folder", "beampipe.db")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := Create(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Write(context.Background(), appends("kept")), l.Close()); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		own(t, path)
	}
	return path
}
