// Package grown makes a ledger as it is after years of work: many sources, executions in every state with
// their whole histories, a log whose chain holds. Lists and checks are measured on it. It writes past the
// program, with triggers and indexes taken off meanwhile, because the program would take hours.
package grown

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	_ "modernc.org/sqlite" // the driver

	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/provenance"
)

// Size is how much a ledger holds. Events counts those of executions as well: ten times as many as
// executions hold their histories.
type Size struct {
	Sources    int `json:"sources"`
	Executions int `json:"executions"`
	Events     int `json:"events"`
}

// Sizes by name.
var Sizes = map[string]Size{
	"small": {Sources: 2_000, Executions: 20_000, Events: 200_000},
	"full":  {Sources: 100_000, Executions: 1_000_000, Events: 10_000_000},
}

// Made says what a file holds, and what making it took.
type Made struct {
	Size
	Schema  int64   `json:"schema"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"` // that it took; 0 when it was there already
}

// Actor is in every event that is made here.
const Actor = "system:bench"

// Make makes a ledger of a size at path, or leaves one that is there already, of that size and this
// program's schema. tell is told what is being done.
func Make(ctx context.Context, path string, size Size, tell func(what string)) (Made, error) {
	if had, ok := there(ctx, path, size); ok {
		return had, nil
	}
	for _, name := range []string{path, path + "-wal", path + "-shm", path + ".witness", note(path)} {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return Made{}, fault.Wrap(fault.Unavailable, err, "make a ledger at "+path, "name a folder that can be written to")
		}
	}
	begun := time.Now()
	if err := fill(ctx, path, size, tell); err != nil {
		os.Remove(path) // half of one is none
		return Made{}, fmt.Errorf("make a ledger of %d executions: %w", size.Executions, err)
	}
	made := Made{Size: size, Seconds: time.Since(begun).Seconds()}
	if err := finish(ctx, path, &made); err != nil {
		return made, err
	}
	text, err := json.Marshal(made)
	if err == nil {
		err = os.WriteFile(note(path), text, 0o644)
	}
	return made, err
}

// note is the file that says what the ledger beside it holds. It is written last.
func note(path string) string { return path + ".made" }

// there tells whether the file is one that was made before and can be used again.
func there(ctx context.Context, path string, size Size) (Made, bool) {
	var made Made
	text, err := os.ReadFile(note(path))
	if err != nil || json.Unmarshal(text, &made) != nil || made.Size != size {
		return made, false
	}
	l, err := ledger.OpenReader(ctx, path, ledger.Options{})
	if err != nil {
		return made, false
	}
	defer l.Close()
	have, known, err := l.SchemaVersion(ctx)
	made.Seconds = 0
	return made, err == nil && have == known && have == made.Schema
}

func fill(ctx context.Context, path string, size Size, tell func(string)) error {
	if err := begin(ctx, path, size); err != nil {
		return err
	}
	m, err := open(ctx, path, size, tell)
	if err != nil {
		return err
	}
	defer m.db.Close()
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"indexes and triggers are taken off", m.strip},
		{"sources", m.sources},
		{"executions and events", m.runs},
		{"inputs", m.inputs},
		{"indexes and triggers are put back", m.restore},
		{"counts", m.counts},
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		tell(step.name)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// project is a survey with its share of everything, and where its executions run.
type project struct {
	name     string
	share    float64
	profiles []place
	block    int // its SBIDs begin with this
}

type place struct{ profile, target string }

var (
	here  = place{"this-machine", "local"}
	slurm = place{"setonix-slurm", "setonix.example.org"}
	dim   = place{"setonix-dim", "http://dim.example.org:8001"}
	cloud = place{"cloud-dim", "http://dim.cloud.example.org:8001"}
)

var projects = []project{
	{"wallaby_hires", 0.55, []place{slurm, slurm, slurm, dim}, 1},
	{"wallaby_lowres", 0.20, []place{slurm, here}, 1},
	{"dingo", 0.12, []place{dim, slurm}, 2},
	{"emu_pilot", 0.08, []place{cloud}, 3},
	{"possum", 0.04, []place{cloud, dim}, 3},
	{"flash", 0.01, []place{here}, 4},
}

// begin makes the ledger with its projects, profiles and ticks, through the program.
func begin(ctx context.Context, path string, size Size) error {
	l, err := ledger.Create(ctx, path, ledger.Options{Now: func() time.Time { return epoch }})
	if err != nil {
		return err
	}
	err = l.Write(ctx, func(tx *ledger.Tx) error {
		for _, p := range []place{here, slurm, dim, cloud} {
			if _, _, err := tx.AddProfile(ledger.Profile{Name: p.profile, Digest: p.profile, Spec: []byte("{}")}, Actor); err != nil {
				return err
			}
		}
		for _, p := range projects {
			c := ledger.NewConfig{Project: p.name, Digest: p.name, Spec: []byte("{}"), File: []byte("{}"), FileName: p.name + ".yaml"}
			if _, _, err := tx.AddConfig(c, Actor); err != nil {
				return err
			}
		}
		return nil
	})
	for _, p := range projects {
		if err == nil {
			err = l.Write(ctx, func(tx *ledger.Tx) error { return ticks(tx, p.name, min(ledger.MaxTickRuns, size.Executions/200)) })
		}
	}
	return errors.Join(err, l.Close())
}

// ticks records ticks of every kind that did something.
func ticks(tx *ledger.Tx, project string, n int) error {
	kinds := []string{ledger.TickDiscovery, ledger.TickDiscovery, ledger.TickDiscovery, ledger.TickExecution}
	for i := range n {
		t := ledger.TickRun{
			Project: project, Kind: kinds[i%len(kinds)], Reason: "done", Counters: map[string]int{"claimed": 2, "changed": 1, "took_ms": 900},
			Sources: []ledger.TickSource{{Identifier: Identifier(i), Outcome: ledger.OutcomeChanged}, {Identifier: Identifier(i + 1), Outcome: ledger.OutcomeUnchanged}},
		}
		if _, err := tx.RecordTickRun(t); err != nil {
			return err
		}
	}
	return nil
}

// open opens the file past the program, for one connection that is not careful.
func open(ctx context.Context, path string, size Size, tell func(string)) (*maker, error) {
	l, err := ledger.OpenReader(ctx, path, ledger.Options{})
	if err != nil {
		return nil, err
	}
	seq, hash, err := l.View(ctx).Head()
	if err := errors.Join(err, l.Close()); err != nil {
		return nil, err
	}
	settings := url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)", "foreign_keys(OFF)", "locking_mode(EXCLUSIVE)", "cache_size(-200000)"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+settings.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &maker{ctx: ctx, db: db, size: size, tell: tell, clock: epoch, head: ledger.Head{Seq: seq, Hash: hash}}, nil
}

// finish opens the ledger as the program does, so that its witness and its journal are as they should be.
func finish(ctx context.Context, path string, made *Made) error {
	l, err := ledger.Open(ctx, path, ledger.Options{})
	if err != nil {
		return err
	}
	err = l.RenewWitness()
	if err == nil {
		made.Schema, _, err = l.SchemaVersion(ctx)
	}
	made.Bytes, _ = l.Size()
	return errors.Join(err, l.Close())
}

// epoch is when the work begins; years is how long it lasts.
var epoch = time.Date(2023, 11, 20, 4, 0, 0, 0, time.UTC)

const years = 3 * 365 * 24 * time.Hour

// maker is the making of one ledger.
type maker struct {
	ctx   context.Context
	db    *sql.DB
	size  Size
	tell  func(string)
	taken []string // the SQL of what was taken off, in the order in which it was made

	clock time.Time
	head  ledger.Head
	event *sql.Stmt

	groups []group // the sources of each project
}

// append writes an event at the end of the chain, and moves the clock on.
func (m *maker) append(e provenance.Event) error {
	m.clock = m.clock.Add(years / time.Duration(m.size.Events)).Truncate(time.Millisecond)
	e.Seq, e.PrevHash, e.OccurredAt, e.Actor = m.head.Seq+1, m.head.Hash, m.clock, Actor
	e.Hash = e.ChainHash()
	if _, err := m.event.Exec(e.Seq, ledger.Stamp(e.OccurredAt), e.Type, e.Project, e.Source, e.Execution, e.Actor, e.Correlation, string(e.Payload), e.PrevHash, e.Hash); err != nil {
		return err
	}
	m.head = ledger.Head{Seq: e.Seq, Hash: e.Hash}
	return nil
}
