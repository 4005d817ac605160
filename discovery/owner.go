package discovery

import (
	"fmt"
	"strings"

	"beampipe/configs"
	"beampipe/fault"
)

// ambiguous says that an answer holds rows of other sources and that what is left, or that nothing
// is left, is not provably all that there is.
type ambiguous struct{ error }

func (a ambiguous) Unwrap() error { return a.error }

// ownership deals the rows of an answer: a row belongs to the longest registered identifier that it
// begins with. Names are compared with their case.
type ownership struct {
	project    *configs.Project
	identifier string
	longer     []string // registered identifiers that begin with this one
	shapes     *shapes  // nil: each template is read anew
}

// tally counts the rows of an answer that are not the source's.
type tally struct {
	others  int             // rows of longer registered identifiers
	names   map[string]bool // those identifiers
	strange int             // rows of nobody
	nearly  int             // of them those that begin with the value, in whatever case
	cased   int             // of them those that would be the source's in another case
}

func (t tally) removed() int { return t.others + t.strange }

// deal keeps the source's own rows of the answer to query i, and counts those it took away. The
// error is an ambiguous one where what is kept is not provably complete.
func (o ownership) deal(i int, q configs.Query, t table, vars map[string]string) (own table, foreign int, err error) {
	if len(t.Rows) == 0 {
		return t, 0, nil
	}
	s := o.shapes.of(q)
	if q.Key != nil {
		return o.dealByKey(i, q, s, t, vars)
	}
	if s.like == nil || !s.like.open || s.like.variable == configs.VarSBID {
		return t, 0, nil // the archive compared exactly, or did not compare with the source's name
	}
	longer := o.values(i, s.like.variable, vars)
	at := t.column(s.like.column)
	if _, known := vars[s.like.variable]; s.like.column == "" || s.like.anywhere || at < 0 || !known {
		if len(longer) == 0 {
			return t, 0, nil
		}
		return t, 0, o.undecided(q, "its rows cannot be told apart from those of "+listed(o.longer)+": no column of the answer is compared with the beginning of the name")
	}
	own, n := o.split(t, at, s.like.before, vars[s.like.variable], longer, false)
	switch {
	case n.removed() == 0:
	case !s.plain:
		return own, n.removed(), o.undecided(q, fmt.Sprintf("%d of its %d rows belong to %s, and may have decided which rows are shown", n.removed(), len(t.Rows), n.whose()))
	case n.strange > 0:
		return own, n.removed(), o.undecided(q, fmt.Sprintf("the %q of %d of its %d rows does not begin with %q", t.Columns[at], n.strange, len(t.Rows), s.like.before+vars[s.like.variable]))
	}
	return own, n.removed(), nil
}

// dealByKey narrows an answer by the query's key_column: its text is the value, or begins with it
// where that is the very column that the query compares with LIKE 'value…'.
func (o ownership) dealByKey(i int, q configs.Query, s shape, t table, vars map[string]string) (own table, foreign int, err error) {
	variable, before, exact := keyVariable(q, s, i >= len(o.project.Discovery.Queries)), "", true
	if s.like != nil && s.like.open && !s.like.anywhere && strings.EqualFold(s.like.column, *q.Key) {
		before, exact = s.like.before, false
	}
	value, ok := vars[variable]
	if !ok {
		value = o.identifier
	}
	at := t.column(*q.Key)
	if at < 0 {
		return t, 0, fault.New(fault.Invalid, fmt.Sprintf("query %q: its answer has no column %q, which is its key_column; it has %s", q.Name, *q.Key, strings.Join(t.Columns, ", ")),
			"select that column, or correct key_column")
	}
	own, n := o.split(t, at, before, value, o.values(i, variable, vars), exact)
	switch {
	case n.removed() == 0:
	case !s.plain:
		return own, n.removed(), o.undecided(q, fmt.Sprintf("%d of its %d rows belong to %s, and may have decided which rows are shown", n.removed(), len(t.Rows), n.whose()))
	case n.cased > 0:
		return own, n.removed(), o.undecided(q, fmt.Sprintf("the %q of %d of its %d rows is %q in another case", *q.Key, n.cased, len(t.Rows), value))
	case len(own.Rows) == 0 && n.nearly > 0:
		return own, n.removed(), o.undecided(q, fmt.Sprintf("no %q is %q, but %d begin with it", *q.Key, value, n.nearly))
	}
	return own, n.removed(), nil
}

// keyVariable is the variable whose value the key_column holds. A template without a placeholder asks
// for what is uploaded.
func keyVariable(q configs.Query, s shape, enrichment bool) string {
	if variable := s.keyVariable(); variable != "" || !q.NeedsUpload() {
		return variable
	}
	for _, f := range q.Batch {
		if !f.InList {
			return q.KeyVariable(f, enrichment)
		}
	}
	return ""
}

// again deals the rows of a stored answer, because longer identifiers may have been registered since:
// rows that change hands are not data that went.
func (o ownership) again(a answer) answer {
	if len(o.longer) == 0 {
		return a
	}
	queries := len(o.project.Discovery.Queries)
	return a.each(func(t namedTable) table {
		for i, q := range o.project.Discovery.Queries {
			if q.Name == t.Name && t.SBID == "" {
				return o.own(i, q, t)
			}
		}
		for j, q := range o.project.Discovery.Enrichments {
			if q.Name == t.Name && t.SBID != "" {
				return o.own(queries+j, q, t)
			}
		}
		return t.table
	})
}

// own is deal for rows that were judged complete before.
func (o ownership) own(i int, q configs.Query, t namedTable) table {
	vars := o.project.QueryVars(i, o.identifier)
	if t.SBID != "" {
		vars[configs.VarSBID] = t.SBID
	}
	if q.Key != nil && t.column(*q.Key) < 0 {
		return t.table // asked before the query had this key
	}
	own, _, _ := o.deal(i, q, t.table, vars) //nolint:errcheck // ambiguous only: what is the source's is kept
	return own
}

// split keeps the rows whose cell begins with before+value, or is it (exact), and with no longer one.
func (o ownership) split(t table, at int, before, value string, longer map[string]string, exact bool) (table, tally) {
	own, n := table{Columns: t.Columns, Rows: [][]string{}}, tally{names: map[string]bool{}}
	for _, row := range t.Rows {
		rest, begins := strings.CutPrefix(row[at], before+value)
		name := ""
		for other, identifier := range longer {
			if begins && strings.HasPrefix(row[at], before+other) {
				name = identifier
				break
			}
		}
		switch {
		case name != "" && !(exact && rest == ""):
			n.others++
			n.names[name] = true
		case begins && (!exact || rest == ""):
			own.Rows = append(own.Rows, row)
		default:
			n.strange++
			like, whole := beginsFold(row[at], before+value)
			if like {
				n.nearly++
			}
			if like && !begins && (whole || !exact) {
				n.cased++
			}
		}
	}
	return own, n
}

// beginsFold tells whether text begins with prefix, and whether it is it, whatever their case.
func beginsFold(text, prefix string) (begins, whole bool) {
	begins = len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
	return begins, begins && len(text) == len(prefix)
}

// values gives what the longer identifiers put in place of a variable, where that is longer than
// what this source does.
func (o ownership) values(i int, variable string, vars map[string]string) map[string]string {
	values := map[string]string{}
	if variable == configs.VarSBID {
		return values
	}
	for _, identifier := range o.longer {
		value := o.project.QueryVars(i, identifier)[variable]
		if len(value) > len(vars[variable]) && strings.HasPrefix(value, vars[variable]) {
			values[value] = identifier
		}
	}
	return values
}

// whose names the owners of the rows that are not the source's.
func (t tally) whose() string {
	if len(t.names) == 0 {
		return "no registered source"
	}
	return listed(sortedKeys(t.names))
}

func (o ownership) undecided(q configs.Query, why string) error {
	return ambiguous{fault.New(fault.Invalid, fmt.Sprintf("the answer to query %q for %s is ambiguous: %s", q.Name, o.identifier, why),
		"declare key_column in the query, or let it compare the whole name (=), without MAX, TOP, GROUP BY, DISTINCT or a query inside it")}
}

// maxListed bounds the names in a message.
const maxListed = 5

func listed(names []string) string {
	if len(names) > maxListed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
	}
	return strings.Join(names, ", ")
}
