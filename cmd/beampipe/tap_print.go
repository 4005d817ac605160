package main

import (
	"fmt"
	"strings"
	"time"

	"beampipe/control"
	"beampipe/vo/tap"
)

func (p *page) archiveHead(name, url string) {
	p.line("%s", p.bold(archiveText(name, url)))
}

// archiveText names an archive with its address; one that was named by it, once.
func archiveText(name, url string) string {
	if strings.Contains(url+"/", "://"+name+"/") {
		return url
	}
	return name + " (" + url + ")"
}

func (p *page) archiveCapabilities(c control.ArchiveCapabilities) {
	p.archiveHead(c.Archive, c.URL)
	if c.Available {
		p.field("available", "yes")
	} else {
		p.field("available", "%s", p.red("no: "+c.Unavailable))
	}
	l := c.Limits
	if !l.TAP {
		p.field("TAP", "%s", p.red("its capabilities do not say that it is a TAP service"))
		return
	}
	modes := "synchronous"
	if l.Async {
		modes += " and asynchronous"
	}
	p.field("modes", "%s", modes)
	p.field("uploads", "%s", yesOrNo(l.Upload))
	p.modeLimits("sync", l.Sync)
	if l.Async {
		p.modeLimits("async", l.AsyncJobs)
	}
	p.field("languages", "%s", strings.Join(l.Languages, ", "))
	p.fields("formats", shown(l.Formats))
	p.fields("features", shown(l.Features))
	p.fields("functions", shown(l.Functions))
}

func yesOrNo(yes bool) string {
	if yes {
		return "yes, inline"
	}
	return "no"
}

func (p *page) modeLimits(name string, l tap.ModeLimits) {
	var parts []string
	for _, size := range []struct {
		what string
		tap.Limit
	}{{"answers", l.Output}, {"uploads", l.Uploads}} {
		if text := limitText(size.Limit); text != "" {
			parts = append(parts, size.what+" "+text)
		}
	}
	for _, t := range []struct {
		what string
		tap.TimeLimit
	}{{"runs", l.ExecutionDuration}, {"jobs are kept", l.Retention}} {
		if text := timeLimitText(t.TimeLimit); text != "" {
			parts = append(parts, t.what+" "+text)
		}
	}
	if len(parts) == 0 {
		parts = []string{"no limit is told"}
	}
	p.field(name, "%s", strings.Join(parts, "; "))
}

func limitText(l tap.Limit) string {
	size := func(n int64) string {
		if l.Unit == "byte" {
			return bytesText(n)
		}
		return count(int(n), orElse(l.Unit, "row"))
	}
	var parts []string
	if l.Default > 0 {
		parts = append(parts, size(l.Default)+" by default")
	}
	if l.Hard > 0 {
		parts = append(parts, size(l.Hard)+" at most")
	}
	return strings.Join(parts, ", ")
}

func timeLimitText(l tap.TimeLimit) string {
	var parts []string
	if l.Default > 0 {
		parts = append(parts, span(l.Default)+" by default")
	}
	if l.Hard > 0 {
		parts = append(parts, span(l.Hard)+" at most")
	}
	return strings.Join(parts, ", ")
}

// made says when a job was made, where the archive says so.
func made(at *time.Time) string {
	if at == nil {
		return "–"
	}
	return when(*at)
}

// archiveTables lists tables; with columns, where one was asked for.
func (p *page) archiveTables(t control.ArchiveTables, columns bool) {
	p.archiveHead(t.Archive, t.URL)
	if columns {
		for _, table := range t.Tables {
			p.archiveColumns(t, table)
		}
		return
	}
	if len(t.Tables) == 0 {
		p.line("it lists no table")
		return
	}
	var rows [][]any
	for _, table := range t.Tables {
		rows = append(rows, []any{table.Name, table.Type, len(table.Columns), cut(table.Description, 100)})
	}
	p.table("", []string{"TABLE", "TYPE", "COLUMNS", "DESCRIPTION"}, rows)
}

func (p *page) archiveColumns(t control.ArchiveTables, table tap.SchemaTable) {
	p.line("%s   %s", p.bold(table.Name), table.Type)
	p.field("about", "%s", strings.Join(strings.Fields(table.Description), " "))
	if len(table.Columns) == 0 {
		p.line("  its columns are not in the list; ask for them: beampipe tap query %s \"SELECT * FROM TAP_SCHEMA.columns WHERE table_name = '%s'\"", t.Archive, table.Name)
		return
	}
	var rows [][]any
	for _, c := range table.Columns {
		kind := c.Datatype
		if c.Arraysize != "" {
			kind += "[" + c.Arraysize + "]"
		}
		rows = append(rows, []any{c.Name, kind, c.Unit, c.UCD, strings.Join(c.Flags, " "), cut(c.Description, 80)})
	}
	p.table("  ", []string{"COLUMN", "TYPE", "UNIT", "UCD", "FLAGS", "DESCRIPTION"}, rows)
}

func (p *page) archiveJobs(j control.ArchiveJobs) {
	p.archiveHead(j.Archive, j.URL)
	if j.Aborted != "" {
		p.line("  stopped %s", j.Aborted)
	}
	var rows [][]any
	for _, job := range j.Jobs {
		kept := ""
		if job.Kept {
			kept = "kept here"
		}
		rows = append(rows, []any{job.Phase, made(job.Created), job.RunID, job.URL, kept})
	}
	switch {
	case j.Unlisted != "":
		p.field("its jobs", "%s", p.red("it does not show them: "+j.Unlisted))
	case len(rows) == 0:
		p.field("its jobs", "none that it shows to us")
	default:
		p.titled("its jobs", rows)
	}
	rows = nil
	for _, job := range j.Kept {
		rows = append(rows, []any{orElse(job.Project, "–"), fmt.Sprintf("began %s ago", age(j.At, job.BeganAt)), fmt.Sprintf("seen %s ago", age(j.At, job.SeenAt)), job.URL})
	}
	if len(rows) == 0 {
		p.field("kept here", "none")
		return
	}
	p.titled("kept here", rows)
}
