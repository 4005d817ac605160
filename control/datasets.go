package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"beampipe/fault"
	"beampipe/ledger"
)

// maxDatasetBytes bounds an SBID and the name of a dataset.
const maxDatasetBytes = 500

// ExcludeDatasets implements Datasets.
func (c *Local) ExcludeDatasets(ctx context.Context, q DatasetSelection) (DatasetChanges, error) {
	return c.changeDatasets(ctx, "exclude datasets", q, (*ledger.Tx).ExcludeDatasets)
}

// IncludeDatasets implements Datasets.
func (c *Local) IncludeDatasets(ctx context.Context, q DatasetSelection) (DatasetChanges, error) {
	return c.changeDatasets(ctx, "include datasets", q, (*ledger.Tx).IncludeDatasets)
}

// changeDatasets runs one change on all that is named, in one transaction.
func (c *Local) changeDatasets(ctx context.Context, what string, q DatasetSelection, act func(tx *ledger.Tx, project string, list []ledger.Exclusion, reason, actor string) (int, error)) (DatasetChanges, error) {
	if err := c.needLedger(); err != nil {
		return DatasetChanges{}, err
	}
	if err := needReason(what, q.Reason); err != nil {
		return DatasetChanges{}, err
	}
	items, err := datasets(what, q)
	if err != nil {
		return DatasetChanges{}, err
	}
	list := make([]ledger.Exclusion, len(items))
	for i, d := range items {
		list[i] = ledger.Exclusion{Project: q.Project, SBID: d.SBID, Dataset: d.Dataset}
	}
	answer := DatasetChanges{Project: q.Project, Named: len(items)}
	err = c.ledger.Write(ctx, func(tx *ledger.Tx) error {
		if _, err := tx.Project(q.Project); err != nil {
			return err
		}
		var err error
		answer.Changed, err = act(tx, q.Project, list, q.Reason, c.o.Actor)
		return err
	})
	if err != nil {
		return answer, err
	}
	answer.Unknown, err = unknownSBIDs(c.ledger.View(ctx), q.Project, items)
	answer.At = c.now()
	return answer, err
}

// datasets gives what a selection names, each once.
func datasets(what string, q DatasetSelection) ([]Dataset, error) {
	items := slices.Clone(q.Items)
	for i, d := range items {
		if err := checkDataset(d); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, fmt.Sprintf("%s: item %d", what, i+1), "")
		}
	}
	number := 0
	for line := range strings.Lines(string(q.File)) {
		number++
		text, _, _ := strings.Cut(line, "#")
		words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
		if len(words) == 0 {
			continue
		}
		d := Dataset{SBID: words[0]}
		if len(words) > 1 {
			d.Dataset = words[1]
		}
		err := checkDataset(d)
		if err == nil && len(words) > 2 {
			err = fmt.Errorf("%d words, expected an SBID and at most one dataset", len(words))
		}
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, fmt.Sprintf("%s: %s line %d", what, q.FileName, number), "nothing was changed; correct the line")
		}
		items = append(items, d)
	}
	slices.SortFunc(items, func(a, b Dataset) int {
		return strings.Compare(a.SBID+"\x00"+a.Dataset, b.SBID+"\x00"+b.Dataset)
	})
	items = slices.Compact(items)
	switch {
	case len(items) == 0:
		return nil, fault.New(fault.Invalid, what+": none is named", "give --sbid N, or --file FILE with an SBID per line")
	case len(items) > ledger.MaxExclusions:
		return nil, fault.New(fault.Invalid, fmt.Sprintf("%s: %d are named, expected at most %d", what, len(items), ledger.MaxExclusions), "give the list in parts")
	}
	return items, nil
}

func checkDataset(d Dataset) error {
	switch {
	case strings.TrimSpace(d.SBID) == "":
		return fmt.Errorf("the SBID is blank")
	case len(d.SBID) > maxDatasetBytes || len(d.Dataset) > maxDatasetBytes:
		return fmt.Errorf("a name is longer than %d bytes", maxDatasetBytes)
	case !utf8.ValidString(d.SBID + d.Dataset):
		return fmt.Errorf("it is not UTF-8 text")
	}
	return nil
}

// unknownSBIDs gives those SBIDs of a list that no source of the project has: perhaps a slip of the pen,
// perhaps data that is still to come.
func unknownSBIDs(v ledger.View, project string, items []Dataset) ([]string, error) {
	known, err := v.SBIDs(project)
	if err != nil {
		return nil, err
	}
	var unknown []string
	for _, d := range items {
		if !known[d.SBID] {
			unknown = append(unknown, d.SBID)
		}
	}
	return slices.Compact(unknown), nil
}

// ListExclusions implements Datasets.
func (c *Local) ListExclusions(ctx context.Context, q ExclusionQuery) (ExclusionList, error) {
	if err := c.needLedger(); err != nil {
		return ExclusionList{}, err
	}
	v := c.ledger.View(ctx)
	if _, err := v.Project(q.Project); err != nil {
		return ExclusionList{}, err
	}
	f := ledger.ExclusionFilter{Project: q.Project, SBID: q.SBID}
	f.After.SBID, f.After.Dataset, _ = strings.Cut(q.After, "/")
	size, err := pageSize("exclusions", q.Limit)
	if err != nil {
		return ExclusionList{}, err
	}
	f.Limit = size + 1
	list, err := v.Exclusions(f)
	answer := ExclusionList{At: v.Now(), Project: q.Project}
	if answer.Exclusions, answer.More = cut(list, size); answer.More {
		last := answer.Exclusions[size-1]
		answer.Next = last.SBID + "/" + last.Dataset
	}
	return answer, err
}
