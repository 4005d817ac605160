package discovery

import (
	"regexp"
	"strings"
	"sync"

	"beampipe/configs"
)

// shape is what a query template tells about the rows that it gives.
type shape struct {
	// plain: each row is given or not by its own merits. With an aggregate, a row limit or a query
	// inside the query, the rows of one source can decide about those of another.
	plain    bool
	like     *comparison // the outermost LIKE on a variable; nil when there is none
	variable string      // of the first placeholder
}

// comparison is: column LIKE 'before{variable}…', or column LIKE 'before' || u.variable || '…' where u is
// an uploaded table.
type comparison struct {
	column   string // result column; "" when it is an expression
	before   string // literal text in front of the value
	variable string
	open     bool // more may follow the value
	anywhere bool // a wildcard stands in front of the value
}

// keyVariable is the variable whose value a key column holds: that of the LIKE, else the first.
func (s shape) keyVariable() string {
	if s.like != nil && s.like.variable != "" {
		return s.like.variable
	}
	return s.variable
}

// entangling are the words of ADQL 2.1 with which rows decide about each other.
var entangling = map[string]bool{
	"TOP": true, "DISTINCT": true, "GROUP": true, "HAVING": true, "OFFSET": true, "LIMIT": true,
	"UNION": true, "INTERSECT": true, "EXCEPT": true, "WITH": true, "OVER": true,
	"MAX": true, "MIN": true, "SUM": true, "AVG": true, "COUNT": true,
}

// shapes remembers the shapes of the templates of one tick: each is read once, not once per source.
type shapes struct{ known sync.Map } // template to shape

func (s *shapes) of(q configs.Query) shape {
	if s == nil {
		return shapeOf(q)
	}
	if known, ok := s.known.Load(q.Template); ok {
		return known.(shape) //nolint:forcetypeassert // nothing else is stored
	}
	found := shapeOf(q)
	s.known.Store(q.Template, found)
	return found
}

// shapeOf reads a template. What it does not understand it takes for not plain.
func shapeOf(q configs.Query) shape {
	s := shape{plain: true}
	if list := q.Placeholders(); len(list) > 0 {
		s.variable = list[0].Name
	}
	tokens, uploads := templateTokens(q.Template), q.NeedsUpload()
	selects, likeDepth := 0, 0
	for i, t := range tokens {
		if t.kind != word {
			continue
		}
		switch upper := strings.ToUpper(t.text); {
		case upper == "SELECT":
			selects++
		case entangling[upper]:
			s.plain = false
		case (upper == "LIKE" || upper == "ILIKE") && (s.like == nil || t.depth < likeDepth):
			if c := comparisonAt(tokens, i, uploads); c != nil {
				s.like, likeDepth = c, t.depth
			}
		}
	}
	s.plain = s.plain && selects == 1
	return s
}

var placeholder = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_.-]*)\}`)

// comparisonAt reads the comparison around the LIKE at token i; nil when it has no variable, or asks
// for what is not like it. A variable is a placeholder in a text, or a column of an uploaded table.
func comparisonAt(tokens []token, i int, uploads bool) *comparison {
	if i == 0 || i+1 >= len(tokens) {
		return nil
	}
	left := tokens[i-1]
	if left.kind == word && strings.EqualFold(left.text, "NOT") {
		return nil
	}
	c := &comparison{open: true, anywhere: true}
	if left.kind == word || left.kind == quoted {
		c.column = left.text
	}
	parts, ok := concatenation(tokens[i+1:])
	if !ok { // a function
		return c
	}
	before := ""
	for n, part := range parts {
		more := n+1 < len(parts)
		if part.kind != literal {
			if !uploads {
				return c
			}
			c.before, c.variable, c.open, c.anywhere = before, part.text, more, strings.ContainsAny(before, "%_{")
			return c
		}
		if at := placeholder.FindStringSubmatchIndex(part.text); at != nil {
			before += part.text[:at[0]]
			c.before, c.variable = before, part.text[at[2]:at[3]]
			c.open, c.anywhere = more || at[1] < len(part.text), strings.ContainsAny(before, "%_{")
			return c
		}
		before += part.text
	}
	return nil
}

// concatenation reads texts and columns joined by ||; a column is its last name. ok is false when it
// holds anything else.
func concatenation(tokens []token) (parts []token, ok bool) {
	symbolAt := func(i int, text string) bool {
		return i < len(tokens) && tokens[i].kind == symbol && tokens[i].text == text
	}
	for i := 0; i < len(tokens); i += 2 {
		for tokens[i].kind != literal && tokens[i].kind != symbol && symbolAt(i+1, ".") && i+2 < len(tokens) {
			i += 2
		}
		if tokens[i].kind == symbol || tokens[i].kind == word && symbolAt(i+1, "(") {
			return nil, false
		}
		parts = append(parts, tokens[i])
		if i++; !symbolAt(i, "|") || !symbolAt(i+1, "|") {
			return parts, true
		}
	}
	return nil, false
}

type tokenKind int

const (
	word    tokenKind = iota // keyword, name or number
	literal                  // 'text', unquoted here
	quoted                   // "name", unquoted here
	symbol                   // one byte
)

type token struct {
	kind  tokenKind
	text  string
	depth int // open parentheses
}

// templateTokens cuts ADQL into tokens; comments are left out.
func templateTokens(adql string) []token {
	var tokens []token
	depth := 0
	for at := 0; at < len(adql); {
		c, rest := adql[at], adql[at:]
		switch {
		case strings.HasPrefix(rest, "--"):
			at += lengthTo(rest, "\n")
			continue
		case strings.HasPrefix(rest, "/*"):
			at += 2 + lengthTo(rest[2:], "*/")
			continue
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
			at++
			continue
		}
		t, n := token{kind: symbol, text: rest[:1]}, 1
		switch {
		case c == '\'':
			t.kind = literal
			t.text, n = unquote(rest)
		case c == '"':
			t.kind = quoted
			t.text, n = unquote(rest)
		case isWord(c):
			for n < len(rest) && isWord(rest[n]) {
				n++
			}
			t.kind, t.text = word, rest[:n]
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
		t.depth = depth
		tokens = append(tokens, t)
		at += n
	}
	return tokens
}

// lengthTo gives the bytes up to and with end, all when end is not there.
func lengthTo(text, end string) int {
	if at := strings.Index(text, end); at >= 0 {
		return at + len(end)
	}
	return len(text)
}

// unquote reads a quoted text from its opening quote on and gives the bytes that it takes.
func unquote(text string) (string, int) {
	mark, b := text[0], strings.Builder{}
	for at := 1; at < len(text); at++ {
		if text[at] != mark {
			b.WriteByte(text[at])
			continue
		}
		if at+1 == len(text) || text[at+1] != mark {
			return b.String(), at + 1
		}
		b.WriteByte(mark)
		at++
	}
	return b.String(), len(text)
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
