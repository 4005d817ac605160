package configs

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxID bounds metadata.id, in bytes. The predecessor's tables cut it off at 50.
const maxID = 50

// Unrunnable gives everything that validation warns about and that is refused when it would run:
// RefuseDiscovery and RefuseExecution together, each finding once. Places (line, column) are only in
// the Report of Load.
func (p *Project) Unrunnable() []Diagnostic { return diagnostics(p.unrunnable()) }

// RefuseDiscovery gives the reasons why this project cannot discover; none means that it can.
func (p *Project) RefuseDiscovery() []Diagnostic { return diagnostics(p.discoveryFindings()) }

// RefuseExecution gives the reasons why executions of this project cannot be prepared; none means
// that they can.
func (p *Project) RefuseExecution() []Diagnostic { return diagnostics(p.executionFindings()) }

func diagnostics(list []finding) []Diagnostic {
	var out []Diagnostic
	for _, d := range list {
		out = append(out, d.Diagnostic)
	}
	return out
}

func (p *Project) unrunnable() []finding {
	var all []finding
	seen := map[finding]bool{}
	for _, d := range append(p.discoveryFindings(), p.executionFindings()...) {
		if !seen[d] {
			seen[d] = true
			all = append(all, d)
		}
	}
	return all
}

func (p *Project) discoveryFindings() []finding {
	f := &findings{}
	p.checkID(f)
	p.checkAdapters(f)
	if len(p.Discovery.Queries) == 0 {
		f.warn("discovery.queries", CodeMissingQuery, "no query; discovery has nothing to ask", "add a query: the first one finds the datasets of a source")
	}
	p.checkNames(f)
	p.checkQueries(f)
	p.checkVariables(f)
	p.checkRegexes(f)
	p.checkChains(f)
	p.checkMapping(f)
	p.checkFlags(f)
	p.checkHooks(f, HookPrepareMetadata)
	return f.warnings
}

func (p *Project) executionFindings() []finding {
	f := &findings{}
	p.checkID(f)
	if p.Graph == nil {
		f.warn("graph", CodeMissingGraph, "no graph section; executions have nothing to run", "add graph.url or graph.path, and graph.sha256")
	}
	if p.Graph != nil && p.Graph.URL != nil {
		if err := checkURL(*p.Graph.URL); err != nil {
			f.warn("graph.url", CodeInvalidURL, err.Error(), "")
		}
	}
	p.checkHooks(f, HookManifest, HookGraphPatches)
	return f.warnings
}

// checkID refuses a project id that does not fit where it is used: tables, paths, URLs.
func (p *Project) checkID(f *findings) {
	id := p.Metadata.ID
	bad := len(id) > maxID || strings.TrimSpace(id) != id || id == "." || id == ".." ||
		strings.ContainsFunc(id, func(r rune) bool { return unicode.IsControl(r) || r == '/' || r == '\\' })
	if bad || !utf8.ValidString(id) {
		f.warn("metadata.id", CodeInvalidID, fmt.Sprintf("%.60q is no usable project id", id),
			fmt.Sprintf("at most %d bytes, no slashes, no control characters, no blanks around it", maxID))
	}
}

func (p *Project) checkAdapters(f *findings) {
	for _, name := range p.adapterNames() {
		path := p.adapterPath(name)
		address, key, ok := p.declaredURL(name)
		switch {
		case strings.TrimSpace(name) == "": // an error already
		case !ok:
			f.warn(path, CodeUnknownAdapter, fmt.Sprintf("no TAP URL is known for the archive %.60q", name),
				"set adapters.tap_url."+name+", or give --archive "+name+"=URL; casda and vizier have public endpoints")
		default:
			if err := checkURL(address); err != nil {
				f.warn(key, CodeInvalidURL, err.Error(), "")
			}
		}
	}
}

// adapterPath gives where an adapter is named first.
func (p *Project) adapterPath(name string) string {
	for i, required := range p.Adapters.Required {
		if required == name {
			return fmt.Sprintf("adapters.required[%d]", i)
		}
	}
	first := ""
	p.eachQuery(func(path string, _ int, q Query) {
		if first == "" && q.Adapter == name {
			first = path + ".adapter"
		}
	})
	return first
}

// checkNames finds two queries of one name: the second would overwrite the first's rows.
func (p *Project) checkNames(f *findings) {
	seen := map[string]bool{}
	p.eachQuery(func(path string, _ int, q Query) {
		if q.Name != "" && seen[q.Name] {
			f.warn(path+".name", CodeDuplicateName, fmt.Sprintf("a second query is named %.60q", q.Name), "give each query a name of its own")
		}
		seen[q.Name] = true
	})
}

func (p *Project) checkQueries(f *findings) {
	vars := p.queryVariables()
	p.eachQuery(func(path string, i int, q Query) {
		enrichment := i >= len(p.Discovery.Queries)
		path += ".template"
		if text := q.unterminated(); text != "" {
			f.warn(path, CodeInvalidQuery, text, "close it")
			return // where the placeholders stand is not known
		}
		if len(q.Template) > MaxQueryBytes {
			f.warn(path, CodeInvalidQuery, fmt.Sprintf("the template has %d bytes, expected at most %d", len(q.Template), MaxQueryBytes), "")
			return
		}
		p.checkUploads(f, path, q)
		for _, placeholder := range q.Placeholders() {
			d := finding{needle: "{" + placeholder.text() + "}"}
			d.Path, d.Severity = path, SeverityWarning
			if problem, hint := placeholder.misplaced(); problem != "" {
				d.Code, d.Message, d.Hint = CodeBarePlaceholder, problem, hint
				f.add(d)
			}
			if !vars[placeholder.Name] && !(enrichment && placeholder.Name == VarSBID) {
				d.Code = CodeUnknownPlaceholder
				d.Message = fmt.Sprintf("nothing fills the placeholder %s", d.needle)
				d.Hint = fillHint
				f.add(d)
			}
		}
	})
}

// checkVariables finds declared variables that no placeholder can name.
func (p *Project) checkVariables(f *findings) {
	if p.SourceIdentity == nil {
		return
	}
	for _, name := range sortedKeys(p.SourceIdentity.TemplateVars) {
		if found := placeholderPattern.FindString("{" + name + "}"); found != "{"+name+"}" {
			f.warn("source_identity.template_vars."+name, CodeInvalidVariable,
				fmt.Sprintf("no placeholder can name the variable %.60q", name), "use letters, digits, _, . and -, a letter or _ first")
		}
	}
}

// checkMapping wants what every record needs: an SBID and a dataset's identity.
func (p *Project) checkMapping(f *findings) {
	fields := p.Discovery.PrepareMetadata.FieldMap
	path := metadataPath + ".field_map"
	if _, ok := fields["sbid"]; !ok {
		f.warn(path, CodeMissingSBID, "nothing is mapped to sbid; records cannot be grouped", "add sbid: {from: COLUMN}")
	}
	_, dataset := fields["dataset_id"]
	_, filename := fields["visibility_filename"]
	if !dataset && !filename {
		f.warn(path, CodeMissingDataset, "nothing is mapped to dataset_id or visibility_filename; records have no identity", "add dataset_id: {from: COLUMN}")
	}
}

// checkFlags wants each flag to look at a query that fills enrichments: any but the primary one.
func (p *Project) checkFlags(f *findings) {
	for _, flag := range sortedKeys(p.Discovery.PrepareMetadata.DiscoveryFlags) {
		from := p.Discovery.PrepareMetadata.DiscoveryFlags[flag].From
		if strings.TrimSpace(from) == "" || p.namesEnrichment(from, "enrichments.") {
			continue
		}
		hint := "no query fills enrichments"
		if names := p.enrichmentNames(); len(names) > 0 {
			hint = "enrichments has " + quoted(names)
		}
		f.warn(metadataPath+".discovery_flags."+flag+".from", CodeUnknownFlagPath,
			fmt.Sprintf("%.80q names nothing, so the flag never holds", from), hint+"; the rows of the first query are not among them")
	}
}

func (p *Project) namesEnrichment(from, prefix string) bool {
	rest, ok := strings.CutPrefix(from, prefix)
	if !ok {
		return false
	}
	for _, name := range p.enrichmentNames() {
		if rest == name || strings.HasPrefix(rest, name+".") {
			return true
		}
	}
	return false
}

// enrichmentNames gives the names under enrichments: all queries but the primary one.
func (p *Project) enrichmentNames() []string {
	var names []string
	p.eachQuery(func(_ string, i int, q Query) {
		if i > 0 || len(p.Discovery.Queries) == 0 {
			names = append(names, q.Name)
		}
	})
	sort.Strings(names)
	return names
}

func (p *Project) checkHooks(f *findings, phases ...string) {
	for i, hook := range p.Extension.Hooks {
		if contains(phases, hook) {
			f.warn(fmt.Sprintf("extension.hooks[%d]", i), CodeUnsupportedHook,
				fmt.Sprintf("unsupported: the WebAssembly hook %q cannot be run", hook), "take it out, and say what it does in the config")
		}
	}
}
