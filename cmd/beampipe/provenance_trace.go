package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/fault"
)

func newProvenanceTraceCmd(a *app) *cobra.Command {
	var q control.TraceRequest
	cmd := &cobra.Command{
		Use:   "trace EXECUTION|FILE|sha256:DIGEST|URI [--of FIELD] | trace --from sbid:N|dataset:NAME|evaluation:FILE",
		Short: "What something came of, back to the archive's rows; or what came of it",
		Long: `Follow something back: an execution, or a product, named by a file here, by its digest, its URI or its path. It
prints the attempts, the graph, the manifest, and of each source the datasets, the rows of the archives that they were
mapped from and the queries that gave these, with the config, the profile, the software and the people.

With --of it follows one value: a field of the manifest, as a JSON pointer or a dotted path (sources[0].ra_string), or
a value of the graph (NODE.FIELD): the value, the template or expression that made it with its place in the config
file, the mapping and its transforms, the column, the rows, the query.

With --from it goes forward: from an SBID, a dataset or an evaluation file to every execution that was made from it,
and to every product of these. --json gives the lineage as nodes and edges in the words of W3C PROV.`,
		Example: "  beampipe provenance trace 0193a1c2\n  beampipe provenance trace mosaic.fits\n" +
			"  beampipe provenance trace 0193a1c2 --of sources[0].ra_string\n  beampipe provenance trace --from sbid:72962",
		Args: arguments(0, 1, "one execution id or product, or --from"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) (err error) {
			name := first(args)
			if (name == "") == (q.From == "") {
				return usagef("provenance trace: name one execution or product, or give --from")
			}
			if q.What, err = exportedThing(ctx, name); err != nil {
				return err
			}
			answer, err := c.Trace(ctx, q)
			if err != nil && q.What != name {
				return fault.Wrap(fault.KindOf(err), err, "trace "+name, "")
			}
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.trace(answer, q, name) })
		}),
	}
	f := cmd.Flags()
	f.StringVar(&q.Of, "of", "", "only how this `FIELD` came about")
	f.StringVar(&q.From, "from", "", "go forward from `DATA`: sbid:N, dataset:NAME or evaluation:FILE")
	f.StringVar(&q.Project, "project", "", "with --from: only executions of this `PROJECT`")
	f.IntVar(&q.Limit, "limit", 0, "with --from: at most `N` executions (0 = 1000, which is the most)")
	f.StringVar(&q.Before, "before", "", "with --from: only executions older than this `ID`")
	return cmd
}

// trace shows a trace: one value, forward, or back.
func (p *page) trace(t control.TraceAnswer, q control.TraceRequest, name string) {
	switch {
	case t.Of != nil:
		p.fieldTrace(*t.Of)
	case q.From != "":
		p.traceForward(t)
	default:
		p.traceBack(t, name)
	}
	for _, gap := range t.Gaps {
		p.line("%s %s", p.yellow("not known:"), gap)
	}
}

func (p *page) traceForward(t control.TraceAnswer) {
	products, withdrawn := 0, 0
	for _, r := range t.Runs {
		products += len(r.Products) + r.More
		for _, o := range r.Products {
			if o.Withdrawn != nil {
				withdrawn++
			}
		}
	}
	marked := ""
	if withdrawn > 0 {
		marked = fmt.Sprintf(", %d withdrawn", withdrawn)
	}
	p.line("%s   %s, %s%s", p.bold(t.What), count(len(t.Runs), "execution"), count(products, "product"), p.red(marked))
	for _, r := range t.Runs {
		e := r.Execution
		var under []branch
		for _, o := range r.Products {
			under = append(under, branch{text: productText(o.Path, o.Bytes, o.SHA256), mark: p.withdrawn(o)})
		}
		if r.More > 0 {
			under = append(under, branch{text: fmt.Sprintf("and %d more (beampipe outputs list %s)", r.More, e.ID)})
		}
		p.tree(branch{text: fmt.Sprintf("execution %s (%s)   %s, made %s, %s", e.ID, e.Project, e.State, when(e.CreatedAt), sourceNames(e)), under: under})
	}
	if t.More {
		p.line("there are older ones: --before %s", t.Runs[len(t.Runs)-1].Execution.ID)
	}
}

func productText(path string, bytes int64, sha256 string) string {
	return fmt.Sprintf("%s   %s, sha256 %s", path, bytesText(bytes), short(sha256))
}

// fieldTrace shows how one value came about, step by step.
func (p *page) fieldTrace(f control.FieldTrace) {
	p.line("%s = %s", p.bold(f.Field), cut(value(f.Value), maxShownRow))
	indent := "  "
	for _, s := range f.Steps {
		p.line("%s← %s", ink(indent), s.Text)
		detail := indent + "    "
		if s.Place != nil {
			where := fmt.Sprintf("config revision %d of %s", s.Place.Revision, s.Place.Project)
			if s.Place.Line > 0 {
				where += fmt.Sprintf(", %s:%d:%d", s.Place.File, s.Place.Line, s.Place.Column)
			} else {
				where += ": not written in " + s.Place.File + ", it is what holds without it"
			}
			p.line("%s%s", ink(detail), p.faint(where))
			if s.Place.Excerpt != "" {
				p.line("%s%s", ink(detail), p.faint(s.Place.Excerpt))
			}
		}
		for _, row := range s.Rows {
			p.line("%s%s", ink(detail), cut(rowText(row, s.Columns), maxShownRow))
		}
		if q := s.Query; q != nil {
			p.line("%sasked %s at %s", ink(detail), when(q.AskedAt), orElse(q.URL, q.Archive))
			p.line("%s%s", ink(detail), p.faint(cut(q.ADQL, maxShownADQL)))
		}
	}
}

const (
	maxShownRow  = 200 // characters of a row or a value
	maxShownADQL = 400
)

// rowText shows a row: the columns that were read, else all of them.
func rowText(row map[string]string, columns []string) string {
	if len(columns) == 0 {
		columns = slices.Sorted(maps.Keys(row))
	}
	var parts []string
	for _, name := range columns {
		if cell, ok := row[name]; ok && cell != "" {
			parts = append(parts, name+" "+cell)
		}
	}
	return strings.Join(parts, ", ")
}

// branch is a line of a tree with what hangs on it; mark is added to the line in its own colour.
type branch struct {
	text  string
	mark  ink
	under []branch
}

func (p *page) tree(b branch) { p.branch(b, "", "") }

func (p *page) branch(b branch, first, rest string) {
	gap := ""
	if b.mark != "" {
		gap = "   "
	}
	p.line("%s%s%s%s", ink(first), ink(clean(b.text, false)), ink(gap), b.mark)
	for i, u := range b.under {
		if i == len(b.under)-1 {
			p.branch(u, rest+"└─ ", rest+"   ")
		} else {
			p.branch(u, rest+"├─ ", rest+"│  ")
		}
	}
}
