package control

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/vo/tap"
	"beampipe/vo/uws"
)

// ArchiveJobs implements Archives. An archive that does not show its jobs is no error: those that the
// ledger keeps are told all the same.
func (c *Local) ArchiveJobs(ctx context.Context, q ArchiveRef) (ArchiveJobs, error) {
	client, err := c.archive(ctx, q)
	if err != nil {
		return ArchiveJobs{}, err
	}
	defer client.Close()
	return c.archiveJobs(ctx, client, q)
}

func (c *Local) archiveJobs(ctx context.Context, client *tap.Client, q ArchiveRef) (ArchiveJobs, error) {
	answer := ArchiveJobs{Archive: client.Name(), URL: client.URL(), Jobs: []ArchiveJob{}}
	var err error
	if answer.Kept, err = c.keptJobs(ctx, client, q); err != nil {
		return answer, err
	}
	refs, err := client.ListJobs(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return answer, err
		}
		answer.Unlisted = err.Error()
	}
	for _, r := range refs {
		kept := slices.ContainsFunc(answer.Kept, func(j ledger.ArchiveJob) bool { return j.URL == r.URL })
		answer.Jobs = append(answer.Jobs, ArchiveJob{ID: r.ID, URL: r.URL, Phase: string(r.Phase), RunID: r.RunID, Created: r.Created, Kept: kept})
	}
	answer.At = c.now()
	return answer, nil
}

// AbortArchiveJob implements Archives.
func (c *Local) AbortArchiveJob(ctx context.Context, q ArchiveRef, address string) (ArchiveJobs, error) {
	if u, err := url.Parse(address); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ArchiveJobs{}, fault.New(fault.Invalid, fmt.Sprintf("abort a job of %s: %.80q is not the URL of one", q.Archive, address), "take it from: beampipe tap jobs "+shellWord(q.Archive))
	}
	if c.ledger != nil {
		if err := c.awake(ctx, "abort a job of "+q.Archive); err != nil {
			return ArchiveJobs{}, err
		}
	}
	client, err := c.archive(ctx, q)
	if err != nil {
		return ArchiveJobs{}, err
	}
	defer client.Close()
	if err := c.jobOf(ctx, client, q, address); err != nil {
		return ArchiveJobs{}, err
	}
	if err := client.AbortJob(ctx, address); err != nil {
		return ArchiveJobs{}, fault.Wrap(fault.KindOf(err), err, "abort job "+address, "see: beampipe tap jobs "+shellWord(q.Archive))
	}
	if err := c.forgetJob(ctx, client, q, address); err != nil {
		return ArchiveJobs{}, err
	}
	answer, err := c.archiveJobs(ctx, client, q)
	answer.Aborted = address
	return answer, err
}

// jobOf refuses the URL of a job that is not the archive's: on another host than the archive's own, and
// listed neither by the ledger nor by the archive.
func (c *Local) jobOf(ctx context.Context, client *tap.Client, q ArchiveRef, address string) error {
	if sameHost(address, client.URL()) {
		return nil
	}
	kept, err := c.keptJobs(ctx, client, q)
	if err != nil || slices.ContainsFunc(kept, func(j ledger.ArchiveJob) bool { return j.URL == address }) {
		return err
	}
	refs, err := client.ListJobs(ctx)
	if err == nil && slices.ContainsFunc(refs, func(r uws.JobRef) bool { return r.URL == address }) {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.New(fault.Invalid, fmt.Sprintf("abort a job of %s: %.200q is on another host, and neither the archive nor the ledger lists it", q.Archive, address),
		"take it from: beampipe tap jobs "+shellWord(q.Archive))
}

// forgetJob ends the keeping of a job, so that the next question makes another.
func (c *Local) forgetJob(ctx context.Context, client *tap.Client, q ArchiveRef, address string) error {
	kept, err := c.keptJobs(ctx, client, q)
	if err != nil {
		return err
	}
	for _, j := range kept {
		if j.URL != address {
			continue
		}
		if err := c.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.ForgetArchiveJob(j.Key) }); err != nil {
			return err
		}
	}
	return nil
}

// SweepArchiveJobs ends the jobs in archives that nobody goes on with, see discovery.Engine.SweepJobs.
func (c *Local) SweepArchiveJobs(ctx context.Context) error {
	if err := c.awake(ctx, "end jobs in archives"); err != nil {
		return err
	}
	return c.discovery.SweepJobs(ctx)
}
