package control

import (
	"context"
	"strings"

	"beampipe/fault"
	"beampipe/ledger"
)

// ListSources implements Sources.
func (c *Local) ListSources(ctx context.Context, q SourceQuery) (SourceList, error) {
	if err := c.needLedger(); err != nil {
		return SourceList{}, err
	}
	v := c.ledger.View(ctx)
	if err := knownProject(v, q.Project); err != nil {
		return SourceList{}, err
	}
	f := ledger.SourceFilter{
		Project: q.Project, Prefix: q.Prefix, Outcome: q.Outcome, Pending: q.Pending, Enabled: q.Enabled, Removed: q.Removed,
		Quarantined: q.Quarantined, Missing: q.Missing,
	}
	one, err := oneProject(v, q.Project)
	if err != nil {
		return SourceList{}, err
	}
	if f.AfterProject, f.After, err = sourceCursor(v, one, q.After); err != nil {
		return SourceList{}, err
	}
	size, err := pageSize("sources", q.Limit)
	if err != nil {
		return SourceList{}, err
	}
	f.Limit = size + 1
	list, err := v.Sources(f)
	answer := SourceList{At: v.Now()}
	if answer.Sources, answer.More = cut(list, size); answer.More {
		last := answer.Sources[size-1]
		answer.Next = last.Identifier
		if one == "" {
			answer.Next = last.Project + "/" + last.Identifier
		}
	}
	return answer, err
}

// oneProject gives the project that a list is over: the one that is named, or the only one; "" for several.
func oneProject(v ledger.View, project string) (string, error) {
	if project != "" {
		return project, nil
	}
	projects, err := v.Projects()
	if len(projects) == 1 {
		return projects[0].ID, err
	}
	return "", err
}

// sourceCursor reads where a page begins: behind an identifier of the project, or in a list over several
// behind PROJECT/IDENTIFIER.
func sourceCursor(v ledger.View, project, after string) (ofProject, identifier string, err error) {
	if after == "" || project != "" {
		return project, after, nil
	}
	name, identifier, both := strings.Cut(after, "/")
	if both {
		_, err := v.Project(name)
		return name, identifier, err
	}
	return "", "", fault.New(fault.Invalid, "list sources after "+ledger.Excerpt(after, 80)+": of which project is it?", "give it as PROJECT/IDENTIFIER, or name the project")
}
