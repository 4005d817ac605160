package daemon

import (
	"context"
	"time"

	"beampipe/ledger"
)

// How often a ledger that cannot be written to is tried again: first, and at most after each time twice
// as long.
const (
	firstProbe = time.Second
	lastProbe  = time.Minute
)

// trouble is what is wrong with the ledger's file. The zero value is nothing.
type trouble struct {
	kind  ledger.Trouble
	pause time.Duration // between the last probe and the next; kept until a look has gone well
	next  time.Time
}

// troubled takes an error of the ledger: no new work is started while its file is in trouble. It gives when
// to try again, 0 where the error is not of the file. A ledger that was lost to another leader, or whose
// file is another one now, ends the daemon.
func (d *Daemon) troubled(ctx context.Context, err error) time.Duration {
	if ctx.Err() != nil {
		return 0
	}
	kind := ledger.TroubleOf(err)
	if d.leaseLost() || kind == ledger.TroubleGone {
		d.failure = err
		return 0
	}
	if kind == "" {
		d.log.Error("use the ledger", "error", err)
		d.health.Problem(ledgerProblem(err))
		return firstProbe
	}
	if d.trouble.kind != kind {
		d.clearTrouble()
		pause := min(max(2*d.trouble.pause, firstProbe), lastProbe) // one that comes back at once is waited for longer
		d.trouble = trouble{kind: kind, pause: pause, next: time.Now().Add(pause)}
		d.health.Problem(troubleProblem(kind, err))
	}
	d.standing.set(StateTrouble, troubleTitles[kind].title)
	return max(time.Until(d.trouble.next), time.Millisecond)
}

// recover tries a ledger in trouble again when it is time to; it gives how long to wait, 0 when all is well.
func (d *Daemon) recover(ctx context.Context) time.Duration {
	if d.trouble.kind == "" {
		return 0
	}
	if wait := time.Until(d.trouble.next); wait > 0 {
		return wait
	}
	if err := d.ledger.Probe(ctx); err != nil {
		d.trouble.pause = min(2*d.trouble.pause, lastProbe)
		d.trouble.next = time.Now().Add(d.trouble.pause)
		return d.troubled(ctx, err)
	}
	d.log.Info("the ledger can be written to again", "trouble", d.trouble.kind)
	d.clearTrouble()
	return 0
}

func (d *Daemon) clearTrouble() {
	if d.trouble.kind != "" {
		d.health.Clear(string(d.trouble.kind), "")
	}
	d.trouble.kind = ""
}

// troubleTitles say what each trouble is and what to do about it.
var troubleTitles = map[ledger.Trouble]struct{ title, todo string }{
	ledger.TroubleFull:        {"The ledger's disk is full", "make room on it; the daemon goes on by itself"},
	ledger.TroubleReadOnly:    {"The ledger's file cannot be written to", "give the daemon's user write access to the file and its folder, and see that its file system is not mounted read-only; the daemon goes on by itself"},
	ledger.TroubleLocked:      {"Another process holds the ledger locked", "end that process (a long transaction by hand, a copy that is being made); the daemon goes on by itself"},
	ledger.TroubleDamaged:     {"The ledger's file is damaged", "see: beampipe ledger check; stop the daemon and restore a backup: beampipe ledger restore"},
	ledger.TroubleGone:        {"The ledger's file was removed or replaced", "put it back; the daemon ends and is to be started again"},
	ledger.TroubleUnavailable: {"The ledger's disk refuses", "see the system's log for errors of that disk; the daemon goes on by itself"},
}

func troubleProblem(kind ledger.Trouble, err error) ledger.Problem {
	t := troubleTitles[kind]
	return ledger.Problem{Code: string(kind), Title: t.title, Text: err.Error(), Severity: "error", Todo: t.todo}
}
