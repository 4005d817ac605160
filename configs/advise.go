package configs

import (
	"fmt"
	"strings"
)

// advise adds what is worth knowing and refuses nothing.
func (p *Project) advise(f *findings) {
	if p.Adapters.Tap.FailOpen {
		f.warn("adapters.tap.fail_open", CodeIgnoredKey, "accepted and not used: a query that fails is a failure, never an empty answer", "")
	}
	if p.Manifest == nil {
		f.warn("manifest", CodeDefaultManifest, "no manifest section: entries by source with ra_string, dec_string and vsys, as in the predecessor", "")
	}
	p.adviseForms(f)
	p.adviseCredentials(f)
	fields := p.Discovery.PrepareMetadata.FieldMap
	for _, target := range sortedKeys(fields) {
		from := fields[target].From
		for _, prefix := range []string{"enrichments.", "enrichment."} {
			if strings.HasPrefix(from, prefix) && !p.namesEnrichment(from, prefix) {
				f.warn(metadataPath+".field_map."+target+".from", CodeUnknownFieldPath, fmt.Sprintf("%.80q names no query, so the field stays empty", from), "")
			}
		}
	}
	if p.SourceIdentity == nil {
		return
	}
	for _, name := range sortedKeys(p.SourceIdentity.TemplateVars) {
		if from := value(p.SourceIdentity.TemplateVars[name].From); from == p.SourceIdentity.Canonical && from != canonicalWord {
			f.warn("source_identity.template_vars."+name+".from", CodeLiteralVariable,
				fmt.Sprintf("%q is taken as that literal text", from), "write from: canonical for the source identifier")
		}
	}
}
