package bench

import (
	"os"

	"golang.org/x/sys/unix"
)

// drop lets the operating system forget what it keeps of a file in memory.
func drop(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if err := f.Sync(); err != nil { // what is not written yet cannot be dropped
		return false, err
	}
	return true, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
