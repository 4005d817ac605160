package configs

func (r *reader) discovery(s *section, d *Discovery) {
	d.Queries = r.queries(s, "queries")
	d.Enrichments = r.queries(s, "enrichments")
	p := s.child("prepare_metadata")
	d.PrepareMetadata.FieldMap = r.mappings(p, "field_map")
	d.PrepareMetadata.DiscoveryFlags = r.mappings(p, "discovery_flags")
	if n := p.get("signature"); n != nil {
		d.PrepareMetadata.Signature = r.signature(n, p.at("signature"))
	}
	if n := p.get("coordinates"); n != nil {
		d.PrepareMetadata.Coordinates = r.coordinates(n, p.at("coordinates"))
	}
	if n := p.get("evaluation"); n != nil {
		d.PrepareMetadata.Evaluation = r.evaluation(n, p.at("evaluation"))
	}
	p.done()
	s.done()
}

func (r *reader) queries(s *section, key string) []Query {
	var queries []Query
	for _, item := range s.items(key) {
		var q Query
		item.text("name", &q.Name)
		item.text("adapter", &q.Adapter)
		item.text("template", &q.Template)
		item.optionalText("source_id_transform", &q.SourceIDTransform)
		item.optionalText("key_column", &q.Key)
		item.optionalText("latest_by", &q.LatestBy)
		q.Batch = r.forms(item)
		item.done()
		queries = append(queries, q)
	}
	return queries
}

// forms reads batch: one form or a list of them.
func (r *reader) forms(s *section) []BatchForm {
	n := s.get("batch")
	if n == nil {
		return nil
	}
	var items []*section
	switch {
	case n.kind == kindObject:
		items = []*section{r.section(n, s.at("batch")+"[0]")}
	case n.kind == kindList && len(n.items) == 0:
		r.structure(s.at("batch"), "an empty list; expected at least one form", "leave batch out to ask source by source")
	case n.kind == kindList:
		items = s.items("batch")
	default:
		s.wrong("batch", "an object or a list of objects", n)
	}
	var forms []BatchForm
	for _, item := range items {
		var f BatchForm
		item.text("upload", &f.Upload)
		item.boolean("in_list", &f.InList)
		item.text("key", &f.Key)
		item.text("variable", &f.Variable)
		item.boolean("keep_key", &f.KeepKey)
		item.boolean("numeric", &f.Numeric)
		item.optionalText("template", &f.Template)
		item.optionalInteger("max_rows", &f.MaxRows)
		item.optionalInteger("max_bytes", &f.MaxBytes)
		item.done()
		forms = append(forms, f)
	}
	return forms
}

// mappings reads {target: {from, transform}}. A v1 document may also say {target: column}; other
// things without a from were skipped there.
func (r *reader) mappings(s *section, key string) map[string]Mapping {
	mappings := map[string]Mapping{}
	for _, m := range s.names(key) {
		path := s.at(key) + "." + m.key
		if r.legacy && m.value.kind == kindText {
			r.warn(path, CodeIgnoredKey, "the short form is read as {from: "+m.value.text+"}", "beampipe.dev/v2 refuses it: project upgrade writes it out")
			r.ignored = append(r.ignored, ignored{m.line, m.column, path, &m.value.text})
			mappings[m.key] = Mapping{From: m.value.text}
			continue
		}
		if from := m.value.get("from"); r.legacy && (from == nil || from.kind != kindText) {
			r.skip(m, path, "ignored, as in every v1 document: expected an object with from", upgradeTakesOut)
			continue
		}
		item := r.section(m.value, path)
		var mapping Mapping
		item.text("from", &mapping.From)
		mapping.Transform = r.chain(item)
		item.done()
		mappings[m.key] = mapping
	}
	if len(mappings) == 0 {
		return nil
	}
	return mappings
}

// chain reads a transform that is one name or a list of names.
func (r *reader) chain(s *section) []string {
	n := s.get("transform")
	switch {
	case n == nil:
		return nil
	case n.kind == kindText:
		return []string{n.text}
	case n.kind == kindList:
		var steps []string
		s.texts("transform", &steps)
		return steps
	}
	s.wrong("transform", "the name of a transform or a list of names", n)
	return nil
}

func (r *reader) signature(n *node, path string) *Signature {
	s := r.section(n, path)
	signature := &Signature{IncludeDiscoveryFlags: true}
	s.texts("exclude_fields", &signature.ExcludeFields)
	s.boolean("include_discovery_flags", &signature.IncludeDiscoveryFlags)
	s.done()
	return signature
}

func (r *reader) coordinates(n *node, path string) *Coordinates {
	s := r.section(n, path)
	c := newCoordinates()
	s.text("query", &c.Query)
	s.text("ra", &c.RA)
	s.text("dec", &c.Dec)
	s.texts("velocity", &c.Velocity)
	s.text("ra_format", &c.RAFormat)
	t := s.child("targets")
	t.text("ra", &c.Targets.RA)
	t.text("dec", &c.Targets.Dec)
	t.text("velocity", &c.Targets.Velocity)
	t.done()
	s.done()
	return c
}

func (r *reader) evaluation(n *node, path string) *Evaluation {
	s := r.section(n, path)
	e := newEvaluation()
	s.text("enrichment", &e.Enrichment)
	s.text("filename", &e.Filename)
	s.text("access_url", &e.AccessURL)
	s.text("prefix", &e.Prefix)
	s.boolean("required", &e.Required)
	s.done()
	return e
}

func (r *reader) automation(s *section, a *Automation) {
	r.discoveryAutomation(s.child("discovery"), &a.Discovery)
	r.executionAutomation(s.child("execution"), &a.Execution)
	s.done()
}

func (r *reader) discoveryAutomation(s *section, d *DiscoveryAutomation) {
	s.boolean("enabled", &d.Enabled)
	s.integer("tick_discovery_source_limit", &d.TickDiscoverySourceLimit)
	s.integer("batch_size", &d.BatchSize)
	s.integer("stale_after_hours", &d.StaleAfterHours)
	s.integer("claim_ttl_minutes", &d.ClaimTTLMinutes)
	s.optionalInteger("queue_max_depth", &d.QueueMaxDepth)
	s.optionalInteger("tick_discovery_batch_limit", &d.TickDiscoveryBatchLimit)
	s.optionalInteger("concurrent_discovery_batch_limit", &d.ConcurrentDiscoveryBatchLimit)
	s.optionalText("schedule", &d.Schedule)
	if n := s.get("mass_change"); n != nil {
		m := newMassChange()
		brake := r.section(n, s.at("mass_change"))
		brake.integer("sources", &m.Sources)
		brake.float("percent", &m.Percent)
		brake.done()
		d.MassChange = &m
	}
	s.optionalInteger("quarantine_after", &d.QuarantineAfter)
	s.done()
}

func (r *reader) executionAutomation(s *section, e *ExecutionAutomation) {
	s.boolean("enabled", &e.Enabled)
	s.text("archive_name", &e.ArchiveName)
	s.integer("max_sources_per_execution", &e.MaxSourcesPerExecution)
	s.integer("tick_execution_source_limit", &e.TickExecutionSourceLimit)
	s.integer("tick_execution_run_limit", &e.TickExecutionRunLimit)
	s.integer("min_sources_to_trigger", &e.MinSourcesToTrigger)
	s.integer("max_wait_minutes", &e.MaxWaitMinutes)
	s.integer("claim_ttl_minutes", &e.ClaimTTLMinutes)
	s.optionalInteger("concurrent_execution_run_limit", &e.ConcurrentExecutionRunLimit)
	s.optionalText("deployment_profile_name", &e.DeploymentProfileName)
	s.integer("execution_slurm_remote_poll_max_rounds", &e.SlurmRemotePollMaxRounds)
	s.integer("execution_rest_remote_poll_max_rounds", &e.RestRemotePollMaxRounds)
	s.float("execution_rest_remote_poll_interval_seconds", &e.RestRemotePollIntervalSecs)
	s.float("execution_slurm_remote_poll_interval_seconds", &e.SlurmRemotePollIntervalSecs)
	s.optionalText("schedule", &e.Schedule)
	s.optionalFloat("settle_hours", &e.SettleHours)
	s.done()
}
