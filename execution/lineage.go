package execution

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/ledger"
)

// lineageVersion is that of the lineage records written now.
const lineageVersion = 1

// LineageRecord is what the archives said of an execution's sources when its manifest was made: an
// artifact that is written with the manifest, so that a run can be traced to rows after newer answers
// replaced the stored ones. What each field of the manifest was made by is told by the config revision.
type LineageRecord struct {
	Version        int             `json:"version"`
	Execution      string          `json:"execution"`
	Project        string          `json:"project_module"`
	ConfigRevision int             `json:"config_revision"`
	Sources        []LineageSource `json:"sources"`
}

// LineageSource is one source of it.
type LineageSource struct {
	Identifier string         `json:"source_identifier"`
	SBIDs      []string       `json:"sbids"`
	Signature  string         `json:"discovery_signature"` // pinned
	Rule       string         `json:"signature_rule,omitempty"`
	Since      *time.Time     `json:"signature_since,omitempty"` // the archive has shown what is signed since then
	Discovered *time.Time     `json:"discovered_at,omitempty"`   // when the last complete answer came
	Queries    []LineageQuery `json:"queries,omitempty"`         // in the order in which they were asked
	SHA256     string         `json:"answer_sha256,omitempty"`   // of Answer
	Answer     *LineageAnswer `json:"answer,omitempty"`          // nil: no rows were stored
}

// LineageQuery is a query about a source.
type LineageQuery struct {
	Name     string    `json:"name"`
	SBID     string    `json:"sbid,omitempty"` // of an enrichment
	Archive  string    `json:"archive"`
	URL      string    `json:"url,omitempty"`
	ADQL     string    `json:"adql,omitempty"` // as it is for this source alone
	Form     string    `json:"form,omitempty"` // single, list or upload: how it was asked
	Shared   int       `json:"shared,omitempty"`
	AskedAt  time.Time `json:"asked_at"`
	Restored bool      `json:"restored,omitempty"` // the text was made again from the config: that of the question was not kept
}

// LineageAnswer is the rows as they came, as text cells.
type LineageAnswer struct {
	Queries     []LineageTable `json:"queries"`
	Enrichments []LineageTable `json:"enrichments,omitempty"`
}

// LineageTable is the rows of one query.
type LineageTable struct {
	Name    string     `json:"name"`
	SBID    string     `json:"sbid,omitempty"` // of an enrichment
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

// ReadLineage reads a lineage record.
func ReadLineage(raw []byte) (LineageRecord, error) {
	var r LineageRecord
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fault.Wrap(fault.Invalid, err, "read a lineage record", "restore the ledger from a backup")
	}
	if r.Version != lineageVersion {
		return r, fault.New(fault.Invalid, fmt.Sprintf("read a lineage record: version %d; this program knows %d", r.Version, lineageVersion), "use a newer beampipe")
	}
	for _, s := range r.Sources {
		if s.Answer == nil {
			continue
		}
		for _, list := range [][]LineageTable{s.Answer.Queries, s.Answer.Enrichments} {
			for _, t := range list {
				for _, row := range t.Rows {
					if len(row) != len(t.Columns) {
						return r, fault.New(fault.Invalid, fmt.Sprintf("read a lineage record: a row of %.80q has %d cells for %d columns", t.Name, len(row), len(t.Columns)),
							"restore the ledger from a backup")
					}
				}
			}
		}
	}
	return r, nil
}

// askedReport is what a lineage takes of the report that discovery keeps of a source.
type askedReport struct {
	At      time.Time `json:"at"`
	Queries []struct {
		Name    string `json:"name"`
		SBID    string `json:"sbid"`
		Archive string `json:"archive"`
		URL     string `json:"url"`
		Form    string `json:"form"`
		Shared  int    `json:"shared"`
		ADQL    string `json:"adql"`
	} `json:"queries"`
}

// lineageSource tells what is stored of a source when its manifest is made.
func lineageSource(v ledger.View, cfg *configs.Project, x ledger.ExecutionSource) (LineageSource, error) {
	out := LineageSource{Identifier: x.Identifier, SBIDs: x.SBIDs, Signature: x.Signature}
	s, err := v.SourceByID(x.SourceID)
	if err != nil {
		return out, err
	}
	out.Rule, out.Since, out.Discovered = s.SignatureRule, s.SignatureSince, s.LastCheckedAt
	raw, sha256, err := v.Answer(x.SourceID)
	if err != nil {
		return out, err
	}
	if raw != nil {
		out.SHA256, out.Answer = sha256, &LineageAnswer{}
		if err := json.Unmarshal(raw, out.Answer); err != nil {
			return out, fault.Wrap(fault.Invalid, err, "read the stored answer about "+x.Identifier, "restore the ledger from a backup")
		}
	}
	out.Queries, err = askedQueries(cfg, s, out.Answer)
	return out, err
}

// askedQueries gives the queries that a source's stored rows answer. A report of another outcome is of
// questions whose answer was not used, and of very many questions it does not keep the text: that is made
// again from the config then.
func askedQueries(cfg *configs.Project, s ledger.Source, answer *LineageAnswer) ([]LineageQuery, error) {
	used := s.LastOutcome == ledger.OutcomeChanged || s.LastOutcome == ledger.OutcomeUnchanged || s.LastOutcome == ledger.OutcomeGone
	if !used || s.Report == "" {
		return restoredQueries(cfg, s, answer), nil
	}
	var report askedReport
	if err := json.Unmarshal([]byte(s.Report), &report); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read the report on "+s.Identifier, "restore the ledger from a backup")
	}
	list := make([]LineageQuery, len(report.Queries))
	for i, q := range report.Queries {
		list[i] = LineageQuery{Name: q.Name, SBID: q.SBID, Archive: q.Archive, URL: q.URL, ADQL: q.ADQL, Form: q.Form, Shared: q.Shared, AskedAt: report.At}
		if q.ADQL == "" {
			list[i].ADQL, list[i].Restored = adql(cfg, s.Identifier, q.Name, q.SBID), true
		}
	}
	return list, nil
}

func restoredQueries(cfg *configs.Project, s ledger.Source, answer *LineageAnswer) []LineageQuery {
	if answer == nil || s.LastCheckedAt == nil {
		return nil
	}
	var list []LineageQuery
	for _, tables := range [][]LineageTable{answer.Queries, answer.Enrichments} {
		for _, t := range tables {
			list = append(list, LineageQuery{
				Name: t.Name, SBID: t.SBID, Archive: adapterOf(cfg, t.Name), ADQL: adql(cfg, s.Identifier, t.Name, t.SBID), AskedAt: *s.LastCheckedAt, Restored: true,
			})
		}
	}
	return list
}

func adapterOf(cfg *configs.Project, name string) string {
	_, q, ok := queryOf(cfg, name)
	if !ok {
		return ""
	}
	return q.Adapter
}

// queryOf finds a query or an enrichment of a config, with its number as Project.QueryVars counts.
func queryOf(cfg *configs.Project, name string) (int, configs.Query, bool) {
	for i, q := range cfg.Discovery.Queries {
		if q.Name == name {
			return i, q, true
		}
	}
	for i, q := range cfg.Discovery.Enrichments {
		if q.Name == name {
			return len(cfg.Discovery.Queries) + i, q, true
		}
	}
	return 0, configs.Query{}, false
}

// adql makes the text of a query about one source; "" where the config has no such query, or where it
// cannot be asked so.
func adql(cfg *configs.Project, identifier, name, sbid string) string {
	i, q, ok := queryOf(cfg, name)
	if !ok {
		return ""
	}
	vars := cfg.QueryVars(i, identifier)
	if sbid != "" {
		vars[configs.VarSBID] = sbid
	}
	text, err := q.ADQL(vars)
	if err != nil {
		return "" // what is not known is not said
	}
	return text
}

// origin is what a manifest was made from, ready to be stored with it.
type origin struct {
	earlier bool // the manifest is that of an earlier attempt, and so is all this
	lineage ledger.Packed
	inputs  []ledger.ExecutionInput
}

func newOrigin(v ledger.View, cfg *configs.Project, x ledger.Execution, sources []ManifestSource) (origin, error) {
	record := LineageRecord{
		Version: lineageVersion, Execution: x.ID, Project: x.Project, ConfigRevision: x.ConfigRevision, Sources: make([]LineageSource, len(x.Sources)),
	}
	ids := make([]int64, len(x.Sources))
	for i, s := range x.Sources {
		var err error
		if record.Sources[i], err = lineageSource(v, cfg, s); err != nil {
			return origin{}, err
		}
		ids[i] = s.SourceID
	}
	text, err := ledger.Canonical(record)
	if err != nil {
		return origin{}, err
	}
	packed, err := ledger.Pack(mediaJSON, text)
	return origin{lineage: packed, inputs: inputsOf(cfg, sources, ids)}, err
}

// store keeps it, in the transaction that stores the manifest. A run that was begun by a version which
// kept no lineage goes on without one.
func (o origin) store(tx *ledger.Tx, x ledger.Execution) error {
	if !o.earlier {
		if err := tx.AttachArtifact(x.ID, x.Attempt, ledger.ArtifactLineage, o.lineage); err != nil {
			return err
		}
		return tx.AddInputs(x.ID, o.inputs)
	}
	digest, err := tx.ArtifactDigest(x.ID, ledger.ArtifactLineage)
	if err != nil || digest == "" {
		return err
	}
	return tx.AttachStored(x.ID, x.Attempt, ledger.ArtifactLineage, digest)
}

// inputsOf lists what a manifest of these sources is made from, besides the SBIDs, which are known since
// the execution was made.
func inputsOf(cfg *configs.Project, sources []ManifestSource, ids []int64) []ledger.ExecutionInput {
	fields := EvaluationFields(cfg)
	var list []ledger.ExecutionInput
	seen := map[ledger.ExecutionInput]bool{}
	add := func(kind, value string, source int64) {
		in := ledger.ExecutionInput{Input: ledger.Input{Kind: kind, Value: value}, SourceID: source}
		if value != "" && !seen[in] {
			seen[in] = true
			list = append(list, in)
		}
	}
	for i, s := range sources {
		blocks, err := selected(s)
		if err != nil {
			continue // the manifest could not be made either
		}
		for _, block := range blocks {
			for _, record := range block.Records {
				add(ledger.InputDataset, identity(record), ids[i])
				for _, field := range fields {
					name, _ := configs.Text(record[field])
					add(ledger.InputEvaluation, name, ids[i])
				}
			}
		}
	}
	return list
}

// EvaluationFields gives the fields of a record that hold the name of an evaluation file, sorted: that of
// the evaluation block, and those that the field map fills by a transform of that kind.
func EvaluationFields(cfg *configs.Project) []string {
	fields := map[string]bool{}
	if e := cfg.Discovery.PrepareMetadata.Evaluation; e != nil && e.Filename != "" {
		fields[e.Filename] = true
	}
	for field, from := range cfg.Discovery.PrepareMetadata.FieldMap {
		if selects(cfg, from.Transform, 0) {
			fields[field] = true
		}
	}
	return slices.Sorted(maps.Keys(fields))
}

// selects tells whether one of the transforms, or a step of a chain among them, selects an evaluation file.
func selects(cfg *configs.Project, names []string, depth int) bool {
	const maxDepth = 32 // of chains in chains, as configs applies them
	return depth < maxDepth && slices.ContainsFunc(names, func(name string) bool {
		t := cfg.Definitions.Transforms[name]
		return t.Kind == configs.TransformEvaluation || t.Kind == configs.TransformChain && selects(cfg, t.Steps, depth+1)
	})
}
