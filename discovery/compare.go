package discovery

import (
	"slices"
)

// pair is what was known and what is shown, both restricted to the queries and columns that both
// have, so that only data can differ: not a config, not an archive's table layout.
type pair struct {
	mapper   mapper
	old, new answer
	rows     bool   // old or new cannot be mapped under this config: only rows can be compared
	oldData  mapped // where rows is false
	newData  mapped
}

// newPair restricts both answers and maps both under the mapper's config. Where an archive spells the
// same numbers in another way now, both sides are spelled in ours.
func newPair(m mapper, known, shown answer) pair {
	m.lenient = true
	p := pair{mapper: m}
	p.old, p.new = p.common(known, shown)
	if n := p.news(true, nil); n > 0 {
		if q := (pair{mapper: m, old: p.old.respelled(), new: p.new.respelled()}); q.news(true, nil) < n {
			p = q
		}
	}
	var err error
	if p.oldData, err = m.mapAnswer(p.old); err == nil {
		p.newData, err = m.mapAnswer(p.new)
	}
	p.rows = err != nil
	return p
}

// same reports whether both hold the same data.
func (p pair) same() bool {
	if equalRows(p.old, p.new, nil) {
		return true
	}
	if p.rows {
		return equalRows(p.old, p.new, p.excluded())
	}
	return p.mapper.signatureOf(p.oldData) == p.mapper.signatureOf(p.newData)
}

// excluded gives the columns that are not signed.
func (p pair) excluded() columnSet {
	return newColumnSet(p.mapper.project.Discovery.PrepareMetadata.SignatureOptions().ExcludeFields)
}

// common restricts two answers to what both were asked and to the columns that both have.
func (p pair) common(known, shown answer) (answer, answer) {
	var a, b answer
	a.Queries, b.Queries = p.primaries(known, shown)
	for i, q := range p.mapper.project.Discovery.Queries {
		x, inOld := known.query(q.Name)
		y, inNew := shown.query(q.Name)
		if i > 0 && inOld && inNew {
			x, y = restrict(x, y)
			a.Queries = append(a.Queries, namedTable{Name: q.Name, table: x})
			b.Queries = append(b.Queries, namedTable{Name: q.Name, table: y})
		}
	}
	for _, q := range p.mapper.project.Discovery.Enrichments {
		if p.enriched(known, a, q.Name) && p.enriched(shown, b, q.Name) {
			x, y := restrictAll(known.of(q.Name), shown.of(q.Name))
			a.Enrichments, b.Enrichments = append(a.Enrichments, x...), append(b.Enrichments, y...)
		}
	}
	return a, b
}

func (p pair) primaries(known, shown answer) ([]namedTable, []namedTable) {
	x, y := restrict(p.mapper.primary(known), p.mapper.primary(shown))
	name := p.mapper.project.Discovery.Queries[0].Name
	return []namedTable{{Name: name, table: x}}, []namedTable{{Name: name, table: y}}
}

// enriched reports whether an answer was enriched by a query for each of the SBIDs that its rows
// have under this config.
func (p pair) enriched(a, restricted answer, name string) bool {
	sbids, err := p.mapper.sbids(restricted)
	if err != nil {
		return len(a.of(name)) > 0 // compared by rows alone
	}
	for _, sbid := range sbids {
		if _, ok := a.enrichment(name, sbid); !ok {
			return false
		}
	}
	return true
}

// of gives the answers to an enrichment for all SBIDs.
func (a answer) of(name string) []namedTable {
	var list []namedTable
	for _, t := range a.Enrichments {
		if t.Name == name {
			list = append(list, t)
		}
	}
	return list
}

// restrict takes two tables to their common columns. Columns without rows say nothing.
func restrict(x, y table) (table, table) {
	if len(x.Rows) == 0 || len(y.Rows) == 0 {
		return x, y
	}
	inX, inY := newColumnSet(x.Columns), newColumnSet(y.Columns)
	return x.only(inY.has), y.only(inX.has)
}

func restrictAll(x, y []namedTable) ([]namedTable, []namedTable) {
	inX, inY := columnsWithRows(x), columnsWithRows(y)
	if inX == nil || inY == nil {
		return x, y
	}
	only := func(list []namedTable, in columnSet) []namedTable {
		return answer{Enrichments: list}.each(func(t namedTable) table { return t.only(in.has) }).Enrichments
	}
	return only(x, inY), only(y, inX)
}

func columnsWithRows(list []namedTable) columnSet {
	var set columnSet
	for _, t := range list {
		if len(t.Rows) == 0 {
			continue
		}
		if set == nil {
			set = columnSet{}
		}
		for name := range newColumnSet(t.Columns) {
			set[name] = true
		}
	}
	return set
}

// equalRows compares rows query by query, whatever SBID they were asked for, without some columns.
func equalRows(a, b answer, without columnSet) bool {
	x, y := a.rowsByQuery(without), b.rowsByQuery(without)
	if len(x) != len(y) {
		return false
	}
	for name, rows := range x {
		if !slices.Equal(rows, y[name]) {
			return false
		}
	}
	return true
}

// rowsByQuery gives each row as its canonical JSON, sorted, by query.
func (a answer) rowsByQuery(without columnSet) map[string][]string {
	all := map[string][]string{}
	for _, list := range [][]namedTable{a.Queries, a.Enrichments} {
		for _, t := range list {
			rows := all[t.Name]
			kept := t.only(func(c string) bool { return !without.has(c) })
			for _, row := range kept.Rows {
				rows = append(rows, string(canonical(kept.object(row))))
			}
			all[t.Name] = rows
		}
	}
	for _, rows := range all {
		slices.Sort(rows)
	}
	return all
}

// gained reports whether one of the queries shows a row that was not known; with primary false the
// primary query is left out.
func (p pair) gained(primary bool, without columnSet) bool { return p.news(primary, without) > 0 }

// news counts the rows that were not known.
func (p pair) news(primary bool, without columnSet) int {
	n := 0
	known, shown := p.old.rowsByQuery(without), p.new.rowsByQuery(without)
	for name, rows := range shown {
		if !primary && name == p.mapper.project.Discovery.Queries[0].Name {
			continue
		}
		left := map[string]int{}
		for _, row := range known[name] {
			left[row]++
		}
		for _, row := range rows {
			if left[row]--; left[row] < 0 {
				n++
			}
		}
	}
	return n
}
