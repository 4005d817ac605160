package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"path"
	"slices"
	"strings"

	"beampipe/configs"
	"beampipe/execution"
	"beampipe/fault"
	"beampipe/graph"
	"beampipe/ledger"
	"beampipe/provenance"
)

// bundling puts together what is exported of one execution.
type bundling struct {
	b        provenance.Bundle
	v        ledger.View
	e        ledger.Execution
	cfg      *configs.Project
	manifest []byte
	record   execution.RunRecord
}

// bundle collects what the ledger knows of an execution. What is not there any more, or never was, is
// said in the bundle; what is there and cannot be read is an error.
func (c *Local) bundle(ctx context.Context, v ledger.View, e ledger.Execution) (provenance.Bundle, error) {
	x := &bundling{v: v, e: e}
	x.b = provenance.Bundle{
		Execution: e.ID, Attempt: e.Attempt, Project: e.Project, Title: e.Project + ": " + sourceTitle(e), Status: string(e.State), Outcome: outcomeOf(e),
		Place: e.Target, Created: e.CreatedAt, Started: e.StartedAt, Ended: e.CompletedAt, Creator: e.CreatedBy,
	}
	if x.b.Outcome == provenance.OutcomeFailed {
		x.b.Error = fallback(e.Error, string(e.State))
	}
	for _, step := range []func() error{x.runRecord, x.config, x.artifacts, x.parameters, x.products, x.events} {
		if err := step(); err != nil {
			return x.b, fmt.Errorf("export execution %s: %w", e.ID, err)
		}
	}
	h, err := c.history(ctx, v, e.ID)
	if err != nil {
		return x.b, err
	}
	for _, gap := range h.gaps {
		x.missing("Of its lineage: %s.", gap)
	}
	x.b.Lineage, err = h.graph()
	return x.b, err
}

func (x *bundling) missing(format string, args ...any) {
	x.b.Missing = append(x.b.Missing, fmt.Sprintf(format, args...))
}

// sourceTitle names the sources of an execution.
func sourceTitle(e ledger.Execution) string {
	const shown = 3
	var names []string
	for _, s := range e.Sources[:min(len(e.Sources), shown)] {
		names = append(names, s.Identifier)
	}
	title := strings.Join(names, ", ")
	if len(e.Sources) > shown {
		title += fmt.Sprintf(" and %d more", len(e.Sources)-shown)
	}
	return title
}

func outcomeOf(e ledger.Execution) provenance.Outcome {
	switch e.State {
	case ledger.Completed:
		return provenance.OutcomeCompleted
	case ledger.Failed, ledger.Cancelled:
		return provenance.OutcomeFailed
	case ledger.Queued, ledger.Running, ledger.Cancelling, ledger.Verifying:
		return provenance.OutcomeActive
	case ledger.Pending, ledger.Preparing, ledger.Ready:
		return provenance.OutcomePlanned
	}
	return provenance.OutcomeUnknown
}

// runRecord takes the times of the place, which are nearer to the work than the ledger's.
func (x *bundling) runRecord() error {
	raw, err := x.v.RunRecord(x.e.ID)
	if err != nil {
		return err
	}
	if x.record, err = execution.ReadRunRecord(raw); err != nil {
		return err
	}
	current := x.record.Current()
	if current == nil || current.Terminal == nil {
		return nil
	}
	if t := current.Terminal.StartedAt; t != nil {
		x.b.Started = t
	}
	if t := current.Terminal.EndedAt; t != nil {
		x.b.Ended = t
	}
	return nil
}

// config adds the survey's config and graph, and who answers for the run.
func (x *bundling) config() error {
	stored, err := x.v.Config(x.e.Project, x.e.ConfigRevision)
	if err != nil {
		return err
	}
	if x.cfg, err = configs.FromCanonical(stored.Spec); err != nil {
		return err
	}
	if x.cfg.Metadata.Description != nil {
		x.b.Description = *x.cfg.Metadata.Description
	}
	for _, who := range []string{x.e.CreatedBy, stored.CreatedBy} {
		if strings.HasPrefix(who, "user:") {
			x.b.Person = who
			break
		}
	}
	media := "application/yaml"
	if path.Ext(stored.FileName) == ".json" {
		media = "application/json"
	}
	x.file(provenance.BundleFile{
		Path: "config/" + configName(stored), Name: fmt.Sprintf("Config of %s, revision %d", x.e.Project, stored.Revision), MediaType: media,
		Content: stored.File, SHA256: graph.Digest(stored.File), Kind: provenance.NodeConfig,
	})
	if stored.GraphSHA256 == "" {
		x.missing("The survey's config names no graph.")
		return nil
	}
	raw, err := x.content(stored.GraphSHA256, "logical graph")
	if err != nil || raw == nil {
		return err
	}
	source := provenance.BundleFile{
		Path: "graph/source.graph", Name: "Logical graph of " + x.e.Project, MediaType: "application/json", Content: raw, SHA256: stored.GraphSHA256,
		Kind: provenance.NodeSourceGraph,
	}
	if u, err := url.Parse(stored.GraphOrigin); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		source.Origin = stored.GraphOrigin
	}
	x.file(source)
	return x.steps(raw, stored.GraphOrigin)
}

// configName is the name of a config's file, where it can be a file's name anywhere.
func configName(c ledger.Config) string {
	name := path.Base(strings.ReplaceAll(c.FileName, `\`, "/"))
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	if name == "." || strings.HasPrefix(name, ".") || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) || path.Ext(name) == "" {
		return "survey.yaml"
	}
	return name
}

func (x *bundling) file(f provenance.BundleFile) { x.b.Files = append(x.b.Files, f) }

// content reads an artifact; nil, and a sentence in the bundle, for one that was pruned.
func (x *bundling) content(digest, name string) ([]byte, error) {
	raw, err := x.v.Content(digest)
	if errors.Is(err, fault.NotFound) {
		x.missing("The %s (sha256:%s) is no longer in the ledger.", name, digest)
		return nil, nil
	}
	return raw, err
}

// steps lists the applications of the graph with what is known of how they went.
func (x *bundling) steps(raw []byte, name string) error {
	g, err := graph.Parse(raw, fallback(name, "logical graph"))
	if err != nil {
		return err
	}
	list := g.Applications()
	if len(list) > provenance.MaxBundleSteps {
		x.missing("Of %d applications of the graph the first %d are described (MaxBundleSteps).", len(list), provenance.MaxBundleSteps)
		list = list[:provenance.MaxBundleSteps]
	}
	failed := map[string]string{}
	clean := false
	if current := x.record.Current(); current != nil && current.Terminal != nil {
		clean = current.Terminal.ErrorDrops == 0
		for _, d := range current.Terminal.FailedDrops {
			failed[d.Name] = d.Reason
		}
	}
	for _, a := range list {
		s := provenance.BundleStep{ID: a.ID, Name: a.Name, Category: a.Category, Description: a.Description}
		reason, bad := failed[a.Name]
		switch {
		case bad:
			s.Outcome, s.Error = provenance.OutcomeFailed, fallback(reason, "failed")
		case clean && x.e.State == ledger.Completed:
			s.Outcome = provenance.OutcomeCompleted
		}
		x.b.Steps = append(x.b.Steps, s)
	}
	return nil
}

// exportedArtifacts are the artifacts that an export contains.
var exportedArtifacts = []struct {
	kind string
	file provenance.BundleFile
}{
	{ledger.ArtifactManifest, provenance.BundleFile{Path: "manifest.json", Name: "Manifest", Kind: provenance.NodeManifest}},
	{ledger.ArtifactPatchedGraph, provenance.BundleFile{Path: "graph/patched.graph", Name: "Patched graph", Kind: provenance.NodePatchedGraph}},
	{ledger.ArtifactLineage, provenance.BundleFile{Path: "answers.json", Name: "Record of the archives' answers", Kind: provenance.NodeAnswer}},
}

// artifacts adds them, each of the newest attempt that has one.
func (x *bundling) artifacts() error {
	have, err := x.v.Artifacts(x.e.ID)
	if err != nil {
		return err
	}
	for _, a := range exportedArtifacts {
		want := a.file
		i := slices.IndexFunc(have, func(h ledger.Artifact) bool { return h.Kind == a.kind })
		if i < 0 {
			x.missing("There is no %s.", strings.ToLower(want.Name))
			continue
		}
		if want.Content, err = x.content(have[i].SHA256, strings.ToLower(want.Name)); err != nil {
			return err
		}
		if want.Content == nil {
			continue
		}
		if want.MediaType, want.SHA256 = have[i].MediaType, have[i].SHA256; want.Kind == provenance.NodeManifest {
			x.manifest = want.Content
		}
		x.file(want)
	}
	return nil
}

// parameters are the values that the manifest sets in the graph, with the config's rule for each.
func (x *bundling) parameters() error {
	if x.manifest == nil {
		return nil
	}
	m, err := execution.ReadManifest(x.manifest)
	if err != nil {
		return err
	}
	rules := map[[2]string]string{}
	for _, p := range x.cfg.GraphPatches {
		for field, rule := range p.Set {
			text, ok := rule.(string)
			if !ok {
				raw, err := ledger.Canonical(rule)
				if err != nil {
					return err
				}
				text = string(raw)
			}
			rules[[2]string{p.Match.Equals, field}] = text
		}
	}
	for _, p := range m.Patches {
		for _, f := range p.Fields {
			x.b.Parameters = append(x.b.Parameters, provenance.BundleParameter{
				Node: p.Match, Field: f.Name, Value: f.Value, Rule: rules[[2]string{p.Match, f.Name}],
			})
		}
	}
	return nil
}

func (x *bundling) products() error {
	list, err := x.v.Products(ledger.ProductFilter{Execution: x.e.ID, Limit: provenance.MaxBundleProducts + 1})
	if err != nil {
		return err
	}
	if len(list) > provenance.MaxBundleProducts {
		list = list[:provenance.MaxBundleProducts]
		x.missing("There are more products than the %d that are listed (MaxBundleProducts); all are in: beampipe outputs list %s", len(list), x.e.ID)
	}
	for _, p := range list {
		made := provenance.BundleProduct{
			Path: p.Path, Attempt: p.Attempt, SHA256: p.SHA256, Bytes: p.Bytes, Drop: p.Drop, URI: p.URI, MediaType: mediaType(p.Path),
		}
		if p.Withdrawn != nil {
			made.Withdrawn, made.Why = true, p.Withdrawn.Reason
		}
		x.b.Products = append(x.b.Products, made)
	}
	return nil
}

// mediaTypes are those of files that astronomy makes, and of the commonest others. What a machine knows
// besides is not asked, so that an export is the same everywhere.
var mediaTypes = map[string]string{
	".fits": "application/fits", ".fit": "application/fits", ".txt": "text/plain", ".log": "text/plain", ".csv": "text/csv", ".json": "application/json",
	".xml": "application/xml", ".vot": "application/x-votable+xml", ".tar": "application/x-tar", ".gz": "application/gzip", ".png": "image/png", ".pdf": "application/pdf",
}

// mediaType guesses by the name's ending; "" where that says nothing.
func mediaType(name string) string {
	t, _, err := mime.ParseMediaType(mediaTypes[strings.ToLower(path.Ext(name))])
	if err != nil {
		return ""
	}
	return t
}

// events adds the excerpt, the head of the log, who acted and which software it was.
func (x *bundling) events() error {
	list, err := x.v.Events(ledger.EventFilter{Execution: x.e.ID, Limit: provenance.MaxBundleEvents + 1})
	if err != nil {
		return err
	}
	if len(list) > provenance.MaxBundleEvents {
		list = list[:provenance.MaxBundleEvents]
		x.missing("There are more events than the %d in the excerpt (MaxBundleEvents).", len(list))
	}
	if len(list) == 0 || list[0].Type != provenance.ExecutionCreated {
		x.missing("Its first events are no longer in the log: they were pruned.")
	}
	x.b.Events = list
	seq, hash, err := x.v.Head()
	if err != nil {
		return err
	}
	x.b.Head = fmt.Sprintf("%d:%s", seq, hash)
	for _, e := range list {
		if !slices.Contains(x.b.Actors, e.Actor) {
			x.b.Actors = append(x.b.Actors, e.Actor)
		}
		var payload struct {
			Software map[string]string `json:"software"`
		}
		if len(e.Payload) > 0 && json.Unmarshal(e.Payload, &payload) == nil && payload.Software != nil {
			x.b.Software = payload.Software
		}
	}
	slices.Sort(x.b.Actors)
	return nil
}
