package votable

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Finding is something in a document that is not as the standard has it.
type Finding struct {
	Line, Column int // of the element or cell; in a STREAM, how far it was read
	Msg          string
	Severity     string // SeverityError or SeverityWarning
}

// Severities of a Finding.
const (
	SeverityError   = "error"   // the standard forbids it; a strict reader refuses the document
	SeverityWarning = "warning" // the standard advises against it, or this package cannot look at it
)

// MaxFindings is how many findings Check lists. It stops at the next, and says so.
const MaxFindings = 1000

const (
	// maxIDs bounds the IDs and references that Check compares, each; maxFieldBytes bounds their text.
	maxIDs = 100_000
	// maxPrefixes bounds the undeclared namespace prefixes that are each told once.
	maxPrefixes = 100
)

// Check reads a document to its end and says what a strict reader would refuse in it, by the schema and
// the text of VOTable 1.5 (and what differs in older versions): versions and namespaces, elements and
// attributes and their order, datatypes and arraysizes, IDs and what refers to them, nrows, the number of
// cells of each row, cells that are no literal of their field, how nulls are said, QUERY_STATUS (DALI
// 1.1). Findings are in document order, at most MaxFindings and one that says so.
//
// A document that is not well-formed, or past a limit, ends with a finding at that place. Rows in FITS or
// at an href are not looked at. Memory is bounded by limits. The error is one of the source alone.
func Check(r io.Reader, limits Limits) ([]Finding, error) {
	c := checker{limits: limits.withDefaults(), version: newestVersion, ids: map[string]target{}, prefixes: map[string]bool{}}
	utf8, err := asUTF8(r)
	if err == nil {
		c.scan = newScanner(utf8, c.limits)
		c.scan.placeTags = true
		err = c.document()
	}
	if err == nil {
		c.resolve()
	}
	slices.SortStableFunc(c.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	var syntax *SyntaxError
	switch {
	case errors.As(err, &syntax):
		// What ends a document inside a STREAM has been told as a fault of the STREAM.
		f := Finding{max(syntax.Line, 1), max(syntax.Column, 1), syntax.Msg, SeverityError}
		if !slices.Contains(c.findings, f) {
			c.findings = append(c.findings, f)
		}
	case errors.Is(err, errEnough):
		last := c.findings[len(c.findings)-1]
		last.Msg = fmt.Sprintf("more than %d findings; what follows was not looked at", MaxFindings)
		c.findings = append(c.findings, last)
	case err != nil:
		return c.findings, err
	}
	return c.findings, nil
}

var errEnough = errors.New("enough findings")

type checker struct {
	scan     *scanner
	limits   Limits
	version  string
	uri      string // namespace of the root element
	findings []Finding
	open     []frame
	table    table // that is open, or was last
	ids      map[string]target
	refs     []mention
	size     int // bytes of ids and refs
	manyIDs  bool
	prefixes map[string]bool // undeclared ones that were told
	layouts  definitions
	value    []byte // text of the TD that is open
}

// frame is an open element. Its rule is nil where it is foreign or unknown: then it is skipped.
type frame struct {
	name      string
	rule      *rule
	line, col int
	rank      int
	once      []string // children that may not come again
	spoken    bool     // text in a place without text was told
	children  int
	meta      bool // RESOURCE type="meta", or inside one
	encoded   bool // TD in base64
	statuses  statuses
	column    decoder // of a PARAM
}

// target is an element that has an ID.
type target struct {
	element   string
	table     int // number of the TABLE that it is in, or is; 0: none
	line, col int
}

type mention struct {
	from, to  string // element, ID
	table     int
	line, col int
}

func (c *checker) add(line, col int, severity, format string, args ...any) error {
	if len(c.findings) == MaxFindings {
		return errEnough
	}
	c.findings = append(c.findings, Finding{line, col, fmt.Sprintf(format, args...), severity})
	return nil
}

// wrong is an error at the start tag that was read last.
func (c *checker) wrong(format string, args ...any) error {
	return c.add(c.scan.tagLine, c.scan.tagCol, SeverityError, format, args...)
}

func (c *checker) document() error {
	for {
		t, err := c.scan.next()
		if err != nil {
			return err
		}
		switch t {
		case startTag:
			err = c.start()
		case endTag:
			err = c.end()
		case text:
			err = c.text()
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *checker) start() error {
	f := frame{name: string(c.scan.name), line: c.scan.tagLine, col: c.scan.tagCol}
	if len(c.open) == 0 {
		return c.startRoot(f)
	}
	parent := &c.open[len(c.open)-1]
	f.meta = parent.meta
	parent.children++
	if parent.rule == nil || parent.rule.any {
		c.open = append(c.open, f)
		return nil
	}
	rule, err := c.place(parent, f.name)
	if err != nil {
		return err
	}
	f.rule = rule
	if rule != nil {
		if err := c.attributes(f.name, rule); err != nil {
			return err
		}
		if err := c.enter(&f); err != nil {
			return err
		}
	}
	if f.name == "STREAM" && rule != nil && parent.name != "FITS" {
		return c.stream(parent.name == "BINARY2")
	}
	c.open = append(c.open, f)
	return nil
}

func (c *checker) startRoot(f frame) error {
	if f.name != "VOTABLE" {
		return c.scan.fail("not a VOTable: the document is a <%s>", c.scan.tag)
	}
	f.rule = schema[f.name]
	c.open = append(c.open, f)
	c.uri = c.scan.spaces.of(c.scan.tag)
	if err := c.prefix(); err != nil {
		return err
	}
	version, said := c.attr("version")
	namespace, known := namespaceOf(version)
	var err error
	switch {
	case !said:
		err = c.wrong("<VOTABLE> has no version; %s is the newest", newestVersion)
	case !known:
		err = c.wrong("version %.40q is not one of VOTable's: 1.0 to %s", version, newestVersion)
	default:
		c.version = version
	}
	if err != nil {
		return err
	}
	if c.uri != namespace && known && version > "1.0" {
		err = c.wrong("namespace %.200q where VOTable %s has %q", c.uri, version, namespace)
	}
	if err != nil {
		return err
	}
	return c.attributes(f.name, f.rule)
}

// place says whether an element may stand where it does. It gives the element's rule, nil to skip it.
func (c *checker) place(parent *frame, name string) (*rule, error) {
	if err := c.prefix(); err != nil {
		return nil, err
	}
	if c.scan.foreign {
		if parent.name == "RESOURCE" {
			return nil, nil
		}
		return nil, c.wrong("<%s> of another vocabulary in <%s>; only a RESOURCE may hold one", c.scan.tag, parent.name)
	}
	rule, known := schema[name]
	child, allowed := parent.rule.child(name, parent.rank)
	switch {
	case !known:
		return nil, c.wrong("<%s> is not an element of VOTable", name)
	case !allowed:
		return nil, c.wrong("<%s> is not allowed in <%s>", name, parent.name)
	case c.version < rule.since:
		return rule, c.wrong("<%s> came with VOTable %s, and the document says %s", name, rule.since, c.version)
	case name == "GROUP" && (parent.name == "VOTABLE" || parent.name == "RESOURCE") && c.version < "1.2":
		return rule, c.wrong("<GROUP> in <%s> came with VOTable 1.2, and the document says %s", parent.name, c.version)
	case child.rank < parent.rank && c.version >= "1.2":
		return rule, c.wrong("<%s> stands too late in <%s>", name, parent.name)
	case slices.Contains(parent.once, name):
		return rule, c.wrong("a second <%s> in <%s>", name, parent.name)
	}
	parent.rank = max(parent.rank, child.rank)
	if child.once || name == "VALUES" && c.version >= "1.2" {
		parent.once = append(parent.once, name)
	}
	return rule, nil
}

// prefix tells of a namespace prefix that nothing declares, and of a second VOTable namespace.
func (c *checker) prefix() error {
	i := bytes.IndexByte(c.scan.tag, ':')
	if i < 0 && len(c.scan.attrs) == 0 {
		return nil
	}
	prefix := string(c.scan.tag[:max(i, 0)])
	uri, declared := c.scan.spaces.lookup(prefix)
	switch {
	case c.prefixes[prefix] || len(c.prefixes) == maxPrefixes || c.scan.foreign:
		return nil
	case prefix != "" && !declared:
		c.prefixes[prefix] = true
		return c.wrong("the namespace prefix of <%s> is not declared", c.scan.tag)
	case len(c.open) > 0 && uri != c.uri:
		c.prefixes[prefix] = true
		return c.wrong("<%s> is in namespace %.200q, the document in %.200q", c.scan.tag, uri, c.uri)
	}
	return nil
}

// text handles text between tags.
func (c *checker) text() error {
	if len(c.open) == 0 {
		return nil
	}
	f := &c.open[len(c.open)-1]
	switch {
	case f.rule == nil:
		return nil
	case f.name == "TD":
		c.value = append(c.value, c.scan.chunk...)
		if len(c.value) > c.limits.CellBytes {
			return c.scan.fail("a cell longer than %d bytes (Limits.CellBytes)", c.limits.CellBytes)
		}
		return nil
	case f.rule.text || f.spoken:
		return nil
	}
	if words := bytes.Trim(c.scan.chunk, " \t\r\n"); len(words) > 0 {
		f.spoken = true
		line, col := c.scan.place()
		return c.add(line, col, SeverityError, "text %.40q in <%s>, which has elements alone", words, f.name)
	}
	return nil
}

// end handles an end tag.
func (c *checker) end() error {
	f := c.open[len(c.open)-1]
	c.open = c.open[:len(c.open)-1]
	if f.rule == nil {
		return nil
	}
	missing := ""
	switch f.name {
	case "VOTABLE":
		if f.rank < 3 {
			missing = "RESOURCE"
		}
	case "TABLE":
		return c.endTable(f)
	case "TABLEDATA":
		c.table.counted = true
	case "TR":
		return c.endRow(f)
	case "TD":
		return c.endCell(f)
	case "BINARY", "BINARY2", "FITS":
		if f.children == 0 {
			missing = "STREAM"
		}
	case "DATA":
		if f.children == 0 {
			missing = "TABLEDATA, BINARY, BINARY2 or FITS"
		}
	}
	if missing != "" {
		return c.add(f.line, f.col, SeverityError, "<%s> has no %s", f.name, missing)
	}
	return nil
}

// attr gives an attribute of the start tag that was read last, and whether it is there.
func (c *checker) attr(name string) (string, bool) {
	for _, a := range c.scan.attrs {
		if a.name == name {
			return strings.TrimSpace(a.value), true
		}
	}
	return "", false
}
