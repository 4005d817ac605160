package configs

import "strings"

// project reads the whole document. Every key of a project config is named once, here and in
// decode_discovery.go.
func (r *reader) project(root *node) *Project {
	p := newProject()
	s := r.section(root, "")
	r.mustHave(s, "apiVersion", APIVersion)
	r.mustHave(s, "kind", Kind)
	s.text("apiVersion", &p.APIVersion)
	s.text("kind", &p.Kind)

	m := s.child("metadata")
	m.text("id", &p.Metadata.ID)
	m.optionalText("description", &p.Metadata.Description)
	m.done()

	d := s.child("definitions")
	p.Definitions.Transforms = r.transforms(d)
	d.done()

	if n := s.get("source_identity"); n != nil {
		p.SourceIdentity = r.sourceIdentity(n)
	}
	r.adapters(s.child("adapters"), &p.Adapters)
	if n := s.get("graph"); n != nil {
		p.Graph = r.graph(n)
	}
	r.discovery(s.child("discovery"), &p.Discovery)
	if n := s.get("manifest"); n != nil {
		p.Manifest = r.manifest(n)
	}
	p.GraphPatches = r.graphPatches(s)

	o := s.child("output_verification")
	o.boolean("required", &p.OutputVerification.Required)
	o.text("inventory_schema", &p.OutputVerification.InventorySchema)
	o.done()

	r.automation(s.child("automation"), &p.Automation)

	e := s.child("extension")
	e.optionalText("wasm_sha256", &p.Extension.WasmSHA256)
	e.texts("hooks", &p.Extension.Hooks)
	e.done()
	s.done()
	p.addImpliedBlocks()
	return p
}

// mustHave reports a key that has no default and is absent.
func (r *reader) mustHave(s *section, key, value string) {
	if s.n.get(key) == nil {
		r.structure(s.at(key), "missing; expected "+key+": "+value, "")
	}
}

func (r *reader) transforms(d *section) map[string]Transform {
	transforms := map[string]Transform{}
	for _, m := range d.names("transforms") {
		s := r.section(m.value, d.at("transforms")+"."+m.key)
		t := Transform{}
		s.text("kind", &t.Kind)
		s.optionalText("from", &t.From)
		s.optionalText("to", &t.To)
		s.optionalText("prefix", &t.Prefix)
		s.optionalText("suffix", &t.Suffix)
		s.optionalText("default", &t.Default)
		s.texts("separators", &t.Separators)
		s.optionalText("pattern", &t.Pattern)
		s.optionalInteger("group", &t.Group)
		s.texts("steps", &t.Steps)
		s.done()
		transforms[m.key] = t
	}
	if len(transforms) == 0 {
		return nil
	}
	return transforms
}

func (r *reader) sourceIdentity(n *node) *SourceIdentity {
	s := r.section(n, "source_identity")
	identity := &SourceIdentity{Canonical: defaultCanonical}
	s.text("canonical", &identity.Canonical)
	for _, m := range s.names("template_vars") {
		v := r.section(m.value, s.at("template_vars")+"."+m.key)
		var variable TemplateVar
		v.optionalText("from", &variable.From)
		v.optionalText("transform", &variable.Transform)
		v.done()
		if identity.TemplateVars == nil {
			identity.TemplateVars = map[string]TemplateVar{}
		}
		identity.TemplateVars[m.key] = variable
	}
	s.done()
	return identity
}

func (r *reader) adapters(s *section, a *Adapters) {
	s.texts("required", &a.Required)
	s.optionalText("casda_tap_url", &a.CasdaTapURL)
	s.optionalText("vizier_tap_url", &a.VizierTapURL)
	for _, m := range s.names("tap_url") {
		if m.value.kind != kindText {
			r.structure(s.at("tap_url")+"."+m.key, "expected text, found "+m.value.what(), "")
			continue
		}
		if a.TapURL == nil {
			a.TapURL = map[string]string{}
		}
		a.TapURL[m.key] = m.value.text
	}
	t := s.child("tap")
	t.integer("timeout_seconds", &a.Tap.TimeoutSeconds)
	t.integer("retries", &a.Tap.Retries)
	t.boolean("fail_open", &a.Tap.FailOpen)
	t.optionalInteger("max_concurrency", &a.Tap.MaxConcurrency)
	t.optionalFloat("requests_per_second", &a.Tap.RequestsPerSecond)
	t.optionalText("mode", &a.Tap.Mode)
	t.optionalInteger("max_wait_minutes", &a.Tap.MaxWaitMinutes)
	t.done()
	a.Credentials = r.credentials(s)
	s.done()
}

func (r *reader) graph(n *node) *Graph {
	s := r.section(n, "graph")
	g := &Graph{Manifest: ManifestRequired}
	s.optionalText("url", &g.URL)
	s.optionalText("path", &g.Path)
	s.text("sha256", &g.SHA256)
	s.text("manifest", &g.Manifest)
	s.done()
	g.SHA256 = strings.ToLower(g.SHA256)
	return g
}

func (r *reader) manifest(n *node) *Manifest {
	s := r.section(n, "manifest")
	m := &Manifest{Path: defaultManifestPath}
	s.texts("group_by", &m.GroupBy)
	s.free("source_template", &m.SourceTemplate)
	s.free("dataset_template", &m.DatasetTemplate)
	s.optionalText("expand_from", &m.ExpandFrom)
	s.text("path", &m.Path)
	s.done()
	return m
}

func (r *reader) graphPatches(s *section) []GraphPatch {
	var patches []GraphPatch
	for _, item := range s.items("graph_patches") {
		var patch GraphPatch
		m := item.child("match")
		m.text("kind", &patch.Match.Kind)
		m.text("equals", &patch.Match.Equals)
		m.done()
		item.free("set", &patch.Set)
		item.done()
		patches = append(patches, patch)
	}
	return patches
}
