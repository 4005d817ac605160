package configs

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	excerptMargin = 5   // width of the line number in an excerpt
	maxExcerpt    = 200 // characters of the line shown in an excerpt
	maxSearched   = 500 // lines searched for the place within a value
)

// source is the text of a config file, for places and excerpts.
type source struct {
	file  string
	lines []string
}

func newSource(raw []byte, file string) *source {
	return &source{file: file, lines: strings.Split(string(raw), "\n")}
}

// place gives the finding with file, line, column and excerpt. A path that the document does not have
// gets the place of the nearest thing around it.
func (s *source) place(d finding, root *node) Diagnostic {
	d.File = s.file
	if !d.placed && root != nil {
		d.Line, d.Column = root.find(d.Path)
		if line, column, ok := s.search(d.needle, d.Line); ok {
			d.Line, d.Column = line, column
		}
	}
	if !strings.HasPrefix(d.Path, credentialsPath) && !s.mayBeSecret(d.Line) {
		d.Excerpt = s.excerpt(d.Line)
	}
	return d.Diagnostic
}

// search finds where a text stands, from a line on.
func (s *source) search(needle string, from int) (line, column int, ok bool) {
	if needle == "" || from < 1 {
		return 0, 0, false
	}
	for i := from - 1; i < min(len(s.lines), from+maxSearched); i++ {
		if at := strings.Index(s.lines[i], needle); at >= 0 {
			return i + 1, utf8.RuneCountInString(s.lines[i][:at]) + 1, true
		}
	}
	return 0, 0, false
}

// userInfo is what may stand before the host in a URL: a user and a password.
var userInfo = regexp.MustCompile(`://[^/@\s]+@`)

var (
	credentialsKey = regexp.MustCompile(`\bcredentials["']?\s*:`)
	secretKey      = regexp.MustCompile(`(?i)\b(secret|password|passwd|token|bearer|cookie)["']?\s*:`)
)

// mayBeSecret reports whether a line stands below a credentials key, or has a key that tells of a
// secret: nobody can know what was put there by mistake. It goes by the text alone, because a file that
// cannot be parsed has its lines shown too.
func (s *source) mayBeSecret(line int) bool {
	if line < 1 || line > len(s.lines) {
		return false
	}
	if secretKey.MatchString(s.lines[line-1]) {
		return true
	}
	depth := math.MaxInt // of the lines between
	for i := line - 1; i >= max(0, line-maxSearched) && depth > 0; i-- {
		text := strings.TrimLeft(s.lines[i], " \t")
		indent := len(s.lines[i]) - len(text)
		if credentialsKey.MatchString(text) && (i == line-1 || indent < depth) {
			return true
		}
		if strings.TrimSpace(text) != "" {
			depth = min(depth, indent)
		}
	}
	return false
}

// redact takes passwords out of what is shown.
func redact(text string) string { return userInfo.ReplaceAllString(text, "://…@") }

// excerpt shows one line with its number, safe for a terminal.
func (s *source) excerpt(line int) string {
	if line < 1 || line > len(s.lines) {
		return ""
	}
	text := []rune(redact(strings.TrimSuffix(s.lines[line-1], "\r")))
	cut := ""
	if len(text) > maxExcerpt {
		text, cut = text[:maxExcerpt], "…"
	}
	for i, r := range text {
		switch {
		case r == '\t':
			text[i] = ' '
		case unicode.IsControl(r):
			text[i] = '·'
		}
	}
	return fmt.Sprintf("%*d | %s%s", excerptMargin, line, string(text), cut)
}
