package ledger

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"beampipe/fault"
	"beampipe/provenance"
)

// MaxExclusions bounds the entries of one call of ExcludeDatasets or IncludeDatasets.
const MaxExclusions = 10_000

// Exclusion keeps a dataset, or a whole SBID, out of a project's readiness and manifests. What it names
// stays stored, and need not be known yet.
type Exclusion struct {
	Project string    `json:"project"`
	SBID    string    `json:"sbid"`
	Dataset string    `json:"dataset,omitempty"` // identity of a record (RecordIdentity); "" = the whole SBID
	Reason  string    `json:"reason"`
	Actor   string    `json:"actor"`
	At      time.Time `json:"at"`
}

// ExcludeDatasets excludes what list names by SBID and Dataset (the other fields are not read); n is how
// many were not excluded before. Each SBID with news has one event. An entry without SBID, or more than
// MaxExclusions, are Invalid; then nothing is excluded. An execution that would run what is excluded now
// and is not submitted yet is cancelled as superseded: its sources wait for one without it.
func (tx *Tx) ExcludeDatasets(project string, list []Exclusion, reason, actor string) (n int, err error) {
	news, n, err := tx.exclude(project, list, reason, actor, provenance.DatasetExcluded, func(x Exclusion) (int64, error) {
		return tx.exec("exclude dataset", `INSERT INTO dataset_exclusions (project, sbid, dataset, reason, actor, at) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO NOTHING`, project, x.SBID, x.Dataset, reason, actor, Stamp(tx.now))
	})
	if err != nil || n == 0 {
		return 0, err
	}
	return n, tx.supersedeExcluded(project, news, reason, actor)
}

// supersedeExcluded cancels what is not submitted yet and would run datasets that are excluded now.
func (tx *Tx) supersedeExcluded(project string, news map[string][]string, reason, actor string) error {
	list, err := tx.Executions(ExecutionFilter{Project: project, States: []State{Pending, Preparing, Ready}, Oldest: true})
	if err != nil {
		return err
	}
	for _, e := range list {
		sbid, err := tx.runsExcluded(e, news)
		if err != nil {
			return err
		}
		if sbid == "" {
			continue
		}
		why := fmt.Sprintf("superseded: datasets of SBID %s were excluded: %s", sbid, reason)
		if _, err := tx.Move(e, EventCancel, Step{Why: why, Actor: actor, Requeue: true}); err != nil {
			return err
		}
	}
	return nil
}

// runsExcluded gives an SBID that the execution pinned and that has a dataset which is excluded now.
func (tx *Tx) runsExcluded(e Execution, news map[string][]string) (sbid string, err error) {
	for _, s := range e.Sources {
		if !slices.ContainsFunc(s.SBIDs, func(sbid string) bool { return news[sbid] != nil }) {
			continue
		}
		list, err := tx.Metadata(s.SourceID)
		if err != nil {
			return "", err
		}
		for _, m := range list {
			hit := func(dataset string) bool { return dataset == "" || slices.Contains(m.Excluded, dataset) }
			if slices.Contains(s.SBIDs, m.SBID) && slices.ContainsFunc(news[m.SBID], hit) {
				return m.SBID, nil
			}
		}
	}
	return "", nil
}

// IncludeDatasets ends exclusions, exactly those that list names by SBID and Dataset: a dataset stays
// excluded while its whole SBID is. n is how many there were. Bounds and events are as of ExcludeDatasets.
func (tx *Tx) IncludeDatasets(project string, list []Exclusion, reason, actor string) (n int, err error) {
	_, n, err = tx.exclude(project, list, reason, actor, provenance.DatasetIncluded, func(x Exclusion) (int64, error) {
		return tx.exec("include dataset", "DELETE FROM dataset_exclusions WHERE project = ? AND sbid = ? AND dataset = ?", project, x.SBID, x.Dataset)
	})
	return n, err
}

// exclude applies change to each entry, in order of SBID and dataset, and records what was news: the
// datasets by SBID.
func (tx *Tx) exclude(project string, list []Exclusion, reason, actor, kind string, change func(x Exclusion) (int64, error)) (news map[string][]string, n int, err error) {
	if err := checkExclusions(project, list); err != nil {
		return nil, 0, err
	}
	if _, err := tx.Project(project); err != nil {
		return nil, 0, err
	}
	news = map[string][]string{}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Exclusion) int {
		return strings.Compare(a.SBID+"\x00"+a.Dataset, b.SBID+"\x00"+b.Dataset)
	})
	for _, x := range list {
		changed, err := change(x)
		if err != nil {
			return nil, 0, err
		}
		if changed > 0 {
			news[x.SBID] = append(news[x.SBID], x.Dataset)
			n++
		}
	}
	for _, sbid := range slices.Sorted(maps.Keys(news)) {
		if err := tx.Append(provenance.Event{Type: kind, Project: project, Actor: actor}, exclusionPayload(sbid, news[sbid], reason)); err != nil {
			return nil, 0, err
		}
	}
	return news, n, nil
}

func checkExclusions(project string, list []Exclusion) error {
	if len(list) > MaxExclusions {
		return fault.New(fault.Invalid, fmt.Sprintf("exclusions of project %s: %d entries, the limit is %d (MaxExclusions)", project, len(list), MaxExclusions),
			"give them in parts, or name whole SBIDs")
	}
	for i, x := range list {
		if x.SBID == "" {
			return fault.New(fault.Invalid, fmt.Sprintf("exclusions of project %s: entry %d has no SBID", project, i+1), "name the SBID of the dataset")
		}
	}
	return nil
}

// exclusionPayload tells of one SBID; datasets are sorted, so that "", the whole SBID, comes first.
func exclusionPayload(sbid string, datasets []string, reason string) map[string]any {
	payload := map[string]any{"sbid": sbid, "reason": reason}
	if datasets[0] == "" {
		payload["whole_sbid"] = true
		datasets = datasets[1:]
	}
	if len(datasets) > 0 {
		payload["datasets"] = datasets
	}
	return payload
}

// ExclusionFilter narrows a list of a project's exclusions; empty fields do not narrow.
type ExclusionFilter struct {
	Project string // must be given
	SBID    string
	After   Exclusion // behind this one, by its SBID and dataset: the cursor of a page
	Limit   int       // 0 = all
}

// Exclusions lists what is excluded from a project, by SBID and dataset.
func (v View) Exclusions(f ExclusionFilter) ([]Exclusion, error) {
	query, args := f.query()
	var list []Exclusion
	err := v.list("exclusions of "+f.Project, query, args, func(rows *sql.Rows) error {
		var x Exclusion
		var at timeText
		err := rows.Scan(&x.Project, &x.SBID, &x.Dataset, &x.Reason, &x.Actor, &at)
		x.At = at.value()
		list = append(list, x)
		return err
	})
	return list, err
}

func (f ExclusionFilter) query() (string, []any) {
	b := &binds{}
	conds := []string{"project = " + b.add(f.Project)}
	if f.SBID != "" {
		conds = append(conds, "sbid = "+b.add(f.SBID))
	}
	if f.After.SBID != "" {
		conds = append(conds, "(sbid, dataset) > ("+b.add(f.After.SBID)+", "+b.add(f.After.Dataset)+")")
	}
	limit := ""
	if f.Limit > 0 {
		limit = b.add(f.Limit)
	}
	return "SELECT project, sbid, dataset, reason, actor, at FROM dataset_exclusions" + tail(and(conds), "sbid, dataset", limit), b.args
}

// markExcluded says of a source's metadata what is excluded.
func (v View) markExcluded(sourceID int64, list []Metadata) error {
	if len(list) == 0 {
		return nil
	}
	excluded := map[string]map[string]bool{}
	err := v.list("exclusions", `SELECT x.sbid, x.dataset FROM sources s
		CROSS JOIN archive_metadata m ON m.source_id = s.id
		CROSS JOIN dataset_exclusions x ON x.project = s.project AND x.sbid = m.sbid WHERE s.id = ?`,
		[]any{sourceID}, func(rows *sql.Rows) error {
			var sbid, dataset string
			err := rows.Scan(&sbid, &dataset)
			if excluded[sbid] == nil {
				excluded[sbid] = map[string]bool{}
			}
			excluded[sbid][dataset] = true
			return err
		})
	for i := range list {
		if names := excluded[list[i].SBID]; names != nil {
			list[i].exclude(names)
		}
	}
	return err
}

func (m *Metadata) exclude(names map[string]bool) {
	m.SBIDExcluded = names[""]
	for _, record := range m.Records {
		if id, ok := RecordIdentity(record); ok && (m.SBIDExcluded || names[id]) {
			m.Excluded = append(m.Excluded, id)
		}
	}
	slices.Sort(m.Excluded)
	m.Excluded = slices.Compact(m.Excluded)
}

// Usable gives the records that are not excluded.
func (m Metadata) Usable() []map[string]any {
	switch {
	case m.SBIDExcluded:
		return nil
	case len(m.Excluded) == 0:
		return m.Records
	}
	excluded := make(map[string]bool, len(m.Excluded))
	for _, id := range m.Excluded {
		excluded[id] = true
	}
	var usable []map[string]any
	for _, record := range m.Records {
		if id, ok := RecordIdentity(record); !ok || !excluded[id] {
			usable = append(usable, record)
		}
	}
	return usable
}

// RecordIdentity gives what names a record within its source and SBID: dataset_id, else
// visibility_filename, as text without space around it. ok is false for a record that has neither.
func RecordIdentity(record map[string]any) (id string, ok bool) {
	for _, key := range []string{"dataset_id", "visibility_filename"} {
		if id, ok = identityText(record[key]); ok {
			return id, true
		}
	}
	return "", false
}

// identityText writes a plain value as configs.Text does, which this room does not see.
func identityText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		v = strings.TrimSpace(v)
		return v, v != ""
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), v != ""
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", false
		}
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}
