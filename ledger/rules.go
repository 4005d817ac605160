package ledger

import (
	"database/sql"
	"encoding/json"
)

// Rule is what a signature was made under: the algorithm, the parts of the config that shape it, and
// the columns that were there when the revision first discovered.
type Rule struct {
	ID       string
	Project  string
	Revision int
	Content  json.RawMessage
}

// SignatureRule reads the rule of a config revision; ok is false before its first discovery.
func (v View) SignatureRule(project string, revision int) (r Rule, ok bool, err error) {
	r = Rule{Project: project, Revision: revision}
	var content string
	err = v.list("signature rule", "SELECT rule, content FROM signature_rules WHERE project = ? AND revision = ?", []any{project, revision},
		func(rows *sql.Rows) error { ok = true; return rows.Scan(&r.ID, &content) })
	r.Content = json.RawMessage(content)
	return r, ok, err
}

// SetSignatureRule fixes the rule of a config revision. The first one stands; it is given back.
func (tx *Tx) SetSignatureRule(r Rule) (Rule, error) {
	have, ok, err := tx.SignatureRule(r.Project, r.Revision)
	if err != nil || ok {
		return have, err
	}
	_, err = tx.exec("set signature rule", "INSERT INTO signature_rules (rule, project, revision, content, created_at) VALUES (?, ?, ?, ?, ?)",
		r.ID, r.Project, r.Revision, string(r.Content), Stamp(tx.now))
	return r, err
}
