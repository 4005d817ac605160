package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"beampipe/fault"
)

// makingCopies holds one token: a process makes one copy of a ledger at a time, so that a part file with
// its own number is always one that an earlier process left.
var makingCopies = make(chan struct{}, 1)

// partFile is what becomes a file once it is whole: it lies beside it under another name until then, so
// that a crash leaves no half of one under the name that counts.
type partFile struct {
	path string // what it becomes
	part string
}

// newPart makes the empty part of a file, and removes those that ended processes left.
func newPart(path string, mode os.FileMode) (*partFile, error) {
	left, err := filepath.Glob(globEscape(path) + ".part-*")
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "write "+path, "")
	}
	for _, name := range left {
		pid, err := strconv.Atoi(strings.TrimPrefix(name, path+".part-"))
		if err == nil && (pid == os.Getpid() || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)) {
			removeDatabase(name)
		}
	}
	p := &partFile{path: path, part: fmt.Sprintf("%s.part-%d", path, os.Getpid())}
	f, err := os.OpenFile(p.part, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "write "+path, "name a file in a folder that can be written to")
	}
	return p, nil
}

// globEscape makes the characters that filepath.Glob reads as a pattern stand for themselves.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// finish makes the part durable and gives it the name that counts. Nothing may have it open.
func (p *partFile) finish() error {
	err := syncFile(p.part)
	if err == nil {
		err = os.Rename(p.part, p.path)
	}
	if err == nil {
		err = syncFile(filepath.Dir(p.path))
	}
	if err != nil {
		p.drop()
		return fault.Wrap(fault.Unavailable, err, "write "+p.path, "see to its disk and folder")
	}
	return nil
}

// drop removes a part that will not become anything; after finish there is none.
func (p *partFile) drop() { removeDatabase(p.part) }

// removeDatabase removes a database file with what SQLite keeps beside it. What is not there is removed.
func removeDatabase(path string) {
	for _, end := range []string{"", "-wal", "-shm", "-journal"} {
		os.Remove(path + end)
	}
}

// syncFile waits until a file's content, or a folder's list of names, is on the disk.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// freeBytes gives how much an ordinary user can still write into a folder. Tests give it another value.
var freeBytes = func(folder string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(folder, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * s.Bsize, nil //nolint:unconvert // their types differ between systems
}

// needRoom refuses what would fill a disk.
func needRoom(what, folder string, need int64) error {
	free, err := freeBytes(folder)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, what+": ask how much room folder "+folder+" has", "")
	}
	if free < need {
		return fault.New(fault.Unavailable, fmt.Sprintf("%s: it needs %d MB in folder %s, and %d MB are free", what, need>>20+1, folder, free>>20), "make room there")
	}
	return nil
}
