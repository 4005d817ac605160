package test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"beampipe/control"
	"beampipe/daemon"
	"beampipe/demo"
	"beampipe/ledger"
	"beampipe/vo/archive"
)

// maxMonthGrowth bounds what a month in which nothing changes may add to the ledger file.
const maxMonthGrowth = 100 << 10

// long says that the long forms of tests are wanted.
func long() bool { return os.Getenv("BEAMPIPE_LONG") != "" }

// idleMonth is a survey in whose archive nothing changes. Every source is asked again when a day has passed.
type idleMonth struct {
	*world
	pause   time.Duration // between ticks
	sources int
}

func newIdleMonth(t *testing.T, sources int, pause time.Duration) *idleMonth {
	t.Helper()
	m := &idleMonth{world: newWorld(t), sources: sources, pause: pause}
	m.add(surveyText, graphOf("echo done > {result}"))
	var d demo.Data
	names := make([]string, sources)
	for i := range names {
		names[i] = fmt.Sprintf("HIPASSJ%04d-%02d", i/60, i%60)
		o := demo.Object{Identifier: names[i], RA: 201.2, Dec: -0.5, Velocity: 1500}
		if i%10 == 0 { // one in ten has no data yet
			continue
		}
		d.List(o)
		d.Observe(o, 70000+i, 1)
	}
	m.store(d)
	m.register(names...)
	return m
}

// pass lets days pass: one of each tick after every pause.
func (m *idleMonth) pass(days int) {
	m.t.Helper()
	for end := m.clock.Now().AddDate(0, 0, days); m.clock.Now().Before(end); {
		m.clock.advance(m.pause)
		answer, err := m.TickDiscovery(context.Background(), project)
		must(m.t, err)
		if answer.Ticks[0].Error != "" || answer.Ticks[0].Failed > 0 {
			m.t.Fatalf("discovery: %+v", answer.Ticks[0])
		}
		if tick := m.Admit(context.Background(), project, false); tick.Error != "" {
			m.t.Fatal(tick.Error)
		}
		_, err = m.Work(context.Background())
		must(m.t, err)
		_, err = m.TickPoll(context.Background())
		must(m.t, err)
	}
}

// size gives the length of the ledger file with all that was written in it.
func (m *idleMonth) size() int64 {
	m.t.Helper()
	m.reopen()
	file, _ := m.ledger.Size()
	return file
}

// TestAMonthInWhichNothingChangesAddsAlmostNothing asks an archive daily for every source, and ticks all
// the time between. What happens again and again is kept once: the file grows only with what is new.
func TestAMonthInWhichNothingChangesAddsAlmostNothing(t *testing.T) {
	sources, pause := 10, 6*time.Hour
	if long() {
		sources, pause = 500, time.Minute
	}
	m := newIdleMonth(t, sources, pause)
	m.pass(2) // the sources get their data, the reasons of idle ticks become events
	events, before := m.events(), m.size()
	requests := m.archive.Requests()
	m.pass(30)
	if got := m.events() - events; got != 0 {
		list, err := m.ledger.View(t.Context()).Events(ledger.EventFilter{After: events, Limit: 10})
		t.Errorf("a month in which nothing changed made %d events: %+v, %v", got, list, err)
	}
	if m.archive.Requests() == requests {
		t.Error("the archive was not asked in the whole month")
	}
	grown := m.size() - before
	t.Logf("%d sources asked daily, a tick each %s: %d bytes more in a month", sources, pause, grown)
	if grown >= maxMonthGrowth {
		t.Errorf("the month added %d bytes to the file", grown)
	}
}

// TestADaemonThatIdlesWritesNothingNew runs the real daemon with its own schedules on a clock that only
// moves when everything waits: an hour in CI, a month in the long form.
func TestADaemonThatIdlesWritesNothingNew(t *testing.T) {
	t.Parallel()
	sources, span, cadence := 5, 65*time.Minute, 1 // hours
	if long() {
		sources, span, cadence = 50, 30*24*time.Hour, 24
	}
	path := filepath.Join(t.TempDir(), "beampipe.db")
	compressOnce(t)
	synctest.Test(t, func(t *testing.T) {
		a, err := archive.Open(t.Context(), archive.Options{Dir: t.TempDir()})
		must(t, err)
		defer func() { must(t, a.Close()) }()
		idle := newIdleDaemon(t, path, a, sources, cadence)
		idle.run(time.Duration(2*cadence)*time.Hour + 5*time.Minute) // each source is asked twice: what is unchanged for the first time is an event
		events, before := idle.look()
		requests := a.Requests()
		idle.run(span)
		after, size := idle.look()
		t.Logf("%s of a daemon: %d bytes more, %d requests", span, size-before, a.Requests()-requests)
		if after != events+2 { // that the daemon began, and that it ended
			t.Errorf("%d events in %s in which nothing changed but that a daemon ran", after-events, span)
		}
		if a.Requests() == requests {
			t.Error("the archive was not asked in all the time")
		}
		if size-before >= maxMonthGrowth {
			t.Errorf("%s added %d bytes to the file", span, size-before)
		}
	})
}

// compressOnce has the process make what it compresses with, which all ledgers share: made in a bubble it
// would be the bubble's alone.
func compressOnce(t *testing.T) {
	t.Helper()
	packed, err := ledger.Pack("text/plain", []byte("anything"))
	must(t, err)
	l, err := ledger.Create(t.Context(), filepath.Join(t.TempDir(), ledgerName), ledger.Options{})
	must(t, err)
	must(t, l.Write(t.Context(), func(tx *ledger.Tx) error { return tx.PutPacked(packed) }))
	_, err = l.View(t.Context()).Content(packed.SHA256)
	must(t, err)
	must(t, l.Close())
}

// idleDaemon is a daemon with nothing to do but to ask.
type idleDaemon struct {
	t *testing.T
	o daemon.Options
}

func newIdleDaemon(t *testing.T, path string, a *archive.Archive, sources, cadence int) *idleDaemon {
	t.Helper()
	const url = "http://archive.test/tap"
	idle := &idleDaemon{t: t, o: daemon.Options{
		LedgerPath: path, Listen: "off", Archives: map[string]string{"demo": url},
		Transport: func(string) http.RoundTripper { return a.Transport() },
		Getenv:    func(string) string { return "" },
	}}
	l, err := ledger.Create(t.Context(), path, ledger.Options{})
	must(t, err)
	c, err := control.NewLocal(control.LocalOptions{Ledger: l, Actor: "user:test"})
	must(t, err)
	_, err = c.AddProfile(t.Context(), control.ProfileFile{Name: "profile.json", Content: []byte(profileText)})
	must(t, err)
	raw := graphOf("true")
	survey := edited(t, "stale_after_hours: 24", fmt.Sprint("stale_after_hours: ", cadence))
	_, err = c.AddProject(t.Context(), control.ProjectFile{Name: "survey.yaml", Content: pinned(survey, raw), GraphName: "survey.graph", Graph: raw})
	must(t, err)
	var d demo.Data
	names := make([]string, sources)
	for i := range names {
		names[i] = fmt.Sprintf("HIPASSJ%04d-%02d", i/60, i%60)
		o := demo.Object{Identifier: names[i], RA: 201.2, Dec: -0.5, Velocity: 1500}
		d.List(o)
		d.Observe(o, 70000+i, 1)
	}
	must(t, errors.Join(a.AddObservations(t.Context(), d.Observations), a.AddEvaluations(t.Context(), d.Evaluations), a.AddCatalogue(t.Context(), d.Catalogue)))
	_, err = c.AddSources(t.Context(), project, names)
	must(t, err)
	must(t, l.Close())
	return idle
}

// run lets the daemon work for a time.
func (idle *idleDaemon) run(d time.Duration) {
	idle.t.Helper()
	running, err := daemon.Start(idle.t.Context(), idle.o)
	must(idle.t, err)
	time.Sleep(d) // of the bubble's clock
	must(idle.t, running.Stop())
}

func (idle *idleDaemon) look() (events, size int64) {
	idle.t.Helper()
	l, err := ledger.Open(idle.t.Context(), idle.o.LedgerPath, ledger.Options{})
	must(idle.t, err)
	events, err = l.View(idle.t.Context()).CountEvents()
	must(idle.t, err)
	must(idle.t, l.Close())
	info, err := os.Stat(idle.o.LedgerPath)
	must(idle.t, err)
	return events, info.Size()
}
