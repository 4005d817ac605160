package discovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/ledger"
)

// What another config means for a source, at its next discovery and with the data that is known now.
// Nothing of it asks for a run: only other data does.
const (
	EffectNone     = "unchanged" // same records, same signature
	EffectResigned = "resigned"  // same records, another signature
	EffectRecords  = "records"   // its records or flags will be others; executions made from then on get those
	EffectRefused  = "refused"   // what is known cannot be mapped: its discovery will fail, what is known stays
	EffectUnknown  = "asked_anew"
)

// Bounds of an Impact.
const (
	maxImpactSources = 2000 // listed
	maxImpactChanges = 20   // listed of one source
)

// Impact says what would happen if a config became active.
type Impact struct {
	Project  string `json:"project"`
	Revision int    `json:"revision"` // the active one, which it is compared with
	// Sources whose answers are stored, by effect; NoAnswer are those of which nothing is stored.
	Sources   int `json:"sources"`
	Unchanged int `json:"unchanged"`
	Resigned  int `json:"resigned"`
	Records   int `json:"records"`
	Refused   int `json:"refused"`
	Unknown   int `json:"unknown"`
	NoAnswer  int `json:"no_answer"`
	// Queries says of each query that changes that its answers are only known after asking.
	Queries []string       `json:"queries,omitempty"`
	List    []SourceImpact `json:"list"`           // sources that do not stay as they are, by identifier, at most 2000
	More    int            `json:"more,omitempty"` // of them those that are not listed
	Next    string         `json:"next"`           // what the next discovery does
}

// SourceImpact is what another config means for one source.
type SourceImpact struct {
	Source  string          `json:"source_identifier"`
	Effect  string          `json:"effect"` // one of the Effect constants
	Why     string          `json:"why,omitempty"`
	Changes []ledger.Change `json:"changes,omitempty"` // in its records and flags, at most 20
	More    int             `json:"more,omitempty"`    // changes that are not listed
}

// Impact maps and signs every stored answer again, as the active config says and as next does, and says
// what differs. It asks no archive, writes nothing and holds one source at a time.
func (e *Engine) Impact(ctx context.Context, project string, next *configs.Project) (Impact, error) {
	im := Impact{Project: project, List: []SourceImpact{}}
	err := e.ledger.Snapshot(ctx, func(v ledger.View) error {
		active, revision, err := activeConfig(v, project)
		if err != nil {
			return err
		}
		im.Revision = revision
		c := configEdit{active: active, next: next, queries: changedQueries(active, next)}
		im.Queries = c.queries
		return eachSource(v, ledger.SourceFilter{Project: project}, func(s ledger.Source) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			k, err := readKnown(v, s)
			if err != nil {
				return fmt.Errorf("compare what is known of %s: %w", s.Identifier, err)
			}
			if k.answer == nil {
				im.NoAnswer++
				return nil
			}
			im.add(c.source(s, k))
			return nil
		})
	})
	im.Next = im.next()
	return im, err
}

func (im *Impact) add(s SourceImpact) {
	im.Sources++
	count := map[string]*int{
		EffectNone: &im.Unchanged, EffectResigned: &im.Resigned, EffectRecords: &im.Records, EffectRefused: &im.Refused, EffectUnknown: &im.Unknown,
	}
	*count[s.Effect]++
	switch {
	case s.Effect == EffectNone:
	case len(im.List) == maxImpactSources:
		im.More++
	default:
		im.List = append(im.List, s)
	}
}

func (im *Impact) next() string {
	var parts []string
	say := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d source%s %s", n, plural(n), what))
		}
	}
	say(im.Unchanged, "as before")
	say(im.Resigned, "signed anew")
	say(im.Records, "with other records")
	say(im.Refused, "refused, with what is known kept")
	say(im.Unknown, "asked other queries")
	text := "activating it asks for no run; a source runs again only when its data differs"
	if len(parts) > 0 {
		text += ". At the next discovery: " + strings.Join(parts, ", ")
	}
	return text
}

// configEdit is a config that may take the place of another.
type configEdit struct {
	active, next *configs.Project
	queries      []string // what is known only after asking
}

// source compares what both configs make of what is known of a source.
func (c configEdit) source(s ledger.Source, k known) SourceImpact {
	im := SourceImpact{Source: s.Identifier, Effect: EffectNone}
	if why := append(slices.Clone(c.queries), c.renamed(s.Identifier)...); len(why) > 0 {
		im.Effect, im.Why = EffectUnknown, strings.Join(why, "; ")
		return im
	}
	then := mapper{project: c.next, identifier: s.Identifier}
	after, err := then.mapAnswer(*k.answer)
	if err != nil {
		im.Effect, im.Why = EffectRefused, ledger.Excerpt(strings.Join(append([]string{err.Error()}, fault.Hints(err)...), "; "), maxErrorText)
		return im
	}
	before, err := mapper{project: c.active, identifier: s.Identifier}.mapAnswer(*k.answer)
	if err != nil { // mapped by an earlier config: what that made of it is stored
		before = k.mapped()
	}
	im.Changes = differences(contentOf(before.records, nil), contentOf(after.records, nil), before.flags, after.flags, func(string, string) any { return nil })
	switch {
	case len(im.Changes) > 0:
		im.Effect = EffectRecords
	case then.signatureOf(after) != s.Signature:
		im.Effect = EffectResigned
	}
	if more := len(im.Changes) - maxImpactChanges; more > 0 {
		im.Changes, im.More = im.Changes[:maxImpactChanges:maxImpactChanges], more
	}
	return im
}

// mapped gives what is stored as a mapper would.
func (k known) mapped() mapped {
	m := mapped{flags: k.flags()}
	for _, group := range k.metadata {
		m.records = append(m.records, group.Records...)
	}
	return m
}

// renamed says which queries are asked with other values for a source, though their text stays.
func (c configEdit) renamed(identifier string) []string {
	var list []string
	compare := func(old, shown []configs.Query, oldFirst, first int) {
		for i, q := range shown {
			at := counterpart(old, i, q)
			before, after := c.active.QueryVars(oldFirst+at, identifier), c.next.QueryVars(first+i, identifier)
			for _, p := range q.Placeholders() {
				if before[p.Name] != after[p.Name] {
					list = append(list, fmt.Sprintf("the query %q is asked with another %s: its answers are only known after asking", q.Name, p.Name))
					break
				}
			}
		}
	}
	old, shown := c.active.Discovery, c.next.Discovery
	compare(old.Queries, shown.Queries, 0, 0)
	compare(old.Enrichments, shown.Enrichments, len(old.Queries), len(shown.Queries))
	return list
}

// changedQueries says which queries of a config are new or ask something else.
func changedQueries(active, next *configs.Project) []string {
	var list []string
	compare := func(old, shown []configs.Query, kind string) {
		for i, q := range shown {
			at := counterpart(old, i, q)
			switch {
			case at < 0:
				list = append(list, fmt.Sprintf("the %s %q is new: its answers are only known after asking", kind, q.Name))
			case !sameQuestion(active, next, old[at], q):
				list = append(list, fmt.Sprintf("the %s %q changes: its answers are only known after asking", kind, q.Name))
			}
		}
	}
	compare(active.Discovery.Queries, next.Discovery.Queries, "query")
	compare(active.Discovery.Enrichments, next.Discovery.Enrichments, "enrichment")
	return list
}

// counterpart finds what a config asked in place of a query: the one of its name; for the first, which
// answers are known as the primary query's whatever it is called, the first. -1 for none.
func counterpart(old []configs.Query, i int, q configs.Query) int {
	if i == 0 && len(old) > 0 && !slices.ContainsFunc(old, func(o configs.Query) bool { return o.Name == q.Name }) {
		return 0
	}
	return slices.IndexFunc(old, func(o configs.Query) bool { return o.Name == q.Name })
}

// sameQuestion reports whether two queries ask the same archive the same.
func sameQuestion(active, next *configs.Project, a, b configs.Query) bool {
	b.Name = a.Name
	x, err := ledger.Canonical(a.SignaturePart())
	y, err2 := ledger.Canonical(b.SignaturePart())
	if errors.Join(err, err2) != nil || !bytes.Equal(x, y) {
		return false
	}
	from, err := active.AdapterURL(a.Adapter, nil)
	to, err2 := next.AdapterURL(b.Adapter, nil)
	return from == to && (err == nil) == (err2 == nil)
}
