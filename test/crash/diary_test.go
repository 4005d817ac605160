package crash

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// entry is one line of a child's diary: what the ledger had answered when it was written. A line is
// written after the answer, so a child that is killed has done at most more than its diary says.
type entry struct {
	Mark      string `json:"mark"`           // of the deed, told in its event
	No        bool   `json:"no,omitempty"`   // the ledger refused it: it must not be in the file
	Bad       string `json:"bad,omitempty"`  // what the ledger should not have answered
	Seq       int64  `json:"seq,omitempty"`  // of its event
	Type      string `json:"type,omitempty"` // of its event
	Execution string `json:"execution,omitempty"`
	Version   int    `json:"version,omitempty"` // of the execution, after the deed
	Digest    string `json:"digest,omitempty"`  // of the artifact that it attached
}

// diary is a file to which each entry is appended with one write. What was written is in the kernel, so
// that it is there whatever happens to the process.
type diary struct{ file *os.File }

func openDiary(path string) (diary, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return diary{f}, err
}

func (d diary) write(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = d.file.Write(append(line, '\n'))
	return err
}

// readDiary gives the entries of a diary. A last line without its end was being written when the process
// died: it says nothing. A child that died before it opened its diary has none.
func readDiary(path string) ([]entry, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var entries []entry
	for {
		line, rest, ended := bytes.Cut(raw, []byte("\n"))
		if !ended {
			return entries, nil
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("diary %s: %w", path, err)
		}
		entries, raw = append(entries, e), rest
	}
}
