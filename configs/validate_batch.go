package configs

import (
	"fmt"
	"slices"
	"strings"
)

// validateForms checks how query i is asked for many sources at once.
func (p *Project) validateForms(f *findings, path string, i int, q Query) {
	if len(q.Batch) > maxForms {
		f.fail(path, CodeInvalidLimit, fmt.Sprintf("expected at most %d forms, found %d", maxForms, len(q.Batch)), "")
		return
	}
	enrichment := i >= len(p.Discovery.Queries)
	if enrichment && len(q.Batch) > 0 {
		for _, placeholder := range q.Placeholders() {
			if placeholder.Name != VarSBID {
				f.fail(path, CodeInvalidBatch, fmt.Sprintf("the enrichment also asks for {%s}, so its answer belongs to one source; a batch shares it by SBID", placeholder.text()),
					"let the template ask for {sbid} alone, or leave batch out")
				return
			}
		}
	}
	for k, form := range q.Batch {
		v := formCheck{f: f, project: p, query: q, form: form, enrichment: enrichment, path: fmt.Sprintf("%s[%d]", path, k)}
		v.check()
	}
}

// formCheck is the check of one form.
type formCheck struct {
	f          *findings
	project    *Project
	query      Query
	form       BatchForm
	enrichment bool
	path       string
}

func (v formCheck) fail(key, message, hint string) {
	v.f.fail(v.path+key, CodeInvalidBatch, message, hint)
}

func (v formCheck) check() {
	form := v.form
	required(v.f, v.path+".key", form.Key)
	limit(v.f, v.path+".max_rows", form.MaxRows, maxBatchRows)
	if b := form.MaxBytes; b != nil && (*b < minBatchBytes || *b > maxBatchBytes) {
		v.f.fail(v.path+".max_bytes", CodeInvalidLimit, fmt.Sprintf("expected a number from %d to %d, found %d", minBatchBytes, maxBatchBytes, *b), "")
	}
	if (form.Upload != "") == form.InList {
		v.f.fail(v.path, CodeMutuallyExclusive, "expected exactly one of upload: TABLE and in_list: true", "")
		return
	}
	set := v.query.set(form)
	if strings.TrimSpace(set.Template) == "" {
		required(v.f, v.templatePath(), set.Template)
		return
	}
	if len(set.Template) > MaxQueryBytes {
		v.fail(".template", fmt.Sprintf("the template has %d bytes, expected at most %d", len(set.Template), MaxQueryBytes), "")
		return
	}
	if text := set.unterminated(); text != "" {
		v.fail(".template", text, "close it")
		return
	}
	v.checkLimits(set)
	if form.InList && form.Numeric {
		v.fail(".numeric", "numeric is about an uploaded column, and a list uploads nothing", "leave it out")
	}
	if form.InList {
		v.checkList(set)
	} else {
		v.checkUpload(set)
	}
	v.checkVariable()
}

// templatePath is where the form's template stands: its own, or the query's.
func (v formCheck) templatePath() string {
	if v.form.Template != nil {
		return v.path + ".template"
	}
	return v.path
}

// whose says which template a message is about.
func (v formCheck) whose() string {
	if v.form.Template != nil {
		return "its template"
	}
	return "the query's own template, which the form asks with,"
}

// checkLimits refuses a row limit: it would keep the rows of some sources and cut off those of others.
func (v formCheck) checkLimits(set Query) {
	for _, t := range tokenizeADQL(set.Template) {
		word := strings.ToUpper(set.Template[t.start:t.end])
		if t.kind == tokenWord && (word == "TOP" || word == "OFFSET") {
			v.f.fail(v.templatePath(), CodeInvalidBatch, v.whose()+" has "+word+", which would cut off the rows of other sources", "take the row limit out; latest_by keeps the newest rows of each source")
			return
		}
	}
}

func (v formCheck) checkList(set Query) {
	list := set.Placeholders()
	switch {
	case len(uploadedTables(set.Template)) > 0:
		v.f.fail(v.templatePath(), CodeInvalidBatch, v.whose()+" names TAP_UPLOAD, and a list uploads nothing", "give the form a template with IN ({variable:list})")
	case len(list) != 1 || !list[0].List:
		v.f.fail(v.templatePath(), CodeInvalidBatch, fmt.Sprintf("%s must have exactly one placeholder, {variable:list}; it has %s", v.whose(), listed(list)),
			"write WHERE NAME IN ({source_name:list})")
	default:
		if problem, hint := list[0].misplaced(); problem != "" {
			v.f.fail(v.templatePath(), CodeInvalidBatch, problem, hint)
		}
		if v.form.Variable != "" && v.form.Variable != list[0].Name {
			v.fail(".variable", fmt.Sprintf("%.60q is not what {%s} asks for", v.form.Variable, list[0].text()), "leave variable out of a list form")
		}
	}
}

// listed names placeholders for a message.
func listed(list []Placeholder) string {
	if len(list) == 0 {
		return "none"
	}
	const shown = 5
	names := make([]string, 0, shown+1)
	for i, p := range list {
		if i == shown {
			names = append(names, "…")
			break
		}
		names = append(names, "{"+p.text()+"}")
	}
	return strings.Join(names, ", ")
}

func (v formCheck) checkUpload(set Query) {
	if problem := nameProblem(v.form.Upload); problem != "" {
		v.fail(".upload", fmt.Sprintf("%.60q %s", v.form.Upload, problem), "name the uploaded table like sources")
		return
	}
	if list := set.Placeholders(); len(list) > 0 {
		v.f.fail(v.templatePath(), CodeInvalidBatch, fmt.Sprintf("%s has the placeholder {%s}, and no one source fills it", v.whose(), list[0].text()),
			fmt.Sprintf("join the uploaded table: FROM TAP_UPLOAD.%s u JOIN … ON … = u.%s", v.form.Upload, list[0].Name))
		return
	}
	tables := uploadedTables(set.Template)
	if !slices.Contains(tables, strings.ToLower(v.form.Upload)) {
		v.f.fail(v.templatePath(), CodeInvalidBatch, fmt.Sprintf("%s does not name TAP_UPLOAD.%s", v.whose(), v.form.Upload),
			fmt.Sprintf("write FROM TAP_UPLOAD.%s u JOIN … ON …", v.form.Upload))
		return
	}
	for _, name := range tables {
		if name != strings.ToLower(v.form.Upload) {
			v.f.fail(v.templatePath(), CodeInvalidBatch, fmt.Sprintf("%s names TAP_UPLOAD.%.60s; the form uploads only %s", v.whose(), name, v.form.Upload), "")
			return
		}
	}
}

func (v formCheck) checkVariable() {
	name := v.query.KeyVariable(v.form, v.enrichment)
	at := ".variable"
	if v.form.Variable == "" {
		at = ""
	}
	known := v.project.queryVariables()
	switch {
	case v.enrichment && name != VarSBID:
		v.fail(at, fmt.Sprintf("asks for the values of %.60q; an enrichment is asked for sbid", name), "")
	case !v.enrichment && !known[name]:
		v.fail(at, fmt.Sprintf("nothing gives the variable %.60q", name), "the variables are "+quoted(sortedKeys(known)))
	case !v.enrichment && !v.form.InList && v.form.Variable == "" && name != v.form.Key && known[v.form.Key]:
		v.fail("", fmt.Sprintf("key %.60q is a variable that the query's own template does not use", v.form.Key), "say variable: "+v.form.Key)
	}
}

// validateUploadColumns wants every variable to be a column of the uploaded table.
func (p *Project) validateUploadColumns(f *findings) {
	if !slices.ContainsFunc(p.Discovery.Queries, func(q Query) bool {
		return slices.ContainsFunc(q.Batch, func(form BatchForm) bool { return form.Upload != "" })
	}) {
		return
	}
	seen := map[string]string{}
	for _, name := range sortedKeys(p.queryVariables()) {
		path := "source_identity.template_vars." + name
		if problem := nameProblem(name); problem != "" {
			f.fail(path, CodeInvalidBatch, fmt.Sprintf("the variable %.60q %s, and becomes a column of the uploaded table", name, problem), "rename the variable")
		}
		if other, ok := seen[strings.ToLower(name)]; ok {
			f.fail(path, CodeInvalidBatch, fmt.Sprintf("the variables %.60q and %.60q are one column of the uploaded table", other, name), "rename one of them")
		}
		seen[strings.ToLower(name)] = name
	}
}

// checkUploads wants every uploaded table that a query's own template names to be uploaded by a form.
func (p *Project) checkUploads(f *findings, path string, q Query) {
	for _, name := range uploadedTables(q.Template) {
		if !slices.ContainsFunc(q.Batch, func(form BatchForm) bool { return strings.EqualFold(form.Upload, name) }) {
			f.warn(path, CodeInvalidQuery, fmt.Sprintf("the template names TAP_UPLOAD.%.60s, which nothing uploads", name), "add batch: {upload: "+name+", key: COLUMN}")
			return
		}
	}
}

// adviseForms tells what a batch cannot do.
func (p *Project) adviseForms(f *findings) {
	p.eachQuery(func(path string, i int, q Query) {
		lists := slices.ContainsFunc(q.Batch, func(form BatchForm) bool { return form.InList })
		if len(q.Batch) > 0 && q.NeedsUpload() && !lists {
			f.warn(path+".template", CodeNoFallback, "no fallback: the query's own template needs an upload too, so an archive that takes none cannot be asked",
				"let the template ask for one source, and give the form a template of its own")
		}
		for k, form := range q.Batch {
			template := q.SetTemplate(form)
			if form.Upload == "" || form.Key == "" || strings.Contains(template, "*") || names(template, form.Key) {
				continue
			}
			f.warn(fmt.Sprintf("%s.batch[%d].key", path, k), CodeKeyNotSelected, fmt.Sprintf("the template does not name the column %.60q, by which the rows are dealt", form.Key),
				fmt.Sprintf("write SELECT u.%s, …", q.KeyVariable(form, i >= len(p.Discovery.Queries))))
		}
	})
}

// names reports whether a query has a name, quoted or not, whatever its case.
func names(query, name string) bool {
	return slices.ContainsFunc(tokenizeADQL(query), func(t adqlToken) bool {
		text := query[t.start:t.end]
		return t.kind == tokenWord && strings.EqualFold(text, name) || t.kind == tokenIdentifier && strings.EqualFold(strings.Trim(text, `"`), name)
	})
}
