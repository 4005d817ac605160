package control

import (
	"context"
	"fmt"
	"sort"
	"strconv"

	"beampipe/configs"
	"beampipe/discovery"
	"beampipe/fault"
)

// exampleSource fills queries when no source is named.
const exampleSource = "SOURCE"

// ExplainProject implements Projects.
func (c *Local) ExplainProject(ctx context.Context, q ExplainRequest) (Explanation, error) {
	cfg, err := c.explained(ctx, q)
	if err != nil {
		return Explanation{}, err
	}
	x := Explanation{At: c.now(), Project: cfg.Metadata.ID, Source: fallback(q.Source, exampleSource), Graph: graphText(cfg)}
	if x.Queries, err = c.explainQueries(ctx, cfg, x.Source); err != nil {
		return x, err
	}
	sign := cfg.Discovery.PrepareMetadata.SignatureOptions()
	x.Signature = ExplainSign{Excluded: append([]string{}, sign.ExcludeFields...), Flags: sign.IncludeDiscoveryFlags}
	for target, m := range cfg.Discovery.PrepareMetadata.FieldMap {
		x.Fields = append(x.Fields, ExplainFields{Target: target, From: m.From, Transform: m.Transform})
	}
	sort.Slice(x.Fields, func(i, j int) bool { return x.Fields[i].Target < x.Fields[j].Target })
	for _, p := range cfg.GraphPatches {
		x.Patches = append(x.Patches, explainPatch(p)...)
	}
	x.Limits, x.Schedules = explainLimits(cfg), explainSchedules(cfg)
	if x.Cost, err = c.explainCost(ctx, cfg); err != nil {
		return x, err
	}
	for _, d := range append(cfg.RefuseDiscovery(), cfg.RefuseExecution()...) {
		x.Refused = append(x.Refused, d.Path+": "+d.Message)
	}
	return x, nil
}

func (c *Local) explained(ctx context.Context, q ExplainRequest) (*configs.Project, error) {
	if q.File != nil {
		cfg, report := configs.Load(q.File.Content, q.File.Name)
		return cfg, report.Err()
	}
	if q.Project == "" {
		return nil, fault.New(fault.Invalid, "explain: neither a project nor a file is named", "give a project of the ledger, or -f FILE")
	}
	if err := c.needLedger(); err != nil {
		return nil, err
	}
	cfg, _, err := c.config(c.ledger.View(ctx), q.Project)
	return cfg, err
}

func graphText(cfg *configs.Project) string {
	switch g := cfg.Graph; {
	case g == nil:
		return "none: this project discovers and runs nothing"
	case g.Path != nil:
		return fmt.Sprintf("%s, sha256 %s, manifest %s", *g.Path, fallback(g.SHA256, "taken when it is added"), g.Manifest)
	case g.URL != nil:
		return fmt.Sprintf("%s, sha256 %s, manifest %s", *g.URL, fallback(g.SHA256, "taken when it is added"), g.Manifest)
	}
	return "named by --graph FILE"
}

// explainQueries shows every query as it would be sent about one source.
func (c *Local) explainQueries(ctx context.Context, cfg *configs.Project, source string) ([]ExplainQuery, error) {
	asked, err := discovery.Explain(ctx, cfg, c.archives, source)
	if err != nil {
		return nil, err
	}
	list := make([]ExplainQuery, len(asked))
	for i, q := range asked {
		role := "once per source"
		switch {
		case q.Enrichment:
			role = "once per SBID"
		case i == 0:
			role = "first: its rows become the records"
		}
		list[i] = ExplainQuery{Name: q.Name, Role: role, Archive: q.Archive, URL: q.URL, ADQL: q.ADQL, Rows: q.Rows, Error: q.Problem, Forms: q.Forms}
	}
	return list, nil
}

// exampleSources is how many sources a cost is told for where the ledger does not know the project.
const exampleSources = 1000

// explainCost estimates the requests of discovering every enabled source of the project once.
func (c *Local) explainCost(ctx context.Context, cfg *configs.Project) (ExplainCost, error) {
	cost := ExplainCost{Sources: exampleSources, From: "an example"}
	if c.ledger != nil {
		n, err := c.ledger.View(ctx).CountEnabled(cfg.Metadata.ID)
		if err != nil {
			return cost, err
		}
		if n > 0 {
			cost.Sources, cost.From = n, "enabled in the ledger"
		}
	}
	cost.Queries = discovery.Cost(cfg, cost.Sources, 1)
	for _, q := range cost.Queries {
		cost.Single, cost.Set = cost.Single+q.Single, cost.Set+q.Set
	}
	return cost, nil
}

func explainPatch(p configs.GraphPatch) []ExplainPatch {
	fields := make([]string, 0, len(p.Set))
	for f := range p.Set {
		fields = append(fields, f)
	}
	sort.Strings(fields)
	list := make([]ExplainPatch, len(fields))
	for i, f := range fields {
		list[i] = ExplainPatch{Node: p.Match.Equals, Field: f, Value: fmt.Sprint(p.Set[f])}
	}
	return list
}

func explainLimits(cfg *configs.Project) []ExplainLimit {
	d, e := cfg.Automation.Discovery, cfg.Automation.Execution
	value := func(key string, n int) ExplainLimit {
		return ExplainLimit{Name: key, Value: strconv.Itoa(n), From: "automation." + key}
	}
	optional := func(key string, n *int, otherwise string) ExplainLimit {
		if n == nil {
			return ExplainLimit{Name: key, Value: "not set", From: otherwise}
		}
		return value(key, *n)
	}
	return []ExplainLimit{
		value("discovery.batch_size", d.BatchSize),
		value("discovery.tick_discovery_source_limit", d.TickDiscoverySourceLimit),
		optional("discovery.tick_discovery_batch_limit", d.TickDiscoveryBatchLimit, "BEAMPIPE_SHAPING_DISCOVERY_MAX_BATCHES_PER_TICK decides"),
		optional("discovery.concurrent_discovery_batch_limit", d.ConcurrentDiscoveryBatchLimit, "BEAMPIPE_SHAPING_DISCOVERY_MAX_IN_FLIGHT_BATCHES decides"),
		value("discovery.stale_after_hours", d.StaleAfterHours),
		given("discovery.mass_change", massChangeText(d), d.MassChange == nil),
		given("discovery.quarantine_after", orNever(d.QuarantineLimit()), d.QuarantineAfter == nil),
		value("execution.max_sources_per_execution", e.MaxSourcesPerExecution),
		value("execution.tick_execution_source_limit", e.TickExecutionSourceLimit),
		value("execution.tick_execution_run_limit", e.TickExecutionRunLimit),
		value("execution.min_sources_to_trigger", e.MinSourcesToTrigger),
		value("execution.max_wait_minutes", e.MaxWaitMinutes),
		optional("execution.concurrent_execution_run_limit", e.ConcurrentExecutionRunLimit, "BEAMPIPE_SHAPING_EXECUTION_MAX_IN_FLIGHT_RUNS decides"),
		given("execution.settle_hours", strconv.FormatFloat(e.Settle().Hours(), 'g', -1, 64), e.SettleHours == nil),
	}
}

// given is a limit that has a default of its own.
func given(key, value string, absent bool) ExplainLimit {
	from := "automation." + key
	if absent {
		from = "default of " + from
	}
	return ExplainLimit{Name: key, Value: value, From: from}
}

func massChangeText(d configs.DiscoveryAutomation) string {
	sources, percent := d.MassChangeLimit()
	if sources == 0 {
		return "off"
	}
	return fmt.Sprintf("%d sources and %g %%", sources, percent)
}

func orNever(n int) string {
	if n == 0 {
		return "never"
	}
	return strconv.Itoa(n)
}

func explainSchedules(cfg *configs.Project) []ExplainLimit {
	d, e := cfg.Automation.Discovery, cfg.Automation.Execution
	schedule := func(name string, enabled bool, expression *string) ExplainLimit {
		switch {
		case !enabled:
			return ExplainLimit{Name: name, Value: "off", From: "automation." + name + ".enabled"}
		case expression == nil:
			return ExplainLimit{Name: name, Value: "the daemon's interval", From: "default"}
		}
		return ExplainLimit{Name: name, Value: *expression, From: "automation." + name + ".schedule"}
	}
	return []ExplainLimit{schedule("discovery", d.Enabled, d.Schedule), schedule("execution", e.Enabled, e.Schedule)}
}
