package configs

import (
	"fmt"
	"math"
	"regexp"
	"sort"
	"strings"
)

// What the predecessor's validator called an error, and the checks of our own extension keys. A
// document that fails one of these is not stored.

var sha256Pattern = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

func (p *Project) validate(f *findings) {
	p.validateHeader(f)
	p.validateTransforms(f)
	p.validateIdentity(f)
	p.validateAdapters(f)
	p.validateGraph(f)
	p.validateQueries(f)
	p.validateMetadata(f)
	p.validatePatches(f)
	p.validateLimits(f)
	p.validateSchedules(f)
	p.validateExtension(f)
	p.advise(f)
	for _, d := range p.unrunnable() {
		f.add(d)
	}
}

func required(f *findings, path, text string) {
	if strings.TrimSpace(text) == "" {
		f.fail(path, CodeRequired, "missing or blank; expected text", "")
	}
}

func (p *Project) validateHeader(f *findings) {
	switch p.APIVersion {
	case APIVersion:
	case LegacyAPIVersion:
		f.warn("apiVersion", CodeLegacyAPIVersion, fmt.Sprintf("%s is read as the predecessor read it; expected %s", LegacyAPIVersion, APIVersion),
			"beampipe project upgrade -f FILE writes the new form")
	default:
		f.fail("apiVersion", CodeLegacyAPIVersion, fmt.Sprintf("unknown version %.60q; expected %s", p.APIVersion, APIVersion), "")
	}
	if p.Kind != Kind {
		f.fail("kind", CodeInvalidKind, fmt.Sprintf("expected %s, found %.60q", Kind, p.Kind), "")
	}
	required(f, "metadata.id", p.Metadata.ID)
}

// known reports a reference to a transform that is not defined.
func (p *Project) known(f *findings, path, name string) {
	if _, ok := p.Definitions.Transforms[name]; ok {
		return
	}
	f.fail(path, CodeUnknownTransform, fmt.Sprintf("no transform is named %.60q", name), p.transformHint())
}

func (p *Project) transformHint() string {
	names := sortedKeys(p.Definitions.Transforms)
	if len(names) == 0 {
		return "define it in definitions.transforms"
	}
	const shown = 12
	more := ""
	if len(names) > shown {
		names, more = names[:shown], ", …"
	}
	return "definitions.transforms has " + quoted(names) + more
}

func (p *Project) validateIdentity(f *findings) {
	if p.SourceIdentity == nil {
		return
	}
	required(f, "source_identity.canonical", p.SourceIdentity.Canonical)
	for _, name := range sortedKeys(p.SourceIdentity.TemplateVars) {
		path := "source_identity.template_vars." + name
		if strings.TrimSpace(name) == "" {
			f.fail(path, CodeRequired, "a template variable without a name", "")
		}
		v := p.SourceIdentity.TemplateVars[name]
		if v.From != nil {
			required(f, path+".from", *v.From)
		}
		if v.Transform != nil {
			p.known(f, path+".transform", *v.Transform)
		}
	}
}

func (p *Project) validateAdapters(f *findings) {
	if len(p.Adapters.Required) == 0 {
		f.fail("adapters.required", CodeRequired, "missing or empty; expected the names of the archives that are asked", "")
	}
	for i, name := range p.Adapters.Required {
		required(f, fmt.Sprintf("adapters.required[%d]", i), name)
	}
}

func (p *Project) validateGraph(f *findings) {
	g := p.Graph
	if g == nil {
		return
	}
	if (g.URL == nil) == (g.Path == nil) {
		f.fail("graph", CodeMutuallyExclusive, "expected exactly one of url and path", "")
	}
	if g.URL != nil {
		required(f, "graph.url", *g.URL)
	}
	if g.Path != nil {
		required(f, "graph.path", *g.Path)
	}
	switch {
	case g.SHA256 == "" && p.APIVersion == LegacyAPIVersion:
		f.warn("graph.sha256", CodeUnpinnedGraph, "the graph has no pin; it is taken when the project is added", "")
	case strings.TrimSpace(g.SHA256) == "":
		f.fail("graph.sha256", CodeRequired, "missing; expected the SHA-256 of the graph file", "sha256sum GRAPH gives it")
	case !sha256Pattern.MatchString(g.SHA256):
		f.fail("graph.sha256", CodeInvalidSHA256, "expected 64 hexadecimal digits", "sha256sum GRAPH gives it")
	}
	if g.Manifest != ManifestRequired && g.Manifest != ManifestNone {
		f.fail("graph.manifest", CodeInvalidChoice, fmt.Sprintf("expected %s or %s, found %.60q", ManifestRequired, ManifestNone, g.Manifest), "")
	}
}

func (p *Project) validateQueries(f *findings) {
	p.eachQuery(func(path string, i int, q Query) {
		required(f, path+".name", q.Name)
		required(f, path+".adapter", q.Adapter)
		required(f, path+".template", q.Template)
		if q.SourceIDTransform != nil {
			p.known(f, path+".source_id_transform", *q.SourceIDTransform)
		}
		if q.Key != nil {
			required(f, path+".key_column", *q.Key)
		}
		if q.LatestBy != nil {
			required(f, path+".latest_by", *q.LatestBy)
		}
		p.validateForms(f, path+".batch", i, q)
	})
	p.validateUploadColumns(f)
}

// eachQuery calls do for every query and enrichment; i counts as in QueryVars.
func (p *Project) eachQuery(do func(path string, i int, q Query)) {
	for i, q := range p.Discovery.Queries {
		do(fmt.Sprintf("discovery.queries[%d]", i), i, q)
	}
	for i, q := range p.Discovery.Enrichments {
		do(fmt.Sprintf("discovery.enrichments[%d]", i), len(p.Discovery.Queries)+i, q)
	}
}

const metadataPath = "discovery.prepare_metadata"

func (p *Project) validateMetadata(f *findings) {
	m := p.Discovery.PrepareMetadata
	p.validateMappings(f, metadataPath+".field_map.", m.FieldMap)
	p.validateMappings(f, metadataPath+".discovery_flags.", m.DiscoveryFlags)
	if m.Signature != nil {
		for i, name := range m.Signature.ExcludeFields {
			required(f, fmt.Sprintf("%s.signature.exclude_fields[%d]", metadataPath, i), name)
		}
	}
	if c := m.Coordinates; c != nil {
		path := metadataPath + ".coordinates"
		if !named(p.Discovery.Queries, c.Query) {
			f.fail(path+".query", CodeUnknownQuery, fmt.Sprintf("no query of discovery.queries is named %.60q", c.Query), "")
		}
		if c.RAFormat != FormatDegrees && c.RAFormat != FormatText {
			f.fail(path+".ra_format", CodeInvalidChoice, fmt.Sprintf("expected %s or %s, found %.60q", FormatDegrees, FormatText, c.RAFormat), "")
		}
		required(f, path+".ra", c.RA)
		required(f, path+".dec", c.Dec)
		for i, name := range c.Velocity {
			required(f, fmt.Sprintf("%s.velocity[%d]", path, i), name)
		}
		required(f, path+".targets.ra", c.Targets.RA)
		required(f, path+".targets.dec", c.Targets.Dec)
		required(f, path+".targets.velocity", c.Targets.Velocity)
	}
	if e := m.Evaluation; e != nil {
		path := metadataPath + ".evaluation"
		if !named(p.Discovery.Enrichments, e.Enrichment) {
			f.fail(path+".enrichment", CodeUnknownQuery, fmt.Sprintf("no query of discovery.enrichments is named %.60q", e.Enrichment), "")
		}
		required(f, path+".filename", e.Filename)
		required(f, path+".access_url", e.AccessURL)
	}
}

func (p *Project) validateMappings(f *findings, prefix string, mappings map[string]Mapping) {
	for _, target := range sortedKeys(mappings) {
		m, path := mappings[target], prefix+target
		required(f, path+".from", m.From)
		if m.Transform != nil && len(m.Transform) == 0 {
			f.fail(path+".transform", CodeEmptyChain, "expected at least one transform", "")
		}
		for i, name := range m.Transform {
			at := path + ".transform"
			if len(m.Transform) > 1 {
				at = fmt.Sprintf("%s[%d]", at, i)
			}
			p.known(f, at, name)
		}
	}
}

func (p *Project) validatePatches(f *findings) {
	for i, patch := range p.GraphPatches {
		path := fmt.Sprintf("graph_patches[%d]", i)
		if patch.Match.Kind != MatchNodeName {
			f.fail(path+".match.kind", CodeMatchKind, fmt.Sprintf("expected %s, found %.60q", MatchNodeName, patch.Match.Kind), "")
		}
		required(f, path+".match.equals", patch.Match.Equals)
		if len(patch.Set) == 0 {
			f.fail(path+".set", CodeRequired, "missing or empty; expected at least one field", "")
		}
		for _, field := range sortedKeys(patch.Set) {
			at := path + ".set." + field
			if strings.TrimSpace(field) == "" {
				f.fail(at, CodeRequired, "a field without a name", "")
			}
			text, ok := patch.Set[field].(string)
			if !ok || !strings.HasPrefix(text, "$") {
				continue
			}
			if _, ok := ParseExpression(text); !ok {
				f.fail(at, CodeInvalidExpression, fmt.Sprintf("%.80q is no expression", text), "expected $count(path) or $sum(path), a path like sbids[].datasets[]")
			}
		}
	}
	if p.OutputVerification.InventorySchema != InventorySchema {
		f.fail("output_verification.inventory_schema", CodeInventorySchema,
			fmt.Sprintf("expected %s, found %.80q", InventorySchema, p.OutputVerification.InventorySchema), "")
	}
}

// A century: longer times would overflow a time.Duration.
const (
	maxSeconds = 100 * 366 * 24 * 60 * 60
	maxMinutes = maxSeconds / 60
	maxHours   = maxMinutes / 60
)

// limit checks a number that must lie between 1 and most. A nil number is left out.
func limit(f *findings, path string, v *int, most int) {
	if v != nil && (*v < 1 || *v > most) {
		f.fail(path, CodeInvalidLimit, fmt.Sprintf("expected a number from 1 to %d, found %d", most, *v), "")
	}
}

func (p *Project) validateLimits(f *findings) {
	tap := p.Adapters.Tap
	limit(f, "adapters.tap.timeout_seconds", &tap.TimeoutSeconds, maxSeconds)
	const mostRetries = 100
	if tap.Retries < 0 || tap.Retries > mostRetries {
		f.fail("adapters.tap.retries", CodeInvalidLimit, fmt.Sprintf("expected a number from 0 to %d, found %d", mostRetries, tap.Retries), "")
	}
	p.validateTap(f)
	d, at := p.Automation.Discovery, "automation.discovery."
	limit(f, at+"tick_discovery_source_limit", &d.TickDiscoverySourceLimit, math.MaxInt32)
	limit(f, at+"batch_size", &d.BatchSize, math.MaxInt32)
	limit(f, at+"stale_after_hours", &d.StaleAfterHours, maxHours)
	limit(f, at+"claim_ttl_minutes", &d.ClaimTTLMinutes, maxMinutes)
	limit(f, at+"queue_max_depth", d.QueueMaxDepth, math.MaxInt32)
	limit(f, at+"tick_discovery_batch_limit", d.TickDiscoveryBatchLimit, math.MaxInt32)
	limit(f, at+"concurrent_discovery_batch_limit", d.ConcurrentDiscoveryBatchLimit, math.MaxInt32)

	e, at := p.Automation.Execution, "automation.execution."
	limit(f, at+"max_sources_per_execution", &e.MaxSourcesPerExecution, math.MaxInt32)
	limit(f, at+"tick_execution_source_limit", &e.TickExecutionSourceLimit, math.MaxInt32)
	limit(f, at+"tick_execution_run_limit", &e.TickExecutionRunLimit, math.MaxInt32)
	limit(f, at+"min_sources_to_trigger", &e.MinSourcesToTrigger, math.MaxInt32)
	limit(f, at+"max_wait_minutes", &e.MaxWaitMinutes, maxMinutes)
	limit(f, at+"claim_ttl_minutes", &e.ClaimTTLMinutes, maxMinutes)
	limit(f, at+"concurrent_execution_run_limit", e.ConcurrentExecutionRunLimit, math.MaxInt32)
	limit(f, at+"execution_slurm_remote_poll_max_rounds", &e.SlurmRemotePollMaxRounds, math.MaxInt32)
	limit(f, at+"execution_rest_remote_poll_max_rounds", &e.RestRemotePollMaxRounds, math.MaxInt32)
	interval(f, at+"execution_rest_remote_poll_interval_seconds", e.RestRemotePollIntervalSecs)
	interval(f, at+"execution_slurm_remote_poll_interval_seconds", e.SlurmRemotePollIntervalSecs)
	p.validateJudgement(f)
}

func interval(f *findings, path string, seconds float64) {
	if !(seconds > 0 && seconds <= maxSeconds) { // also false for NaN
		f.fail(path, CodeInvalidLimit, fmt.Sprintf("expected a number above 0, at most %d, found %v", maxSeconds, seconds), "")
	}
}

func (p *Project) validateSchedules(f *findings) {
	check := func(path string, schedule *string) {
		if schedule == nil {
			return
		}
		if _, err := ParseSchedule(*schedule); err != nil {
			f.fail(path, CodeInvalidSchedule, err.Error(), `expected five fields ("*/5 * * * *") or "@every 5m"`)
		}
	}
	check("automation.discovery.schedule", p.Automation.Discovery.Schedule)
	check("automation.execution.schedule", p.Automation.Execution.Schedule)
}

// Hooks of Extension.Hooks.
const (
	HookPrepareMetadata = "prepare_metadata"
	HookManifest        = "manifest"
	HookGraphPatches    = "graph_patches"
)

func (p *Project) validateExtension(f *findings) {
	for i, hook := range p.Extension.Hooks {
		if hook != HookPrepareMetadata && hook != HookManifest && hook != HookGraphPatches {
			f.fail(fmt.Sprintf("extension.hooks[%d]", i), CodeUnknownHook,
				fmt.Sprintf("expected %s, %s or %s, found %.60q", HookPrepareMetadata, HookManifest, HookGraphPatches, hook), "")
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
