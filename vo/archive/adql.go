package archive

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// lexeme is a piece of ADQL (ADQL 2.1 section 2): its text is as written.
type lexeme struct {
	kind lexemeKind
	text string
	at   int // byte offset
}

type lexemeKind int

const (
	word lexemeKind = iota
	quotedName
	literal
	number
	symbol
)

// translate turns an ADQL query into one SELECT of SQLite. It knows ADQL's pieces, not its whole
// grammar: what it lets through and SQLite does not understand is SQLite's error. Literals and
// quoted names pass as they are; everything else is put together anew from known pieces.
// prefixed are the columns for which a LIKE is helped (see prefix.go).
func translate(adql string, prefixed ...string) (string, error) {
	pieces, err := lex(adql)
	if err != nil {
		return "", err
	}
	if len(pieces) == 0 || !pieces[0].is("SELECT") {
		return "", fmt.Errorf("only SELECT queries are answered")
	}
	t := translation{adql: adql, levels: []level{{}}, prefixColumns: prefixed}
	if slices.ContainsFunc(pieces, func(p lexeme) bool { return p.is("BETWEEN") }) {
		t.prefixColumns = nil // its AND is another one
	}
	for i := 0; i < len(pieces); i++ {
		if m, found := t.findPrefixMatch(pieces, i); found {
			if err := t.takePrefixMatch(m); err != nil {
				return "", err
			}
			i += len(m.column) + len(m.pattern) // and the LIKE
			continue
		}
		used, err := t.take(pieces[i:])
		if err != nil {
			return "", err
		}
		i += used
	}
	if len(t.levels) > 1 {
		return "", fmt.Errorf("%d parentheses are not closed", len(t.levels)-1)
	}
	t.closeLevel()
	return strings.Join(t.out, " "), nil
}

// level is the query inside one pair of parentheses.
type level struct {
	top   string // of TOP n, which SQLite has at the end
	setOp bool
}

type translation struct {
	adql   string
	out    []string
	levels []level

	prefixColumns []string
}

// maxLevels bounds the parentheses inside each other.
const maxLevels = 100

// take translates the first piece and says how many further ones it used.
func (t *translation) take(pieces []lexeme) (used int, err error) {
	this := pieces[0]
	here := &t.levels[len(t.levels)-1]
	switch {
	case this.text == "(":
		if len(t.levels) == maxLevels {
			return 0, t.fail(this, "more than %d parentheses inside each other", maxLevels)
		}
		t.levels = append(t.levels, level{})
	case this.text == ")":
		if len(t.levels) == 1 {
			return 0, t.fail(this, "a parenthesis that was not opened")
		}
		t.closeLevel()
	case this.is("SELECT"):
		return t.takeSelect(pieces)
	case this.is("UNION", "INTERSECT", "EXCEPT"):
		if here.top != "" {
			return 0, t.fail(this, "TOP inside %s is not supported", strings.ToUpper(this.text))
		}
		here.setOp = true
	case this.kind == word:
		if err := t.checkWord(pieces); err != nil {
			return 0, err
		}
	}
	t.out = append(t.out, this.text)
	return 0, nil
}

// takeSelect takes SELECT [DISTINCT|ALL] [TOP n].
func (t *translation) takeSelect(pieces []lexeme) (used int, err error) {
	t.out = append(t.out, pieces[0].text)
	if used+1 < len(pieces) && pieces[used+1].is("DISTINCT", "ALL") {
		used++
		t.out = append(t.out, pieces[used].text)
	}
	if used+2 >= len(pieces) || !pieces[used+1].is("TOP") || pieces[used+2].kind != number {
		return used, nil
	}
	n := pieces[used+2]
	if _, err := strconv.ParseUint(n.text, 10, 31); err != nil {
		return 0, t.fail(n, "TOP needs a whole number, not %s", n.text)
	}
	here := &t.levels[len(t.levels)-1]
	if here.setOp {
		return 0, t.fail(n, "TOP inside UNION, INTERSECT or EXCEPT is not supported")
	}
	here.top = n.text
	return used + 2, nil
}

// closeLevel ends a query with the limit that its TOP asked for.
func (t *translation) closeLevel() {
	last := len(t.levels) - 1
	if top := t.levels[last].top; top != "" {
		t.out = append(t.out, "LIMIT", top)
	}
	t.levels = t.levels[:last]
}

// Words of SQLite that are not ADQL's, and would let a query do what an archive does not.
var foreignWords = []string{"WITH", "LIMIT", "GLOB", "REGEXP", "MATCH", "PRAGMA", "ATTACH", "DETACH", "VACUUM", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "REPLACE", "INDEXED", "RAISE"}

// Words that may stand before a parenthesis: keywords, and the functions that are supported.
var beforeParenthesis = []string{
	"FROM", "WHERE", "AND", "OR", "NOT", "IN", "ON", "JOIN", "AS", "BY", "HAVING", "LIKE", "BETWEEN", "EXISTS",
	"UNION", "INTERSECT", "EXCEPT", "ALL", "DISTINCT", "SELECT", "USING", "CASE", "WHEN", "THEN", "ELSE",
	"COUNT", "MIN", "MAX", "SUM", "AVG", "ABS", "ROUND", "LOWER", "UPPER", "COALESCE",
}

func (t *translation) checkWord(pieces []lexeme) error {
	this := pieces[0]
	upper := strings.ToUpper(this.text)
	lower := strings.ToLower(this.text)
	switch {
	case slices.Contains(foreignWords, upper):
		return t.fail(this, "%s is not ADQL", upper)
	case strings.HasPrefix(lower, "sqlite_") || strings.HasPrefix(lower, "pragma_"):
		return t.fail(this, "there is no table %s", this.text)
	case len(pieces) > 1 && pieces[1].text == "(" && !slices.Contains(beforeParenthesis, upper):
		return t.fail(this, "function %s is not supported by this archive", upper)
	}
	return nil
}

func (t *translation) fail(at lexeme, format string, args ...any) error {
	return failAt(t.adql, at.at, format, args...)
}

// failAt makes an error that names line and column, from 1.
func failAt(adql string, at int, format string, args ...any) error {
	before := adql[:at]
	line := strings.Count(before, "\n") + 1
	col := at - strings.LastIndexByte(before, '\n')
	return fmt.Errorf("line %d column %d: %s", line, col, fmt.Sprintf(format, args...))
}

// is reports whether the lexeme is one of these words.
func (l lexeme) is(words ...string) bool {
	return l.kind == word && slices.Contains(words, strings.ToUpper(l.text))
}
