package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/provenance"
)

// The rows of a ledger as the first schema had them, written by plain SQL: one source that was executed,
// one that waits for a run, one without data, one whose answers were ambiguous, one that was never asked,
// one that is disabled and one that was removed.
const firstRows = `
	INSERT INTO project_configs VALUES ('survey', 1, 'c1', '{}', x'00', 'survey.yaml', NULL, '', '2026-01-01T00:00:00.000Z', 'user:ada');
	INSERT INTO projects VALUES ('survey', 1, 1, 'begin', 'user:ada', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z');
	INSERT INTO profile_revisions VALUES ('here', 1, 'p1', '{}', '2026-01-01T00:00:00.000Z', 'user:ada');
	INSERT INTO profiles VALUES ('here', 1, '', 1);
	INSERT INTO sources (id, project, identifier, enabled, removed_at, registered_at, registered_by, signature, signature_rule, last_checked_at,
		next_due_at, last_outcome, last_error, failures, workflow_run_pending, workflow_run_pending_at, last_executed_signature) VALUES
		(1, 'survey', 'executed',  1, NULL, '2026-01-01T00:00:00.000Z', 'user:ada', 's1', 'r1', '2026-01-05T00:00:00.000Z', '2026-01-06T00:00:00.000Z', 'unchanged', '', 0, 0, NULL, 's1'),
		(2, 'survey', 'pending',   1, NULL, '2026-01-01T00:00:00.000Z', 'user:ada', 's2', 'r1', '2026-01-05T00:00:00.000Z', '2026-01-06T00:00:00.000Z', 'changed', '', 0, 1, '2026-01-05T00:00:00.000Z', ''),
		(3, 'survey', 'no data',   1, NULL, '2026-01-01T00:00:00.000Z', 'user:ada', 'none', '', '2026-01-04T00:00:00.000Z', '2026-01-06T00:00:00.000Z', 'no_data', '', 0, 0, NULL, ''),
		(4, 'survey', 'ambiguous', 1, NULL, '2026-01-01T00:00:00.000Z', 'user:ada', '', '', NULL, '2026-01-06T00:00:00.000Z', 'ambiguous', 'rows of another', 3, 0, NULL, ''),
		(5, 'survey', 'new',       1, NULL, '2026-01-01T00:00:00.000Z', 'user:ada', '', '', NULL, '2026-01-06T00:00:00.000Z', '', '', 0, 0, NULL, ''),
		(6, 'survey', 'disabled',  0, NULL, '2026-01-01T00:00:00.000Z', 'user:ada', '', '', NULL, '2026-01-06T00:00:00.000Z', '', '', 0, 0, NULL, ''),
		(7, 'survey', 'removed',   1, '2026-01-02T00:00:00.000Z', '2026-01-01T00:00:00.000Z', 'user:ada', '', '', NULL, '2026-01-06T00:00:00.000Z', '', '', 0, 0, NULL, '');
	INSERT INTO discovery_changes (source_id, at, outcome, before, after, changes) VALUES
		(1, '2026-01-02T00:00:00.000Z', 'changed', '', 's0', '[]'), (1, '2026-01-03T00:00:00.000Z', 'changed', 's0', 's1', '[]'),
		(1, '2026-01-04T00:00:00.000Z', 'missing', 's1', '', '[]'), (2, '2026-01-05T00:00:00.000Z', 'changed', '', 's2', '[]');
	INSERT INTO archive_metadata VALUES
		(1, '100', '[{"dataset_id":"a"}]', '{"complete":true}', '2026-01-02T00:00:00.000Z', '2026-01-03T00:00:00.000Z', NULL),
		(2, '200', '[{"dataset_id":"b"}]', '{"complete":true}', '2026-01-05T00:00:00.000Z', '2026-01-05T00:00:00.000Z', NULL);
	INSERT INTO schedules VALUES ('survey', 'discovery', '2026-01-05T00:00:00.000Z', '2026-01-05T00:00:00.000Z', 'no_sources_due', '2026-01-05T00:00:00.000Z', '{"claimed":2}');
	INSERT INTO batch_execution_record (uuid, project, config_revision, profile, profile_revision, target, status, attempt, version, discovery_signature, created_at, created_by, updated_at)
		VALUES ('01930000-0000-7000-8000-000000000001', 'survey', 1, 'here', 1, 'local', 'pending', 1, 1, 'c', '2026-01-05T00:00:00.000Z', 'user:ada', '2026-01-05T00:00:00.000Z');
	INSERT INTO execution_sources (execution, source_id, project, identifier, sbids, signature, active)
		VALUES ('01930000-0000-7000-8000-000000000001', 1, 'survey', 'executed', '["100"]', 's1', 1);`

// firstLedger makes a file by the first migration alone, with rows in it.
func firstLedger(t *testing.T) string {
	t.Helper()
	script, err := migrationFiles.ReadFile("migrations/00001_ledger.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "first.db")
	if err := migrateWith(context.Background(), path, Options{}, fstest.MapFS{"00001_ledger.sql": {Data: script}}); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", dsn(path, false))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(firstRows); err != nil {
		t.Fatal(err)
	}
	event := provenance.Event{Seq: 1, OccurredAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Type: provenance.ProjectAdded, Project: project, Actor: person}
	if _, err := db.Exec(`INSERT INTO provenance_events (seq, occurred_at, event_type, project_module, actor, prev_hash, hash) VALUES (1, ?, ?, ?, ?, '', ?)`,
		Stamp(event.OccurredAt), event.Type, event.Project, event.Actor, event.ChainHash()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestALedgerOfTheFirstSchemaOpensAndWorks(t *testing.T) {
	f := &fixture{TB: t, clock: &clock{t: time.Date(2026, 1, 7, 4, 0, 0, 0, time.UTC)}, ids: newIDs()}
	path := firstLedger(t)
	l, err := Open(context.Background(), path, f.options())
	if err != nil {
		t.Fatal(err)
	}
	f.Ledger = l
	t.Cleanup(func() { l.Close() })

	list, err := f.view().Sources(SourceFilter{Project: project, Removed: true})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range list {
		since := "never"
		if s.SignatureSince != nil {
			since = s.SignatureSince.Format("01-02")
		}
		got[s.Identifier] = fmt.Sprintf("since %s, %d refusals, settled %v", since, s.Refusals, s.Settled(24*time.Hour))
	}
	want := map[string]string{
		"executed":  "since 01-03, 0 refusals, settled true", // the last change, not what was missing since
		"pending":   "since 01-05, 0 refusals, settled false",
		"no data":   "since 01-04, 0 refusals, settled false",
		"ambiguous": "since never, 3 refusals, settled false",
		"new":       "since never, 0 refusals, settled false",
		"disabled":  "since never, 0 refusals, settled false",
		"removed":   "since never, 0 refusals, settled false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n, err := f.view().CountEnabled(project); n != 5 || err != nil {
		t.Errorf("%d enabled, %v", n, err)
	}
	if n, err := f.view().CountDueSources(project, 100); n != 5 || err != nil {
		t.Errorf("%d due, %v", n, err)
	}

	// It goes on where it was: what was executed is found so under the old execution too.
	if s := f.discover("executed", OutcomeUnchanged, "s1"); s.Pending {
		t.Error("unchanged data asks for a run")
	}
	f.discover("pending", OutcomeUnchanged, "s2")
	if s := f.source("pending"); !s.Pending || !s.Settled(24*time.Hour) {
		t.Errorf("%+v", s)
	}
	e, err := f.view().Execution("01930000-0000-7000-8000-000000000001")
	if err != nil {
		t.Fatal(err)
	}
	f.walk(e, pathTo(Completed)...)
	f.discover("ambiguous", OutcomeAmbiguous, "", failing("rows of another"), quarantineAfter(4))
	if s := f.source("ambiguous"); s.QuarantinedAt == nil {
		t.Errorf("the unusable answers of before do not count: %+v", s)
	}
	verify(t, l)
}
