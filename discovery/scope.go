package discovery

import (
	"fmt"
	"strconv"
	"strings"

	"beampipe/configs"
	"beampipe/fault"
)

// scope is what paths that begin "enrichments." look into: the rows of the queries behind the
// primary one, and for each enrichment one row per SBID.
type scope struct {
	queries    map[string][]any
	bySBID     map[string]map[string]any // enrichment, SBID, row
	evaluation map[string]map[string]any // SBID: the record fields of its evaluation file
}

// scope reads the answers behind the primary one. Of an enrichment's rows the first in canonical
// order counts, of those that hold evaluation files the one that its rule chooses.
func (m mapper) scope(a answer, sbids []string) (scope, error) {
	s := scope{queries: map[string][]any{}, bySBID: map[string]map[string]any{}, evaluation: map[string]map[string]any{}}
	for i, q := range m.project.Discovery.Queries {
		if t, ok := a.query(q.Name); ok && i > 0 {
			s.queries[q.Name] = t.objects()
		}
	}
	evaluation := m.project.Discovery.PrepareMetadata.Evaluation
	for _, q := range m.project.Discovery.Enrichments {
		rows := map[string]any{}
		for _, sbid := range sbids {
			t, ok := a.enrichment(q.Name, sbid)
			if !ok {
				continue
			}
			if len(t.Rows) > 0 {
				rows[sbid] = t.object(t.Rows[0])
			}
			if evaluation == nil || evaluation.Enrichment != q.Name {
				continue
			}
			row, err := m.evaluationRow(*evaluation, t, sbid)
			if err != nil {
				return s, err
			}
			if row != nil {
				rows[sbid] = row
				s.evaluation[sbid] = evaluationFields(*evaluation, row)
			}
		}
		s.bySBID[q.Name] = rows
	}
	return s, nil
}

// evaluationRow chooses the row of an SBID's evaluation file; nil when there is none and none is required.
func (m mapper) evaluationRow(e configs.Evaluation, t table, sbid string) (map[string]any, error) {
	rows := configs.EvaluationRows(t.objects(), e.PrefixFor(sbid))
	problem, kind := "", fault.Invalid
	switch {
	case len(rows) == 0:
		kind = fault.Unavailable // nothing is wrong with the source: it waits, and is not set aside
		problem = fmt.Sprintf("none of the %d rows is an evaluation file that begins with %s", len(t.Rows), e.PrefixFor(sbid))
	case len(rows) > 1:
		problem = fmt.Sprintf("%d rows are named %s", len(rows), configs.EvaluationFilename(rows[0]))
	default:
		return rows[0], nil
	}
	if m.lenient || !e.Required {
		return nil, nil
	}
	return nil, fault.New(kind, fmt.Sprintf("find the evaluation file of %s SBID %s in enrichment %q: %s", m.identifier, sbid, e.Enrichment, problem),
		"it may not be deposited yet, and is looked for again; or set prepare_metadata.evaluation.required: false")
}

func evaluationFields(e configs.Evaluation, row map[string]any) map[string]any {
	fields := map[string]any{}
	if e.Filename != "" {
		fields[e.Filename] = configs.EvaluationFilename(row)
	}
	if url, ok := walk(row, []string{"access_url"}).(string); ok && e.AccessURL != "" {
		fields[e.AccessURL] = url
	}
	return fields
}

// get reads a path behind "enrichments.": a query's list of rows, an enrichment's rows by SBID, or
// what is in them. nil when there is nothing.
func (s scope) get(path string) any {
	name, rest := s.split(path)
	if rows, ok := s.queries[name]; ok {
		return walk(rows, rest)
	}
	if rows, ok := s.bySBID[name]; ok {
		return walk(rows, rest)
	}
	return nil
}

// ofSBID is get for a record: an enrichment is the row of its SBID.
func (s scope) ofSBID(path, sbid string) any {
	name, rest := s.split(path)
	if rows, ok := s.bySBID[name]; ok {
		return walk(rows[sbid], rest)
	}
	return s.get(path)
}

// split takes the query's name, which may hold dots, off a path.
func (s scope) split(path string) (name string, rest []string) {
	for at := len(path); at > 0; at = strings.LastIndexByte(path[:at], '.') {
		_, query := s.queries[path[:at]]
		_, enrichment := s.bySBID[path[:at]]
		if !query && !enrichment {
			continue
		}
		if at < len(path) {
			rest = strings.Split(path[at+1:], ".")
		}
		return path[:at], rest
	}
	return path, nil
}

// walk follows a path through objects (a key as given, in lower, in upper case) and lists (an index).
func walk(v any, path []string) any {
	for _, key := range path {
		switch at := v.(type) {
		case map[string]any:
			v = nil
			for _, try := range []string{key, strings.ToLower(key), strings.ToUpper(key)} {
				if found, ok := at[try]; ok {
					v = found
					break
				}
			}
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}
