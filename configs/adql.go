package configs

import (
	"regexp"
	"slices"
	"strings"
)

// A small tokenizer for ADQL 2.1, just enough to know where a placeholder stands: in a quoted
// literal, in the pattern of a LIKE, or bare.

type tokenKind int

const (
	tokenWord       tokenKind = iota // keyword, name or number
	tokenLiteral                     // 'text', '' is a quote in it
	tokenIdentifier                  // "name", "" is a quote in it
	tokenComment                     // -- to the end of the line, /* to */
	tokenSymbol                      // one character, or ||
	tokenList                        // {name:list}
)

// adqlToken is the text from start to end of the query. A literal, identifier or comment that
// nothing ends is open.
type adqlToken struct {
	kind       tokenKind
	start, end int
	open       bool
}

func tokenizeADQL(query string) []adqlToken {
	var tokens []adqlToken
	for at := 0; at < len(query); {
		if isBlank(query[at]) {
			at++
			continue
		}
		t := nextToken(query, at)
		tokens = append(tokens, t)
		at = t.end
	}
	return tokens
}

func nextToken(query string, at int) adqlToken {
	rest := query[at:]
	switch {
	case rest[0] == '\'':
		return quotedToken(query, at, tokenLiteral)
	case rest[0] == '"':
		return quotedToken(query, at, tokenIdentifier)
	case strings.HasPrefix(rest, "--"):
		end := strings.IndexAny(rest, "\r\n")
		if end < 0 {
			end = len(rest)
		}
		return adqlToken{kind: tokenComment, start: at, end: at + end}
	case strings.HasPrefix(rest, "/*"):
		end := strings.Index(rest[2:], "*/")
		if end < 0 {
			return adqlToken{kind: tokenComment, start: at, end: len(query), open: true}
		}
		return adqlToken{kind: tokenComment, start: at, end: at + 2 + end + 2}
	case rest[0] == '{' && listPattern.MatchString(rest):
		return adqlToken{kind: tokenList, start: at, end: at + strings.IndexByte(rest, '}') + 1}
	case strings.HasPrefix(rest, "||"):
		return adqlToken{kind: tokenSymbol, start: at, end: at + 2}
	case isWordByte(rest[0]):
		end := at
		for end < len(query) && isWordByte(query[end]) {
			end++
		}
		return adqlToken{kind: tokenWord, start: at, end: end}
	}
	return adqlToken{kind: tokenSymbol, start: at, end: at + 1}
}

// quotedToken reads to the closing quote; a doubled quote is part of the text.
func quotedToken(query string, at int, kind tokenKind) adqlToken {
	quote := query[at]
	for end := at + 1; end < len(query); end++ {
		if query[end] != quote {
			continue
		}
		if end+1 < len(query) && query[end+1] == quote {
			end++
			continue
		}
		return adqlToken{kind: kind, start: at, end: end + 1}
	}
	return adqlToken{kind: kind, start: at, end: len(query), open: true}
}

func isBlank(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}

// isWordByte takes every byte of a character beyond ASCII as part of a word.
func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// Placeholder is one {name} or {name:list} of a query template.
type Placeholder struct {
	Name      string
	Offset    int  // in bytes, of the opening brace
	InLiteral bool // it stands within a quoted literal, the only place where {name} is safe
	InLike    bool // it is (part of) the pattern of a LIKE, where _ and % match anything
	List      bool // {name:list}: many values, each quoted
	InList    bool // it stands alone between parentheses or commas, the only place where {name:list} is safe
}

const listMark = ":list"

// text is what stands between the braces.
func (p Placeholder) text() string {
	if p.List {
		return p.Name + listMark
	}
	return p.Name
}

func (p Placeholder) end() int { return p.Offset + len("{") + len(p.text()) + len("}") }

// A placeholder is a name in braces. Anything else in braces is part of the query; so is a second brace
// around.
var (
	placeholderPattern = regexp.MustCompile(`\{[A-Za-z_][A-Za-z0-9_.-]*(:list)?\}`)
	listPattern        = regexp.MustCompile(`^\{[A-Za-z_][A-Za-z0-9_.-]*:list\}`)
)

// Placeholders gives the placeholders of the template in order.
func (q Query) Placeholders() []Placeholder {
	found := placeholderPattern.FindAllStringIndex(q.Template, -1)
	if found == nil {
		return nil
	}
	tokens := tokenizeADQL(q.Template)
	like := likePatterns(q.Template, tokens)
	list := make([]Placeholder, len(found))
	at := 0
	for i, span := range found {
		for at < len(tokens) && tokens[at].end <= span[0] {
			at++
		}
		p := Placeholder{Offset: span[0]}
		p.Name, p.List = strings.CutSuffix(q.Template[span[0]+1:span[1]-1], listMark)
		switch {
		case at == len(tokens):
		case tokens[at].kind == tokenLiteral && tokens[at].start < span[0]:
			p.InLiteral, p.InLike = true, like[at]
		case tokens[at].kind == tokenList:
			p.InList, p.InLike = standsAlone(q.Template, tokens, at), like[at]
		}
		list[i] = p
	}
	return list
}

// standsAlone reports whether a token has a parenthesis or a comma on either side, comments aside.
func standsAlone(query string, tokens []adqlToken, at int) bool {
	before, after := at-1, at+1
	for before >= 0 && tokens[before].kind == tokenComment {
		before--
	}
	for after < len(tokens) && tokens[after].kind == tokenComment {
		after++
	}
	if before < 0 || after == len(tokens) {
		return false
	}
	left, right := query[tokens[before].start:tokens[before].end], query[tokens[after].start:tokens[after].end]
	return (left == "(" || left == ",") && (right == ")" || right == ",")
}

// code leaves the comments out.
func code(tokens []adqlToken) []adqlToken {
	return slices.DeleteFunc(tokens, func(t adqlToken) bool { return t.kind == tokenComment })
}

// likePatterns says which tokens belong to the pattern of a LIKE: everything after the word, through
// concatenation, functions and parentheses, up to what must end it. It rather says yes.
func likePatterns(query string, tokens []adqlToken) []bool {
	in := make([]bool, len(tokens))
	depth, likeDepth := 0, -1
	for i, t := range tokens {
		word := strings.ToUpper(query[t.start:t.end])
		switch {
		case t.kind == tokenSymbol && word == "(":
			depth++
		case t.kind == tokenSymbol && word == ")":
			depth--
			if depth < likeDepth {
				likeDepth = -1
			}
		case t.kind == tokenWord && (word == "LIKE" || word == "ILIKE"):
			likeDepth = depth
			continue
		case likeDepth >= 0 && depth == likeDepth && endsPattern(t.kind, word):
			likeDepth = -1
		}
		in[i] = likeDepth >= 0
	}
	return in
}

func endsPattern(kind tokenKind, word string) bool {
	switch kind {
	case tokenSymbol:
		return strings.ContainsAny(word, "=<>!,;")
	case tokenWord:
		switch word {
		case "AND", "OR", "NOT", "WHERE", "GROUP", "HAVING", "ORDER", "UNION", "EXCEPT", "INTERSECT",
			"THEN", "ELSE", "END", "WHEN", "AS", "FROM", "JOIN", "ON", "LIMIT", "OFFSET", "ESCAPE", "IN", "BETWEEN", "IS":
			return true
		}
	}
	return false
}
