package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// Limits of leases.
const (
	// LeaseTTL is how long a leader that does not renew is waited for.
	LeaseTTL = 30 * time.Second
	// maxLeaseTTL bounds what is believed of a stored expiry: a clock that was far ahead keeps nobody waiting.
	maxLeaseTTL = 5 * time.Minute
)

// Leader is who has the lease of a ledger.
type Leader struct {
	Epoch     int64     `json:"epoch"` // grows with every new leader
	Owner     string    `json:"owner"` // "" = nobody
	HostID    string    `json:"host_id"`
	HostName  string    `json:"host_name"`
	PID       int       `json:"pid"`
	Version   string    `json:"version"`
	TakenAt   time.Time `json:"taken_at"`
	ExpiresAt time.Time `json:"expires_at"`

	process string
}

// String names the leader in a sentence.
func (h Leader) String() string {
	if h.Owner == "" {
		return "nobody"
	}
	return fmt.Sprintf("process %d on %s", h.PID, h.HostName)
}

// Leads tells whether it may still lead at a time. An expiry that is further ahead than any lease was
// written by a wrong clock.
func (h Leader) Leads(now time.Time) bool {
	return h.Owner != "" && h.ExpiresAt.After(now) && h.ExpiresAt.Sub(now) <= maxLeaseTTL
}

// Leader reads who has the lease, whether or not it has expired.
func (v View) Leader() (Leader, error) {
	var h Leader
	err := v.list("lease", "SELECT epoch, owner, host, host_name, pid, process, version, taken_at, expires_at FROM daemon_lease", nil, func(rows *sql.Rows) error {
		var taken, expires timeText
		err := rows.Scan(&h.Epoch, &h.Owner, &h.HostID, &h.HostName, &h.PID, &h.process, &h.Version, &taken, &expires)
		h.TakenAt, h.ExpiresAt = taken.value(), expires.value()
		return err
	})
	return h, err
}

// Lease says that this process leads: its ledger writes only as long as no other has taken over.
type Lease struct {
	ledger *Ledger
	owner  string
	epoch  int64
	ttl    time.Duration

	once sync.Once
	lost chan struct{}
}

// Epoch is the lease's number; a later leader's is greater.
func (ls *Lease) Epoch() int64 { return ls.epoch }

// Lost is closed once it is known that another process has taken over: this one must end.
func (ls *Lease) Lost() <-chan struct{} { return ls.lost }

// Candidate tries to become the leader of a ledger. It is not safe for concurrent use.
type Candidate struct {
	ledger *Ledger
	owner  string
	ttl    time.Duration

	seen  Leader    // who was in the way at the last try
	until time.Time // by the process's own clock: in the way no longer than that without a renewal
}

// NewCandidate makes a candidate. owner is unique among processes; ttl is LeaseTTL but in tests.
func (l *Ledger) NewCandidate(owner string, ttl time.Duration) *Candidate {
	return &Candidate{ledger: l, owner: owner, ttl: ttl}
}

// Try takes the lease if nobody can lead any more: it is free, has expired, has not been renewed for a
// whole ttl by our own clock (clocks of two machines may differ), or its owner was a process of this
// machine that is gone. Else lease is nil and leader says who is in the way. From then on every
// write of this Ledger checks that the lease is still its own.
func (c *Candidate) Try(ctx context.Context) (lease *Lease, leader Leader, err error) {
	l := c.ledger
	if l.lease.Load() != nil {
		return nil, Leader{}, fault.New(fault.Conflict, "lead ledger "+l.path+": this process leads already", "")
	}
	v := l.View(ctx) // waiting writes nothing
	if leader, err = v.Leader(); err != nil || c.inTheWay(leader, v.now) {
		return nil, leader, err
	}
	err = l.Write(ctx, func(tx *Tx) error {
		lease = nil
		now, err := tx.Leader()
		if err != nil || now.Epoch != leader.Epoch || !now.ExpiresAt.Equal(leader.ExpiresAt) {
			return err // it was taken or renewed meanwhile
		}
		lease = &Lease{ledger: l, owner: c.owner, epoch: leader.Epoch + 1, ttl: c.ttl, lost: make(chan struct{})}
		return tx.takeLease(lease)
	})
	if err != nil {
		return nil, leader, err
	}
	if lease != nil {
		l.lease.Store(lease)
	}
	return lease, leader, nil
}

func (c *Candidate) inTheWay(h Leader, now time.Time) bool {
	if !h.Leads(now) || h.HostID == c.ledger.hostID && processGone(h.PID, h.process) {
		return false
	}
	mono := time.Now()
	if h.Epoch != c.seen.Epoch || !h.ExpiresAt.Equal(c.seen.ExpiresAt) {
		c.seen, c.until = h, mono.Add(c.ttl)
	}
	return mono.Before(c.until)
}

func (tx *Tx) takeLease(ls *Lease) error {
	pid := os.Getpid()
	err := tx.execOne("take the lease", `UPDATE daemon_lease SET epoch = ?, owner = ?, host = ?, host_name = ?, pid = ?, process = ?, version = ?, taken_at = ?, expires_at = ?
		WHERE epoch = ?`, ls.epoch, ls.owner, ls.ledger.hostID, hostName(), pid, process(pid), programVersion(),
		Stamp(tx.now), Stamp(tx.now.Add(ls.ttl)), ls.epoch-1)
	if err != nil {
		return err
	}
	return tx.Append(provenance.Event{Type: provenance.DaemonLeads, Actor: provenance.ActorDaemon}, map[string]any{
		"epoch": ls.epoch, "owner": ls.owner, "host_id": ls.ledger.hostID, "host_name": hostName(), "pid": pid, "version": programVersion(),
	})
}

// programVersion is what this binary was built from, in one word.
func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// leadPause is how often it is looked whether the lease is free.
const leadPause = 250 * time.Millisecond

// Lead becomes the ledger's leader, after LockDaemon: it waits until nobody else can lead any more, or
// ctx ends. See Candidate.
func (l *Ledger) Lead(ctx context.Context, owner string, ttl time.Duration) (*Lease, error) {
	c := l.NewCandidate(owner, ttl)
	for {
		lease, leader, err := c.Try(ctx)
		if err != nil || lease != nil {
			return lease, err
		}
		timer := time.NewTimer(leadPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fault.Wrap(fault.Conflict, context.Cause(ctx), fmt.Sprintf("lead ledger %s: %s leads it", l.path, leader), "stop that one first")
		}
	}
}

// Renew moves the lease's expiry. It is a Conflict when another has taken over.
func (ls *Lease) Renew(ctx context.Context) error {
	return ls.ledger.Write(ctx, func(tx *Tx) error { // checkLease has looked at the epoch
		return tx.execOne("renew the lease", "UPDATE daemon_lease SET expires_at = ? WHERE epoch = ? AND owner = ?", Stamp(tx.now.Add(ls.ttl)), ls.epoch, ls.owner)
	})
}

// Release gives the lease back, so that nobody has to wait for its end. One that was lost is left to its
// new owner. The Ledger can be written to as before it led.
func (ls *Lease) Release(ctx context.Context) error {
	err := ls.ledger.Write(ctx, func(tx *Tx) error {
		n, err := tx.exec("give the lease back", "UPDATE daemon_lease SET owner = '', expires_at = ? WHERE epoch = ? AND owner = ?", Stamp(tx.now), ls.epoch, ls.owner)
		if err != nil || n == 0 { // it is somebody else's
			return err
		}
		return tx.Append(provenance.Event{Type: provenance.DaemonEnded, Actor: provenance.ActorDaemon}, map[string]any{"epoch": ls.epoch, "owner": ls.owner})
	})
	select {
	case <-ls.lost:
		return nil
	default:
	}
	ls.ledger.lease.CompareAndSwap(ls, nil)
	return err
}

// checkLease is the guard of every write transaction: a leader that was replaced writes nothing more.
func (l *Ledger) checkLease(tx *Tx) error {
	ls := l.lease.Load()
	if ls == nil {
		return nil
	}
	h, err := tx.Leader()
	if err != nil {
		return err
	}
	if h.Epoch == ls.epoch && h.Owner == ls.owner {
		return nil
	}
	ls.once.Do(func() { close(ls.lost) })
	return fault.New(fault.Conflict, fmt.Sprintf("write to ledger %s: it has another leader since %s (%s)", l.path, Minute(h.TakenAt), h),
		"this daemon ends; find out why it did not renew its lease: it was stopped, its disk hung, or its lock file was removed")
}

// fenceLease ends whatever lease there is: whoever had it loses every write.
func (tx *Tx) fenceLease() error {
	_, err := tx.exec("fence the lease", "UPDATE daemon_lease SET epoch = epoch + 1, owner = ''")
	return err
}
