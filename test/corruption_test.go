package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// checked is what "ledger check --json" says.
type checked struct {
	OK    bool
	Steps []struct {
		Name     string
		OK       bool
		Findings []string
		Notes    []string
	}
}

// findings gives all of them and the notes, each behind the name of its step.
func (c checked) findings() (list []string) {
	for _, step := range c.Steps {
		for _, f := range append(step.Findings, step.Notes...) {
			list = append(list, step.Name+": "+f)
		}
	}
	return list
}

// Exit codes of "ledger check" and "provenance verify": they found something, or could not read the file.
const (
	exitNotSound = 10
	exitInvalid  = 3
)

// damage is one way in which a ledger goes bad, and what must be said about it.
type damage struct {
	name  string
	harm  func(h *harmed)
	check []string // words of which one stands in a finding, or in the error when it cannot be opened; none: all is well
	code  int      // of "ledger check"; 0: that of what is not sound, or of what cannot be read
	note  bool     // it is no damage, but told
	acts  string   // what becomes of a command that acts: "works", "refused"; "": not asked
}

// flip changes one byte of a file at the first place where text stands.
func (h *harmed) flip(path, text string) {
	h.Helper()
	raw, err := os.ReadFile(path)
	must(h.T, err)
	i := bytes.Index(raw, []byte(text))
	if i < 0 {
		h.Fatalf("%q does not stand in %s", text, path)
	}
	raw[i+len(text)/2] ^= 1
	must(h.T, os.WriteFile(path, raw, 0o600))
}

// page overwrites a page of the ledger file; pages count from 1.
func (h *harmed) page(number int, content func(page []byte)) {
	h.Helper()
	raw, err := os.ReadFile(h.ledger())
	must(h.T, err)
	size := pageSize(raw)
	content(raw[(number-1)*size : number*size])
	must(h.T, os.WriteFile(h.ledger(), raw, 0o600))
}

// pageSize is in the header of an SQLite file.
func pageSize(raw []byte) int {
	if n := int(raw[16])<<8 | int(raw[17]); n != 1 {
		return n
	}
	return 65536
}

// replace puts another file in the place of the ledger.
func (h *harmed) replace(content []byte) {
	h.Helper()
	must(h.T, os.WriteFile(h.ledger(), content, 0o600))
	h.settle()
}

func truncate(size int64) func(h *harmed) {
	return func(h *harmed) { h.Helper(); must(h.T, os.Truncate(h.ledger(), size)) }
}

// inPlace makes a damage by plain SQL without the triggers of a table, which are there again afterwards.
func inPlace(table string, statements ...string) func(h *harmed) {
	return func(h *harmed) {
		h.Helper()
		h.unguarded(table, true, func() { h.sql(append([]string{"PRAGMA foreign_keys = OFF"}, statements...)...) })
	}
}

func damages() []damage {
	const anExecution = "(SELECT uuid FROM batch_execution_record WHERE status = 'running' LIMIT 1)"
	return []damage{
		{name: "nothing", harm: func(*harmed) {}, acts: "works"},
		{name: "a byte of an event's hash", harm: func(h *harmed) { h.flip(h.ledger(), h.events()[victim-1].Hash) }, check: []string{"event 60", "event 61"}},
		{name: "a byte of an event's payload", harm: func(h *harmed) { h.flip(h.ledger(), string(h.events()[victim-1].Payload)) }, check: []string{"event"}},
		{name: "a byte of an event's time", harm: inPlace("provenance_events", "UPDATE provenance_events SET occurred_at = '2026-11-20T04:00:00.001Z' WHERE seq = 60"), check: []string{"event 60"}},

		{name: "a state", harm: inPlace("batch_execution_record", "UPDATE batch_execution_record SET status = 'completed' WHERE uuid = "+anExecution), check: []string{"execution"}},
		{name: "an attempt", harm: inPlace("batch_execution_record", "UPDATE batch_execution_record SET attempt = 2 WHERE uuid = "+anExecution), check: []string{"execution"}},
		{name: "a version", harm: inPlace("batch_execution_record", "UPDATE batch_execution_record SET version = version + 3 WHERE uuid = "+anExecution), check: []string{"execution"}},
		{name: "an execution that is gone", harm: inPlace("batch_execution_record", "DELETE FROM batch_execution_record WHERE uuid = "+anExecution), check: []string{"execution"}},
		{name: "an execution that nobody made", harm: inPlace("batch_execution_record", `INSERT INTO batch_execution_record (uuid, project, config_revision, profile, profile_revision, status, attempt, version, discovery_signature, created_at, created_by, updated_at)
			VALUES ('01930000-0000-7000-8000-000000000666', 'survey', 1, 'here', 1, 'completed', 1, 5, 's', '2026-11-20T04:00:00.000Z', 'user:mallory', '2026-11-20T04:00:00.000Z')`), check: []string{"01930000-0000-7000-8000-000000000666"}},
		{name: "a source that is worked on and says it is not", harm: inPlace("execution_sources", "UPDATE execution_sources SET active = 0 WHERE execution = "+anExecution), check: []string{"worked on"}},

		{name: "a byte of an artifact", harm: inPlace("artifacts", "UPDATE artifacts SET data = substr(data, 1, 20) || x'00' || substr(data, 22) WHERE rowid = 1"), check: []string{"artifact"}},
		{name: "another artifact under its digest", harm: inPlace("artifacts", "UPDATE artifacts SET data = (SELECT data FROM artifacts WHERE rowid = 2) WHERE rowid = 1"), check: []string{"artifact"}},
		{name: "an artifact that is gone", harm: inPlace("artifacts", "DELETE FROM artifacts WHERE rowid = 1"), check: []string{"artifact"}},

		{name: "a record that is no document any more", harm: func(h *harmed) {
			h.sql("UPDATE archive_metadata SET records = substr(records, 1, 100) WHERE source_id = 3")
		}, check: []string{"source 3, SBID 70001"}},

		{name: "a trigger that is gone", harm: func(h *harmed) { h.sql("DROP TRIGGER event_fixed") }, check: []string{"event_fixed"}},
		{name: "a trigger that does nothing", harm: func(h *harmed) {
			h.sql("DROP TRIGGER event_fixed", "CREATE TRIGGER event_fixed BEFORE UPDATE ON provenance_events BEGIN SELECT 1; END")
		}, check: []string{"event_fixed"}},
		{name: "an index that is gone", harm: func(h *harmed) { h.sql("DROP INDEX provenance_execution") }, check: []string{"provenance_execution"}},
		{name: "an index that does not fit its table", harm: func(h *harmed) {
			h.sql("PRAGMA writable_schema = ON", "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'provenance_type') WHERE name = 'provenance_execution'")
		}, check: []string{"provenance_execution", "provenance_type"}},

		{name: "a page of zeros", harm: func(h *harmed) { h.page(h.rootOf("provenance_events"), func(page []byte) { clear(page) }) }, check: []string{"integrity", "damaged", "malformed"}},
		{name: "the second page of zeros", harm: func(h *harmed) { h.page(2, func(page []byte) { clear(page) }) }, check: []string{"integrity", "damaged", "malformed"}},
		{name: "the header", harm: func(h *harmed) { h.page(1, func(page []byte) { clear(page[:100]) }) }, check: []string{"not a SQLite database", "not a ledger"}, code: 3, acts: "refused"},

		{name: "half of the file", harm: func(h *harmed) { truncate(int64(len(specimen.files[ledgerName]) / 2))(h) }, check: []string{"damaged", "malformed", "integrity"}},
		{name: "one page of the file", harm: truncate(4096), check: []string{"damaged", "malformed", "integrity"}, acts: "refused"},
		{name: "a hundred bytes of the file", harm: truncate(100), check: []string{"damaged", "malformed", "not a"}, code: 3, acts: "refused"},
		{name: "an empty file", harm: truncate(0), check: []string{"not a", "empty"}, code: 3, acts: "refused"},

		{name: "an older copy in its place", harm: func(h *harmed) { h.replace(specimen.older) }, check: []string{"missing"}, acts: "refused"},
		{name: "another ledger in its place", harm: func(h *harmed) {
			files, _ := makeSpecimen(h.T, 2)
			h.replace(files[ledgerName])
		}, check: []string{"another ledger", "other ledger"}, acts: "refused"},
		{name: "no witness", harm: func(h *harmed) { must(h.T, os.Remove(h.witness())) }, check: []string{"no witness file"}, note: true},
		{name: "a witness of noise", harm: func(h *harmed) { must(h.T, os.WriteFile(h.witness(), bytes.Repeat([]byte("noise"), 100), 0o600)) }, check: []string{"witness"}},
		{name: "the witness of another ledger", harm: func(h *harmed) {
			files, _ := makeSpecimen(h.T, 2)
			must(h.T, os.WriteFile(h.witness(), files[ledgerName+".witness"], 0o600))
		}, check: []string{"another ledger", "other ledger"}, acts: "refused"},
		{name: "a write-ahead log of noise", harm: func(h *harmed) {
			must(h.T, os.WriteFile(h.ledger()+"-wal", bytes.Repeat([]byte("noise"), 10_000), 0o600))
		}}, // it holds no frame that SQLite would take: nothing is lost
		{name: "an index of the write-ahead log of noise", harm: func(h *harmed) {
			must(h.T, os.WriteFile(h.ledger()+"-shm", bytes.Repeat([]byte("noise"), 10_000), 0o600))
		}},
	}
}

// rootOf gives the page on which a table begins.
func (h *harmed) rootOf(table string) (page int) {
	h.Helper()
	db := h.shell()
	must(h.T, db.QueryRowContext(h.Context(), "SELECT rootpage FROM sqlite_master WHERE name = ?", table).Scan(&page))
	must(h.T, db.Close())
	return page
}

// checks asks "ledger check" and gives what it says, in findings or in an error, and its exit code.
func (h *harmed) checks() (said []string, code int) {
	h.Helper()
	stdout, stderr, code := h.ask("ledger", "check", "--json")
	var c checked
	if stdout != "" {
		if err := json.Unmarshal([]byte(stdout), &c); err != nil {
			h.Fatalf("ledger check: exit code %d, %v: %s%s", code, err, stdout, stderr)
		}
		if (code == 0) != c.OK {
			h.Errorf("ledger check: exit code %d, ok %v: %v", code, c.OK, c.findings())
		}
		said = c.findings()
	}
	if stderr != "" {
		said = append(said, stderr)
	}
	if strings.Contains(stderr, "goroutine ") {
		h.Errorf("ledger check: a panic: %s", stderr)
	}
	return said, code
}

func TestWhateverDamageALedgerTakesIsReported(t *testing.T) {
	t.Parallel()
	for _, tt := range damages() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHarmed(t)
			tt.harm(h)
			said, code := h.checks()
			want := []int{tt.code}
			if tt.code == 0 && len(tt.check) > 0 && !tt.note {
				want = []int{exitNotSound, exitInvalid}
			}
			switch {
			case !slices.Contains(want, code):
				t.Errorf("exit code %d, want %v: %q", code, want, said)
			case len(tt.check) == 0:
				if len(said) > 0 {
					t.Errorf("no harm was done: %q", said)
				}
			case !slices.ContainsFunc(tt.check, func(word string) bool { return strings.Contains(strings.Join(said, "\n"), word) }):
				t.Errorf("none of %q in %q", tt.check, said)
			}
			if tt.acts == "" {
				return
			}
			stdout, stderr, code := h.ask("execution", "cancel", "--reason", "a test", specimenLive)
			if (code == 0) != (tt.acts == "works") || code == 1 {
				t.Errorf("what acts on it: exit code %d: %s%s", code, stdout, stderr)
			}
		})
	}
}

// TestAPageThatWasLostIsReportedWhicheverItIs damages one page after the other: what the disk forgot, what
// it made up, and what it wrote into the wrong place. Only the end of a long text that nothing digests may
// change unnoticed.
func TestAPageThatWasLostIsReportedWhicheverItIs(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 4))
	pages := len(newHarmed(t).read(ledgerName)) / pageSize(specimen.files[ledgerName])
	numbers := rng.Perm(pages)
	if !long() {
		numbers = numbers[:8]
	}
	before := newHarmed(t).truth()
	for _, n := range numbers {
		number := n + 1
		other := numbers[0] + 1
		for what, content := range map[string]func(page []byte){
			"zeros": func(page []byte) { clear(page) },
			"noise": func(page []byte) {
				for i := range page {
					page[i] = byte(rng.Uint32())
				}
			},
			"another page": func(page []byte) {
				from := (other - 1) * len(page)
				copy(page, specimen.files[ledgerName][from:from+len(page)])
			},
		} {
			h := newHarmed(t)
			h.page(number, content)
			if said, code := h.checks(); code != exitNotSound && code != exitInvalid && h.truth() != before {
				t.Errorf("page %d of %d, %s: exit code %d: %q", number, pages, what, code, said)
			}
		}
	}
}

func (h *harmed) read(name string) []byte {
	h.Helper()
	raw, err := os.ReadFile(h.dir + "/" + name)
	must(h.T, err)
	return raw
}

// TestAByteThatFlippedIsReportedWhereItMatters flips single bytes of the pages that hold events, states and
// artifacts. Where any of those is no longer what it was, or SQLite finds fault with the page, it must be said.
func TestAByteThatFlippedIsReportedWhereItMatters(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 5))
	n := 20
	if long() {
		n = 1000
	}
	intact := newHarmed(t)
	before, pages, silent := intact.truth(), intact.pagesOf("provenance_events", "batch_execution_record", "execution_sources", "artifacts"), 0
	size := pageSize(specimen.files[ledgerName])
	for range n {
		h := newHarmed(t)
		at, bit := rng.IntN(size), rng.IntN(8)
		number := pages[rng.IntN(len(pages))]
		h.page(number, func(page []byte) { page[at] ^= 1 << bit })
		said, code := h.checks()
		switch code {
		case exitNotSound, exitInvalid:
		case 0:
			silent++
			if after := h.truth(); after != before {
				t.Errorf("page %d, byte %d, bit %d: nothing is reported, and it was %s, is %s", number, at, bit, before, after)
			}
		default:
			t.Errorf("page %d, byte %d, bit %d: exit code %d: %q", number, at, bit, code, said)
		}
	}
	t.Logf("%d bytes flipped, %d of them reported", n, n-silent)
	if silent == n {
		t.Error("nothing was reported: the test flips what does not matter")
	}
}

// pagesOf gives the pages of tables and of their indexes.
func (h *harmed) pagesOf(tables ...string) (pages []int) {
	h.Helper()
	db := h.shell()
	for _, table := range tables {
		rows, err := db.QueryContext(h.Context(), "SELECT pageno FROM dbstat WHERE name IN (SELECT name FROM sqlite_master WHERE tbl_name = ?)", table)
		must(h.T, err)
		for rows.Next() {
			var number int
			must(h.T, rows.Scan(&number))
			pages = append(pages, number)
		}
		must(h.T, rows.Err())
	}
	must(h.T, db.Close())
	if len(pages) == 0 {
		h.Fatalf("tables %v have no pages", tables)
	}
	return pages
}

// truth gives what must not change unnoticed, by plain SQL.
func (h *harmed) truth() string {
	h.Helper()
	db := h.shell()
	defer db.Close()
	var all strings.Builder
	for _, query := range []string{
		"SELECT group_concat(quote(seq) || quote(occurred_at) || quote(event_type) || quote(project_module) || quote(source_identifier) || quote(execution_id) || quote(actor) || quote(correlation_id) || quote(payload) || quote(prev_hash) || quote(hash)) FROM provenance_events",
		"SELECT group_concat(quote(uuid) || quote(status) || quote(attempt) || quote(version)) FROM batch_execution_record",
		"SELECT group_concat(quote(execution) || quote(source_id) || quote(active)) FROM execution_sources",
		"SELECT group_concat(quote(sha256) || quote(data)) FROM artifacts",
	} {
		var text *string
		if err := db.QueryRowContext(h.Context(), query).Scan(&text); err != nil {
			return fmt.Sprint(err)
		}
		if text != nil {
			all.WriteString(*text)
		}
	}
	return all.String()
}
