package crash

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"beampipe/ledger"
	"beampipe/provenance"
)

// A write-ahead log is a header and frames, each a header and a page (https://sqlite.org/fileformat2.html#the_write_ahead_log).
const (
	walHeader   = 32
	frameHeader = 24
)

// remains are the files of a ledger as a process that was killed left them.
type remains struct {
	*book
	file, wal, witness []byte
	told               ledger.Head // the last one in the witness
}

// kill gives the remains of a child that died at a point, with its write-ahead log not folded into the file.
func kill(t *testing.T, o order) remains {
	t.Helper()
	b := newBook(t)
	p := b.start(o)
	p.dies()
	b.bury(p)
	r := remains{book: b}
	for end, into := range map[string]*[]byte{"": &r.file, "-wal": &r.wal, ".witness": &r.witness} {
		raw, err := os.ReadFile(b.path + end)
		must(t, err)
		*into = raw
	}
	b.judge() // whole, it has everything
	b.open(func(l *ledger.Ledger) {
		state, err := l.Witness()
		must(t, err)
		r.told = state.Head
	})
	return r
}

// frames gives where the frames of the log begin, and where the last one ends.
func (r remains) frames() (at []int) {
	if len(r.wal) < walHeader {
		return nil
	}
	size := frameHeader + int(binary.BigEndian.Uint32(r.wal[8:]))
	for i := walHeader; i <= len(r.wal); i += size {
		at = append(at, i)
	}
	return at
}

// harm is a write-ahead log that is not what it was; nil is none at all.
type harm struct {
	name string
	wal  []byte
}

// harms are cuts at every border of frames and within each, and bytes that flipped.
func (r remains) harms(rng *rand.Rand) []harm {
	noise := make([]byte, 10_000)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	list := []harm{{"gone", nil}, {"empty", []byte{}}, {"noise", noise}}
	borders := r.frames()
	if len(borders) == 0 {
		return list
	}
	for i, at := range borders {
		list = append(list, harm{fmt.Sprintf("cut before frame %d", i+1), r.wal[:at]})
		if i+1 < len(borders) {
			within := at + 1 + rng.IntN(borders[i+1]-at-1)
			list = append(list, harm{fmt.Sprintf("cut within frame %d", i+1), r.wal[:within]})
			flipped := slices.Clone(r.wal)
			flipped[within] ^= 1 << rng.IntN(8)
			list = append(list, harm{fmt.Sprintf("a bit of frame %d flipped", i+1), flipped})
		}
	}
	for at := range walHeader {
		flipped := slices.Clone(r.wal)
		flipped[at] ^= 1 << rng.IntN(8)
		list = append(list, harm{fmt.Sprintf("a bit of byte %d of the header flipped", at), flipped})
	}
	if !long() { // the first ones always, of the rest some
		rest := list[3:]
		rng.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
		list = list[:min(len(list), 20)]
	}
	return list
}

// TestAWriteAheadLogThatWasCutOrFlippedIsFoundAgainstTheWitness damages the log that a killed process left.
// Either nothing is lost, or it is said what.
func TestAWriteAheadLogThatWasCutOrFlippedIsFoundAgainstTheWitness(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		order order
		loses bool // there are harms by which something is lost
	}{
		{name: "nothing of it was checkpointed", order: order{Name: "w", Seed: 1, Callers: 16, DieAt: "write.answered", Nth: 12}, loses: true},
		{name: "killed right after a checkpoint", order: order{Name: "c", Seed: 2, Callers: 16, Task: taskCheckpoint, DieAt: "checkpoint.after", Nth: 3}},
		{name: "killed in a later commit", order: order{Name: "l", Seed: 3, Callers: 16, Task: taskCheckpoint, DieAt: "write.answered", Nth: 40}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := kill(t, tt.order)
			lost := 0
			for _, h := range r.harms(seeded(t)) {
				if r.judgeHarm(t, h) {
					lost++
				}
			}
			if lost == 0 && tt.loses {
				t.Error("no harm lost anything: the test is about nothing")
			}
			t.Logf("%d bytes of log; something was lost %d times, and found each time", len(r.wal), lost)
		})
	}
}

// judgeHarm lays the damaged remains where the ledger was and asks what is said about them.
func (r remains) judgeHarm(t *testing.T, h harm) (lost bool) {
	t.Helper()
	left, err := filepath.Glob(r.path + "*")
	must(t, err)
	for _, name := range left {
		must(t, os.Remove(name))
	}
	must(t, os.WriteFile(r.path, r.file, 0o600))
	must(t, os.WriteFile(r.path+".witness", r.witness, 0o600))
	if h.wal != nil {
		must(t, os.WriteFile(r.path+"-wal", h.wal, 0o600))
	}
	l, err := ledger.Open(t.Context(), r.path, ledger.Options{HostID: host})
	if err != nil {
		t.Errorf("%s: open: %v", h.name, err)
		return false
	}
	defer func() { must(t, l.Close()) }()
	seq, _, err := l.View(t.Context()).Head()
	must(t, err)
	v, err := l.Verify(t.Context(), ledger.VerifyOptions{})
	must(t, err)
	lost = seq < r.told.Seq
	switch {
	case !lost && (v.Finding != nil || v.Witness.State != ledger.WitnessAgrees):
		t.Errorf("%s: nothing is lost, and it is said: %+v, %+v", h.name, v.Finding, v.Witness)
	case lost && (v.Finding == nil || v.Finding.Problem != provenance.TailMissing || v.Finding.Seq != seq+1 || v.Witness.State != ledger.WitnessBehind):
		t.Errorf("%s: events %d to %d are lost, and it is said: %+v, %+v", h.name, seq+1, r.told.Seq, v.Finding, v.Witness)
	}
	if pause, err := l.Paused(t.Context()); err != nil || (pause.Code == ledger.PausedWentBack) != lost {
		t.Errorf("%s: lost %v, paused: %+v, %v", h.name, lost, pause, err)
	}
	return lost
}
