package crash

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"beampipe/ledger"
	"beampipe/provenance"
)

// TestTheJudgeFindsWhatACrashMustNotDo damages a ledger as a lost, a doubled or a half write would, and
// wants the judge to say so: a judge that finds nothing is only worth something when it can find.
func TestTheJudgeFindsWhatACrashMustNotDo(t *testing.T) {
	const step = "SELECT max(seq) FROM provenance_events"
	for _, tt := range []struct {
		name  string
		sql   []string
		learn []entry
		finds string
	}{
		{name: "nothing"},
		{
			name: "a lost event", finds: "acknowledged and not as it was told",
			sql: []string{"DROP TRIGGER event_kept", "DELETE FROM provenance_events WHERE seq = (" + step + ")"},
		},
		{name: "a write that nobody made", learn: []entry{{Mark: "mark(x-1)", Seq: 3, Type: provenance.SourceRegistered}}, finds: "acknowledged and not as it was told"},
		{name: "a refused write that is there", learn: []entry{{Mark: "mark(self-0-1)", No: true}}, finds: "was refused and is event"},
		{
			name: "a step without its event", finds: "its events led to",
			sql: []string{"UPDATE batch_execution_record SET version = version + 1"},
		},
		{
			name: "an event without its source", finds: "events of",
			sql: []string{"PRAGMA foreign_keys = OFF", "DROP TRIGGER execution_source_kept", "DROP TRIGGER execution_kept", "DELETE FROM execution_sources", "DELETE FROM sources"},
		},
		{name: "a lost artifact", sql: []string{"PRAGMA foreign_keys = OFF", "DROP TRIGGER artifact_kept", "DELETE FROM artifacts"}, finds: "the artifact of"},
		{name: "a claim that cannot be given back", sql: []string{"UPDATE claims SET owner = 'self', expires_at = '2999-01-01T00:00:00.000Z', fence = 7", "CREATE TRIGGER stuck BEFORE UPDATE ON claims BEGIN SELECT RAISE(IGNORE); END"}, finds: "claims of the dead"},
		{name: "a damaged chain", sql: []string{"DROP TRIGGER event_fixed", "UPDATE provenance_events SET actor = 'nobody' WHERE seq = 4"}, finds: "event 4"},
		{name: "a child that met a defect", learn: []entry{{Bad: "one instant shows two heads"}}, finds: "a child found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBook(t)
			b.work()
			b.plain(tt.sql...)
			b.learn(tt.learn)
			b.examine()
			if all := strings.Join(b.problems, "\n"); (tt.finds == "") != (all == "") || !strings.Contains(all, tt.finds) {
				t.Errorf("the judge finds %q, want %q", all, tt.finds)
			}
		})
	}
}

// work does some deeds in this process.
func (b *book) work() {
	b.Helper()
	path := b.TempDir() + "/self.diary"
	b.open(func(l *ledger.Ledger) {
		d, err := openDiary(path)
		must(b.T, err)
		c := newCaller(&child{order: order{Name: "self", Seed: 1}, Ledger: l, diary: d}, 0)
		for _, deed := range []func(context.Context) error{c.begin, c.attach, c.step, c.refuse, c.stale, c.panic, c.step} {
			must(b.T, deed(b.Context()))
		}
		must(b.T, d.file.Close())
	})
	b.children = append(b.children, "self")
	entries, err := readDiary(path)
	must(b.T, err)
	b.learn(entries)
}

// plain runs statements as somebody with an SQLite shell would.
func (b *book) plain(statements ...string) {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+b.path)
	must(b.T, err)
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		_, err := db.ExecContext(context.Background(), s)
		must(b.T, err)
	}
	must(b.T, db.Close())
}
