package main

import (
	"fmt"
	"strings"

	"beampipe/control"
	"beampipe/discovery"
)

// forms shows how a query is asked about many sources at once.
func (p *page) forms(list []discovery.ExplainedForm) {
	for i, f := range list {
		intro := "for many at once"
		if i > 0 {
			intro = "or else"
		}
		how := "in a list"
		if f.Table != "" {
			how = fmt.Sprintf("uploaded as %s (%s)", f.Table, strings.Join(f.Columns, ", "))
		}
		p.line("    %s, up to %d values %s, rows dealt by %s:", intro, f.Keys, how, f.Key)
		for _, line := range strings.Split(strings.TrimSpace(f.ADQL), "\n") {
			p.line("      %s", line)
		}
		if f.Problem != "" {
			p.line("      %s", p.red("never used: "+f.Problem))
		}
	}
}

// cost shows how many requests it takes to ask about every source once.
func (p *page) cost(c control.ExplainCost) {
	var rows [][]any
	for _, q := range c.Queries {
		rows = append(rows, []any{q.Name, q.Archive, q.Form, count(q.Set, "request"), fmt.Sprintf("(%d one by one)", q.Single)})
	}
	p.titled(fmt.Sprintf("requests to discover %s (%s), each in one SBID: about %d", count(c.Sources, "source"), c.From, c.Set), rows)
}

// impact shows what another config would mean for the sources.
func (p *page) impact(x *discovery.Impact) {
	if x == nil {
		return
	}
	p.line("")
	p.line("  of %s with stored answers: %d unchanged, %d re-signed, %d with other records, %d that cannot be mapped, %d to be asked anew",
		count(x.Sources, "source"), x.Unchanged, x.Resigned, x.Records, x.Refused, x.Unknown)
	if x.NoAnswer > 0 {
		p.line("  %s without a stored answer", count(x.NoAnswer, "source"))
	}
	for _, q := range x.Queries {
		p.line("  %s", q)
	}
	const shown = 10
	for i, s := range x.List {
		if i == shown {
			p.line("      … and %d more (--json has them)", len(x.List)-shown+x.More)
			break
		}
		p.line("      %s   %s", s.Source, joined(effectText(s.Effect), s.Why))
		for _, line := range changeLines(s.Changes, 4) {
			p.line("          %s", line)
		}
	}
	p.line("  %s", x.Next)
}

// effectText names what a config does to a source.
func effectText(effect string) string {
	if effect == discovery.EffectResigned {
		return "re-signed"
	}
	return strings.ReplaceAll(effect, "_", " ")
}
