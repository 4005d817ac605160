package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"beampipe/fault"
	"beampipe/provenance"
)

// livedFiles are the ledger and the witness file that lived makes, once they were made.
var livedFiles [2][]byte

// lived gives a ledger in which something of everything has happened.
func lived(t *testing.T) *fixture {
	f := newFixture(t)
	names := [2]string{f.Path(), witnessPath(f.Path())}
	if livedFiles[0] == nil {
		f.live()
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		var err error
		if livedFiles[i] == nil {
			livedFiles[i], err = os.ReadFile(name)
		} else {
			err = os.WriteFile(name, livedFiles[i], 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	f.Ledger = f.create(f.Path())
	return f
}

// live lets something of everything happen.
func (f *fixture) live() {
	answer := func(d *Discovery) { d.Answer = []byte(`[{"filename":"a"}]`) }
	for _, s := range allStates {
		f.discover(string(s), OutcomeChanged, "s1", answer)
		e := f.admit(string(s))
		pack, err := Pack("text/plain", []byte("manifest of "+string(s)))
		if err != nil {
			f.Fatal(err)
		}
		f.write(func(tx *Tx) error { return tx.AttachArtifact(e.ID, 1, ArtifactManifest, pack) })
		f.walk(e, pathTo(s)...)
	}
	e := f.byState(Failed)
	e = f.step(e, EventRetry, Step{})
	f.write(func(tx *Tx) (err error) { e, err = tx.Hold(e, "wait", person); return err })
	f.write(func(tx *Tx) (err error) { e, err = tx.Release(e, "go on", person); return err })
	f.walk(e, append(pathTo(Uncertain), EventAbsent, EventFail)...)
	f.source("the last")
}

func (f *fixture) byState(s State) Execution {
	f.Helper()
	list, err := f.view().Executions(ExecutionFilter{States: []State{s}})
	if err != nil || len(list) == 0 {
		f.Fatalf("no execution is %s: %v", s, err)
	}
	return list[0]
}

// findings gives what a check found, as "step: sentence".
func (f *fixture) findings() []string {
	f.Helper()
	report, err := f.Check(f.Context(), CheckOptions{})
	if err != nil {
		f.Fatal(err)
	}
	var list []string
	for _, s := range report.Steps {
		for _, text := range s.Findings {
			list = append(list, s.Name+": "+text)
		}
		if s.OK != (len(s.Findings) == 0) {
			f.Errorf("step %s: ok %v with findings %v", s.Name, s.OK, s.Findings)
		}
	}
	if report.OK != (len(list) == 0) || len(report.Steps) != len(checkSteps) {
		f.Errorf("ok %v, %d steps, findings %v", report.OK, len(report.Steps), list)
	}
	return list
}

func TestALedgerInWhichMuchHappenedIsSound(t *testing.T) {
	f := lived(t)
	steps := map[string]int64{}
	report, err := f.Check(t.Context(), CheckOptions{Progress: func(step string, done, _ int64) { steps[step] = done }})
	if err != nil || !report.OK || report.SchemaVersion != present {
		t.Fatalf("%+v, %v", report, err)
	}
	for _, s := range report.Steps {
		if s.Checked == 0 || steps[s.Name] != s.Checked || len(s.Notes) > 0 {
			t.Errorf("%+v, progress %d", s, steps[s.Name])
		}
	}
	if steps["executions"] != int64(len(allStates)) || steps["content"] != int64(2*len(allStates)) {
		t.Errorf("checked: %v", steps)
	}
}

func TestEachStepOfACheckNamesWhatIsWrong(t *testing.T) {
	for name, tt := range map[string]struct {
		sql  string
		want []string // of the one finding
	}{
		"a row that refers to none": {"PRAGMA foreign_keys = OFF; UPDATE execution_sources SET source_id = 999 WHERE source_id = 1", []string{"references: table execution_sources: a row refers to a row of sources that is not there"}},
		"an index that was dropped": {"DROP INDEX provenance_source", []string{"schema: index provenance_source is missing"}},
		"a table that was added":    {"CREATE TABLE notes (x)", []string{"schema: table notes is not of this program"}},
		"a trigger that was added":  {"CREATE TRIGGER sly AFTER INSERT ON claims BEGIN SELECT 1; END", []string{"schema: trigger sly is not of this program"}},
		"a trigger that lets all pass": {
			"CREATE TRIGGER event_fixed BEFORE UPDATE ON provenance_events BEGIN SELECT 1; END",
			[]string{"schema: trigger event_fixed was changed; it must read: CREATE TRIGGER event_fixed"},
		},
		"an event that was changed": {"UPDATE provenance_events SET actor = 'user:eve' WHERE seq = 3", []string{"events: changed: event 3"}},
		"a tail that was cut":       {"DELETE FROM provenance_events WHERE seq = (SELECT max(seq) FROM provenance_events)", []string{"witness: ", "of event", "missing", ".witness"}},

		"a state without an event":            {"UPDATE batch_execution_record SET status = 'failed' WHERE status = 'ready'; UPDATE execution_sources SET active = 0 WHERE identifier = 'ready'", []string{"executions: execution ", "says failed, its last event", "left it ready"}},
		"a version without an event":          {"UPDATE batch_execution_record SET version = version + 1 WHERE status = 'ready'", []string{"executions: ", "says version 4, its events lead to version 3"}},
		"an attempt without an event":         {"UPDATE batch_execution_record SET attempt = 2 WHERE status = 'ready'", []string{"executions: ", "says attempt 2"}},
		"another's submission id":             {"UPDATE batch_execution_record SET submission_id = 'bp-x-1' WHERE status = 'queued'", []string{"executions: ", "its submission id is bp-x-1"}},
		"no submission id":                    {"UPDATE batch_execution_record SET submission_id = '' WHERE status = 'running'", []string{"executions: ", "it is running and has no submission id"}},
		"an execution without a history":      {"INSERT INTO batch_execution_record (uuid, project, config_revision, profile, profile_revision, status, attempt, version, discovery_signature, created_at, created_by, updated_at) VALUES ('eve', 'survey', 1, 'here', 1, 'pending', 1, 1, 's', '2026', 'eve', '2026')", []string{"executions: execution eve: no event tells of it"}},
		"an execution that was deleted":       {"PRAGMA foreign_keys = OFF; DELETE FROM execution_inputs; DELETE FROM execution_artifacts WHERE execution IN (SELECT uuid FROM batch_execution_record WHERE status = 'cancelled'); DELETE FROM execution_sources WHERE identifier = 'cancelled'; DELETE FROM batch_execution_record WHERE status = 'cancelled'", []string{"executions: execution ", "tells of it, but it is not in the ledger"}},
		"a source that was set free too soon": {"UPDATE execution_sources SET active = 0 WHERE identifier = 'running'", []string{"executions: ", "1 of its 1 sources are not marked as worked on"}},
		"a source that was never set free":    {"UPDATE execution_sources SET active = 1 WHERE identifier = 'completed'", []string{"executions: ", "it is completed, and 1 of its sources are still marked"}},

		"an artifact whose bytes were changed": {"UPDATE artifacts SET data = x'00' WHERE rowid = 3", []string{"content: artifact ", "damaged"}},
		"an artifact that was exchanged":       {"UPDATE artifacts SET data = (SELECT data FROM artifacts WHERE rowid = 4) WHERE rowid = 3", []string{"content: artifact ", "another digest"}},
		"an artifact of another size":          {"UPDATE artifacts SET size = 1 WHERE rowid = 3", []string{"content: artifact ", "its row says 1"}},
		"a recipe that makes nothing":          {"UPDATE artifacts SET form = 'recipe' WHERE rowid = 3", []string{"content: artifact ", "no recipe"}},
		"an answer whose bytes were changed":   {"UPDATE archive_answers SET answer = x'00' WHERE source_id = 2", []string{"content: source 2: its archive answer is damaged"}},
		"an answer that was exchanged":         {"UPDATE archive_answers SET sha256 = 'x' WHERE source_id = 2", []string{"content: source 2: its archive answer has another digest"}},

		"sources that are counted wrong":    {"UPDATE source_counts SET enabled = 99", []string{`counts: table source_counts says 99 for "survey", counted they are 13`}},
		"executions that are counted wrong": {"UPDATE execution_counts SET n = n + 1 WHERE status = 'queued'", []string{"counts: table execution_counts says 2 for \"queued survey here local \", counted they are 1"}},
		"executions that are not counted":   {"DELETE FROM execution_counts WHERE status = 'queued'", []string{"counts: table execution_counts says 0"}},
		"groups that are counted wrong":     {"UPDATE source_groups SET n = n + 1 WHERE last_outcome = 'changed' AND n > 0", []string{"counts: table source_groups says"}},

		"a claim with a fence of nothing": {"UPDATE claims SET fence = 0 WHERE subject = 'source:1'", []string{"claims: claim of source:1: its fence is 0"}},
		"a claim for ever":                {"UPDATE claims SET owner = 'eve', expires_at = 'never' WHERE subject = 'source:1'", []string{"claims: claim of source:1: eve holds it until \"never\""}},
		"a claim of nothing":              {"INSERT INTO claims VALUES ('source:99', 'discovery', 'eve', '', 1, '2026-11-20T04:00:00.000Z')", []string{"claims: claim of source:99: eve holds it, but there is no such thing"}},
		"a lease for ever":                {"UPDATE daemon_lease SET owner = 'eve', epoch = 1, expires_at = 'never'", []string{"claims: the daemon's lease: eve"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := lived(t)
			f.rebuild = func(recipe []byte, _ func(string) ([]byte, error)) ([]byte, error) {
				return nil, fault.New(fault.Invalid, "this is no recipe", "")
			}
			f.tamper(tt.sql)
			found := f.findings()
			if len(found) != 1 {
				t.Fatalf("found:\n%s\nwant one that says %q", strings.Join(found, "\n"), tt.want)
			}
			for _, words := range tt.want {
				if !strings.Contains(found[0], words) {
					t.Errorf("found %q, want %q in it", found[0], words)
				}
			}
		})
	}
}

func TestEveryIllegalHistoryIsFound(t *testing.T) {
	created := provenance.Event{Type: provenance.ExecutionCreated}
	step := func(event Event, from, to State, attempt int) provenance.Event {
		text, err := Canonical(map[string]any{"from": from, "to": to, "attempt": attempt})
		if err != nil {
			t.Fatal(err)
		}
		return provenance.Event{Type: "execution." + string(event), Payload: text}
	}
	held := provenance.Event{Type: provenance.ExecutionHeld}
	for name, tt := range map[string]struct {
		pruned bool
		events []provenance.Event
		record record
		want   string // "" = it is legal
	}{
		"a birth":               {events: []provenance.Event{created}, record: record{state: Pending, attempt: 1, version: 1}},
		"a step and a hold":     {events: []provenance.Event{created, step(EventPrepare, Pending, Preparing, 1), held}, record: record{state: Preparing, attempt: 1, version: 3}},
		"a retry":               {events: []provenance.Event{created, step(EventFail, Pending, Failed, 1), step(EventRetry, Failed, Pending, 2)}, record: record{state: Pending, attempt: 2, version: 3}},
		"what else happened":    {events: []provenance.Event{created, {Type: provenance.ExecutionObserved}, {Type: "product.withdrawn"}}, record: record{state: Pending, attempt: 1, version: 1}},
		"pruned to nothing":     {pruned: true, record: record{state: Completed, attempt: 1, version: 9}},
		"pruned to its end":     {pruned: true, events: []provenance.Event{step(EventVerified, Verifying, Completed, 3)}, record: record{state: Completed, attempt: 3, version: 20}},
		"no birth":              {events: []provenance.Event{step(EventPrepare, Pending, Preparing, 1)}, record: record{state: Preparing, attempt: 1, version: 2}, want: "is its first: there is none that says that it was created"},
		"two births":            {events: []provenance.Event{created, created}, record: record{state: Pending, attempt: 1, version: 1}, want: "event 2 says that it was created"},
		"an event of no state":  {events: []provenance.Event{created, step(EventVerified, Pending, Completed, 1)}, record: record{state: Completed, attempt: 1, version: 2}, want: `event "verified" is not possible in state "pending"`},
		"an event to elsewhere": {events: []provenance.Event{created, step(EventPrepare, Pending, Completed, 1)}, record: record{state: Completed, attempt: 1, version: 2}, want: "prepare leads from pending to preparing, not to completed"},
		"a step that is gone":   {events: []provenance.Event{created, step(EventPrepared, Preparing, Ready, 1)}, record: record{state: Ready, attempt: 1, version: 2}, want: "leads from preparing, but it was pending"},
		"a step of before":      {pruned: true, events: []provenance.Event{step(EventPrepared, Preparing, Ready, 1), step(EventPrepare, Pending, Preparing, 1)}, record: record{state: Ready, attempt: 1, version: 9}, want: "leads from pending, but it was ready"},
		"an attempt too many":   {events: []provenance.Event{created, step(EventPrepare, Pending, Preparing, 2)}, record: record{state: Preparing, attempt: 2, version: 2}, want: "is of attempt 2, but it was at attempt 1"},
		"a retry of none":       {events: []provenance.Event{created, step(EventFail, Pending, Failed, 1), step(EventRetry, Failed, Pending, 1)}, record: record{state: Pending, attempt: 1, version: 3}, want: "is of attempt 1, but it was at attempt 1"},
		"an unreadable step":    {events: []provenance.Event{created, {Type: "execution.prepare", Payload: []byte("{")}}, record: record{state: Pending, attempt: 1, version: 1}, want: "its payload cannot be read"},
		"more steps than version": {
			pruned: true, events: []provenance.Event{step(EventPrepare, Pending, Preparing, 1), step(EventPrepared, Preparing, Ready, 1)},
			record: record{state: Ready, attempt: 1, version: 1}, want: "says version 1, its events lead to version 2",
		},
	} {
		h := history{pruned: tt.pruned}
		for i, e := range tt.events {
			h.follow(int64(i+1), e.Type, string(e.Payload))
		}
		if got := h.against(tt.record); (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestACheckGoesOnBehindADamagedPage(t *testing.T) {
	f := lived(t)
	db := f.raw()
	var page, size int64
	if err := db.QueryRow("SELECT rootpage FROM sqlite_master WHERE name = 'provenance_execution'").Scan(&page); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow("PRAGMA page_size").Scan(&size); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(f.Path(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteAt(make([]byte, 200), (page-1)*size)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	f.Ledger = f.create(f.Path())
	report, err := f.Check(t.Context(), CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var bad []string
	for _, s := range report.Steps {
		if !s.OK {
			bad = append(bad, s.Name)
		}
		if s.Name == "content" && s.Checked == 0 {
			t.Error("the steps behind the damage were not done")
		}
	}
	if !slices.Equal(bad, []string{"pages", "executions"}) {
		t.Errorf("steps with findings: %v\n%s", bad, strings.Join(f.findings(), "\n"))
	}
}

func TestACheckTellsTwentyFindingsAndCountsTheOthers(t *testing.T) {
	f := newFixture(t)
	const n = maxFindings + 7
	var tables []string
	for i := range n {
		tables = append(tables, fmt.Sprintf("CREATE TABLE notes%d (x)", i))
	}
	f.tamper(tables...)
	report, err := f.Check(t.Context(), CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range report.Steps {
		if s.Name == "schema" && (len(s.Findings) != maxFindings || s.More != n-maxFindings || s.OK) {
			t.Errorf("%d findings and %d more", len(s.Findings), s.More)
		}
	}
}

func TestACheckEndsWithItsContext(t *testing.T) {
	f := lived(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := f.Check(ctx, CheckOptions{Progress: func(step string, _, _ int64) {
		if step == "schema" {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestAMissingWitnessIsNotedAndNoDamage(t *testing.T) {
	f := lived(t)
	if err := os.Remove(witnessPath(f.Path())); err != nil {
		t.Fatal(err)
	}
	report, err := f.Check(t.Context(), CheckOptions{})
	if err != nil || !report.OK {
		t.Errorf("%+v, %v", report, err)
	}
	for _, s := range report.Steps {
		if s.Name == "witness" && (len(s.Notes) != 1 || !strings.Contains(s.Notes[0], "no witness file")) {
			t.Errorf("%+v", s)
		}
	}
}

func TestManyExecutionsAreCheckedPageByPage(t *testing.T) {
	f := newFixture(t)
	const n = 2*historyPage + 1
	f.write(func(tx *Tx) error {
		for range n {
			if _, err := tx.CreateExecution(f.order()); err != nil {
				return err
			}
		}
		return nil
	})
	report, err := f.Check(t.Context(), CheckOptions{})
	if err != nil || !report.OK || report.Steps[5].Checked != n {
		t.Errorf("%+v, %v", report, err)
	}
	list, err := f.view().Executions(ExecutionFilter{Limit: n})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []Execution{list[0], list[len(list)-1], list[historyPage]} {
		f.tamper("UPDATE batch_execution_record SET version = 7 WHERE uuid = '" + e.ID + "'")
	}
	found := slices.DeleteFunc(f.findings(), func(text string) bool { return !strings.HasPrefix(text, "executions: ") })
	if len(found) != 3 {
		t.Errorf("found %v", found)
	}
}
