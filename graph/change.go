package graph

import (
	"fmt"
	"strings"
)

// ChangeKind says what happened to a thing between two graphs.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
)

// Change is one difference between two graphs, or one field that Patch set.
//
// It is about a field when Field is set (Property says what of it, "value" as a rule), else about
// the node's own key Property, else, without NodeID, about the document: Property is then a dotted
// key such as "modelData.repo", or "link". Config names the graph configuration that it lies in; it
// is empty for the graph itself. Old and New are JSON values, nil where there is none; for a whole
// node that came or went they are its category.
type Change struct {
	Kind     ChangeKind `json:"kind"`
	Config   string     `json:"config,omitempty"`
	NodeID   string     `json:"node_id,omitempty"`
	NodeName string     `json:"node_name,omitempty"`
	Field    string     `json:"field,omitempty"`
	Property string     `json:"property,omitempty"`
	Old      any        `json:"old,omitempty"`
	New      any        `json:"new,omitempty"`
}

// String gives one line for a person: "~ Scatter/Beam num_of_copies: 3 → 2". Long values are cut.
func (c Change) String() string {
	var b strings.Builder
	b.WriteString(map[ChangeKind]string{Added: "+ ", Removed: "- ", Changed: "~ "}[c.Kind])
	var where []string
	if c.Config != "" {
		where = append(where, "configuration", clip(c.Config))
	}
	if c.NodeID != "" {
		where = append(where, clip(c.NodeName))
	}
	if c.Field != "" {
		where = append(where, clip(c.Field))
	}
	if c.Property != "" && (c.Field == "" || c.Property != propertyValue) {
		where = append(where, clip(c.Property))
	}
	b.WriteString(strings.Join(where, " "))
	switch {
	case c.Kind == Changed:
		fmt.Fprintf(&b, ": %s → %s", shown(c.Old), shown(c.New))
	case c.Kind == Added && c.New != nil:
		fmt.Fprintf(&b, ": %s", shown(c.New))
	case c.Kind == Removed && c.Old != nil:
		fmt.Fprintf(&b, ": %s", shown(c.Old))
	}
	return b.String()
}

func shown(v any) string {
	if v == nil {
		return "nothing"
	}
	if s := clip(text(v)); s != "" {
		return strings.ReplaceAll(s, "\n", "⏎")
	}
	return `""`
}
