package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// maxFindings is how many findings of one step are told; the others are counted.
const maxFindings = 20

// CheckOptions say who is told how far a check is.
type CheckOptions struct {
	Progress func(step string, done, total int64) // nil = nobody; total 0: not known
}

// CheckReport is what a check of the whole ledger found.
type CheckReport struct {
	At            time.Time   `json:"at"`
	SchemaVersion int64       `json:"schema_version"`
	OK            bool        `json:"ok"` // every step is
	Steps         []CheckStep `json:"steps"`
}

// CheckStep is one of the things that were checked.
type CheckStep struct {
	Name     string   `json:"name"`
	What     string   `json:"what"`    // what was checked, in a few words
	OK       bool     `json:"ok"`      // nothing was found
	Checked  int64    `json:"checked"` // rows, pages excepted: there it is 1
	Findings []string `json:"findings,omitempty"`
	More     int64    `json:"more,omitempty"`  // findings that are not told
	Notes    []string `json:"notes,omitempty"` // what an operator should know and is no damage
}

// checkSteps are the steps of a check, in their order. None of them needs that an earlier one found nothing.
var checkSteps = []struct {
	name, what string
	run        func(c *checker) error
}{
	{"pages", "the database's pages and indexes", (*checker).pages},
	{"references", "rows that others refer to", (*checker).references},
	{"schema", "tables, indexes and triggers are those of this program", (*checker).schema},
	{"events", "the provenance log is as it was written", (*checker).events},
	{"witness", "the witness file agrees with the log", (*checker).witness},
	{"executions", "every history is one of legal steps and leads to the record", (*checker).executions},
	{"content", "artifacts and archive answers have their digests", (*checker).content},
	{"texts", "stored documents can be read", (*checker).texts},
	{"counts", "what is counted beside the rows equals a recount", (*checker).counts},
	{"claims", "claims and the lease are sane", (*checker).claims},
}

// Check looks whether the ledger is sound: the database itself, that its rules are in force, and that what it
// says fits together. It reads a page at a time, but for the pages of the database, which are read at once: a
// large ledger under load gets a long log of writes meanwhile. What is wrong is a finding and no error; a step
// that cannot go on because of damage does not end the others. The error is that of ctx.
func (l *Ledger) Check(ctx context.Context, o CheckOptions) (CheckReport, error) {
	report := CheckReport{At: l.Now(), OK: true}
	c := &checker{ctx: ctx, l: l, tell: o.Progress}
	if c.tell == nil {
		c.tell = func(string, int64, int64) {}
	}
	for _, s := range checkSteps {
		c.step = CheckStep{Name: s.name, What: s.what}
		c.progress(0, 0)
		err := s.run(c)
		if ctx.Err() != nil {
			return report, fmt.Errorf("check ledger %s: %w", l.path, context.Cause(ctx))
		}
		if err != nil {
			c.found("the step could not be done to its end: %v", err)
		}
		c.progress(c.step.Checked, c.step.Checked)
		c.step.OK = len(c.step.Findings) == 0
		report.OK = report.OK && c.step.OK
		report.Steps = append(report.Steps, c.step)
	}
	report.SchemaVersion = c.version
	return report, nil
}

// checker is one check of a ledger.
type checker struct {
	ctx  context.Context
	l    *Ledger
	tell func(step string, done, total int64)
	step CheckStep // the one that is going on

	version  int64    // of the file's schema
	verified Verified // what the step "events" found
	walked   bool     // and whether it could
	pruned   *bool    // whether executions ever were, once it was asked
}

func (c *checker) view() View { return c.l.View(c.ctx) }

func (c *checker) progress(done, total int64) { c.tell(c.step.Name, done, total) }

// found tells of damage: a sentence that names the row.
func (c *checker) found(format string, args ...any) {
	if len(c.step.Findings) == maxFindings {
		c.step.More++
		return
	}
	c.step.Findings = append(c.step.Findings, fmt.Sprintf(format, args...))
}

func (c *checker) note(format string, args ...any) {
	c.step.Notes = append(c.step.Notes, fmt.Sprintf(format, args...))
}

// long runs fn on a connection of its own, for one statement that takes its time: the age of reads does not
// end it.
func (c *checker) long(fn func(v View) error) error {
	conn, err := c.l.readers.Conn(c.ctx)
	if err != nil {
		return readError(c.l.path, "check", err)
	}
	defer conn.Close()
	return fn(View{ctx: c.ctx, q: conn, now: c.l.Now(), path: c.l.path, rebuild: c.l.rebuild})
}

// pages lets SQLite look at every page, index and constraint of the file.
func (c *checker) pages() error {
	c.step.Checked = 1
	return c.long(func(v View) error {
		return v.list("check pages", fmt.Sprintf("PRAGMA integrity_check(%d)", 10*maxFindings), nil, func(rows *sql.Rows) error {
			var text string
			err := rows.Scan(&text)
			if err == nil && text != "ok" {
				c.found("%s: the file is damaged; stop the daemon and restore the ledger from a backup", text)
			}
			return err
		})
	})
}

// references looks for rows that refer to none.
func (c *checker) references() error {
	return c.long(func(v View) error {
		if err := v.get("tables", "SELECT count(*) FROM sqlite_master WHERE type = 'table'", nil, &c.step.Checked); err != nil {
			return err
		}
		return v.list("check references", `SELECT "table", rowid, parent FROM pragma_foreign_key_check`, nil, func(rows *sql.Rows) error {
			var table, parent string
			var row sql.NullInt64
			err := rows.Scan(&table, &row, &parent)
			which := "a row"
			if row.Valid {
				which = fmt.Sprintf("row %d", row.Int64)
			}
			c.found("table %s: %s refers to a row of %s that is not there", table, which, parent)
			return err
		})
	})
}

// events verifies the provenance log.
func (c *checker) events() (err error) {
	c.verified, err = c.l.Verify(c.ctx, VerifyOptions{Progress: c.progress})
	if err != nil {
		return err
	}
	c.walked = true
	c.step.Checked = c.verified.Events
	if f := c.verified.Finding; f != nil && f != c.verified.Witness.finding {
		c.found("%s: %s", f.Problem, f.Detail)
	}
	if c.verified.First > 1 && c.verified.Finding == nil {
		c.note("the log begins with event %d: those before it were pruned", c.verified.First)
	}
	return nil
}

// witness tells what the witness file says, as the step "events" compared it.
func (c *checker) witness() (err error) {
	s := c.verified.Witness
	if !c.walked {
		if s, err = c.l.Witness(); err != nil {
			return err
		}
	}
	c.step.Checked = s.Head.Seq
	switch s.State {
	case WitnessAgrees:
	case WitnessMissing:
		c.step.What = "there is no witness file to compare the log with"
		c.note("%s", s.Detail)
	default:
		c.found("%s (%s)", s.Detail, s.Path)
		if pause, err := c.l.Paused(c.ctx); err == nil && pause.Code == PausedRestored {
			c.note("%s: that explains it. beampipe ledger adopt begins the witness anew", pause.Reason)
		}
	}
	if s.Unnoted > 0 {
		c.note("the witness file has not noted the newest events (%d of them): were they lost, nothing would say so", s.Unnoted)
	}
	if s.Problem != "" {
		c.note("the witness file cannot be written: %s", s.Problem)
	}
	return nil
}
