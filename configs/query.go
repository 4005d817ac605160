package configs

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"beampipe/fault"
)

// Limits of a query.
const (
	MaxQueryValue = 1 << 10   // bytes of one value, before quotes are doubled
	MaxQueryBytes = 256 << 10 // bytes of a template, and of the query that comes out
	// MaxIdentifier bounds a source identifier, in bytes.
	MaxIdentifier = 100
)

// ADQL gives the query with every placeholder replaced by its value: once, from left to right, so
// that braces in a value stay what they are, and with quotes doubled; {name:list} becomes a list of
// that one value, in quotes. It refuses (fault.Invalid) what could change the query's meaning: a
// placeholder without a value; {name} outside a quoted literal; {name:list} anywhere but alone between
// parentheses or commas; a value with control characters, invalid UTF-8 or more than MaxQueryValue
// bytes; in a LIKE an empty value, and one with _ or % unless the query names its key_column.
func (q Query) ADQL(vars map[string]string) (string, error) {
	if err := q.checkTemplate(); err != nil {
		return "", err
	}
	return q.fill(MaxQueryBytes, func(name string) ([]string, bool) {
		text, ok := vars[name]
		return []string{text}, ok
	})
}

// checkTemplate refuses a template that cannot be read.
func (q Query) checkTemplate() error {
	if len(q.Template) > MaxQueryBytes {
		return q.refuse(fmt.Sprintf("the template has %d bytes, expected at most %d", len(q.Template), MaxQueryBytes), "shorten the query")
	}
	if text := q.unterminated(); text != "" {
		return q.refuse(text, "close it")
	}
	return nil
}

// fill replaces the placeholders. Only {name:list} takes more than one value.
func (q Query) fill(most int, values func(name string) ([]string, bool)) (string, error) {
	var b strings.Builder
	from := 0
	for _, p := range q.Placeholders() {
		if err := q.checkPlace(p); err != nil {
			return "", err
		}
		list, ok := values(p.Name)
		if !ok {
			return "", q.refuse(fmt.Sprintf("nothing fills the placeholder {%s}", p.text()), fillHint)
		}
		b.WriteString(q.Template[from:p.Offset])
		for i, text := range list {
			if err := q.checkValue(p, text); err != nil {
				return "", err
			}
			text = strings.ReplaceAll(text, "'", "''")
			if p.List {
				text = "'" + text + "'"
			}
			if i > 0 {
				text = "," + text
			}
			b.WriteString(text)
			if b.Len() > most {
				return "", q.refuse(fmt.Sprintf("the query grows past %d bytes", most), "use fewer placeholders, or ask for fewer values at once")
			}
		}
		from = p.end()
	}
	b.WriteString(q.Template[from:])
	if b.Len() > most {
		return "", q.refuse(fmt.Sprintf("the query grows past %d bytes", most), "use fewer placeholders, or ask for fewer values at once")
	}
	return b.String(), nil
}

const fillHint = "declare it in source_identity.template_vars; {sbid} is there in discovery.enrichments only"

func (q Query) refuse(what, try string) error {
	return fault.New(fault.Invalid, fmt.Sprintf("fill in query %q: %s", q.Name, what), try)
}

// checkPlace refuses a placeholder that stands where a value could become part of the query.
func (q Query) checkPlace(p Placeholder) error {
	if problem, hint := p.misplaced(); problem != "" {
		return q.refuse(problem, hint)
	}
	return nil
}

// misplaced says what is wrong with where a placeholder stands, or "".
func (p Placeholder) misplaced() (problem, hint string) {
	switch {
	case p.List && p.InLiteral:
		return fmt.Sprintf("the placeholder {%s} stands inside a quoted literal", p.text()),
			fmt.Sprintf("write IN ({%s}), or '{%s}' for the one value", p.text(), p.Name)
	case p.List && p.InLike:
		return fmt.Sprintf("the placeholder {%s} stands in the pattern of a LIKE", p.text()), fmt.Sprintf("write IN ({%s})", p.text())
	case p.List && !p.InList:
		return fmt.Sprintf("the placeholder {%s} does not stand alone between parentheses or commas", p.text()), fmt.Sprintf("write IN ({%s})", p.text())
	case !p.List && !p.InLiteral:
		return fmt.Sprintf("the placeholder {%s} stands outside a quoted literal", p.Name), fmt.Sprintf("write '{%s}'", p.Name)
	}
	return "", ""
}

func (q Query) checkValue(p Placeholder, text string) error {
	if len(text) > MaxQueryValue {
		return q.refuse(fmt.Sprintf("the value of {%s} has %d bytes, expected at most %d", p.text(), len(text), MaxQueryValue),
			"correct the source identifier")
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return q.refuse(fmt.Sprintf("the value %.60q of {%s} holds control characters or is not UTF-8", text, p.text()),
			"correct the source identifier")
	}
	if p.InLike {
		return q.checkLike(p, text)
	}
	return nil
}

// checkLike refuses what LIKE would match more with than was meant. With a key column that is
// harmless: the caller takes only the rows whose key is right.
func (q Query) checkLike(p Placeholder, text string) error {
	if strings.TrimSpace(text) == "" {
		return q.refuse(fmt.Sprintf("the value of {%s} is empty, and LIKE would match everything", p.Name),
			"correct the source identifier or the variable's transform")
	}
	if q.Key == nil && strings.ContainsAny(text, "_%") {
		return q.refuse(fmt.Sprintf("the value %.120q of {%s} holds _ or %%, which match anything in LIKE", text, p.Name),
			"add key_column to the query: the column whose text begins with the value")
	}
	return nil
}

// unterminated says what the template opens and does not close, or "".
func (q Query) unterminated() string {
	for _, t := range tokenizeADQL(q.Template) {
		if !t.open {
			continue
		}
		switch t.kind {
		case tokenLiteral:
			return "a quoted literal is never closed"
		case tokenIdentifier:
			return "a quoted identifier is never closed"
		default:
			return "a comment is never closed"
		}
	}
	return ""
}

// CheckIdentifier refuses (fault.Invalid) a source identifier that cannot be registered: blank, with
// blanks around it, longer than MaxIdentifier bytes, not UTF-8, or with control characters. The
// characters ' % _ { } are allowed; each query decides about them.
func CheckIdentifier(id string) error {
	problem := ""
	switch {
	case strings.TrimSpace(id) == "":
		problem = "it is blank"
	case len(id) > MaxIdentifier:
		problem = fmt.Sprintf("it has %d bytes, expected at most %d", len(id), MaxIdentifier)
	case !utf8.ValidString(id):
		problem = "it is not UTF-8 text"
	case strings.ContainsFunc(id, unicode.IsControl):
		problem = "it holds control characters"
	case strings.TrimSpace(id) != id:
		problem = "it begins or ends with a blank"
	default:
		return nil
	}
	return fault.New(fault.Invalid, fmt.Sprintf("source identifier %.60q: %s", id, problem), "correct the identifier")
}
