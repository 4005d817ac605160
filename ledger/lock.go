package ledger

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"beampipe/fault"
)

// DaemonLock says that this process runs the daemon on a ledger. The operating system drops it when
// the process ends, however it ends.
type DaemonLock struct{ file *os.File }

func lockPath(ledgerPath string) string { return ledgerPath + ".lock" }

// LockDaemon takes the daemon's lock beside the ledger file. It is a Conflict error while another
// process holds it.
func LockDaemon(ledgerPath string) (*DaemonLock, error) {
	if err := checkPlace(ledgerPath); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(lockPath(ledgerPath), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "lock ledger "+ledgerPath, "give the user of this process write access to its folder")
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder := readHolder(f)
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fault.New(fault.Conflict, fmt.Sprintf("lock ledger %s: a daemon runs on it already, or a restore or vacuum (process %s)", ledgerPath, holder), "stop the daemon first, or wait for the other to end")
		}
		return nil, fault.Wrap(fault.Unavailable, err, "lock ledger "+ledgerPath, "")
	}
	if err := errors.Join(f.Truncate(0), writeHolder(f)); err != nil {
		f.Close()
		return nil, fault.Wrap(fault.Unavailable, err, "lock ledger "+ledgerPath, "")
	}
	return &DaemonLock{file: f}, nil
}

// Release gives the lock back.
func (l *DaemonLock) Release() error { return l.file.Close() }

// DaemonRuns reports whether a process holds the daemon's lock, and its process id as text.
func DaemonRuns(ledgerPath string) (holder string, runs bool) {
	f, err := os.Open(lockPath(ledgerPath))
	if err != nil {
		return "", false
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err == nil {
		return "", false
	}
	return readHolder(f), true
}

func writeHolder(f *os.File) error {
	_, err := f.WriteAt([]byte(fmt.Sprintf("%d\n", os.Getpid())), 0)
	return err
}

func readHolder(f *os.File) string {
	text := make([]byte, 20)
	n, _ := f.ReadAt(text, 0) // an empty file says nothing, and that is what is told
	return strings.TrimSpace(string(text[:n]))
}
