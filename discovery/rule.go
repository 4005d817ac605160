package discovery

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/ledger"
)

// algorithm is the version of how records become a signature. It grows when the same rows and config
// would give other records or another signature: as long as all three stay, so does what is stored.
const algorithm = 1

// rule is what signatures of a config revision are made under. Its ID is the digest of its content,
// so that two revisions which shape signatures alike have one rule.
type rule struct {
	id      string
	columns map[string]columnSet // by query; a query that is not in it is not restricted
}

// ruleContent is the stored form of a rule.
type ruleContent struct {
	Algorithm int                 `json:"algorithm"`
	Config    ruleConfig          `json:"config"`
	Columns   map[string][]string `json:"columns"` // lower case, sorted, as the revision's first discovery saw them
}

// ruleConfig is the part of a config that shapes signatures.
type ruleConfig struct {
	Queries        []configs.Query              `json:"queries"`
	Enrichments    []configs.Query              `json:"enrichments"`
	FieldMap       map[string]configs.Mapping   `json:"field_map"`
	Flags          map[string]configs.Mapping   `json:"discovery_flags"`
	Transforms     map[string]configs.Transform `json:"transforms"`
	Signature      configs.Signature            `json:"signature"`
	Coordinates    *configs.Coordinates         `json:"coordinates"`
	Evaluation     *configs.Evaluation          `json:"evaluation"`
	SourceIdentity *configs.SourceIdentity      `json:"source_identity"`
}

// newRule makes the rule of a project from the columns of an answer.
func newRule(p *configs.Project, a answer) (id string, content []byte, err error) {
	prepare := p.Discovery.PrepareMetadata
	c := ruleContent{Algorithm: algorithm, Columns: map[string][]string{}, Config: ruleConfig{
		Queries: signatureParts(p.Discovery.Queries), Enrichments: signatureParts(p.Discovery.Enrichments),
		FieldMap: prepare.FieldMap, Flags: prepare.DiscoveryFlags, Transforms: p.Definitions.Transforms,
		Signature: prepare.SignatureOptions(), Coordinates: prepare.Coordinates, Evaluation: prepare.Evaluation,
		SourceIdentity: p.SourceIdentity,
	}}
	for name, columns := range a.columns() {
		if len(columns) > 0 {
			c.Columns[name] = sortedKeys(columns)
		}
	}
	if content, err = ledger.Canonical(c); err != nil {
		return "", nil, fmt.Errorf("encode the signature rule of %s: %w", p.Metadata.ID, err)
	}
	return digest(content), content, nil
}

// signatureParts leaves out of queries how they are asked: that shapes no answer.
func signatureParts(queries []configs.Query) []configs.Query {
	if queries == nil {
		return nil // an absent list stays one: the digests of stored rules depend on it
	}
	parts := make([]configs.Query, len(queries))
	for i, q := range queries {
		parts[i] = q.SignaturePart()
	}
	return parts
}

// readRule reads a stored rule. One that an older version of the algorithm wrote keeps its columns and
// has another ID under this one, so that its signatures are not taken for ours.
func readRule(r ledger.Rule) (*rule, error) {
	var c ruleContent
	if err := json.Unmarshal(r.Content, &c); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, fmt.Sprintf("read the signature rule of %s revision %d", r.Project, r.Revision), "restore the ledger from a backup")
	}
	out := &rule{id: r.ID, columns: map[string]columnSet{}}
	if c.Algorithm != algorithm {
		c.Algorithm = algorithm
		content, err := ledger.Canonical(c)
		if err != nil {
			return nil, fmt.Errorf("encode the signature rule of %s revision %d: %w", r.Project, r.Revision, err)
		}
		out.id = digest(content)
	}
	for name, columns := range c.Columns {
		out.columns[name] = newColumnSet(columns)
	}
	return out, nil
}

// ruleFor gives the rule of the tick's config revision. The first answer with data sets it, for good.
func (t *Tick) ruleFor(ctx context.Context, a answer) (*rule, error) {
	t.ruleMu.Lock()
	defer t.ruleMu.Unlock()
	if t.rule != nil {
		return t.rule, nil
	}
	id, content, err := newRule(t.project, a)
	if err != nil {
		return nil, err
	}
	stored := ledger.Rule{ID: id, Project: t.id, Revision: t.revision, Content: content}
	err = t.engine.ledger.Write(ctx, func(tx *ledger.Tx) error {
		var err error
		stored, err = tx.SetSignatureRule(ledger.Rule{ID: id, Project: t.id, Revision: t.revision, Content: content})
		return err
	})
	if err != nil {
		return nil, err
	}
	t.rule, err = readRule(stored)
	return t.rule, err
}

// arrange puts the rule's columns in front, so that "the first row" does not depend on a column that
// came later.
func (r *rule) arrange(a answer) answer {
	return a.each(func(t namedTable) table { return t.arrange(r.columns[t.Name]) })
}

// project keeps the columns that are hashed.
func (r *rule) project(a answer) answer {
	return a.each(func(t namedTable) table {
		in, ok := r.columns[t.Name]
		if !ok {
			return t.table
		}
		return t.only(in.has)
	})
}

// exact reports whether each table of an answer has just the columns of the rule. Most have, and it is
// known sooner than what differs.
func (r *rule) exact(a answer) bool {
	for _, list := range [][]namedTable{a.Queries, a.Enrichments} {
		for _, t := range list {
			in, ok := r.columns[t.Name]
			if !ok || len(in) != len(t.Columns) {
				return false
			}
			for _, name := range t.Columns {
				if !in.has(name) {
					return false
				}
			}
		}
	}
	return true
}

// extra names the columns of an answer that the rule does not know, as query.column.
func (r *rule) extra(a answer) []string {
	if r.exact(a) {
		return nil
	}
	var list []string
	for name, columns := range a.columns() {
		in, ok := r.columns[name]
		for column := range columns {
			if ok && !in.has(column) {
				list = append(list, name+"."+column)
			}
		}
	}
	slices.Sort(list)
	return list
}

// missing names the columns of the rule that an answer does not have, as query.column.
func (r *rule) missing(a answer) []string {
	if r.exact(a) {
		return nil
	}
	var list []string
	for name, columns := range a.columns() {
		for column := range r.columns[name] {
			if !columns[column] {
				list = append(list, name+"."+column)
			}
		}
	}
	slices.Sort(list)
	return list
}
