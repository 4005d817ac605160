package discovery

import (
	"reflect"

	"beampipe/configs"
	"beampipe/ledger"
)

// The kinds of ledger.Change. ChangeMore stands at the end of a list that was cut.
const (
	ChangeSBIDAdded      = "sbid_added"
	ChangeSBIDGone       = "sbid_gone"
	ChangeDatasetAdded   = "dataset_added"
	ChangeDatasetGone    = "dataset_gone" // Before is the record where its SBID is still shown: it is kept nowhere else
	ChangeDatasetChanged = "dataset_changed"
	ChangeFlagChanged    = "flag_changed"
	ChangeMore           = "more_changes" // After is their number
)

// maxChanges bounds the changes that are kept of one discovery, SBIDs that went apart.
const maxChanges = 5000

// content is records by SBID and identity, without the fields that are not signed.
type content map[string]map[string]map[string]any

func contentOf(records []map[string]any, exclude []string) content {
	drop := map[string]bool{}
	for _, key := range exclude {
		drop[key] = true
	}
	c := content{}
	for _, record := range records {
		sbid, _ := sbidText(record[fieldSBID])
		id, _ := identity(record)
		if c[sbid] == nil {
			c[sbid] = map[string]map[string]any{}
		}
		stripped, _ := strip(record, drop).(map[string]any)
		c[sbid][id] = stripped
	}
	return c
}

// differences lists what came, went and changed between two states of a source, field by field. kept
// gives the full record of a dataset that went.
func differences(old, shown content, oldFlags, newFlags map[string]any, kept func(sbid, id string) any) []ledger.Change {
	var list []ledger.Change
	for _, sbid := range sortedKeys(old) {
		if shown[sbid] == nil {
			list = append(list, ledger.Change{Kind: ChangeSBIDGone, SBID: sbid})
		}
	}
	gone := len(list)
	for _, sbid := range sortedKeys(shown) {
		if old[sbid] == nil {
			list = append(list, ledger.Change{Kind: ChangeSBIDAdded, SBID: sbid})
		}
		for _, id := range sortedKeys(shown[sbid]) {
			before, known := old[sbid][id]
			if !known {
				list = append(list, ledger.Change{Kind: ChangeDatasetAdded, SBID: sbid, Dataset: id})
				continue
			}
			list = append(list, fieldChanges(sbid, id, before, shown[sbid][id])...)
		}
	}
	for _, sbid := range sortedKeys(old) {
		for _, id := range sortedKeys(old[sbid]) {
			if _, ok := shown[sbid][id]; ok {
				continue
			}
			change := ledger.Change{Kind: ChangeDatasetGone, SBID: sbid, Dataset: id}
			if shown[sbid] != nil {
				change.Before = kept(sbid, id)
			}
			list = append(list, change)
		}
	}
	if len(old) > 0 {
		for _, c := range fieldChanges("", "", oldFlags, newFlags) {
			c.Kind = ChangeFlagChanged
			list = append(list, c)
		}
	}
	return bounded(list, gone)
}

// bounded cuts a list; the first must entries stay.
func bounded(list []ledger.Change, must int) []ledger.Change {
	if most := max(maxChanges, must); len(list) > most {
		return append(list[:most:most], ledger.Change{Kind: ChangeMore, After: len(list) - most})
	}
	return list
}

func fieldChanges(sbid, id string, before, after map[string]any) []ledger.Change {
	old, shown := map[string]any{}, map[string]any{}
	flatten("", before, old)
	flatten("", after, shown)
	names := map[string]bool{}
	for name := range old {
		names[name] = true
	}
	for name := range shown {
		names[name] = true
	}
	var list []ledger.Change
	for _, name := range sortedKeys(names) {
		if !reflect.DeepEqual(old[name], shown[name]) {
			list = append(list, ledger.Change{Kind: ChangeDatasetChanged, SBID: sbid, Dataset: id, Field: name, Before: old[name], After: shown[name]})
		}
	}
	return list
}

// flatten gives the fields of an object, those of objects in it as name.field.
func flatten(prefix string, object, into map[string]any) {
	for name, v := range object {
		if inner, ok := v.(map[string]any); ok {
			flatten(prefix+name+".", inner, into)
			continue
		}
		into[prefix+name] = v
	}
}

// onlyLess reports whether nothing came and nothing changed: datasets, fields or flags went. gained
// says that a query behind the primary one shows new rows, so that a flag may have fallen by them.
func onlyLess(changes []ledger.Change, gained bool) bool {
	for _, c := range changes {
		switch c.Kind {
		case ChangeSBIDGone, ChangeDatasetGone:
		case ChangeDatasetChanged:
			if c.After != nil {
				return false
			}
		case ChangeFlagChanged:
			if gained || configs.Truthy(c.After) {
				return false
			}
		default:
			return false
		}
	}
	return len(changes) > 0
}
