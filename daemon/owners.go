package daemon

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"beampipe/ledger"
)

// kindOwners is not a scheduled tick: it looks for claims of processes that were killed.
const kindOwners = "owners"

// ownersInterval is how often that is looked for. A tick that was killed on the command line would else
// keep its sources, and its part of everybody's limits, until its claims expire.
const ownersInterval = time.Minute

// releaseDeadSometimes looks for claims to give back, once per ownersInterval. Without any the ledger
// is only read.
func (d *Daemon) releaseDeadSometimes(ctx context.Context, v ledger.View) error {
	now, key := d.ledger.Now(), tickKey{kind: kindOwners}
	if next := d.nextAt[key]; next.After(now) && next.Sub(now) <= ownersInterval {
		return nil
	}
	d.nextAt[key] = now.Add(ownersInterval)
	owners, err := v.ClaimOwners()
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil || !slices.ContainsFunc(owners, func(owner string) bool { return goneHere(owner, host) }) {
		return nil //nolint:nilerr // as in releaseDead
	}
	return d.releaseDead(ctx, "")
}

// releaseDead gives back what processes of this machine had claimed when they were killed, and what the
// leader before had: whether or not it lives, it writes nothing more.
func (d *Daemon) releaseDead(ctx context.Context, before string) error {
	host, _ := os.Hostname() // without a name no owner is known to be ours; its claims expire
	released := 0
	err := d.ledger.Write(ctx, func(tx *ledger.Tx) error {
		var err error
		released, err = tx.ReleaseDead(func(owner string) bool { return owner == before || goneHere(owner, host) })
		return err
	})
	if released > 0 {
		d.log.Info("claims of processes that are gone were given back", "claims", released)
	}
	return err
}

// goneHere tells whether an owner, "host:process:id" (control.LocalOptions.Owner), was a process of this
// machine that no longer is. A process id that was given to another process counts as alive: then the
// claim expires by itself.
func goneHere(owner, host string) bool {
	rest, ours := strings.CutPrefix(owner, host+":")
	ours = ours && host != ""
	text, _, ok := strings.Cut(rest, ":")
	pid, err := strconv.Atoi(text)
	if !ours || !ok || err != nil || pid <= 0 || pid == os.Getpid() {
		return false
	}
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
