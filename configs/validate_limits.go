package configs

import (
	"fmt"
	"math"
)

// validateTap checks how the archives are asked.
func (p *Project) validateTap(f *findings) {
	t, at := p.Adapters.Tap, "adapters.tap."
	limit(f, at+"max_concurrency", t.MaxConcurrency, maxConcurrency)
	limit(f, at+"max_wait_minutes", t.MaxWaitMinutes, maxWaitMinutes)
	if r := t.RequestsPerSecond; r != nil && !(*r > 0 && *r <= maxPerSecond) {
		f.fail(at+"requests_per_second", CodeInvalidLimit, fmt.Sprintf("expected a number above 0, at most %d, found %v", maxPerSecond, *r), "leave it out for no limit")
	}
	if mode := t.AskMode(); mode != ModeAuto && mode != ModeSync && mode != ModeAsync {
		f.fail(at+"mode", CodeInvalidChoice, fmt.Sprintf("expected %s, %s or %s, found %.60q", ModeAuto, ModeSync, ModeAsync, mode), "")
	}
}

// maxQuarantineAfter bounds quarantine_after.
const maxQuarantineAfter = 1000

// validateJudgement checks when changes are believed.
func (p *Project) validateJudgement(f *findings) {
	between := func(path string, v, most float64) {
		if !(v >= 0 && v <= most) { // also for NaN
			f.fail(path, CodeInvalidLimit, fmt.Sprintf("expected a number from 0 to %v, found %v", most, v), "")
		}
	}
	d, at := p.Automation.Discovery, "automation.discovery."
	if m := d.MassChange; m != nil {
		between(at+"mass_change.sources", float64(m.Sources), math.MaxInt32)
		between(at+"mass_change.percent", m.Percent, 100)
	}
	between(at+"quarantine_after", float64(d.QuarantineLimit()), maxQuarantineAfter)
	between("automation.execution.settle_hours", orDefault(p.Automation.Execution.SettleHours, 0), maxSettleHours)
}
