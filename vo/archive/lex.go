package archive

import "strings"

// lex splits ADQL into its pieces; blanks and comments are left out. What belongs to no piece of
// ADQL (a semicolon, a placeholder, a bracketed name) is an error.
func lex(adql string) ([]lexeme, error) {
	var pieces []lexeme
	for at := 0; at < len(adql); {
		size, kind, skip, err := nextLexeme(adql, at)
		if err != nil {
			return nil, err
		}
		if !skip {
			pieces = append(pieces, lexeme{kind: kind, text: adql[at : at+size], at: at})
		}
		at += size
	}
	return pieces, nil
}

// nextLexeme measures what begins at an offset.
func nextLexeme(adql string, at int) (size int, kind lexemeKind, skip bool, err error) {
	rest := adql[at:]
	c := rest[0]
	switch {
	case strings.IndexByte(" \t\r\n\f", c) >= 0:
		return 1, 0, true, nil
	case strings.HasPrefix(rest, "--"):
		if end := strings.IndexByte(rest, '\n'); end >= 0 {
			return end, 0, true, nil
		}
		return len(rest), 0, true, nil
	case strings.HasPrefix(rest, "/*"):
		end := strings.Index(rest[2:], "*/")
		if end < 0 {
			return 0, 0, false, failAt(adql, at, "a comment that does not end")
		}
		return end + 4, 0, true, nil
	case c == '\'' || c == '"':
		return lexQuoted(adql, at)
	case isLetter(c):
		n := 1
		for n < len(rest) && (isLetter(rest[n]) || isDigit(rest[n])) {
			n++
		}
		if n == 1 && (c == 'x' || c == 'X') && n < len(rest) && rest[n] == '\'' {
			return 0, 0, false, failAt(adql, at, "hexadecimal literals are not ADQL")
		}
		return n, word, false, nil
	case isDigit(c) || (c == '.' && len(rest) > 1 && isDigit(rest[1])):
		return lexNumber(adql, at)
	}
	for _, s := range []string{"||", "<=", ">=", "<>", "!="} {
		if strings.HasPrefix(rest, s) {
			return len(s), symbol, false, nil
		}
	}
	if strings.IndexByte("(),.*+-/=<>", c) >= 0 {
		return 1, symbol, false, nil
	}
	return 0, 0, false, failAt(adql, at, "unexpected character %.4q", rest[:1])
}

// lexQuoted measures a literal or a quoted name; a doubled quote inside stands for one.
func lexQuoted(adql string, at int) (size int, kind lexemeKind, skip bool, err error) {
	quote := adql[at]
	for i := at + 1; i < len(adql); i++ {
		switch {
		case adql[i] == 0:
			return 0, 0, false, failAt(adql, i, "a NUL character")
		case adql[i] != quote:
		case i+1 < len(adql) && adql[i+1] == quote:
			i++
		default:
			if quote == '"' {
				if i == at+1 {
					return 0, 0, false, failAt(adql, at, "an empty name")
				}
				return i + 1 - at, quotedName, false, nil
			}
			return i + 1 - at, literal, false, nil
		}
	}
	return 0, 0, false, failAt(adql, at, "a quote %c that is not closed", quote)
}

// lexNumber measures digits, a fraction and an exponent.
func lexNumber(adql string, at int) (size int, kind lexemeKind, skip bool, err error) {
	i := at
	digits := func() {
		for i < len(adql) && isDigit(adql[i]) {
			i++
		}
	}
	digits()
	if i < len(adql) && adql[i] == '.' {
		i++
		digits()
	}
	if i+1 < len(adql) && (adql[i] == 'e' || adql[i] == 'E') {
		sign := i
		i++
		if adql[i] == '+' || adql[i] == '-' {
			i++
		}
		start := i
		if digits(); i == start {
			i = sign
		}
	}
	if i < len(adql) && isLetter(adql[i]) {
		return 0, 0, false, failAt(adql, at, "a number that runs into a word")
	}
	return i - at, number, false, nil
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
