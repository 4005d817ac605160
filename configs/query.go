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
// that braces in a value stay what they are, and with quotes doubled. It refuses (fault.Invalid)
// what could change the query's meaning: a placeholder without a value or outside a quoted literal;
// a value with control characters, invalid UTF-8 or more than MaxQueryValue bytes; in a LIKE an
// empty value, and one with _ or % unless the query names its key_column.
func (q Query) ADQL(vars map[string]string) (string, error) {
	if len(q.Template) > MaxQueryBytes {
		return "", q.refuse(fmt.Sprintf("the template has %d bytes, expected at most %d", len(q.Template), MaxQueryBytes), "shorten the query")
	}
	if text := q.unterminated(); text != "" {
		return "", q.refuse(text, "close it")
	}
	var b strings.Builder
	from := 0
	for _, p := range q.Placeholders() {
		text, err := q.value(p, vars)
		if err != nil {
			return "", err
		}
		b.WriteString(q.Template[from:p.Offset])
		b.WriteString(strings.ReplaceAll(text, "'", "''"))
		from = p.Offset + len(p.Name) + len("{}")
		if b.Len() > MaxQueryBytes {
			return "", q.refuse(fmt.Sprintf("the query grows past %d bytes", MaxQueryBytes), "use fewer placeholders")
		}
	}
	b.WriteString(q.Template[from:])
	return b.String(), nil
}

func (q Query) refuse(what, try string) error {
	return fault.New(fault.Invalid, fmt.Sprintf("fill in query %q: %s", q.Name, what), try)
}

func (q Query) value(p Placeholder, vars map[string]string) (string, error) {
	if !p.InLiteral {
		return "", q.refuse(fmt.Sprintf("the placeholder {%s} stands outside a quoted literal", p.Name),
			fmt.Sprintf("write '{%s}'", p.Name))
	}
	text, ok := vars[p.Name]
	if !ok {
		return "", q.refuse(fmt.Sprintf("nothing fills the placeholder {%s}", p.Name),
			"declare it in source_identity.template_vars; {sbid} is there in discovery.enrichments only")
	}
	if len(text) > MaxQueryValue {
		return "", q.refuse(fmt.Sprintf("the value of {%s} has %d bytes, expected at most %d", p.Name, len(text), MaxQueryValue),
			"correct the source identifier")
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return "", q.refuse(fmt.Sprintf("the value %.60q of {%s} holds control characters or is not UTF-8", text, p.Name),
			"correct the source identifier")
	}
	if p.InLike {
		return text, q.checkLike(p, text)
	}
	return text, nil
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
