package discovery

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"beampipe/fault"
	"beampipe/ledger"
)

// mass is what many sources of a project do in one tick, or in ticks that go on with each other. New data
// of one source is news; that of a twentieth of the survey at once is more likely an archive that was
// rebuilt.
type mass struct {
	since   time.Time       // when the first of the ticks began
	changed map[string]bool // sources that had data before and have other data now
	missing map[string]bool // sources that had all their data before and do not now
	braked  bool            // by this
}

// masses keeps the mass of a project's last tick while the next one goes on with it: where its limits end
// a tick before all is asked that is due, the ticks are slices of one.
type masses struct {
	mu sync.Mutex
	of map[string]mass
}

// resume gives what a tick that begins now goes on with. That lasts for one round: after a time in which
// every source is asked once, another begins.
func (l *masses) resume(project string, now time.Time, round time.Duration) mass {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m, ok := l.of[project]; ok && now.Sub(m.since) < round {
		return m
	}
	return mass{since: now}
}

// keep remembers a tick's mass when sources that are due were left by it.
func (l *masses) keep(project, reason string, m mass) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch reason {
	case ReasonMaxBatches, ReasonMaxSources, ReasonQueueFull, ReasonInFlight, ReasonProjectCap, ReasonStopped, ReasonUnavailable:
		if l.of == nil {
			l.of = map[string]mass{}
		}
		l.of[project] = m
	default:
		delete(l.of, project)
	}
}

// guarded is what is stored of a batch after the limits of mass_change were held against it.
type guarded struct {
	list    []concluded
	mass    mass            // of the tick, with this batch
	brake   string          // why the project's admission stops; "" when it does not
	suspect map[string]bool // sources that lost data at once; nil when that is no archive fault
	fault   string          // what the operator is told of them
	held    string          // why none is taken for gone; "" when one may be
}

// guard holds a batch against the limits of mass_change before it is stored in tx. Too many changed
// sources stop the project's admission, in the same transaction. Too many sources that lost data are a
// fault of the archive: nothing is concluded about them. While too many are missing, however slowly that
// came about, none is taken for gone by what the archive says alone. Of too many refused answers it is
// more likely the query than the sources that is wrong, and none is quarantined.
func (t *Tick) guard(tx *ledger.Tx, list []concluded) (guarded, error) {
	g := guarded{list: slices.Clone(list), mass: t.mass.with(list)}
	suspects := union(t.engine.suspects.of(t.id), g.mass.missing)
	over, err := t.shares(tx.View, list, len(g.mass.changed), len(suspects))
	if err != nil {
		return g, err
	}
	if over.changed.over && !g.mass.braked {
		g.mass.braked = true
		g.brake = fmt.Sprintf("discovery since %s found other data for %s at once; %s", ledger.Minute(g.mass.since), over.changed, t.massLimit())
		if _, err := tx.Brake(t.id, g.brake); err != nil {
			return g, err
		}
	}
	if over.missing.over && slices.ContainsFunc(list, func(c concluded) bool { return lostData(c.discovery) }) {
		g.suspect, g.fault = suspects, fmt.Sprintf("archive fault suspected: %s would lose data at once; %s", over.missing, t.massLimit())
	}
	for i := range g.list {
		d := &g.list[i].discovery
		if over.gone.over && d.Outcome == ledger.OutcomeGone && lostData(*d) {
			g.held = "too many sources are missing at once to take any of them for gone; " + t.massLimit()
			stillMissing(d)
		}
		if g.suspect != nil && lostData(*d) {
			t.suspectFault(d, g.fault)
		}
		if over.refused.over && refusal(d.Outcome) {
			d.QuarantineAfter = 0
		}
		d.NextDue = t.nextDue(*d, tx.Now())
	}
	return g, nil
}

// shares are the numbers of sources that guard holds against the limits.
type shares struct {
	changed, missing, refused share
	gone                      share // sources that are missing now, where one is about to be taken for gone
}

func (t *Tick) shares(v ledger.View, list []concluded, changed, missing int) (s shares, err error) {
	if s.changed, err = t.tooMany(v, changed); err != nil {
		return s, err
	}
	if s.missing, err = t.tooMany(v, missing); err != nil {
		return s, err
	}
	if s.refused, err = t.tooManyRefused(v, list); err != nil {
		return s, err
	}
	s.gone, err = t.tooManyMissing(v, list)
	return s, err
}

// suspectFault makes a failure of what was concluded from an answer that shows less.
func (t *Tick) suspectFault(d *ledger.Discovery, why string) {
	report := d.Report
	t.fail(d, fault.New(fault.Unavailable, why, "nothing was stored and the sources are asked again; if the archive really took the data back, raise automation.discovery.mass_change (sources: 0 switches it off)"))
	d.Report = report
}

// with adds a batch to the counts.
func (m mass) with(list []concluded) mass {
	m.changed, m.missing = union(m.changed), union(m.missing)
	for _, c := range list {
		d := c.discovery
		switch {
		case lostData(d):
			if d.Source.MissingSince == nil {
				m.missing[d.Source.Identifier] = true
			}
		case d.Outcome != ledger.OutcomeError && !refusal(d.Outcome):
			delete(m.missing, d.Source.Identifier)
		}
		if d.Outcome == ledger.OutcomeChanged && hadData(d.Source) {
			m.changed[d.Source.Identifier] = true
		}
	}
	return m
}

// hadData reports whether a source was known with data: neither its first discovery nor the first data
// after there was none.
func hadData(s ledger.Source) bool { return s.Signature != "" && s.Signature != NoDataSignature }

// lostData reports whether an answer shows less than what is known, unless it is what an operator said
// that it may lack.
func lostData(d ledger.Discovery) bool {
	return d.Outcome == ledger.OutcomeMissing || d.Outcome == ledger.OutcomeGone && d.Source.AcceptMissingAt == nil
}

// share is a number of sources and, where it is past the limits, of how many enabled ones.
type share struct {
	n, of int
	over  bool
}

func (s share) String() string {
	return fmt.Sprintf("%d of %d enabled sources (%.3g %%)", s.n, s.of, 100*float64(s.n)/float64(max(s.of, 1)))
}

// tooMany holds a number of sources against the limits of mass_change.
func (t *Tick) tooMany(v ledger.View, n int) (share, error) {
	most, percent := t.project.Automation.Discovery.MassChangeLimit()
	s := share{n: n}
	if most == 0 || n <= most {
		return s, nil
	}
	var err error
	s.of, err = v.CountEnabled(t.id)
	s.over = float64(n)*100 > percent*float64(s.of)
	return s, err
}

// tooManyMissing holds the sources whose data is missing now against the limits, where one of a batch is
// about to be taken for gone. It reads no more of them than it takes to know.
func (t *Tick) tooManyMissing(v ledger.View, list []concluded) (share, error) {
	most, percent := t.project.Automation.Discovery.MassChangeLimit()
	if most == 0 || !slices.ContainsFunc(list, func(c concluded) bool { return c.discovery.Outcome == ledger.OutcomeGone && lostData(c.discovery) }) {
		return share{}, nil
	}
	enabled, err := v.CountEnabled(t.id)
	if err != nil {
		return share{}, err
	}
	yes := true
	enough := max(most, int(percent*float64(enabled)/100)) + 1
	missing, err := v.Sources(ledger.SourceFilter{Project: t.id, Missing: &yes, Enabled: &yes, Limit: enough})
	if err != nil {
		return share{}, err
	}
	return t.tooMany(v, len(missing))
}

// tooManyRefused holds the sources whose answers cannot be used now against the limits, where one of a
// batch is about to be set aside. Where it is every source of several, it is none of them either.
func (t *Tick) tooManyRefused(v ledger.View, list []concluded) (share, error) {
	if !slices.ContainsFunc(list, func(c concluded) bool { return quarantines(c.discovery) }) {
		return share{}, nil
	}
	n, err := v.CountRefused(t.id)
	if err != nil {
		return share{}, err
	}
	for _, c := range list { // the ledger does not know yet
		switch before, now := c.discovery.Source.Refusals > 0, c.discovery.Outcome; {
		case !before && refusal(now):
			n++
		case before && !refusal(now) && now != ledger.OutcomeError:
			n--
		}
	}
	s, err := t.tooMany(v, n)
	if err == nil && !s.over {
		s.of, err = v.CountEnabled(t.id)
		s.over = s.of > 1 && n >= s.of
	}
	return s, err
}

func (t *Tick) massLimit() string {
	most, percent := t.project.Automation.Discovery.MassChangeLimit()
	return fmt.Sprintf("expected at most %d sources or %s %% (automation.discovery.mass_change)", most, strconv.FormatFloat(percent, 'g', -1, 64))
}

func union(sets ...map[string]bool) map[string]bool {
	all := map[string]bool{}
	for _, set := range sets {
		for name := range set {
			all[name] = true
		}
	}
	return all
}
