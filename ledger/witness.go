package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"beampipe/provenance"
)

// The witness file beside a ledger holds the last heads of its provenance log, each in a slot of its own: one
// line of text with the ledger's id, the event's number, its hash, the time and a checksum. A slot is written
// after its commit is durable, so that a witness that is ahead of its ledger proves that the ledger lost
// something. Slots are not synced one by one: after a power cut the witness may be behind, which says nothing.
const (
	witnessSlots = 64
	slotBytes    = 160
	slotMark     = "bpw1"
	slotWords    = 6 // mark, ledger id, number, hash, time, checksum
)

func witnessPath(ledgerPath string) string { return ledgerPath + ".witness" }

// slot is one line of the witness file.
type slot struct {
	ledger string
	head   Head
	at     time.Time
}

// line writes a slot.
func (s slot) line() []byte {
	text := fmt.Sprintf("%s %s %020d %s %s", slotMark, s.ledger, s.head.Seq, s.head.Hash, Stamp(s.at))
	text = fmt.Sprintf("%s %08x", text, crc32.ChecksumIEEE([]byte(text)))
	return fmt.Appendf(nil, "%-*s\n", slotBytes-1, text)
}

// parseSlot reads a slot; false for one that was never written, or not to its end.
func parseSlot(line []byte) (slot, bool) {
	words := strings.Fields(string(line))
	if len(words) != slotWords || words[0] != slotMark {
		return slot{}, false
	}
	text := strings.Join(words[:slotWords-1], " ")
	seq, err := strconv.ParseInt(words[2], 10, 64)
	at, atErr := time.Parse(provenance.TimeFormat, words[4])
	if err != nil || atErr != nil || seq <= 0 || words[5] != fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text))) {
		return slot{}, false
	}
	return slot{ledger: words[1], head: Head{Seq: seq, Hash: words[3]}, at: at}, true
}

// witnessed is what a witness file holds: its valid slots, the one of the greatest number first.
type witnessed struct {
	path    string
	missing bool
	slots   []slot
	err     error // why it could not be read
}

// readWitness reads the witness file of a ledger. Slots that are torn are left out.
func readWitness(ledgerPath string) witnessed {
	w := witnessed{path: witnessPath(ledgerPath)}
	f, err := os.Open(w.path)
	if errors.Is(err, os.ErrNotExist) {
		w.missing = true
		return w
	}
	if err != nil {
		w.err = err
		return w
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, witnessSlots*slotBytes))
	if err != nil {
		w.err = err
		return w
	}
	for line := range slices.Chunk(content, slotBytes) {
		s, ok := parseSlot(line)
		switch {
		case !ok:
		case len(w.slots) > 0 && s.head.Seq > w.slots[0].head.Seq:
			w.slots = append([]slot{s}, w.slots...)
		default:
			w.slots = append(w.slots, s)
		}
	}
	return w
}

// witness writes the witness file of an open ledger. It is safe for concurrent use.
type witness struct {
	path   string
	ledger string      // the ledger's id; "" = it has none, and nothing is written
	mode   os.FileMode // as the ledger's own

	mu      sync.Mutex
	last    int64 // the number of the last event that this process noted
	synced  time.Time
	dirty   bool
	kept    bool  // the file proves that the ledger lost something: it is left as it is
	problem error // why the last head could not be noted
}

// witnessSync is how often the witness file is brought to the disk while commits go on.
const witnessSync = time.Minute

// note writes down a head that was made durable at now. That it could not be done never harms the commit:
// it is kept as a problem.
func (w *witness) note(h Head, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h.Seq <= w.last { // the log went back while this process had it open
		w.kept = true
	}
	if w.ledger == "" || w.kept {
		return
	}
	sync := now.Sub(w.synced) >= witnessSync
	if w.problem = w.put(slot{ledger: w.ledger, head: h, at: now}.line(), h.Seq%witnessSlots*slotBytes, sync); w.problem != nil {
		return
	}
	w.last, w.dirty = h.Seq, !sync
	if sync {
		w.synced = now
	}
}

// keeps tells whether the file is left as it is, because it speaks against the ledger.
func (w *witness) keeps() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept
}

// goOn lets the file be written again: another process has begun it anew.
func (w *witness) goOn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept, w.last = false, 0
}

// trouble says why the last head could not be noted; "" when it could.
func (w *witness) trouble() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.problem == nil {
		return ""
	}
	return w.problem.Error()
}

// put writes at a place of the file. It opens the file anew each time, so that one that was taken away comes
// back: that costs little beside the commit.
func (w *witness) put(content []byte, at int64, sync bool) (err error) {
	f, err := os.OpenFile(w.path, os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		if f, err = os.OpenFile(w.path, os.O_WRONLY|os.O_CREATE, w.mode); err == nil {
			err = f.Chmod(w.mode) // whatever the umask: who may write the ledger may write this
		}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err = f.WriteAt(content, at); err == nil && sync {
		err = f.Sync()
	}
	return err
}

// renew begins the file anew with one head; the zero head leaves it empty. The caller has locked mu.
func (w *witness) renew(h Head, now time.Time) error {
	content := bytes.Repeat([]byte(strings.Repeat(" ", slotBytes-1)+"\n"), witnessSlots)
	if h.Seq > 0 {
		copy(content[h.Seq%witnessSlots*slotBytes:], slot{ledger: w.ledger, head: h, at: now}.line())
	}
	if w.problem = w.put(content, 0, true); w.problem != nil {
		return w.problem
	}
	w.last, w.kept, w.dirty, w.synced = 0, false, false, now
	return nil
}

// close brings the file to the disk.
func (w *witness) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.dirty {
		return nil
	}
	w.dirty = false
	f, err := os.OpenFile(w.path, os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // someone took it away: there is nothing to bring to the disk
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
