package test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"beampipe/demo"
	"beampipe/ledger"
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
	sources, pause := 100, time.Hour
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
