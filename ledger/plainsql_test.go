package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// rolledBack runs one statement in a transaction that is undone, and gives its error and the rows it touched.
func rolledBack(t *testing.T, db *sql.DB, query string, args ...any) (int64, error) {
	t.Helper()
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // that is the point
	res, err := tx.Exec(query, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	if err != nil {
		t.Fatal(err)
	}
	return n, nil
}

func TestPlainSQLMakesTheListedStepsAndNoOther(t *testing.T) {
	listed := listedSteps()
	f := newFixture(t)
	db := f.raw()
	for _, from := range allStates {
		t.Run(string(from), func(t *testing.T) {
			f.source(string(from))
			e := f.walk(f.admit(string(from)), pathTo(from)...)
			for _, to := range append(slices.Clone(allStates), "", "done", "Pending") {
				for attempts := -1; attempts <= 2; attempts++ {
					verbs := []string{"UPDATE"}
					if attempts == 0 {
						verbs = append(verbs, "UPDATE OR REPLACE", "UPDATE OR IGNORE")
					}
					for _, verb := range verbs {
						_, err := rolledBack(t, db, verb+` batch_execution_record SET status = ?, attempt = attempt + ?, version = version + 1,
							submission_id = 'bp-' || uuid || '-' || (attempt + ?) WHERE uuid = ?`, string(to), attempts, attempts, e.ID)
						want := slices.Contains(listed, fmt.Sprintf("%s>%s+%d", from, to, attempts))
						if to == from && attempts == 0 && e.SubmissionID == SubmissionID(e.ID, e.Attempt) {
							want = true // nothing changes: no step
						}
						if (err == nil) != want {
							t.Errorf("%s: %s to %q with attempt %+d: %v, want it to pass: %v", verb, from, to, attempts, err, want)
						}
					}
				}
			}
		})
	}
}

func TestPlainSQLCannotBreakAnExecution(t *testing.T) {
	const insert = ` INTO batch_execution_record (uuid, project, config_revision, profile, profile_revision, status, attempt, version,
		discovery_signature, submission_id, created_at, created_by, updated_at) VALUES (`
	row := func(uuid, status string, attempt, version int, submission string) string {
		return fmt.Sprintf("'%s', 'survey', 1, 'here', 1, '%s', %d, %d, 's', '%s', '2026', 'x', '2026')", uuid, status, attempt, version, submission)
	}
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	f.discover("B", OutcomeChanged, "s1")
	e := f.walk(f.admit("A"), pathTo(Ready)...)
	other := f.walk(f.admit("B"), pathTo(Submitting)...)
	where := " WHERE uuid = '" + e.ID + "'"
	submit := "UPDATE batch_execution_record SET status = 'submitting', version = version + 1"
	db := f.raw()
	for name, query := range map[string]string{
		"birth with a second attempt":        "INSERT" + insert + row("n", "pending", 2, 1, ""),
		"birth with a later version":         "INSERT" + insert + row("n", "pending", 1, 2, ""),
		"birth with an intent":               "INSERT" + insert + row("n", "pending", 1, 1, "bp-n-1"),
		"insert or replace":                  "INSERT OR REPLACE" + insert + row(e.ID, "pending", 1, 1, ""),
		"replace":                            "REPLACE" + insert + row(e.ID, "pending", 1, 1, ""),
		"insert or ignore":                   "INSERT OR IGNORE" + insert + row("n", "completed", 1, 1, ""),
		"upsert":                             "INSERT" + insert + row(e.ID, "pending", 1, 1, "") + " ON CONFLICT (uuid) DO UPDATE SET status = 'completed'",
		"update or replace of another row":   "UPDATE OR REPLACE batch_execution_record SET uuid = '" + other.ID + "'" + where,
		"delete":                             "DELETE FROM batch_execution_record" + where,
		"delete of all":                      "DELETE FROM batch_execution_record",
		"a version jump":                     "UPDATE batch_execution_record SET version = version + 2" + where,
		"a version back":                     "UPDATE batch_execution_record SET version = version - 1" + where,
		"a version that is no number":        "UPDATE batch_execution_record SET version = 'many'" + where,
		"a step without a version":           "UPDATE batch_execution_record SET status = 'cancelled'" + where,
		"a step with a version jump":         "UPDATE batch_execution_record SET status = 'cancelled', version = version + 2" + where,
		"an attempt that only begins as one": "UPDATE batch_execution_record SET status = 'cancelled', attempt = '1x', version = version + 1" + where,
		"a submission without an intent":     submit + where,
		"a submission with another's intent": submit + ", submission_id = '" + other.SubmissionID + "'" + where,
		"a submission of the next attempt":   submit + ", submission_id = 'bp-' || uuid || '-2'" + where,
		"a submission while it is held":      submit + ", held_at = '2026', submission_id = 'bp-' || uuid || '-1'" + where,
		"an intent that is taken away":       "UPDATE batch_execution_record SET submission_id = '' WHERE uuid = '" + other.ID + "'",
		"another project":                    "UPDATE batch_execution_record SET project = 'x'" + where,
		"another config":                     "UPDATE batch_execution_record SET config_revision = 2" + where,
		"another signature":                  "UPDATE batch_execution_record SET discovery_signature = 'x'" + where,
		"another pinned signature":           "UPDATE execution_sources SET signature = 'x' WHERE execution = '" + e.ID + "'",
		"a source that goes":                 "DELETE FROM execution_sources WHERE execution = '" + e.ID + "'",
		"a source that is replaced":          "REPLACE INTO execution_sources SELECT execution, source_id, project, identifier, '[]', 'x', active FROM execution_sources WHERE execution = '" + e.ID + "'",
	} {
		if n, err := rolledBack(t, db, query); err == nil {
			t.Errorf("%s: %d rows, want an error", name, n)
		}
	}
	for _, s := range allStates[1:] {
		if _, err := rolledBack(t, db, "INSERT"+insert+row("n", string(s), 1, 1, "")); err == nil {
			t.Errorf("an execution was born in state %s", s)
		}
	}
	if _, err := rolledBack(t, db, "INSERT"+insert+row("n", "pending", 1, 1, "")); err != nil {
		t.Errorf("a birth in pending: %v", err)
	}
}

func TestPlainSQLCannotSubmitAHeldExecution(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	e := f.walk(f.admit("A"), pathTo(Ready)...)
	f.write(func(tx *Tx) (err error) { e, err = tx.Hold(e, "wait", person); return err })
	db := f.raw()
	submit := "UPDATE batch_execution_record SET status = 'submitting', version = version + 1, submission_id = 'bp-' || uuid || '-1'"
	if _, err := rolledBack(t, db, submit); err == nil || !strings.Contains(err.Error(), "held") {
		t.Errorf("submitting a held execution: %v", err)
	}
	if _, err := rolledBack(t, db, submit+", held_at = NULL"); err != nil {
		t.Errorf("releasing and submitting it: %v", err)
	}
}

func TestPlainSQLCannotChangeWhatIsKept(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	e := f.admit("A")
	pack, err := Pack("text/plain", []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	f.write(func(tx *Tx) error { return tx.AttachArtifact(e.ID, 1, ArtifactManifest, pack) })
	head := f.head()
	event := func(seq int64, prev string) string {
		return fmt.Sprintf("provenance_events (seq, occurred_at, event_type, actor, prev_hash, hash) VALUES (%d, '2026', 'x', 'x', %s, 'h')", seq, prev)
	}
	last := "(SELECT hash FROM provenance_events ORDER BY seq DESC LIMIT 1)"
	db := f.raw()
	for name, query := range map[string]string{
		"event: update":                     "UPDATE provenance_events SET actor = 'x' WHERE seq = 1",
		"event: update or replace":          "UPDATE OR REPLACE provenance_events SET seq = 1 WHERE seq = 2",
		"event: delete of the first":        "DELETE FROM provenance_events WHERE seq = 1",
		"event: delete of the last":         fmt.Sprintf("DELETE FROM provenance_events WHERE seq = %d", head),
		"event: delete of all":              "DELETE FROM provenance_events",
		"event: replace":                    "REPLACE INTO " + event(head, last),
		"event: insert or replace":          "INSERT OR REPLACE INTO " + event(1, "''"),
		"event: insert with a gap":          "INSERT INTO " + event(head+2, last),
		"event: insert of another chain":    "INSERT INTO " + event(head+1, "'x'"),
		"event: insert without a number":    "INSERT INTO provenance_events (occurred_at, event_type, actor, prev_hash, hash) SELECT '2026', 'x', 'x', " + last + ", 'h'",
		"artifact: update":                  "UPDATE artifacts SET data = x'00'",
		"artifact: delete":                  "DELETE FROM artifacts",
		"execution's artifact: update":      "UPDATE execution_artifacts SET kind = 'x'",
		"execution's artifact: delete":      "DELETE FROM execution_artifacts",
		"execution's artifact: replace":     "REPLACE INTO execution_artifacts SELECT execution, kind, attempt, sha256, 'x' FROM execution_artifacts",
		"config: update":                    "UPDATE project_configs SET spec = 'x'",
		"config: delete":                    "DELETE FROM project_configs",
		"config: replace":                   "REPLACE INTO project_configs SELECT project, revision, digest, 'x', file, file_name, graph_sha256, graph_origin, created_at, created_by FROM project_configs",
		"config: update or replace":         "UPDATE OR REPLACE project_configs SET revision = 2",
		"profile revision: update":          "UPDATE profile_revisions SET spec = 'x'",
		"profile revision: delete":          "DELETE FROM profile_revisions",
		"profile revision: replace":         "REPLACE INTO profile_revisions SELECT name, revision, digest, 'x', created_at, created_by FROM profile_revisions",
		"profile revision: insert or other": "INSERT OR REPLACE INTO profile_revisions VALUES ('here', 1, 'd', 'x', '2026', 'x')",
	} {
		if n, err := rolledBack(t, db, query); err == nil {
			t.Errorf("%s: %d rows, want an error", name, n)
		}
	}
	// The same artifact again is no error and no change.
	if n, err := rolledBack(t, db, "REPLACE INTO artifacts SELECT sha256, 'x', 1, x'00', 'x', 'plain' FROM artifacts"); err != nil || n != 0 {
		t.Errorf("artifact: replace: %d rows, %v", n, err)
	}
	if _, err := rolledBack(t, db, "INSERT INTO "+event(head+1, last)); err != nil {
		t.Errorf("an event that continues the chain: %v", err)
	}
}

func TestAStateWhoseNameSpansTwoListedStepsIsRefused(t *testing.T) {
	f := newFixture(t)
	f.source("A")
	e := f.walk(f.admit("A"), EventPrepare)
	for _, state := range []string{"ready+0|ready>submitting", "Ready", "ready ", ""} {
		_, err := f.raw().Exec("UPDATE batch_execution_record SET status = ?, version = version + 1 WHERE uuid = ?", state, e.ID)
		if err == nil || !strings.Contains(err.Error(), "does not list this step") {
			t.Errorf("%q: %v", state, err)
		}
	}
}
