package configs

import "sort"

// aliases are the transforms that a v1 document may name without defining them.
var aliases = map[string]Transform{
	"strip_hipass_prefix":      {Kind: TransformStripPrefix, Prefix: pointer("HIPASS")},
	"extract_askap_sbid":       {Kind: TransformDigits},
	"extract_scan_id":          {Kind: TransformSplitLast, Separators: []string{"/", ":", "#"}},
	"is_present":               {Kind: TransformPresent},
	"select_eval_file_by_size": {Kind: TransformEvaluation},
	"identity":                 {Kind: TransformIdentity},
}

// defineAliases adds the definitions of the aliases that a v1 document uses, and gives their names.
func (p *Project) defineAliases() []string {
	var added []string
	for _, name := range p.usedTransforms() {
		alias, ok := aliases[name]
		if _, defined := p.Definitions.Transforms[name]; !ok || defined {
			continue
		}
		if p.Definitions.Transforms == nil {
			p.Definitions.Transforms = map[string]Transform{}
		}
		p.Definitions.Transforms[name] = alias
		added = append(added, name)
	}
	return added
}

// usedTransforms gives every name that stands where a transform is named, sorted.
func (p *Project) usedTransforms() []string {
	used := map[string]bool{}
	for _, t := range p.Definitions.Transforms {
		for _, step := range t.Steps {
			used[step] = true
		}
	}
	if p.SourceIdentity != nil {
		for _, v := range p.SourceIdentity.TemplateVars {
			used[value(v.Transform)] = true
		}
	}
	for _, q := range p.allQueries() {
		used[value(q.SourceIDTransform)] = true
	}
	for _, mappings := range []map[string]Mapping{p.Discovery.PrepareMetadata.FieldMap, p.Discovery.PrepareMetadata.DiscoveryFlags} {
		for _, m := range mappings {
			for _, name := range m.Transform {
				used[name] = true
			}
		}
	}
	names := sortedKeys(used)
	sort.Strings(names)
	return names
}

func pointer(s string) *string { return &s }
