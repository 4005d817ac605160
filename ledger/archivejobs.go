package ledger

import (
	"database/sql"
	"fmt"
	"time"

	"beampipe/fault"
)

// MaxJobURLBytes bounds the URL of an archive job.
const MaxJobURLBytes = 8 << 10

// ArchiveJob is a job that was started in an archive and not yet read to its end. It is kept so that a
// later process goes on with it instead of starting another.
type ArchiveJob struct {
	Key     string    `json:"key"` // names what is asked
	Archive string    `json:"archive"`
	URL     string    `json:"url"`
	Project string    `json:"project,omitempty"`
	BeganAt time.Time `json:"began_at"`
	SeenAt  time.Time `json:"seen_at"` // when it was last kept
}

// KeepArchiveJob keeps a job under its key. The same URL again moves SeenAt; another URL takes the place
// of the first. BeganAt that is not set is now.
func (tx *Tx) KeepArchiveJob(j ArchiveJob) error {
	switch {
	case j.Key == "" || j.URL == "":
		return fmt.Errorf("keep a job of archive %s: it has no key or no URL", j.Archive)
	case len(j.URL) > MaxJobURLBytes:
		return fault.New(fault.Invalid, fmt.Sprintf("keep a job of archive %s: its URL has %d bytes, the limit is %d (MaxJobURLBytes)", j.Archive, len(j.URL), MaxJobURLBytes), "")
	}
	began := j.BeganAt
	if began.IsZero() {
		began = tx.now
	}
	_, err := tx.exec("keep archive job", `INSERT INTO archive_jobs (key, archive, url, project, began_at, seen_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET archive = excluded.archive, project = excluded.project, seen_at = excluded.seen_at,
			began_at = CASE WHEN url = excluded.url THEN began_at ELSE excluded.began_at END, url = excluded.url`,
		j.Key, j.Archive, j.URL, j.Project, Stamp(began), Stamp(tx.now))
	return err
}

// ForgetArchiveJob ends the keeping of a job; one that is not kept is no error.
func (tx *Tx) ForgetArchiveJob(key string) error {
	_, err := tx.exec("forget archive job", "DELETE FROM archive_jobs WHERE key = ?", key)
	return err
}

// ArchiveJob gives the job that is kept under a key; ok is false for none.
func (v View) ArchiveJob(key string) (j ArchiveJob, ok bool, err error) {
	list, err := v.archiveJobs("WHERE key = ?", key)
	if err != nil || len(list) == 0 {
		return ArchiveJob{}, false, err
	}
	return list[0], true, nil
}

// ArchiveJobs lists the jobs that are kept, the oldest first.
func (v View) ArchiveJobs() ([]ArchiveJob, error) { return v.archiveJobs("ORDER BY began_at, key") }

func (v View) archiveJobs(rest string, args ...any) ([]ArchiveJob, error) {
	var list []ArchiveJob
	err := v.list("archive jobs", "SELECT key, archive, url, project, began_at, seen_at FROM archive_jobs "+rest, args, func(rows *sql.Rows) error {
		var j ArchiveJob
		var began, seen timeText
		err := rows.Scan(&j.Key, &j.Archive, &j.URL, &j.Project, &began, &seen)
		j.BeganAt, j.SeenAt = began.value(), seen.value()
		list = append(list, j)
		return err
	})
	return list, err
}
