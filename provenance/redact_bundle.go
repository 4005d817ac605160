package provenance

import (
	"bytes"
	"encoding/json"
	"slices"

	"beampipe/fault"
)

// Names of the files that an export makes itself.
const (
	fileMetadata = "ro-crate-metadata.json"
	filePreview  = "ro-crate-preview.html"
	fileReadme   = "README.md"
	fileEvents   = "events.jsonl"
	fileLineage  = "lineage.json"
	fileProv     = "prov.json"
	fileProducts = "products.json"
)

// cleanBundle is a bundle without secrets, and what was taken out of which of its files.
type cleanBundle struct {
	Bundle
	redacted map[string]Redaction // by path
}

// clean takes the secrets out of everything that a bundle holds. The bundle given stays as it is.
func (b *Bundle) clean() (cleanBundle, error) {
	c := cleanBundle{Bundle: *b, redacted: map[string]Redaction{}}
	for _, text := range []*string{&c.Title, &c.Description, &c.License, &c.Error, &c.Place, &c.Creator, &c.Person} {
		*text = plain(*text)
	}
	c.Missing = each(b.Missing, plain)
	c.Actors = each(b.Actors, plain)
	c.Steps = each(b.Steps, func(s BundleStep) BundleStep {
		s.Name, s.Description, s.Error = plain(s.Name), plain(s.Description), plain(s.Error)
		return s
	})
	c.Products = each(b.Products, func(p BundleProduct) BundleProduct {
		p.Path, p.URI, p.Why = plain(p.Path), plain(p.URI), plain(p.Why)
		return p
	})
	c.Parameters = each(b.Parameters, cleanParameter)
	c.Files = each(b.Files, func(f BundleFile) BundleFile {
		content, r := Redact(f.MediaType, f.Content)
		c.note(f.Path, r)
		f.Content = content
		return f
	})
	var err error
	c.Lineage, err = c.cleanLineage(b.Lineage)
	return c, fault.Wrap(fault.Invalid, err, "export execution "+b.Execution+": take secrets out of its lineage", "")
}

// note keeps what was taken out of a file.
func (c *cleanBundle) note(path string, r Redaction) {
	if r.Values > 0 {
		c.redacted[path] = r
	}
}

func plain(text string) string {
	text, _ = RedactText(text)
	return text
}

func each[T any](list []T, fn func(T) T) []T {
	out := slices.Clone(list)
	for i := range out {
		out[i] = fn(out[i])
	}
	return out
}

// cleanParameter takes out the value of a parameter whose name is a secret's.
func cleanParameter(p BundleParameter) BundleParameter {
	if secretName(p.Field) {
		p.Value, p.Rule = redactedMark, redactedMark
		return p
	}
	p.Rule = plain(p.Rule)
	if text, ok := p.Value.(string); ok {
		p.Value = plain(text)
	}
	return p
}

// cleanLineage gives a lineage without secrets, in an order of its own.
func (c *cleanBundle) cleanLineage(l *Lineage) (*Lineage, error) {
	if l == nil {
		return nil, nil
	}
	sorted := &Lineage{}
	for _, n := range l.Nodes {
		sorted.Add(n)
	}
	for _, e := range l.Edges {
		sorted.Link(e.From, e.Relation, e.To)
	}
	sorted.Sort()
	original := plainJSON(sorted)
	content, n, err := redactJSON(original, 0)
	if err != nil || n == 0 {
		return sorted, err
	}
	c.note(fileLineage, redaction(original, n))
	var read Lineage
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.UseNumber()
	if err := dec.Decode(&read); err != nil {
		return nil, err
	}
	out := &Lineage{}
	for _, n := range read.Nodes {
		out.Add(n)
	}
	for _, e := range read.Edges {
		out.Link(e.From, e.Relation, e.To)
	}
	return out, nil
}
