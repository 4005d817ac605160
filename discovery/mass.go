package discovery

import (
	"fmt"
	"slices"
	"strconv"

	"beampipe/fault"
	"beampipe/ledger"
)

// mass counts what many sources of a project do in one tick. New data of one source is news; that of a
// twentieth of the survey within a tick is more likely an archive that was rebuilt.
type mass struct {
	changed int             // sources that had data before and have other data now
	missing map[string]bool // sources that had all their data before and do not now
	braked  bool            // by this tick
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
	refused := union(t.engine.refused.of(t.id), refusals(list))
	over, err := t.shares(tx.View, list, g.mass.changed, len(suspects), len(refused))
	if err != nil {
		return g, err
	}
	if over.changed.over && !g.mass.braked {
		g.mass.braked = true
		g.brake = fmt.Sprintf("the discovery tick of %s found other data for %s at once; %s", ledger.Stamp(t.began), over.changed, t.massLimit())
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

func (t *Tick) shares(v ledger.View, list []concluded, changed, missing, refused int) (s shares, err error) {
	if s.changed, err = t.tooMany(v, changed); err != nil {
		return s, err
	}
	if s.missing, err = t.tooMany(v, missing); err != nil {
		return s, err
	}
	if s.refused, err = t.tooMany(v, refused); err != nil {
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
	m.missing = union(m.missing)
	for _, c := range list {
		d := c.discovery
		if d.Outcome == ledger.OutcomeChanged && hadData(d.Source) {
			m.changed++
		}
		if lostData(d) && d.Source.MissingSince == nil {
			m.missing[d.Source.Identifier] = true
		}
	}
	return m
}

// refusals names the sources of a batch whose answers cannot be used.
func refusals(list []concluded) map[string]bool {
	set := map[string]bool{}
	for _, c := range list {
		if refusal(c.discovery.Outcome) {
			set[c.discovery.Source.Identifier] = true
		}
	}
	return set
}

// hadData reports whether a source was known with data: neither its first discovery nor the first data
// after there was none.
func hadData(s ledger.Source) bool { return s.Signature != "" && s.Signature != NoDataSignature }

// lostData reports whether an answer shows less than what is known, unless an operator said that it may.
func lostData(d ledger.Discovery) bool {
	return (d.Outcome == ledger.OutcomeMissing || d.Outcome == ledger.OutcomeGone) && d.Source.AcceptMissingAt == nil
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
