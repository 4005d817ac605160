package main

import (
	"fmt"
	"strings"

	"beampipe/vo/votable"
)

// votableInfo is the answer of votable info.
type votableInfo struct {
	File      string            `json:"file"`
	Version   string            `json:"version"`
	Namespace string            `json:"namespace"`
	Status    string            `json:"status"` // OK, OVERFLOW, ERROR, "" where the document says none
	Message   string            `json:"message"`
	Infos     []votableValue    `json:"infos"`
	Params    []votableParam    `json:"params"`
	Resources []votableResource `json:"resources"`
	Tables    []votableTable    `json:"tables"`
}

type votableValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Text  string `json:"text"`
}

type votableParam struct {
	votableField
	Value string `json:"value"`
}

type votableResource struct {
	Number int    `json:"number"` // from 1
	Parent int    `json:"parent"` // 0 at the top
	Name   string `json:"name"`
	ID     string `json:"id"`
	Type   string `json:"type"`
}

type votableTable struct {
	Number        int            `json:"number"` // for cat --table
	Resource      int            `json:"resource"`
	Name          string         `json:"name"`
	ID            string         `json:"id"`
	Description   string         `json:"description"`
	Serialization string         `json:"serialization"`
	Rows          *int           `json:"rows"`  // counted; null where they were not read
	NRows         *int           `json:"nrows"` // what the document says of them
	Unread        string         `json:"unread"`
	Fields        []votableField `json:"fields"`
}

type votableField struct {
	Name        string `json:"name"`
	ID          string `json:"id"`
	Datatype    string `json:"datatype"`
	Arraysize   string `json:"arraysize"`
	Unit        string `json:"unit"`
	UCD         string `json:"ucd"`
	Utype       string `json:"utype"`
	Xtype       string `json:"xtype"`
	Null        string `json:"null"`
	Description string `json:"description"`
}

func fieldAnswer(f votable.Field) votableField {
	return votableField{
		Name: f.Name, ID: f.ID, Datatype: f.Datatype, Arraysize: f.Arraysize, Unit: f.Unit, UCD: f.UCD,
		Utype: f.Utype, Xtype: f.Xtype, Null: f.Null, Description: f.Description,
	}
}

func describeVotable(file string, doc votable.Document) votableInfo {
	v := votableInfo{
		File: file, Version: doc.Version, Namespace: doc.Namespace, Status: doc.Status, Message: doc.Message,
		Infos: []votableValue{}, Params: []votableParam{}, Resources: []votableResource{}, Tables: []votableTable{},
	}
	for _, i := range doc.Infos {
		v.Infos = append(v.Infos, votableValue{i.Name, i.Value, i.Text})
	}
	for _, p := range doc.Params {
		v.Params = append(v.Params, votableParam{fieldAnswer(p.Field), p.Value})
	}
	for i, r := range doc.Resources {
		v.Resources = append(v.Resources, votableResource{i + 1, r.Parent + 1, r.Name, r.ID, r.Type})
	}
	for _, t := range doc.Tables {
		table := votableTable{
			Number: t.Number, Resource: t.Resource + 1, Name: t.Name, ID: t.ID, Description: t.Description,
			Serialization: t.Serialization, Unread: t.Unread, Fields: []votableField{},
		}
		if t.Rows >= 0 {
			table.Rows = &t.Rows
		}
		if t.Declared >= 0 {
			table.NRows = &t.Declared
		}
		for _, f := range t.Fields {
			table.Fields = append(table.Fields, fieldAnswer(f))
		}
		v.Tables = append(v.Tables, table)
	}
	return v
}

// statusText says in plain words what the archive says of its answer.
func (v votableInfo) statusText() string {
	switch v.Status {
	case votable.StatusOK:
		return "OK: the archive says that the answer is whole"
	case votable.StatusOverflow:
		return "OVERFLOW: the archive cut the answer at its row limit; there are more rows"
	case votable.StatusFailed:
		return "ERROR: the archive could not answer: " + v.Message
	}
	return "none: the document does not say whether it is whole"
}

// maxShown is how many INFOs and PARAMs a screen shows.
const maxShown = 50

func (p *page) votableInfo(v votableInfo) {
	p.line("%s   VOTable %s", p.bold(v.File), orNone(v.Version))
	p.field("namespace", "%s", orNone(v.Namespace))
	p.field("status", "%s", v.statusText())
	var infos, params []string
	for _, i := range v.Infos {
		infos = append(infos, cut(strings.TrimSpace(i.Name+" = "+i.Value+" "+i.Text), 200))
	}
	for _, i := range v.Params {
		params = append(params, cut(fmt.Sprintf("%s = %s %s (%s)", i.Name, i.Value, i.Unit, typeText(i.votableField)), 200))
	}
	p.fields("info", shown(infos))
	p.fields("param", shown(params))
	for _, r := range v.Resources {
		p.field(fmt.Sprintf("resource %d", r.Number), "%s", resourceText(r))
	}
	for _, t := range v.Tables {
		p.votableTable(t)
	}
}

// shown gives what a screen has room for.
func shown(list []string) []string {
	if len(list) <= maxShown {
		return list
	}
	return append(list[:maxShown:maxShown], fmt.Sprintf("and %d more: see --json", len(list)-maxShown))
}

func resourceText(r votableResource) string {
	parts := []string{"of no type"}
	if r.Type != "" {
		parts[0] = r.Type
	}
	if name := nameOrID(r.Name, r.ID); name != "" {
		parts = append(parts, name)
	}
	if r.Parent > 0 {
		parts = append(parts, fmt.Sprintf("inside resource %d", r.Parent))
	}
	return strings.Join(parts, ", ")
}

func (p *page) votableTable(t votableTable) {
	parts := []string{}
	if name := nameOrID(t.Name, t.ID); name != "" {
		parts = append(parts, name)
	}
	switch {
	case t.Serialization == "":
		parts = append(parts, "columns alone, no data")
	case t.Rows == nil:
		parts = append(parts, t.Serialization+", not read: "+t.Unread)
	default:
		parts = append(parts, t.Serialization, count(*t.Rows, "row"))
	}
	if t.NRows != nil && t.Rows != nil && *t.NRows != *t.Rows {
		parts = append(parts, fmt.Sprintf("but nrows says %d", *t.NRows))
	}
	parts = append(parts, count(len(t.Fields), "column"))
	if t.Resource > 0 {
		parts = append(parts, fmt.Sprintf("in resource %d", t.Resource))
	}
	p.field(fmt.Sprintf("table %d", t.Number), "%s", strings.Join(parts, ", "))
	p.field("", "%s", cut(t.Description, 200))
	var rows [][]any
	for i, f := range t.Fields {
		rows = append(rows, []any{i + 1, nameOrID(f.Name, f.ID), typeText(f), f.Unit, f.UCD, f.Null, cut(f.Description, 60)})
	}
	if len(rows) > 0 {
		p.table("    ", []string{"#", "NAME", "TYPE", "UNIT", "UCD", "NULL", "DESCRIPTION"}, rows)
	}
}

// nameOrID gives a name, or else the ID.
func nameOrID(name, id string) string {
	if name == "" {
		return id
	}
	return name
}
