package configs

import (
	"bytes"
	"encoding/json"
	"fmt"

	"beampipe/fault"
)

// canonicalVersion is the version of the canonical form. It is part of the form: a later one changes
// every digest, and is seen as that.
const canonicalVersion = 1

type canonicalForm struct {
	Canonical int `json:"canonical"`
	Project
}

// Canonical gives the project as compact JSON with sorted keys, every default filled in, absent
// options left out and no HTML escaping (close to RFC 8785): the same document gives the same bytes,
// however it was written.
func (p *Project) Canonical() []byte {
	b, err := sortedJSON(canonicalForm{canonicalVersion, *p})
	if err != nil {
		panic(fmt.Sprintf("configs: a project cannot be written as JSON: %v", err)) // Load gives JSON values only
	}
	return b
}

// sortedJSON goes through maps, whose keys encoding/json sorts.
func sortedJSON(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

// Digest is the SHA-256 of Canonical in hexadecimal.
func (p *Project) Digest() string { return sha(p.Canonical()) }

// FromCanonical reads back what Canonical gave. It does not validate again.
func FromCanonical(b []byte) (*Project, error) {
	const try = "the ledger may be damaged: beampipe ledger check"
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	var form canonicalForm
	if err := dec.Decode(&form); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read a stored project config", try)
	}
	if form.Canonical != canonicalVersion {
		return nil, fault.New(fault.Invalid,
			fmt.Sprintf("read a stored project config: canonical form %d, expected %d", form.Canonical, canonicalVersion),
			"use the version of beampipe that stored it, or add the project again")
	}
	return &form.Project, nil
}
