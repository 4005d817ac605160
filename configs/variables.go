package configs

// Variables of query templates that are always there.
const (
	VarSourceIdentifier = "source_identifier"
	VarSourceName       = "source_name" // only without a source_identity section
	VarSBID             = "sbid"        // only in enrichments; the caller adds it
)

// canonicalWord is the From of a template variable that means the source identifier.
const canonicalWord = "canonical"

// TemplateVars gives the variables of the primary query for a source, see QueryVars.
func (p *Project) TemplateVars(identifier string) map[string]string {
	return p.QueryVars(0, identifier)
}

// QueryVars gives the variables of query i for a source: i counts discovery.queries, then
// discovery.enrichments (whose caller adds VarSBID).
//
// With a source_identity section they are its template variables, and source_identifier if it does
// not declare that; a transform that fails leaves the value untransformed. Without one they are
// source_identifier and source_name, which each query's source_id_transform replaces for itself and
// those after it.
func (p *Project) QueryVars(i int, identifier string) map[string]string {
	vars := map[string]string{VarSourceIdentifier: queryText(identifier)}
	if p.SourceIdentity == nil {
		vars[VarSourceName] = p.legacySourceName(i, identifier)
		return vars
	}
	for name, v := range p.SourceIdentity.TemplateVars {
		var raw any = identifier
		if v.From != nil && *v.From != canonicalWord {
			raw = *v.From
		}
		vars[name] = queryText(p.transformed(v.Transform, raw))
	}
	return vars
}

func (p *Project) legacySourceName(i int, identifier string) string {
	name := queryText(identifier)
	for at, q := range p.Discovery.Queries {
		if at > i {
			break
		}
		if q.SourceIDTransform == nil {
			continue
		}
		if v, ok := p.Apply([]string{*q.SourceIDTransform}, identifier); ok {
			name = queryText(v)
		}
	}
	return name
}

// transformed applies a transform, or leaves the value where there is none or it fails.
func (p *Project) transformed(name *string, v any) any {
	if name == nil {
		return v
	}
	if out, ok := p.Apply([]string{*name}, v); ok {
		return out
	}
	return v
}

// queryText is text(v), a missing value the empty text.
func queryText(v any) string {
	text, _ := Text(v)
	return text
}

// queryVariables gives the names that QueryVars gives, for validation.
func (p *Project) queryVariables() map[string]bool {
	names := map[string]bool{}
	for name := range p.QueryVars(0, "x") {
		names[name] = true
	}
	return names
}
