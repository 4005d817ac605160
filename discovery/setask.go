package discovery

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/vo/tap"
	"beampipe/vo/votable"
)

// askSet asks for all keys of a set at once and deals the answer. What comes back is to be asked in
// another way: a set that is too large in halves; one that was refused, or whose answer cannot be dealt,
// in the query's next form. When the archive cannot be asked, its sources fail: another form would not
// be answered either.
func (n *inquiry) askSet(ctx context.Context, r request) (again []request) {
	config, _ := n.query(r.query)
	defer func() {
		if p := recover(); p != nil {
			again = n.otherwise(r, n.engine.defect(n.project.Metadata.ID, fmt.Sprintf("query %q for %d values", config.Name, len(r.keys)), p))
		}
	}()
	if why := n.unusable(r.query, r.form); why != nil { // found out since it was planned
		return n.plan(r.query, r.form+1, r.questions(), why)
	}
	f := config.Batch[r.form]
	adql, err := config.SetADQL(f, r.values())
	if err != nil {
		return n.halve(r, err)
	}
	sent := tap.Request{ADQL: adql}
	if !f.InList {
		sent.Uploads = []tap.Upload{n.upload(r)}
	}
	got, report, err := n.send(ctx, r.keys[0].questions[0], f.Form(), sent)
	report.Shared = r.sources()
	n.reportSet(r, report)
	switch {
	case err == nil:
		n.uploaded(r)
		return n.deal(r, got)
	case ctx.Err() != nil:
		n.fail(r.questions(), err)
		return nil
	case errors.Is(err, tap.ErrUploadRefused) && !f.InList:
		n.uploadRefused(config, err)
		return n.otherwise(r, n.unusable(r.query, r.form))
	case errors.Is(err, tap.ErrTooLarge), errors.Is(err, votable.ErrOverflow):
		return n.halve(r, err)
	case fault.KindOf(err) == fault.Invalid:
		return n.refused(r, err)
	}
	n.fail(r.questions(), err)
	return nil
}

// sources counts the sources that a set is about.
func (r request) sources() int {
	seen := map[int]bool{}
	for _, q := range r.questions() {
		seen[q.source] = true
	}
	return len(seen)
}

func (r request) values() []string {
	list := make([]string, len(r.keys))
	for i, k := range r.keys {
		list[i] = k.value
	}
	return list
}

// upload makes the table of the keys: a column per variable, for an enrichment the SBID alone.
func (n *inquiry) upload(r request) tap.Upload {
	config, enrichment := n.query(r.query)
	names := uploadColumns(r.keys[0].questions[0].vars, enrichment)
	form := config.Batch[r.form]
	u := tap.Upload{Name: form.Upload}
	for _, name := range names {
		field := votable.Field{Name: name, Datatype: "char", Arraysize: "*"}
		if form.Numeric && name == config.KeyVariable(form, enrichment) {
			field.Datatype, field.Arraysize = "long", ""
		}
		u.Fields = append(u.Fields, field)
	}
	for _, k := range r.keys {
		row := make([]string, len(names))
		for i, name := range names {
			row[i] = k.questions[0].vars[name]
			if strings.ContainsFunc(row[i], func(c rune) bool { return c > 0x7f }) {
				u.Fields[i].Datatype = "unicodeChar"
			}
		}
		u.Rows = append(u.Rows, row)
	}
	return u
}

// reportSet keeps how each question of a set was asked. The query's text is shown as it is for that key
// alone.
func (n *inquiry) reportSet(r request, report QueryReport) {
	config, _ := n.query(r.query)
	for i, k := range r.keys {
		if f := config.Batch[r.form]; i == 0 || f.InList { // an upload's query is the same for all keys
			if adql, err := config.SetADQL(f, []string{k.value}); err == nil {
				report.ADQL = ledger.Excerpt(strings.TrimSpace(adql), maxReportedADQL)
			}
		}
		for _, q := range k.questions {
			n.report(q, report)
		}
	}
}

// halve asks for the two halves of a set that is too large; a single key goes to the next form.
func (n *inquiry) halve(r request, cause error) []request {
	if len(r.keys) == 1 {
		return n.otherwise(r, cause)
	}
	n.note(r.questions(), r, cause)
	half := len(r.keys) / 2
	return []request{n.set(r.query, r.form, r.keys[:half]), n.set(r.query, r.form, r.keys[half:])}
}

// refused passes a set that the archive refused on to the next form. Where there is none, not even for
// one source, halves of it find the value that is to blame.
func (n *inquiry) refused(r request, cause error) []request {
	config, _ := n.query(r.query)
	times := n.forms.refuse(formID{r.query, r.form})
	n.engine.log.Warn("an archive refused a query for several sources", "project", n.project.Metadata.ID, "query", config.Name,
		"form", config.Batch[r.form].Form(), "values", len(r.keys), "refusals", times, "error", cause)
	if config.NeedsUpload() && r.form == len(config.Batch)-1 {
		if silent(cause) { // it was no value that was refused
			n.fail(r.questions(), cause)
			return nil
		}
		return n.halve(r, cause)
	}
	return n.otherwise(r, cause)
}

// otherwise asks the questions of a set in the query's next form.
func (n *inquiry) otherwise(r request, cause error) []request {
	n.note(r.questions(), r, cause)
	return n.plan(r.query, r.form+1, r.questions(), cause)
}

// note keeps with questions why they are asked again.
func (n *inquiry) note(questions []*question, r request, cause error) {
	config, _ := n.query(r.query)
	for _, q := range questions {
		q.report.Note = ledger.Excerpt(fmt.Sprintf("asked again: %s of %d: %s", config.Batch[r.form].Form(), len(r.keys), cause), maxReportedNote)
	}
}

// uploadRefused remembers that an archive takes no uploads, and says so once.
func (n *inquiry) uploadRefused(q configs.Query, cause error) {
	client, err := n.engine.archives.Client(n.project, q.Adapter)
	if err != nil || !n.engine.uploads.refuse(client.URL(), n.engine.ledger.Now()) {
		return
	}
	n.engine.log.Warn("an archive takes no uploads; sources are asked for in lists or one by one", "archive", q.Adapter, "url", client.URL(), "error", cause)
	n.engine.problem(ledger.Problem{
		Code: ProblemNoUpload, Subject: q.Adapter, Severity: "warning", Title: "Archive " + q.Adapter + " takes no uploads",
		Text: ledger.Excerpt(cause.Error(), maxErrorText),
		Todo: "nothing is lost: sources are asked for in lists where the query has such a form, else one by one, which costs more requests; an upload is tried again in an hour",
	})
}

// uploaded takes that back when an upload was taken.
func (n *inquiry) uploaded(r request) {
	config, _ := n.query(r.query)
	if config.Batch[r.form].InList {
		return
	}
	client, err := n.engine.archives.Client(n.project, config.Adapter)
	if err == nil && n.engine.uploads.accept(client.URL()) {
		n.engine.clear(ProblemNoUpload, config.Adapter)
	}
}
