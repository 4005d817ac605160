package provenance

import (
	"fmt"
	"mime"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"beampipe/fault"
)

// Limits of an export.
const (
	MaxBundleProducts = 20_000    // products that an export lists
	MaxBundleEvents   = 20_000    // events in its excerpt
	MaxBundleSteps    = 5_000     // applications of a graph
	MaxBundleBytes    = 512 << 20 // all files together, before they are compressed
)

// Bundle is all that an export says about one execution. What is not known is left empty, and Missing
// says why; nothing in it is made up.
type Bundle struct {
	Execution   string // UUID
	Attempt     int    // the newest
	Project     string
	Title       string
	Description string // of the survey; "" = none is given
	License     string // a URL or a text; "" = none is given
	Status      string // as the ledger has it: completed, failed, …
	Outcome     Outcome
	Error       string // why it failed
	Place       string // where it ran: "local:runs"
	Created     time.Time
	Started     *time.Time
	Ended       *time.Time

	Creator string // who made the execution: "user:ada" or "system:admission"
	// Person answers for it: its creator, or, where the system made it, who put the survey's config in
	// force. "" = nobody is known.
	Person   string
	Actors   []string          // everybody that the events name
	Software map[string]string // name to version, "" = not recorded; Beampipe itself is "beampipe"

	Files      []BundleFile
	Steps      []BundleStep      // the applications of the logical graph, in an order in which they can run
	Parameters []BundleParameter // what the survey's config sets in the graph for this execution
	Products   []BundleProduct   // at most MaxBundleProducts
	Events     []Event           // of this execution, oldest first, at most MaxBundleEvents
	Head       string            // "seq:hash" of the whole log when the excerpt was made
	Lineage    *Lineage          // nil = not known
	Missing    []string          // sentences: what is not here, and why
}

// Outcome is how a run ended, as exports tell it.
type Outcome string

// The outcomes.
const (
	OutcomePlanned   Outcome = "planned" // it has not begun
	OutcomeActive    Outcome = "active"
	OutcomeCompleted Outcome = "completed"
	OutcomeFailed    Outcome = "failed" // also a cancelled one
	OutcomeUnknown   Outcome = ""
)

// BundleFile is a document that goes into an export as it is, but for secrets.
type BundleFile struct {
	Path      string // in the export, with slashes: "manifest.json"
	Name      string // for a reader: "Manifest"
	MediaType string
	Content   []byte
	SHA256    string // of Content, as the ledger knows it
	Origin    string // the URL that it was read from; "" = not known
	Kind      NodeKind
}

// BundleStep is an application of the logical graph.
type BundleStep struct {
	ID          string // of the node
	Name        string
	Category    string // BashShellApp, PyFuncApp, …
	Description string
	Outcome     Outcome // of all its instances together
	Error       string
}

// BundleParameter is a field of a node that the survey's config sets, with the value that this execution got.
type BundleParameter struct {
	Node  string // its name
	Field string
	Value any    // a JSON value
	Rule  string // the value or expression in the config
}

// BundleProduct is a file that the run made. Its bytes are not in an export.
type BundleProduct struct {
	Path      string `json:"path"` // in the attempt's folder
	Attempt   int    `json:"attempt,omitempty"`
	SHA256    string `json:"sha256"`
	Bytes     int64  `json:"bytes"`
	MediaType string `json:"media_type,omitempty"`
	Drop      string `json:"drop,omitempty"` // oid of the drop that holds it
	URI       string `json:"uri,omitempty"`
	Withdrawn bool   `json:"withdrawn,omitempty"` // it came of data that was found to be bad
	Why       string `json:"withdrawn_because,omitempty"`
}

// check refuses what would make a damaged export, and what is larger than its limits.
func (b *Bundle) check() error {
	what := "export execution " + b.Execution
	tooMany := func(n, limit int, things, name string) error {
		if n <= limit {
			return nil
		}
		return fault.New(fault.Invalid, fmt.Sprintf("%s: %d %s, more than the limit of %d (%s)", what, n, things, limit, name), "")
	}
	for _, err := range []error{
		tooMany(len(b.Products), MaxBundleProducts, "products", "MaxBundleProducts"),
		tooMany(len(b.Events), MaxBundleEvents, "events", "MaxBundleEvents"),
		tooMany(len(b.Steps), MaxBundleSteps, "applications", "MaxBundleSteps"),
	} {
		if err != nil {
			return err
		}
	}
	total := 0
	seen := map[string]bool{}
	for _, own := range []string{fileMetadata, filePreview, fileReadme, fileEvents, fileLineage, fileProv, fileProducts} {
		seen[strings.ToLower(own)] = true
	}
	for _, f := range b.Files {
		if !safePath(f.Path) || seen[strings.ToLower(f.Path)] {
			return fault.New(fault.Invalid, fmt.Sprintf("%s: file %q: expected a relative path that is there once and is none of the export's own", what, f.Path), "")
		}
		if _, _, err := mime.ParseMediaType(f.MediaType); err != nil {
			return fault.Wrap(fault.Invalid, err, fmt.Sprintf("%s: file %q: media type %q", what, f.Path, f.MediaType), "")
		}
		seen[strings.ToLower(f.Path)] = true
		total += len(f.Content)
	}
	return tooMany(total, MaxBundleBytes, "bytes", "MaxBundleBytes")
}

// safePath tells whether a file may be unpacked at that path, on any system.
func safePath(p string) bool {
	return p != "" && path.Clean(p) == p && !path.IsAbs(p) && p != ".." && !strings.HasPrefix(p, "../") && utf8.ValidString(p) &&
		!strings.ContainsFunc(p, func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune(`\:*?"<>|`, r) })
}

// file gives the first file of a kind.
func (b *Bundle) file(kind NodeKind) (BundleFile, bool) {
	i := slices.IndexFunc(b.Files, func(f BundleFile) bool { return f.Kind == kind })
	if i < 0 {
		return BundleFile{}, false
	}
	return b.Files[i], true
}

// published is the time that an export bears: that of the last thing that it tells of, so that the same
// bundle gives the same bytes.
func (b *Bundle) published() time.Time {
	at := b.Created
	if b.Ended != nil && b.Ended.After(at) {
		at = *b.Ended
	}
	if n := len(b.Events); n > 0 && b.Events[n-1].OccurredAt.After(at) {
		at = b.Events[n-1].OccurredAt
	}
	return at.UTC()
}
