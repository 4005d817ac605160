package execution

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/graph"
	"beampipe/ledger"
)

// MaxManifestBytes bounds a manifest: what a graph can embed.
const MaxManifestBytes = graph.MaxBytes

// ManifestSource is a source to be run, with what is known of it.
type ManifestSource struct {
	Identifier string
	SBIDs      []string          // to use; empty = all that are known and not missing
	Metadata   []ledger.Metadata // as View.Metadata gives it; at least the SBIDs to use
}

// Manifest is the document that a run reads, and what of it is applied to the graph.
type Manifest struct {
	Bytes    []byte // canonical JSON: inputs, sources, graph_overrides
	Embedded []byte // the same without graph_overrides: what goes into the graph
	Patches  []graph.Patch
	Scope    map[string][]string // the SBIDs of each source, sorted
	Datasets int
}

// Digest is the SHA-256 of Bytes in hexadecimal.
func (m Manifest) Digest() string { return digest(m.Bytes) }

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// BuildManifest makes the manifest of sources after the project's templates. Each source has one
// entry, whatever manifest.group_by says: sources, SBIDs and datasets are in byte order. SBIDs that
// are missing, and "0", are left out unless they are asked for, which is an error. Patch expressions
// are evaluated over each source's entry and summed.
//
// The errors are Invalid and name the source and the key: a placeholder that nothing fills, a record
// without identity or of another source, a selection that does not match what is known.
func BuildManifest(cfg *configs.Project, sources []ManifestSource) (Manifest, error) {
	m := Manifest{Scope: map[string][]string{}}
	sources = slices.Clone(sources)
	slices.SortFunc(sources, func(a, b ManifestSource) int { return strings.Compare(a.Identifier, b.Identifier) })
	entries := make([]any, 0, len(sources))
	for _, s := range sources {
		what := "build manifest: source " + s.Identifier
		if _, twice := m.Scope[s.Identifier]; twice {
			return Manifest{}, fault.New(fault.Invalid, what+" is selected twice", "name each source once")
		}
		entry, scope, datasets, err := sourceEntry(cfg, s)
		if err != nil {
			return Manifest{}, fault.Wrap(fault.Invalid, err, what, "look at: beampipe source show "+s.Identifier)
		}
		entries = append(entries, entry)
		m.Scope[s.Identifier], m.Datasets = scope, m.Datasets+datasets
	}
	if m.Datasets == 0 {
		return Manifest{}, fault.New(fault.Invalid, "build manifest: no usable dataset", "discover the sources again, or choose others")
	}
	m.Patches = evaluatePatches(cfg.GraphPatches, entries)
	return m.encode(map[string]any{}, entries)
}

// encode writes the document. The embedded form is what the ingest node of a graph is given.
func (m Manifest) encode(inputs map[string]any, entries []any) (Manifest, error) {
	document := map[string]any{"inputs": inputs, "sources": entries}
	var err error
	if m.Embedded, err = ledger.Canonical(document); err == nil {
		document["graph_overrides"] = map[string]any{"patches": overrides(m.Patches)}
		m.Bytes, err = ledger.Canonical(document)
	}
	if err != nil {
		return Manifest{}, fault.Wrap(fault.Invalid, err, "build manifest: write it as JSON", "")
	}
	if len(m.Bytes) > MaxManifestBytes {
		return Manifest{}, fault.New(fault.Invalid, fmt.Sprintf("build manifest: %d bytes, more than the limit of %d (MaxManifestBytes)", len(m.Bytes), MaxManifestBytes),
			"take fewer sources per execution: automation.execution.max_sources_per_execution")
	}
	return m, nil
}

// ReadManifest reads a manifest document back, for a retry or from a file.
func ReadManifest(raw []byte) (Manifest, error) {
	what := "read manifest"
	if len(raw) > MaxManifestBytes {
		return Manifest{}, fault.New(fault.Invalid, fmt.Sprintf("%s: %d bytes, more than the limit of %d (MaxManifestBytes)", what, len(raw), MaxManifestBytes), "")
	}
	var document struct {
		Inputs    map[string]any `json:"inputs"`
		Sources   []any          `json:"sources"`
		Overrides struct {
			Patches []override `json:"patches"`
		} `json:"graph_overrides"`
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&document); err != nil {
		return Manifest{}, fault.Wrap(fault.Invalid, err, what, "expected an object with inputs, sources and graph_overrides")
	}
	m := Manifest{Scope: map[string][]string{}}
	for i, entry := range document.Sources {
		name, scope, datasets, err := entryScope(entry)
		if err == nil && m.Scope[name] != nil {
			err = fmt.Errorf("source %q is there twice", name)
		}
		if err != nil {
			return Manifest{}, fault.Wrap(fault.Invalid, err, fmt.Sprintf("%s: sources[%d]", what, i), "")
		}
		m.Scope[name], m.Datasets = scope, m.Datasets+datasets
	}
	if m.Datasets == 0 {
		return Manifest{}, fault.New(fault.Invalid, what+": no dataset in it", "")
	}
	for _, o := range document.Overrides.Patches {
		m.Patches = append(m.Patches, graph.Patch{Match: o.Match.Equals, Fields: o.Fields})
	}
	if document.Inputs == nil {
		document.Inputs = map[string]any{}
	}
	return m.encode(document.Inputs, document.Sources)
}
