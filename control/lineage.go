package control

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"beampipe/execution"
	"beampipe/ledger"
	"beampipe/provenance"
)

// lineageBuilder adds an execution's history to a lineage.
type lineageBuilder struct {
	*provenance.Lineage
	h  *runHistory
	id string // of the execution's node
}

// graph tells what came of what in one execution: from its products back to the rows, the queries and
// the archives, with the config, the profile, the software and the people. It is sorted.
func (h *runHistory) graph() (*provenance.Lineage, error) {
	b := lineageBuilder{Lineage: &provenance.Lineage{}, h: h, id: "execution:" + h.execution.ID}
	b.execution()
	b.artifacts()
	b.attempts()
	for _, p := range h.products {
		b.product(p)
	}
	if err := b.inputs(); err != nil {
		return nil, err
	}
	b.Sort()
	return b.Lineage, nil
}

// attributes leaves out what has no value.
func attributes(pairs ...any) map[string]any {
	out := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case nil:
		case string:
			if v != "" {
				out[pairs[i].(string)] = v
			}
		default:
			out[pairs[i].(string)] = v
		}
	}
	return out
}

func sha(digest string) string { return "sha256:" + digest }

func (b lineageBuilder) actor(name string) string {
	id := "actor:" + name
	b.Add(provenance.Node{ID: id, Kind: provenance.NodeActor, Label: name})
	return id
}

func (b lineageBuilder) execution() {
	x, h := b.h.execution, b.h
	a := attributes("state", string(x.State), "project_module", x.Project, "created_at", ledger.Stamp(x.CreatedAt),
		"discovery_signature", x.Signature, "rerun_of", x.RerunOf, "policy_decision", h.record.Scheduler.PolicyDecision, "error", x.Error)
	if x.StartedAt != nil {
		a["started_at"] = ledger.Stamp(*x.StartedAt)
	}
	if x.CompletedAt != nil {
		a["completed_at"] = ledger.Stamp(*x.CompletedAt)
	}
	b.Add(provenance.Node{ID: b.id, Kind: provenance.NodeExecution, Label: x.ID, Attributes: a})
	b.Link(b.id, provenance.AssociatedWith, b.actor(x.CreatedBy))

	config := fmt.Sprintf("config:%s/%d", x.Project, x.ConfigRevision)
	b.Add(provenance.Node{
		ID: config, Kind: provenance.NodeConfig, Label: fmt.Sprintf("%s revision %d", x.Project, x.ConfigRevision),
		Attributes: attributes("sha256", h.config.Digest, "file_name", h.config.FileName, "graph_origin", h.config.GraphOrigin, "added_at", ledger.Stamp(h.config.CreatedAt)),
	})
	b.Link(b.id, provenance.Used, config)
	b.Link(config, provenance.AttributedTo, b.actor(h.config.CreatedBy))

	profile := fmt.Sprintf("profile:%s/%d", x.Profile, x.ProfileRevision)
	b.Add(provenance.Node{
		ID: profile, Kind: provenance.NodeProfile, Label: fmt.Sprintf("%s revision %d", x.Profile, x.ProfileRevision),
		Attributes: attributes("sha256", h.profile.Digest, "target", x.Target, "added_at", ledger.Stamp(h.profile.CreatedAt)),
	})
	b.Link(b.id, provenance.Used, profile)
	b.Link(profile, provenance.AttributedTo, b.actor(h.profile.CreatedBy))
}

// artifactKinds says what the kinds of artifacts are in a lineage.
var artifactKinds = map[string]provenance.NodeKind{
	ledger.ArtifactManifest: provenance.NodeManifest, ledger.ArtifactPatchedGraph: provenance.NodePatchedGraph,
	"physical_graph": provenance.NodePhysicalGraph,
}

func (b lineageBuilder) artifacts() {
	for _, kind := range slices.Sorted(maps.Keys(artifactKinds)) {
		a, ok := b.h.artifacts[kind]
		if !ok {
			continue
		}
		b.Add(provenance.Node{
			ID: sha(a.SHA256), Kind: artifactKinds[kind], Label: strings.ReplaceAll(kind, "_", " "),
			Attributes: attributes("bytes", a.Size, "media_type", a.MediaType, "made_at", ledger.Stamp(a.CreatedAt), "attempt", a.Attempt),
		})
		b.Link(sha(a.SHA256), provenance.GeneratedBy, b.id)
	}
	manifest, hasManifest := b.h.artifacts[ledger.ArtifactManifest]
	config := fmt.Sprintf("config:%s/%d", b.h.execution.Project, b.h.execution.ConfigRevision)
	if hasManifest {
		b.Link(sha(manifest.SHA256), provenance.DerivedFrom, config)
	}
	source := b.h.config.GraphSHA256
	if source == "" {
		return
	}
	b.Add(provenance.Node{
		ID: sha(source), Kind: provenance.NodeSourceGraph, Label: "source graph",
		Attributes: attributes("origin", b.h.config.GraphOrigin, "pinned_by", config),
	})
	b.Link(sha(source), provenance.AttributedTo, b.actor(b.h.config.CreatedBy))
	patched, ok := b.h.artifacts[ledger.ArtifactPatchedGraph]
	if !ok {
		return
	}
	b.Link(sha(patched.SHA256), provenance.DerivedFrom, sha(source))
	if hasManifest {
		b.Link(sha(patched.SHA256), provenance.DerivedFrom, sha(manifest.SHA256))
	}
	if physical, ok := b.h.artifacts["physical_graph"]; ok {
		b.Link(sha(physical.SHA256), provenance.DerivedFrom, sha(patched.SHA256))
	}
}

func (b lineageBuilder) attempts() {
	for _, p := range b.h.attempts() {
		b.attempt(p)
	}
}

func (b lineageBuilder) attempt(p execution.PlaceRecord) {
	id := "attempt:" + p.SessionID
	a := attributes("submission_id", p.SessionID)
	target := b.h.execution.Target
	if p.SubmittedAt != nil {
		a["submitted_at"] = ledger.Stamp(*p.SubmittedAt)
	}
	if p.Fenced != nil {
		a["fenced_at"] = ledger.Stamp(*p.Fenced)
	}
	if t := p.Terminal; t != nil {
		a["ended_as"] = t.State
		if t.Reason != "" {
			a["reason"] = t.Reason
		}
		if t.StartedAt != nil {
			a["started_at"] = ledger.Stamp(*t.StartedAt)
		}
		if t.EndedAt != nil {
			a["ended_at"] = ledger.Stamp(*t.EndedAt)
		}
	}
	if d := p.Deploy; d != nil {
		target = d.Target
		maps.Copy(a, attributes("folder", d.Folder, "external_id", d.ExternalID))
	}
	a["target"] = target
	b.Add(provenance.Node{ID: id, Kind: provenance.NodeAttempt, Label: p.SessionID, Attributes: a})
	b.Link(id, provenance.InformedBy, b.id)
	if patched, ok := b.h.artifacts[ledger.ArtifactPatchedGraph]; ok {
		b.Link(id, provenance.Used, sha(patched.SHA256))
	}
	if d := p.Deploy; d != nil && d.ExternalID != "" {
		job := fmt.Sprintf("backend:%s#%s", d.Target, d.ExternalID)
		b.Add(provenance.Node{ID: job, Kind: provenance.NodeBackendJob, Label: d.ExternalID, Attributes: attributes("target", d.Target, "folder", d.Folder)})
		b.Link(id, provenance.AssociatedWith, job)
	}
	software := b.h.software[p.SessionID]
	for _, name := range slices.Sorted(maps.Keys(software)) {
		node, label := "software:"+name+"@"+software[name], name+" "+software[name]
		if strings.HasPrefix(software[name], name) {
			label = software[name] // go1.26, which says it itself
		}
		b.Add(provenance.Node{ID: node, Kind: provenance.NodeSoftware, Label: label, Attributes: attributes("name", name, "version", software[name])})
		b.Link(id, provenance.AssociatedWith, node)
	}
}

// productID is the id of a product's node.
func productID(p ledger.Product) string {
	return fmt.Sprintf("product:%s/%d/%s", p.Execution, p.Attempt, p.Path)
}

func productNode(p ledger.Product) provenance.Node {
	a := attributes("sha256", p.SHA256, "bytes", p.Bytes, "uri", p.URI, "drop", p.Drop, "attempt", p.Attempt)
	if p.Withdrawn != nil {
		a["withdrawn_at"], a["withdrawn_by"], a["withdraw_reason"] = ledger.Stamp(p.Withdrawn.At), p.Withdrawn.By, p.Withdrawn.Reason
	}
	return provenance.Node{ID: productID(p), Kind: provenance.NodeProduct, Label: p.Path, Attributes: a}
}

func (b lineageBuilder) product(p ledger.Product) {
	attempt := "attempt:" + ledger.SubmissionID(p.Execution, p.Attempt)
	if _, ok := b.Node(attempt); !ok { // more attempts than a run record keeps
		b.Add(provenance.Node{ID: attempt, Kind: provenance.NodeAttempt, Label: ledger.SubmissionID(p.Execution, p.Attempt)})
		b.Link(attempt, provenance.InformedBy, b.id)
	}
	b.Add(productNode(p))
	b.Link(productID(p), provenance.GeneratedBy, attempt)
}

// inputs adds what the manifest is made from.
func (b lineageBuilder) inputs() error {
	x := b.h.execution
	for _, s := range x.Sources {
		id := fmt.Sprintf("source:%s/%s", x.Project, s.Identifier)
		b.Add(provenance.Node{ID: id, Kind: provenance.NodeSource, Label: s.Identifier, Attributes: attributes("discovery_signature", s.Signature, "sbids", s.SBIDs)})
		b.Link(b.id, provenance.Used, id)
		b.answer(id, s.Identifier)
	}
	if b.h.manifest == nil {
		return nil
	}
	fields := execution.EvaluationFields(b.h.project)
	for _, s := range b.h.manifest.Sources {
		origins, err := b.h.originsOf(s.Identifier)
		if err != nil {
			return err
		}
		for _, block := range s.SBIDs {
			for _, d := range block.Datasets {
				name, _ := ledger.RecordIdentity(d)
				var row map[string]string
				var query string
				if origins != nil {
					row, query = origins.Row(block.SBID, name)
				}
				b.dataset(s.Identifier, block.SBID, name, d, fields, row, query)
			}
		}
	}
	return nil
}

// dataset adds one dataset of the manifest, with its SBID and its evaluation file.
func (b lineageBuilder) dataset(source, sbid, name string, record map[string]any, fields []string, row map[string]string, query string) {
	project, manifest := b.h.execution.Project, sha(b.h.manifest.sha256)
	id := fmt.Sprintf("dataset:%s/%s/%s", project, sbid, name)
	a := attributes("sbid", sbid, "source_identifier", source, "query", query)
	if row != nil {
		a["row"], a["columns"] = row, b.mappedColumns(row)
	}
	b.Add(provenance.Node{ID: id, Kind: provenance.NodeDataset, Label: name, Attributes: a})
	b.Link(manifest, provenance.DerivedFrom, id)
	observation := fmt.Sprintf("sbid:%s/%s", project, sbid)
	b.Add(provenance.Node{ID: observation, Kind: provenance.NodeSBID, Label: sbid})
	b.Link(id, provenance.DerivedFrom, observation)
	answer := b.answerID(source)
	if answer != "" {
		b.Link(id, provenance.DerivedFrom, answer)
	}
	for _, field := range fields {
		file, ok := record[field].(string)
		if !ok || file == "" {
			continue
		}
		evaluation := fmt.Sprintf("evaluation:%s/%s", project, file)
		b.Add(provenance.Node{ID: evaluation, Kind: provenance.NodeEvaluation, Label: file, Attributes: attributes("sbid", sbid)})
		b.Link(manifest, provenance.DerivedFrom, evaluation)
		if answer != "" {
			b.Link(evaluation, provenance.DerivedFrom, answer)
		}
	}
}

// mappedColumns names those columns of a row that the field map takes, sorted.
func (b lineageBuilder) mappedColumns(row map[string]string) []string {
	used := map[string]bool{}
	for _, m := range b.h.project.Discovery.PrepareMetadata.FieldMap {
		for name := range row {
			if strings.EqualFold(name, m.From) {
				used[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(used))
}

func (b lineageBuilder) answerID(source string) string {
	if s := b.h.lineageOf(source); s != nil && s.SHA256 != "" {
		return "answer:" + s.SHA256
	}
	return ""
}

// queryID names a query: the same text to the same archive is the same query.
func queryID(q execution.LineageQuery) string {
	sum := sha256.Sum256([]byte(q.Archive + "\n" + q.ADQL))
	return "query:" + hex.EncodeToString(sum[:])
}

// archiveID names an archive by its URL, or by its adapter where that was not kept.
func archiveID(q execution.LineageQuery) string {
	if q.URL != "" {
		return "archive:" + q.URL
	}
	return "archive:" + q.Archive
}

// answer adds the rows that the archives gave about a source, the queries that were asked, and the archives.
func (b lineageBuilder) answer(sourceID, identifier string) {
	s := b.h.lineageOf(identifier)
	if s == nil || s.SHA256 == "" {
		return
	}
	id, rows := b.answerID(identifier), 0
	for _, list := range [][]execution.LineageTable{s.Answer.Queries, s.Answer.Enrichments} {
		for _, t := range list {
			rows += len(t.Rows)
		}
	}
	a := attributes("rows", rows, "source_identifier", identifier, "signature_rule", s.Rule)
	if s.Discovered != nil {
		a["discovered_at"] = ledger.Stamp(*s.Discovered)
	}
	if s.Since != nil {
		a["signature_since"] = ledger.Stamp(*s.Since)
	}
	b.Add(provenance.Node{ID: id, Kind: provenance.NodeAnswer, Label: "answers about " + identifier, Attributes: a})
	b.Link(id, provenance.DerivedFrom, sourceID)
	for _, q := range s.Queries {
		query, archive := queryID(q), archiveID(q)
		a := attributes("name", q.Name, "archive", q.Archive, "adql", q.ADQL, "asked_at", ledger.Stamp(q.AskedAt), "form", q.Form, "sbid", q.SBID)
		if q.Shared > 1 {
			a["shared"] = q.Shared
		}
		if q.Restored {
			a["restored"] = true // from the config: the text of the question was not kept
		}
		b.Add(provenance.Node{ID: query, Kind: provenance.NodeQuery, Label: q.Name, Attributes: a})
		b.Link(id, provenance.GeneratedBy, query)
		b.Add(provenance.Node{ID: archive, Kind: provenance.NodeArchive, Label: q.Archive, Attributes: attributes("url", q.URL)})
		b.Link(query, provenance.AssociatedWith, archive)
	}
}
