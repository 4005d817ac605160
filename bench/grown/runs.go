package grown

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"beampipe/ledger"
	"beampipe/provenance"
)

// Settings of what runs.
const (
	atOnce   = 300  // executions whose events alternate
	liveMost = 1000 // executions that have not ended, at most
	recent   = 500  // executions among which one is chosen to be run again
)

// run is an execution whose events are being written.
type run struct {
	ledger.Execution
	source string // its only one
	steps  []ledger.Event
}

// story is how an execution goes: the events that it sees, and the class of its failure.
type story struct {
	steps []ledger.Event
	class ledger.Class
	hold  bool
}

func steps(before []ledger.Event, more ...ledger.Event) []ledger.Event {
	return append(slices.Clone(before), more...)
}

var (
	toReady   = []ledger.Event{ledger.EventPrepare, ledger.EventPrepared}
	toQueued  = steps(toReady, ledger.EventSubmit, ledger.EventAccepted)
	toRunning = steps(toQueued, ledger.EventStarted)
	toFailed  = steps(toRunning, ledger.EventFail)
	toEnd     = steps(toRunning, ledger.EventFinished, ledger.EventVerified)
)

var ended = []weighted[story]{
	{story{steps: toEnd}, 0.85},
	{story{steps: steps(steps(toFailed, ledger.EventRetry), toEnd...)}, 0.06},
	{story{steps: steps(toQueued, ledger.EventFail), class: ledger.ClassPlumbing}, 0.035},
	{story{steps: toFailed, class: ledger.ClassScience}, 0.02},
	{story{steps: []ledger.Event{ledger.EventPrepare, ledger.EventFail}}, 0.005},
	{story{steps: []ledger.Event{ledger.EventCancel}}, 0.02},
	{story{steps: steps(toRunning, ledger.EventCancel, ledger.EventStopped)}, 0.01},
}

var live = []weighted[story]{
	{story{}, 0.2},
	{story{steps: toReady[:1]}, 0.02},
	{story{steps: toReady}, 0.1},
	{story{steps: toReady, hold: true}, 0.08},
	{story{steps: toQueued[:3]}, 0.01},
	{story{steps: steps(toQueued[:3], ledger.EventLost)}, 0.01},
	{story{steps: toQueued}, 0.2},
	{story{steps: toRunning}, 0.33},
	{story{steps: steps(toRunning, ledger.EventCancel)}, 0.01},
	{story{steps: steps(toRunning, ledger.EventFinished)}, 0.04},
}

// writing is the statements that executions are written with.
type writing struct {
	chance                     *rand.Rand
	execution, source, product *sql.Stmt
	next                       map[string]ledger.Transition // by state and event
	ids                        []string                     // of the last ones
	busy                       map[int64]bool               // sources that an execution works on
}

func (m *maker) runs() error {
	tx, err := m.db.BeginTx(m.ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it says so
	w := &writing{chance: rand.New(rand.NewPCG(2, 2)), next: map[string]ledger.Transition{}, busy: map[int64]bool{}}
	for _, t := range ledger.Transitions() {
		w.next[string(t.From)+" "+string(t.Event)] = t
	}
	for text, stmt := range map[string]**sql.Stmt{
		`INSERT INTO batch_execution_record (uuid, project, config_revision, profile, profile_revision, target, status, attempt, version, discovery_signature, failure_class,
			last_error, held_at, held_by, hold_reason, rerun_of, submission_id, external_id, folder, created_at, created_by, updated_at, started_at, completed_at)
			VALUES (?, ?, 1, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`: &w.execution,
		"INSERT INTO execution_sources (execution, source_id, project, identifier, sbids, signature, active) VALUES (?, ?, ?, ?, ?, ?, ?)": &w.source,
		"INSERT INTO products (execution, attempt, path, sha256, bytes, drop_oid, uri) VALUES (?, ?, ?, ?, ?, ?, ?)":                       &w.product,
		`INSERT INTO provenance_events (seq, occurred_at, event_type, project_module, source_identifier, execution_id, actor, correlation_id, payload, prev_hash, hash)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`: &m.event,
	} {
		if *stmt, err = tx.Prepare(text); err != nil {
			return err
		}
	}
	if err := m.mix(w); err != nil {
		return err
	}
	return tx.Commit()
}

// mix writes events as they come in life: those of executions that run at the same time alternate, and
// discoveries stand between them.
func (m *maker) mix(w *writing) error {
	var pool []*run
	made := 0
	const perRun = 9 // events of an execution, about
	discoveries := max(0, 1-perRun*float64(m.size.Executions)/float64(m.size.Events))
	for m.head.Seq < int64(m.size.Events) {
		if m.head.Seq%100_000 == 0 {
			if err := m.ctx.Err(); err != nil {
				return err
			}
			m.tell(fmt.Sprintf("event %d of %d, execution %d of %d", m.head.Seq, m.size.Events, made, m.size.Executions))
		}
		var err error
		switch {
		case w.chance.Float64() < discoveries, made == m.size.Executions && len(pool) == 0:
			err = m.discovered(w)
		case made < m.size.Executions && len(pool) < atOnce:
			var r *run
			if r, err = m.create(w, made); err == nil {
				made++
				pool = append(pool, r)
			}
		default:
			i := w.chance.IntN(len(pool))
			if len(pool[i].steps) == 0 && pool[i].Held == nil {
				pool[i] = pool[len(pool)-1]
				pool = pool[:len(pool)-1]
				continue
			}
			err = m.step(w, pool[i])
		}
		if err != nil {
			return err
		}
	}
	if made < m.size.Executions || slices.ContainsFunc(pool, func(r *run) bool { return len(r.steps) > 0 || r.Held != nil }) {
		return fmt.Errorf("%d events are too few for the histories of %d executions", m.size.Events, m.size.Executions)
	}
	return nil
}

// discovered writes what was found for some source.
func (m *maker) discovered(w *writing) error {
	g := m.groupOf(w.chance)
	kind := oneOf(w.chance, []weighted[string]{{provenance.DiscoveryChanged, 0.8}, {provenance.DiscoveryUnchanged, 0.1}, {provenance.DiscoveryError, 0.08}, {provenance.DiscoveryNoData, 0.02}})
	return m.append(provenance.Event{
		Type: kind, Project: g.name, Source: Identifier(w.chance.IntN(g.n)),
		Payload: fmt.Appendf(nil, `{"after":"%016x","before":"%016x","changes":2,"rule":"r1"}`, w.chance.Uint64(), w.chance.Uint64()),
	})
}

func (m *maker) groupOf(chance *rand.Rand) group {
	at := chance.Float64()
	for _, g := range m.groups {
		if at -= g.share; at < 0 && g.n > 0 {
			return g
		}
	}
	return m.groups[0]
}

// create writes an execution as it is in the end, and its first event. The last ones do not end.
func (m *maker) create(w *writing, n int) (*run, error) {
	g := m.groupOf(w.chance)
	s := oneOf(w.chance, ended)
	if n >= m.size.Executions-min(liveMost, m.size.Executions/20, m.size.Sources/20) {
		s = oneOf(w.chance, live)
	}
	p := g.profiles[w.chance.IntN(len(g.profiles))]
	r := &run{steps: s.steps}
	r.ID, r.Project, r.Profile, r.Target, r.State, r.Attempt, r.Version = id(m.clock, w.chance), g.name, p.profile, p.target, ledger.Pending, 1, 1
	r.CreatedAt = m.clock
	if len(w.ids) > 0 && w.chance.Float64() < 0.02 {
		r.RerunOf = w.ids[w.chance.IntN(len(w.ids))]
	}
	last := r.end(w, s)
	sources := m.choose(w, g, !last.State.Terminal())
	if len(sources) == 0 { // all of the project's are being worked on
		return m.create(w, n)
	}
	if len(sources) == 1 {
		r.source = Identifier(sources[0])
	}
	if err := w.write(last, g, sources); err != nil {
		return nil, err
	}
	if len(w.ids) >= recent {
		w.ids = w.ids[1:]
	}
	w.ids = append(w.ids, r.ID)
	if s.hold {
		r.Held = &ledger.Mark{}
	}
	return r, m.append(provenance.Event{
		Type: provenance.ExecutionCreated, Project: r.Project, Source: r.source, Execution: r.ID,
		Payload: fmt.Appendf(nil, `{"config_revision":1,"discovery_signature":"%016x","profile":%q,"profile_revision":1,"rerun_of":%q,"sources":[%q],"why":"pending"}`, w.chance.Uint64(), r.Profile, r.RerunOf, r.source),
	})
}

// end gives the execution as its story leaves it.
func (r *run) end(w *writing, s story) ledger.Execution {
	e := r.Execution
	for _, event := range s.steps {
		e = moved(w, e, event)
	}
	e.Class = s.class
	if e.State == ledger.Failed {
		e.Error = "sbatch: node failure"
	}
	if s.hold {
		e.Version++
		e.Held = &ledger.Mark{By: Actor, Reason: "maintenance"}
	}
	return e
}

func moved(w *writing, e ledger.Execution, event ledger.Event) ledger.Execution {
	t := w.next[string(e.State)+" "+string(event)]
	e.State, e.Version = t.To, e.Version+1
	if t.NextAttempt {
		e.Attempt++
		e.SubmissionID = ""
	}
	if event == ledger.EventSubmit {
		e.SubmissionID = ledger.SubmissionID(e.ID, e.Attempt)
	}
	return e
}

// choose picks an execution's sources. One that works on its sources still has them alone.
func (m *maker) choose(w *writing, g group, alone bool) []int {
	wanted := 1
	if w.chance.IntN(4) == 0 {
		wanted = 1 + w.chance.IntN(6)
	}
	var list []int
	for range wanted {
		k := w.chance.IntN(g.n)
		for tries := 0; tries < g.n && alone && w.busy[g.first+int64(k)]; tries++ {
			k = (k + 1) % g.n
		}
		if slices.Contains(list, k) || alone && w.busy[g.first+int64(k)] {
			continue
		}
		if alone {
			w.busy[g.first+int64(k)] = true
		}
		list = append(list, k)
	}
	return list
}

// write writes the rows of an execution.
func (w *writing) write(e ledger.Execution, g group, sources []int) error {
	created := ledger.Stamp(e.CreatedAt)
	updated := ledger.Stamp(e.CreatedAt.Add(2 * time.Hour))
	var held, started, completed any
	if e.Held != nil {
		held = created
	} else {
		e.Held = &ledger.Mark{}
	}
	if e.SubmissionID != "" {
		started = created
	}
	if e.State.Terminal() {
		completed = updated
	}
	folder := ""
	if e.SubmissionID != "" {
		folder = "/scratch/project0001/beampipe/" + e.SubmissionID
	}
	if _, err := w.execution.Exec(e.ID, e.Project, e.Profile, e.Target, string(e.State), e.Attempt, e.Version, digest(w.chance), string(e.Class), e.Error,
		held, e.Held.By, e.Held.Reason, e.RerunOf, e.SubmissionID, "", folder, created, Actor, updated, started, completed); err != nil {
		return err
	}
	for _, k := range slices.Sorted(slices.Values(sources)) {
		list := g.sbids(k)
		text := `["` + list[0] + `"]`
		if len(list) > 1 {
			text = `["` + list[0] + `","` + list[1] + `"]`
		}
		if _, err := w.source.Exec(e.ID, g.first+int64(k), g.name, Identifier(k), text, digest(w.chance), !e.State.Terminal()); err != nil {
			return err
		}
	}
	if e.State != ledger.Completed || w.chance.IntN(2) == 0 {
		return nil
	}
	path := "products/" + Identifier(sources[0]) + ".fits"
	_, err := w.product.Exec(e.ID, e.Attempt, path, digest(w.chance), 4_000_000, "oid-"+e.ID[:8], "file://"+folder+"/"+path)
	return err
}

// step writes the next event of an execution.
func (m *maker) step(w *writing, r *run) error {
	if len(r.steps) == 0 {
		r.Held = nil
		return m.append(provenance.Event{
			Type: provenance.ExecutionHeld, Project: r.Project, Source: r.source, Execution: r.ID, Correlation: r.SubmissionID,
			Payload: fmt.Appendf(nil, `{"reason":"maintenance","state":%q}`, r.State),
		})
	}
	event := r.steps[0]
	before := r.State
	r.Execution, r.steps = moved(w, r.Execution, event), r.steps[1:]
	return m.append(provenance.Event{
		Type: "execution." + string(event), Project: r.Project, Source: r.source, Execution: r.ID, Correlation: r.SubmissionID,
		Payload: fmt.Appendf(nil, `{"attempt":%d,"from":%q,"to":%q,"why":"as it went"}`, r.Attempt, before, r.State),
	})
}

// id makes a UUIDv7 of a time.
func id(at time.Time, chance *rand.Rand) string {
	a, b := chance.Uint64(), chance.Uint64()
	ms := at.UnixMilli()
	return fmt.Sprintf("%08x-%04x-7%03x-%x%03x-%012x", ms>>16, ms&0xffff, a&0xfff, 8+b&3, a>>12&0xfff, b>>16)
}
