package configs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sort"
	"unicode/utf8"
)

// MaxFileBytes bounds a project config file.
const MaxFileBytes = 4 << 20

// Load reads a project config from a file's bytes; file is its name for messages. The Project is nil
// when the document could not be parsed or has the wrong structure; with other errors it is given,
// so that it can be shown, and the Report says that it is not valid.
func Load(raw []byte, file string) (*Project, Report) {
	src := newSource(nil, file)
	unparsed := func(d finding) (*Project, Report) {
		return nil, src.report(&findings{errors: []finding{d}}, nil, sha(raw))
	}
	if len(raw) > MaxFileBytes {
		return unparsed(finding{Diagnostic: Diagnostic{
			Severity: SeverityError, Code: CodeInvalidYAML,
			Message: fmt.Sprintf("the file has %d bytes, expected at most %d", len(raw), MaxFileBytes),
		}})
	}
	text := bytes.TrimPrefix(raw, []byte("\ufeff"))
	src = newSource(text, file)
	root, err := parse(text)
	if err != nil {
		return unparsed(syntaxFinding(err))
	}
	r, p := read(root)
	if len(r.errors) > 0 {
		return nil, src.report(&r.findings, root, sha(raw))
	}
	p.validate(&r.findings)
	report := src.report(&r.findings, root, p.Digest())
	return p, report
}

// read turns the tree into a Project; r has what was wrong with it.
func read(root *node) (*reader, *Project) {
	r := &reader{legacy: version(root) == LegacyAPIVersion}
	p := r.project(root)
	if r.legacy {
		r.aliases = p.defineAliases()
	}
	return r, p
}

// parse gives the document as a tree whose root is an object.
func parse(text []byte) (*node, error) {
	if !utf8.Valid(text) {
		line, column := invalidUTF8(text)
		return nil, &placeError{CodeInvalidYAML, "the file is not UTF-8 text", line, column}
	}
	root, err := parseYAML(text)
	if err != nil {
		return nil, err
	}
	if root.kind != kindObject {
		return nil, &placeError{CodeInvalidStructure, "expected an object with apiVersion and kind, found " + root.what(), root.line, root.column}
	}
	return root, nil
}

func invalidUTF8(text []byte) (line, column int) {
	at := 0
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	start := bytes.LastIndexByte(text[:at], '\n') + 1
	return bytes.Count(text[:at], []byte("\n")) + 1, utf8.RuneCount(text[start:at]) + 1
}

func syntaxFinding(err error) finding {
	d := finding{Diagnostic: Diagnostic{Severity: SeverityError, Code: CodeInvalidYAML, Message: err.Error()}, placed: true}
	var at *placeError
	if errors.As(err, &at) {
		d.Code, d.Line, d.Column = at.code, at.line, at.column
		d.Path = fmt.Sprintf("line %d, column %d", at.line, at.column)
	}
	return d
}

func version(root *node) string {
	if n := root.get("apiVersion"); n != nil {
		return n.text
	}
	return ""
}

// report places every finding in the file.
func (s *source) report(f *findings, root *node, digest string) Report {
	r := Report{Valid: len(f.errors) == 0, Errors: []Diagnostic{}, SpecSHA256: digest, File: s.file}
	if n := root.get("metadata").get("id"); n != nil {
		r.ProjectID = n.text
	}
	for _, d := range f.errors {
		r.Errors = append(r.Errors, s.place(d, root))
	}
	for _, d := range f.warnings {
		r.Warnings = append(r.Warnings, s.place(d, root))
	}
	sort.SliceStable(r.Errors, byPlace(r.Errors))
	sort.SliceStable(r.Warnings, byPlace(r.Warnings))
	return r
}

// byPlace orders findings as a reader of the file meets them.
func byPlace(list []Diagnostic) func(i, j int) bool {
	return func(i, j int) bool {
		if list[i].Line != list[j].Line {
			return list[i].Line < list[j].Line
		}
		return list[i].Column < list[j].Column
	}
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
