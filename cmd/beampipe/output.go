package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"beampipe/fault"
)

// print writes an answer: as JSON with --json, else as the text that text puts on the page.
func (a *app) print(answer any, text func(p *page)) error {
	if a.json {
		return a.printJSON(answer)
	}
	p := a.newPage()
	text(p)
	return a.write([]byte(p.b.String()))
}

// printJSON writes one indented JSON object.
func (a *app) printJSON(answer any) error {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(answer); err != nil {
		return fmt.Errorf("write the answer as JSON: %w", err)
	}
	return a.write(b.Bytes())
}

func (a *app) write(content []byte) error {
	if _, err := a.stdout.Write(content); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

// writeFile puts content at path in one step, so that a file is there whole or not at all. A path that
// is there and is no regular file (/dev/stdout, a pipe) is written to.
func writeFile(path string, content []byte) (err error) {
	const mode = 0o644
	fail := func(err error) error {
		return fault.Wrap(fault.Invalid, plainCause(err), "write "+path, "name a file in a folder that can be written to")
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		if err := os.WriteFile(path, content, mode); err != nil {
			return fail(err)
		}
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fail(err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(content); err != nil {
		f.Close()
		return fail(err)
	}
	if err := f.Chmod(mode); err != nil {
		f.Close()
		return fail(err)
	}
	if err := f.Close(); err != nil {
		return fail(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fail(err)
	}
	return nil
}

// page is text for a person. Strings that come from answers are cleaned of control characters, because
// archives and logs must not write to the operator's terminal; ink is ours and passes.
type page struct {
	b      strings.Builder
	colour bool
	width  int // longest row of a list; 0 = no bound
}

func (a *app) newPage() *page {
	return &page{width: a.width, colour: a.terminal && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"}
}

// ink is cleaned text, perhaps in colour.
type ink string

func (p *page) paint(code, text string) ink {
	text = clean(text, false)
	if !p.colour || text == "" {
		return ink(text)
	}
	return ink("\x1b[" + code + "m" + text + "\x1b[0m")
}

func (p *page) bold(text string) ink   { return p.paint("1", text) }
func (p *page) faint(text string) ink  { return p.paint("2", text) }
func (p *page) red(text string) ink    { return p.paint("31", text) }
func (p *page) green(text string) ink  { return p.paint("32", text) }
func (p *page) yellow(text string) ink { return p.paint("33", text) }

// line writes one line, or several where a string has line breaks.
func (p *page) line(format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = clean(text, true)
		}
	}
	text := strings.TrimRight(fmt.Sprintf(format, args...), " \n")
	for line := range strings.SplitSeq(text, "\n") {
		p.b.WriteString(strings.TrimRight(line, " "))
		p.b.WriteByte('\n')
	}
}

// fieldWidth is where values begin on a screen about one thing.
const fieldWidth = 13

// field writes "  name         value"; further lines of the value stand under the first. A field
// without a value is left out, a value without a name goes on with the field above.
func (p *page) field(name, format string, args ...any) {
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			args[i] = clean(text, true)
		}
	}
	value := fmt.Sprintf(format, args...)
	if strings.TrimSpace(value) == "" {
		return
	}
	pad := strings.Repeat(" ", 2+fieldWidth)
	gap := max(fieldWidth-utf8.RuneCountInString(name), 1)
	p.line("%s", ink("  "+name+strings.Repeat(" ", gap)+strings.ReplaceAll(value, "\n", "\n"+pad)))
}

// fields writes one value per line under one name.
func (p *page) fields(name string, values []string) {
	for _, value := range values {
		p.field(name, "%s", value)
		name = ""
	}
}

// table writes aligned columns without lines. indent goes before each row; header may be nil. A list, which
// has a header, is cut at the terminal's width; anything else is too dear to cut.
func (p *page) table(indent string, header []string, rows [][]any) {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	if header != nil {
		row := table.Row{}
		for _, h := range header {
			row = append(row, string(p.faint(h)))
		}
		t.AppendRow(row)
	}
	for _, cells := range rows {
		row := table.Row{}
		for _, cell := range cells {
			switch v := cell.(type) {
			case string:
				row = append(row, clean(v, false))
			case ink:
				row = append(row, string(v))
			default:
				row = append(row, v)
			}
		}
		t.AppendRow(row)
	}
	for _, line := range strings.Split(t.Render(), "\n") {
		line = strings.TrimRight(indent+line, " ")
		if header != nil && p.width > 0 {
			line = text.Snip(line, p.width, "…")
		}
		p.b.WriteString(line)
		p.b.WriteByte('\n')
	}
}

// clean makes control characters, and what changes the direction of text, visible. lines keeps line
// breaks and tabs.
func clean(text string, lines bool) string {
	bad := func(r rune) bool {
		if lines && (r == '\n' || r == '\t') {
			return false
		}
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError
	}
	if !strings.ContainsFunc(text, bad) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case bad(r) && r != utf8.RuneError:
			quoted := fmt.Sprintf("%+q", r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
		text = text[size:]
	}
	return b.String()
}
