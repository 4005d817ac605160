package archive

import (
	"database/sql/driver"
	"slices"
	"strings"

	"modernc.org/sqlite"
)

// A join such as o.filename LIKE u.source || '%' has a pattern that is another one for each row of
// u. SQLite uses an index for a constant pattern alone, and would look at every pair of rows. So the
// translation adds what follows from such a LIKE: that the column lies between the pattern's first
// characters, up to its first wildcard, and the last text that begins with them.

// The functions of SQLite that give these bounds. No query can name them.
const (
	prefixFunction = "literal_prefix" // of a pattern, up to its first wildcard
	beyondFunction = "beyond_prefix"  // is greater than every text that begins with that
)

// fewRows is how much of a table such a bound leaves, for SQLite's choice of an index.
const fewRows = "0.001"

// prefixColumns are the columns of text that have an index.
func prefixColumns() []string { return []string{"filename", "target_name"} }

func registerPrefix(d *sqlite.Driver) {
	d.MustRegisterDeterministicScalarFunction(prefixFunction, 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		return literalPrefix(args[0], ""), nil
	})
	d.MustRegisterDeterministicScalarFunction(beyondFunction, 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		return literalPrefix(args[0], "\xff"), nil // no UTF-8 has this byte
	})
}

// literalPrefix gives the beginning of a pattern and what is to stand behind it; null for null.
func literalPrefix(pattern driver.Value, behind string) driver.Value {
	text, ok := pattern.(string)
	switch {
	case pattern == nil:
		return nil
	case !ok:
		text = "" // a number: no bound
	}
	if at := strings.IndexAny(text, "%_"); at >= 0 {
		text = text[:at]
	}
	return text + behind
}

// prefixMatch is COLUMN LIKE PATTERN among the pieces of a query.
type prefixMatch struct{ column, pattern []lexeme }

// findPrefixMatch looks for one that begins at pieces[at], with a pattern that is a column, or put
// together with one. Where the pieces around could belong to it, it finds none: the query then is
// merely slower.
func (t *translation) findPrefixMatch(pieces []lexeme, at int) (m prefixMatch, found bool) {
	if at == 0 || !pieces[at-1].is("ON", "WHERE", "AND", "OR", "NOT", "HAVING", "WHEN") && pieces[at-1].text != "(" {
		return m, false
	}
	m.column = nameAt(pieces[at:])
	rest := pieces[at+len(m.column):]
	if len(m.column) == 0 || len(rest) == 0 || !rest[0].is("LIKE") || !slices.Contains(t.prefixColumns, strings.ToLower(m.column[len(m.column)-1].text)) {
		return m, false
	}
	rest = rest[1:]
	variable := false
	for n := 0; ; {
		if n < len(rest) && rest[n].kind == literal {
			n++
		} else {
			name := nameAt(rest[n:])
			if len(name) == 0 {
				return m, false
			}
			variable = true
			n += len(name)
		}
		if n < len(rest) && rest[n].text == "||" {
			n++
			continue
		}
		m.pattern, rest = rest[:n], rest[n:]
		break
	}
	if len(rest) > 0 && (rest[0].kind != word && rest[0].text != ")" || rest[0].is("ESCAPE", "COLLATE")) {
		return m, false
	}
	return m, variable
}

// nameAt gives the pieces of the name that a query begins with, such as o.filename; none where it
// begins with something else.
func nameAt(pieces []lexeme) []lexeme {
	n := 0
	for n < len(pieces) && (pieces[n].kind == quotedName || pieces[n].kind == word && !slices.Contains(beforeParenthesis, strings.ToUpper(pieces[n].text))) {
		n++
		if n == len(pieces) || pieces[n].text != "." {
			return pieces[:n]
		}
		n++
	}
	return nil
}

// takePrefixMatch writes COLUMN LIKE PATTERN with its bounds.
func (t *translation) takePrefixMatch(m prefixMatch) error {
	for _, part := range [][]lexeme{m.column, m.pattern} {
		for i := range part {
			if part[i].kind != word {
				continue
			}
			if err := t.checkWord(part[i:]); err != nil {
				return err
			}
		}
	}
	column, pattern := textOf(m.column), textOf(m.pattern)
	t.out = append(t.out, "(", column, "LIKE", pattern,
		"AND likelihood (", column, ">=", prefixFunction, "(", pattern, ") ,", fewRows, ")",
		"AND likelihood (", column, "<", beyondFunction, "(", pattern, ") ,", fewRows, ") )")
	return nil
}

func textOf(pieces []lexeme) string {
	texts := make([]string, len(pieces))
	for i, p := range pieces {
		texts[i] = p.text
	}
	return strings.Join(texts, " ")
}
