package test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"beampipe/ledger"
	"beampipe/provenance"
)

// specimen is a ledger file with some history, of which each test takes a copy to do harm to.
var specimen struct {
	once  sync.Once
	files map[string][]byte // by name; the ledger and what lies beside it
	older []byte            // the ledger as it was when half of it had happened
}

const ledgerName = "beampipe.db"

// specimenHost is the machine that the specimen is at home on.
const specimenHost = "specimen"

// specimenSources have metadata and answers enough for some hundred pages of tables and indexes.
const specimenSources = 30

// harmed is a copy of the specimen and the real program to ask about it.
type harmed struct {
	*testing.T
	dir, program string
}

func newHarmed(t *testing.T) *harmed {
	t.Helper()
	specimen.once.Do(func() { specimen.files, specimen.older = makeSpecimen(t, specimenSources) })
	if specimen.files == nil {
		t.Fatal("there is no specimen: it could not be made")
	}
	h := &harmed{T: t, dir: t.TempDir(), program: program(t)}
	h.lay(specimen.files)
	h.settle()
	return h
}

// settle makes the copy's folder the ledger's home.
func (h *harmed) settle() {
	h.Helper()
	h.sql("UPDATE ledger_info SET value = '" + h.ledger() + "' WHERE key = 'home_path'")
}

// lay writes files into the folder.
func (h *harmed) lay(files map[string][]byte) {
	h.Helper()
	for name, content := range files {
		must(h.T, os.WriteFile(filepath.Join(h.dir, name), content, 0o600))
	}
}

func (h *harmed) ledger() string { return filepath.Join(h.dir, ledgerName) }

func (h *harmed) witness() string { return h.ledger() + ".witness" }

// ledgerFiles reads a ledger and what lies beside it.
func ledgerFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, ledgerName+"*"))
	must(t, err)
	files := map[string][]byte{}
	for _, name := range names {
		files[filepath.Base(name)], err = os.ReadFile(name)
		must(t, err)
	}
	return files
}

// specimenLive is an execution of every specimen, the first one; it is in preparation.
const specimenLive = "01930000-0000-7000-8000-000000000002"

// makeSpecimen makes a ledger in which something of everything has happened to so many sources. older is the
// file when half of it had. Its ids are those of every other specimen, but for the ledger's own.
func makeSpecimen(t *testing.T, sources int) (files map[string][]byte, older []byte) {
	t.Helper()
	dir, ids := t.TempDir(), 0
	now := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	var l *ledger.Ledger
	open := func() {
		t.Helper()
		var err error
		l, err = ledger.Create(t.Context(), filepath.Join(dir, ledgerName), ledger.Options{Now: func() time.Time { return now }, HostID: specimenHost, NewID: func() string {
			ids++
			return fmt.Sprintf("01930000-0000-7000-8000-%012d", ids)
		}})
		must(t, err)
	}
	open()
	write := func(fn func(tx *ledger.Tx) error) {
		t.Helper()
		now = now.Add(time.Minute)
		must(t, l.Write(t.Context(), fn))
	}
	write(func(tx *ledger.Tx) error {
		_, _, err := tx.AddConfig(ledger.NewConfig{Project: project, Digest: "c1", Spec: []byte("{}"), File: []byte("x"), FileName: "survey.yaml"}, "user:ann")
		return err
	})
	write(func(tx *ledger.Tx) error {
		_, _, err := tx.AddProfile(ledger.Profile{Name: "here", Digest: "p1", Spec: []byte("{}")}, "user:ann")
		return err
	})
	for i := range sources {
		if i == sources/2 {
			must(t, l.Close())
			older = ledgerFiles(t, dir)[ledgerName]
			open()
		}
		s := discovered(l, write, fmt.Sprintf("HIPASSJ%04d-00", 1000+i))
		if i%3 == 0 {
			admitted(l, write, s, []ledger.Event{
				ledger.EventPrepare, ledger.EventPrepared, ledger.EventSubmit, ledger.EventAccepted,
				ledger.EventStarted, ledger.EventFinished, ledger.EventVerified,
			}[:1+i/3%7])
		}
	}
	must(t, l.Close())
	(&harmed{T: t, dir: dir}).sql("VACUUM") // no free pages: each holds something
	return ledgerFiles(t, dir), older
}

func discovered(l *ledger.Ledger, write func(func(tx *ledger.Tx) error), name string) (s ledger.Source) {
	write(func(tx *ledger.Tx) error { _, err := tx.RegisterSource(project, name, "user:ann"); return err })
	write(func(tx *ledger.Tx) (err error) {
		if s, err = tx.Source(project, name); err != nil {
			return err
		}
		claim, _, err := tx.TryClaim(ledger.ClaimDiscovery, ledger.SourceSubject(s.ID), "worker", tx.NewBatch(project), time.Hour)
		if err != nil {
			return err
		}
		var records []map[string]any
		for beam := range 36 {
			records = append(records, map[string]any{"filename": fmt.Sprintf("%s_%02d.tar", name, beam), "access_url": "https://archive.test/data/" + strings.Repeat(name, 3)})
		}
		answer, err := json.Marshal(records)
		if err != nil {
			return err
		}
		return tx.StoreDiscovery(ledger.Discovery{
			Source: s, Claim: claim, Outcome: ledger.OutcomeChanged, Signature: "signature of " + name, Rule: "r1", NextDue: tx.Now().Add(time.Hour),
			Metadata: []ledger.Metadata{{SBID: "70001", Records: records}}, Answer: answer,
		})
	})
	write(func(tx *ledger.Tx) (err error) { s, err = tx.Source(project, name); return err })
	return s
}

func admitted(l *ledger.Ledger, write func(func(tx *ledger.Tx) error), s ledger.Source, events []ledger.Event) {
	var e ledger.Execution
	write(func(tx *ledger.Tx) (err error) {
		e, err = tx.CreateExecution(ledger.NewExecution{
			Project: project, ConfigRevision: 1, Profile: "here", ProfileRevision: 1, Target: "local", Signature: s.Signature, Actor: provenance.ActorAdmission, Why: "new data",
			Sources: []ledger.ExecutionSource{{SourceID: s.ID, Identifier: s.Identifier, SBIDs: []string{"70001"}, Signature: s.Signature}},
		})
		return err
	})
	write(func(tx *ledger.Tx) error {
		packed, err := ledger.Pack("application/json", bytes.Repeat([]byte(`{"manifest of": "`+s.Identifier+`"}`), 200))
		if err != nil {
			return err
		}
		return tx.AttachArtifact(e.ID, e.Attempt, ledger.ArtifactManifest, packed)
	})
	for _, event := range events {
		write(func(tx *ledger.Tx) (err error) {
			e, err = tx.Move(e, event, ledger.Step{Actor: provenance.ActorExecution, Why: "it went on"})
			return err
		})
	}
}

// sql runs statements as somebody with an SQLite shell would.
func (h *harmed) sql(statements ...string) {
	h.Helper()
	db := h.shell()
	for _, s := range statements {
		if _, err := db.ExecContext(context.Background(), s); err != nil {
			h.Fatalf("%s: %v", s, err)
		}
	}
	must(h.T, db.Close())
}

// shell opens the file as an SQLite shell does.
func (h *harmed) shell() *sql.DB {
	h.Helper()
	db, err := sql.Open("sqlite", "file:"+h.ledger())
	must(h.T, err)
	db.SetMaxOpenConns(1)
	return db
}

// triggers gives the triggers of a table, as they are made.
func (h *harmed) triggers(table string) map[string]string {
	h.Helper()
	db := h.shell()
	rows, err := db.QueryContext(context.Background(), "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", table)
	must(h.T, err)
	triggers := map[string]string{}
	for rows.Next() {
		var name, text string
		must(h.T, rows.Scan(&name, &text))
		triggers[name] = text
	}
	must(h.T, rows.Err())
	must(h.T, db.Close())
	return triggers
}

// unguarded does harm to a table without its triggers, and makes them again afterwards when mend says so.
func (h *harmed) unguarded(table string, mend bool, harm func()) {
	h.Helper()
	triggers := h.triggers(table)
	for name := range triggers {
		h.sql("DROP TRIGGER " + name)
	}
	harm()
	if mend {
		for _, text := range triggers {
			h.sql(text)
		}
	}
}

// ask runs the real program on the harmed ledger.
func (h *harmed) ask(args ...string) (stdout, stderr string, code int) {
	h.Helper()
	cmd := exec.Command(h.program, append([]string{"--ledger", h.ledger()}, args...)...)
	cmd.Dir, cmd.Env = h.dir, append(os.Environ(), "USER=ann", "BEAMPIPE_LEDGER=", "BEAMPIPE_HOST_ID="+specimenHost)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}
