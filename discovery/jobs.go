package discovery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/vo/tap"
)

const (
	// JobPatience is how long an archive's job is kept for someone to go on with it.
	JobPatience = 24 * time.Hour
	// jobGrace is how long SweepJobs tries to end a job on its server; after that the server's own
	// destruction time ends it.
	jobGrace = 7 * 24 * time.Hour
)

// Jobs keeps in the ledger which asynchronous jobs run in archives, so that a later process goes on with
// them. It is the tap.Jobs of ArchiveOptions, and safe for concurrent use.
type Jobs struct {
	ledger  *ledger.Ledger
	project string
}

var _ tap.Jobs = (*Jobs)(nil)

// NewJobs keeps jobs in a ledger.
func NewJobs(l *ledger.Ledger) *Jobs { return &Jobs{ledger: l} }

// Of gives the keeper of one project's jobs. Two projects that ask the same have a job each.
func (j *Jobs) Of(project string) *Jobs { return &Jobs{ledger: j.ledger, project: project} }

// Job gives the address of the job that is kept under a key, "" for none, and counts it as seen.
func (j *Jobs) Job(ctx context.Context, key string) (string, error) {
	kept, ok, err := j.ledger.View(ctx).ArchiveJob(j.key(key))
	if err != nil || !ok {
		return "", err
	}
	return kept.URL, j.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.KeepArchiveJob(kept) })
}

// Keep keeps the address of a job.
func (j *Jobs) Keep(ctx context.Context, key, archive, url string) error {
	return j.ledger.Write(ctx, func(tx *ledger.Tx) error {
		return tx.KeepArchiveJob(ledger.ArchiveJob{Key: j.key(key), Archive: archive, URL: url, Project: j.project})
	})
}

// Forget ends the keeping of a job.
func (j *Jobs) Forget(ctx context.Context, key string) error {
	return j.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.ForgetArchiveJob(j.key(key)) })
}

func (j *Jobs) key(key string) string {
	if j.project == "" {
		return key
	}
	return j.project + "/" + key
}

// SweepJobs ends the jobs that nobody has gone on with for JobPatience: it aborts and deletes them on
// their server, and forgets them. One whose server cannot be asked stays for the next sweep, up to a
// week; one whose project or archive is gone is forgotten. The error is that of the ledger.
func (e *Engine) SweepJobs(ctx context.Context) error {
	jobs, err := e.ledger.View(ctx).ArchiveJobs()
	if err != nil {
		return err
	}
	var failures []error
	for _, j := range jobs {
		age := e.ledger.Now().Sub(j.SeenAt)
		if age < JobPatience {
			continue
		}
		if err := e.endJob(ctx, j); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			e.log.Warn("an archive's job that nobody goes on with could not be ended", "archive", j.Archive, "job", j.URL, "project", j.Project, "error", err)
			if fault.KindOf(err) == fault.Unavailable && age < jobGrace {
				continue
			}
		}
		failures = append(failures, e.ledger.Write(ctx, func(tx *ledger.Tx) error { return tx.ForgetArchiveJob(j.Key) }))
	}
	return firstOf(failures...)
}

// endJob aborts and deletes a job on its server. One that is not there any more is ended.
func (e *Engine) endJob(ctx context.Context, j ledger.ArchiveJob) error {
	var project *configs.Project
	err := e.ledger.Snapshot(ctx, func(v ledger.View) error {
		p, err := v.Project(j.Project)
		if err != nil {
			return err
		}
		config, err := v.Config(j.Project, p.Revision)
		if err != nil {
			return err
		}
		project, err = configs.FromCanonical(config.Spec)
		return err
	})
	if err != nil {
		return fmt.Errorf("find the config of project %q: %w", j.Project, err)
	}
	client, err := e.archives.Client(project, j.Archive)
	if err != nil {
		return err
	}
	aborted := client.AbortJob(ctx, j.URL)
	deleted := client.DeleteJob(ctx, j.URL)
	if deleted == nil || errors.Is(deleted, fault.NotFound) {
		return nil
	}
	return firstOf(aborted, deleted)
}
