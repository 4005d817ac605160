package configs

import (
	"fmt"
	"strings"
)

// BatchForm is one way to ask a query's question for many sources (for an enrichment: SBIDs) in one
// request. It has exactly one of Upload and InList.
type BatchForm struct {
	// Upload names a table of the values, which the template joins as TAP_UPLOAD.<Upload>. It has one
	// text column per variable of the query (Project.QueryVars), for an enrichment only sbid.
	Upload string `json:"upload,omitempty"`
	// InList fills the values into {variable:list} of the template.
	InList bool `json:"in_list,omitempty"`
	// Key is the column of the answer by whose exact text the rows are dealt back. In the upload form it
	// is taken from the uploaded table and left out of the rows, unless KeepKey; in the list form it is a
	// column of the archive and stays.
	Key string `json:"key"`
	// Variable is the one whose values Key holds, see Query.KeyVariable.
	Variable string  `json:"variable,omitempty"`
	KeepKey  bool    `json:"keep_key,omitempty"` // Key is a column of the archive in the upload form too
	Numeric  bool    `json:"numeric,omitempty"`  // the uploaded values are whole numbers, to be joined with a column of numbers
	Template *string `json:"template,omitempty"` // nil: the query's own
	MaxRows  *int    `json:"max_rows,omitempty"`
	MaxBytes *int    `json:"max_bytes,omitempty"`
}

const (
	defaultBatchRows  = 1000
	maxBatchRows      = 10_000
	defaultBatchBytes = 200_000
	minBatchBytes     = 1_000
	maxBatchBytes     = 10_000_000
	maxForms          = 8 // of one query
)

// Rows bounds the values of one request: 1 to 10,000, 1000 without max_rows.
func (f BatchForm) Rows() int { return orDefault(f.MaxRows, defaultBatchRows) }

// Bytes bounds one request, its query and its upload: 1,000 to 10,000,000, 200,000 without max_bytes.
func (f BatchForm) Bytes() int { return orDefault(f.MaxBytes, defaultBatchBytes) }

// Names of the ways to ask, as reports show them.
const (
	FormSingle = "single"
	FormList   = "list"
	FormUpload = "upload"
)

// Form is FormList or FormUpload.
func (f BatchForm) Form() string {
	if f.InList {
		return FormList
	}
	return FormUpload
}

// SetTemplate gives the template that a form asks with: its own, else the query's.
func (q Query) SetTemplate(f BatchForm) string { return orDefault(f.Template, q.Template) }

// KeyVariable gives the variable whose values a form asks for, and holds in its key column: that of
// {variable:list} in the list form; else Variable; else Key where that names a variable of the query;
// else sbid for an enrichment and source_identifier for any other query.
func (q Query) KeyVariable(f BatchForm, enrichment bool) string {
	standard := VarSourceIdentifier
	if enrichment {
		standard = VarSBID
	}
	if f.InList {
		for _, p := range q.set(f).Placeholders() {
			if p.List {
				return p.Name
			}
		}
	}
	switch {
	case f.Variable != "":
		return f.Variable
	case f.Key == VarSourceIdentifier, f.Key == VarSourceName, f.Key == VarSBID:
		return f.Key
	}
	for _, p := range q.Placeholders() {
		if p.Name == f.Key {
			return f.Key
		}
	}
	return standard
}

// set gives the query that has the form's template for its own.
func (q Query) set(f BatchForm) Query {
	q.Template = q.SetTemplate(f)
	return q
}

// SetADQL gives the query that asks for all values at once. In the list form they are filled into
// {variable:list}, quoted, in the order given, with the refusals of ADQL; in the upload form the
// template is the query, and the values go into the uploaded table. What comes out has at most
// MaxQueryBytes, or Bytes of the form where that is more.
func (q Query) SetADQL(f BatchForm, values []string) (string, error) {
	s := q.set(f)
	if err := s.checkTemplate(); err != nil {
		return "", err
	}
	list := s.Placeholders()
	if !f.InList {
		if len(list) > 0 {
			return "", q.refuse(fmt.Sprintf("the upload form has the placeholder {%s}", list[0].text()), "name a column of TAP_UPLOAD."+f.Upload)
		}
		return s.Template, nil
	}
	if len(list) != 1 || !list[0].List {
		return "", q.refuse(fmt.Sprintf("the list form has %d placeholders; expected one, {variable:list}", len(list)), "write IN ({source_name:list})")
	}
	if len(values) == 0 {
		return "", q.refuse("there are no values to ask for", "")
	}
	return s.fill(max(MaxQueryBytes, f.Bytes()), func(string) ([]string, bool) { return values, true })
}

// NeedsUpload says that the query's own template names an uploaded table: it cannot be asked for one
// source without an upload either.
func (q Query) NeedsUpload() bool { return len(uploadedTables(q.Template)) > 0 }

// SignaturePart gives the query without what only decides how it is asked: two queries with equal parts
// give the same rows.
func (q Query) SignaturePart() Query {
	q.Batch = nil
	return q
}

// signatureParts gives SignaturePart of each.
func signatureParts(queries []Query) []Query {
	parts := make([]Query, len(queries))
	for i, q := range queries {
		parts[i] = q.SignaturePart()
	}
	return parts
}

// uploadedTables gives the names that follow TAP_UPLOAD in a template, in lower case.
func uploadedTables(template string) []string {
	var names []string
	tokens := code(tokenizeADQL(template))
	for i := 0; i+2 < len(tokens); i++ {
		text := func(at int) string { return template[tokens[at].start:tokens[at].end] }
		if tokens[i].kind == tokenWord && strings.EqualFold(text(i), "TAP_UPLOAD") && text(i+1) == "." {
			names = append(names, strings.ToLower(strings.Trim(text(i+2), `"`)))
		}
	}
	return names
}
