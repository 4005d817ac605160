package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"beampipe/configs"
	"beampipe/discovery"
	"beampipe/execution"
	"beampipe/fault"
	"beampipe/ledger"
)

// Bounds of a trace.
const (
	maxTracedProducts = 10_000 // of one execution
	maxTracedEvents   = 1_000  // of one execution, the oldest
)

// runHistory is all that the ledger has of one execution, read at one instant. Pieces that are not there,
// of a run of an older version or one that was not prepared yet, are nil, and told in gaps.
type runHistory struct {
	view      ledger.View
	execution ledger.Execution
	config    ledger.Config
	project   *configs.Project
	rule      *ledger.Rule
	profile   ledger.Profile
	record    execution.RunRecord
	artifacts map[string]ledger.Artifact // the newest of each kind
	manifest  *manifestDocument
	lineage   *execution.LineageRecord
	products  []ledger.Product
	software  map[string]map[string]string // by submission id
	gaps      []string

	origins map[string]*discovery.Origins // by source, made when asked for
}

// manifestDocument is a manifest read for tracing.
type manifestDocument struct {
	sha256  string
	value   map[string]any
	Sources []struct {
		Identifier string `json:"source_identifier"`
		SBIDs      []struct {
			SBID     string           `json:"sbid"`
			Datasets []map[string]any `json:"datasets"`
		} `json:"sbids"`
	} `json:"sources"`
}

func (h *runHistory) gap(format string, args ...any) {
	h.gaps = append(h.gaps, fmt.Sprintf(format, args...))
}

// history reads an execution for tracing.
func (c *Local) history(ctx context.Context, v ledger.View, id string) (*runHistory, error) {
	h := &runHistory{view: v, artifacts: map[string]ledger.Artifact{}, software: map[string]map[string]string{}, origins: map[string]*discovery.Origins{}}
	for _, read := range []func(v ledger.View, id string) error{h.readRow, h.readArtifacts, h.readProducts, h.readSoftware} {
		if err := ctx.Err(); err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "trace execution "+id, "")
		}
		if err := read(v, id); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *runHistory) readRow(v ledger.View, id string) error {
	var err error
	if h.execution, err = v.Execution(id); err != nil {
		return err
	}
	x := h.execution
	if h.config, err = v.Config(x.Project, x.ConfigRevision); err != nil {
		return err
	}
	if h.project, err = configs.FromCanonical(h.config.Spec); err != nil {
		return err
	}
	if rule, ok, err := v.SignatureRule(x.Project, x.ConfigRevision); err != nil {
		return err
	} else if ok {
		h.rule = &rule
	}
	if h.profile, err = v.ProfileRevision(x.Profile, x.ProfileRevision); err != nil {
		return err
	}
	raw, err := v.RunRecord(id)
	if err == nil {
		h.record, err = execution.ReadRunRecord(raw)
	}
	return err
}

func (h *runHistory) readArtifacts(v ledger.View, id string) error {
	list, err := v.Artifacts(id) // the newest attempt first
	if err != nil {
		return err
	}
	for _, a := range list {
		if _, newer := h.artifacts[a.Kind]; !newer {
			h.artifacts[a.Kind] = a
		}
	}
	manifest, ok := h.artifacts[ledger.ArtifactManifest]
	if !ok {
		h.gap("it has no manifest yet: it is %s", h.execution.State)
		return nil
	}
	raw, err := v.Content(manifest.SHA256)
	if err != nil {
		return err
	}
	if h.manifest, err = readManifestDocument(raw, manifest.SHA256); err != nil {
		return err
	}
	lineage, ok := h.artifacts[ledger.ArtifactLineage]
	if !ok {
		h.gap("it was prepared by a version that kept no rows: which rows and queries its manifest came of is not known, but for what the manifest itself says")
		return nil
	}
	if raw, err = v.Content(lineage.SHA256); err != nil {
		return err
	}
	record, err := execution.ReadLineage(raw)
	h.lineage = &record
	return err
}

func readManifestDocument(raw []byte, sha256 string) (*manifestDocument, error) {
	m := &manifestDocument{sha256: sha256}
	exact := json.NewDecoder(bytes.NewReader(raw))
	exact.UseNumber()
	err := errors.Join(json.Unmarshal(raw, m), exact.Decode(&m.value))
	return m, fault.Wrap(fault.Invalid, err, "read manifest "+sha256, "restore the ledger from a backup")
}

func (h *runHistory) readProducts(v ledger.View, id string) error {
	var err error
	h.products, err = v.Products(ledger.ProductFilter{Execution: id, Limit: maxTracedProducts + 1})
	if len(h.products) > maxTracedProducts {
		h.products = h.products[:maxTracedProducts]
		h.gap("it has more products than the %d that one trace lists (see: beampipe outputs list %s)", maxTracedProducts, id)
	}
	return err
}

// readSoftware reads what carried each attempt out, from the events of the submissions.
func (h *runHistory) readSoftware(v ledger.View, id string) error {
	events, err := v.Events(ledger.EventFilter{Execution: id, Limit: maxTracedEvents})
	if err != nil {
		return err
	}
	submitted := false
	for _, e := range events {
		if e.Type != "execution."+string(ledger.EventSubmit) {
			continue
		}
		submitted = true
		var payload struct {
			Attempt  int               `json:"attempt"`
			Software map[string]string `json:"software"`
		}
		if err := json.Unmarshal(e.Payload, &payload); err != nil {
			return fault.Wrap(fault.Invalid, err, fmt.Sprintf("read event %d", e.Seq), "look for damage with: beampipe ledger check")
		}
		if len(payload.Software) > 0 {
			h.software[ledger.SubmissionID(id, payload.Attempt)] = payload.Software
		}
	}
	switch {
	case h.record.Current() != nil && !submitted:
		h.gap("the events of its submission are not in the log any more")
	case submitted && len(h.software) == 0:
		h.gap("it was submitted by a version that did not record software")
	}
	return nil
}

// originsOf gives what the records of a source were made from; nil where that is not known.
func (h *runHistory) originsOf(identifier string) (*discovery.Origins, error) {
	if o, ok := h.origins[identifier]; ok {
		return o, nil
	}
	s := h.lineageOf(identifier)
	if s == nil || s.Answer == nil {
		return nil, nil
	}
	raw, err := ledger.Canonical(s.Answer)
	if err != nil {
		return nil, err
	}
	o, err := discovery.NewOrigins(h.project, h.rule, identifier, raw)
	if errors.Is(err, fault.Invalid) {
		h.gap("the rows about %s cannot be mapped by config revision %d, so an earlier one made its records: %v", identifier, h.execution.ConfigRevision, err)
		o, err = nil, nil
	}
	h.origins[identifier] = o
	return o, err
}

func (h *runHistory) lineageOf(identifier string) *execution.LineageSource {
	if h.lineage == nil {
		return nil
	}
	for i, s := range h.lineage.Sources {
		if s.Identifier == identifier {
			return &h.lineage.Sources[i]
		}
	}
	return nil
}

// attempts gives the attempts that were submitted, the oldest first.
func (h *runHistory) attempts() []execution.PlaceRecord {
	var list []execution.PlaceRecord
	for i := len(h.record.Earlier) - 1; i >= 0; i-- {
		list = append(list, h.record.Earlier[i])
	}
	if p := h.record.Current(); p != nil {
		list = append(list, *p)
	}
	return list
}
