package local

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxCommandBytes is the longest command after its placeholders are replaced: Linux takes no longer
// argument (MAX_ARG_STRLEN, 128 KiB with the end).
const maxCommandBytes = 128<<10 - 1

// quoting is how the shell reads the place where a placeholder stands.
type quoting int

const (
	plain quoting = iota
	single
	double
	comment
)

// command is a shell command split at its placeholders.
type command struct {
	pieces []piece
	// nested: it has constructs in which we cannot tell how the shell reads a place ($(…), `…`, here
	// documents, arithmetic); only values without special characters can stand in it.
	nested bool
}

// piece is literal text, or a placeholder with where it stands.
type piece struct {
	literal string
	name    string // "" for literal text
	place   quoting
}

// parseCommand finds the placeholders {name} of the names that are known. Other braces are the shell's
// own, and so are ${name} and \{name}.
func parseCommand(text string, known func(name string) bool) command {
	var c command
	place, from := plain, 0
	for i := 0; i < len(text); i++ {
		switch at := text[i]; {
		case at == '\\' && place != single && place != comment:
			i++
		case at == '\'' && (place == plain || place == single):
			place = toggled(place, single)
		case at == '"' && (place == plain || place == double):
			place = toggled(place, double)
		case at == '#' && place == plain && (i == 0 || strings.IndexByte(" \t\n;&|(", text[i-1]) >= 0):
			place = comment
		case at == '\n' && place == comment:
			place = plain
		case at == '{' && (i == 0 || text[i-1] != '$'):
			name, ok := placeholder(text[i:], known)
			if !ok {
				continue
			}
			c.pieces = append(c.pieces, piece{literal: text[from:i]}, piece{name: name, place: place})
			i += len(name) + 1
			from = i + 1
		case place != single && place != comment && opensNested(text[i:], place):
			c.nested = true
		}
	}
	c.pieces = append(c.pieces, piece{literal: text[from:]})
	return c
}

func toggled(place, quote quoting) quoting {
	if place == quote {
		return plain
	}
	return quote
}

func placeholder(text string, known func(string) bool) (string, bool) {
	end := strings.IndexAny(text[1:], "{}")
	if end <= 0 || text[1+end] != '}' || !known(text[1:1+end]) {
		return "", false
	}
	return text[1 : 1+end], true
}

func opensNested(text string, place quoting) bool {
	openers := []string{"`", "$("}
	if place == plain {
		openers = append(openers, "<<", "((", "$'", `$"`)
	}
	for _, opener := range openers {
		if strings.HasPrefix(text, opener) {
			return true
		}
	}
	return false
}

// names gives the placeholders, in the order of the command.
func (c command) names() []string {
	var names []string
	for _, p := range c.pieces {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	return names
}

// value is what a placeholder stands for: text taken as it is (a parameter, which the graph's author
// wrote), or words that the shell must see as they are (paths, and data from outside).
type value struct {
	raw   string
	words []string
}

// fill puts values in. Words are quoted for the place where they stand, as if quoted variables stood there.
func (c command) fill(valueOf func(name string) (value, error)) (string, error) {
	var b strings.Builder
	for _, p := range c.pieces {
		if p.name == "" {
			b.WriteString(p.literal)
			continue
		}
		v, err := valueOf(p.name)
		if err != nil {
			return "", fmt.Errorf("placeholder {%s}: %w", p.name, err)
		}
		b.WriteString(v.raw)
		for i, word := range v.words {
			if i > 0 {
				b.WriteByte(' ')
			}
			quoted, err := c.quote(word, p.place)
			if err != nil {
				return "", fmt.Errorf("placeholder {%s}: %w", p.name, err)
			}
			b.WriteString(quoted)
		}
	}
	if b.Len() > maxCommandBytes {
		return "", fmt.Errorf("the command has %d bytes with its placeholders replaced, more than %d: pass large data as a file (encoding path)", b.Len(), maxCommandBytes)
	}
	return b.String(), nil
}

func (c command) quote(word string, place quoting) (string, error) {
	if strings.IndexByte(word, 0) >= 0 || !utf8.ValidString(word) {
		return "", fmt.Errorf("%.40q is no text", word)
	}
	if isSafe(word) && word != "" {
		return word, nil
	}
	if c.nested || place == comment {
		return "", fmt.Errorf("%.80q cannot be quoted inside $(…), `…`, ((…)), a here document or a comment: use encoding path, and a work folder without special characters", word)
	}
	switch place {
	case single:
		return strings.ReplaceAll(word, "'", `'\''`), nil
	case double:
		return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(word), nil
	default:
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'", nil
	}
}

// isSafe tells that no shell reads anything into the characters of a word.
func isSafe(word string) bool {
	for i := range len(word) {
		c := word[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("_./:@%+=,-", c) < 0 {
			return false
		}
	}
	return true
}
