package provenance

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Ids of a crate's entities of which there is one.
const (
	parameterManifest = "#parameter/manifest"
	parameterProducts = "#parameter/products"
	actionRun         = "#run"
	actionPrepare     = "#prepare"
	actionOrganize    = "#organize"
	softwareBeampipe  = "#software/beampipe"
	languageDALiuGE   = "https://daliuge.readthedocs.io/"
)

// beampipe is our own program's name among the software.
const beampipe = "beampipe"

// softwarePages are the pages of software that runs may name.
var softwarePages = map[string]string{"go": "https://go.dev/", "daliuge": languageDALiuGE, "slurm": "https://slurm.schedmd.com/"}

// status gives an outcome in the words of schema.org; "" where it is not known.
func (o Outcome) status() string {
	return map[Outcome]string{
		OutcomePlanned: "http://schema.org/PotentialActionStatus", OutcomeActive: "http://schema.org/ActiveActionStatus",
		OutcomeCompleted: "http://schema.org/CompletedActionStatus", OutcomeFailed: "http://schema.org/FailedActionStatus",
	}[o]
}

// workflow fills the entity of the logical graph, and puts its parameters, steps and applications.
func (c *crate) workflow(e entity, f BundleFile) {
	e["programmingLanguage"] = c.put(languageDALiuGE, "ComputerLanguage", entity{
		"name": "DALiuGE logical graph", "alternateName": "EAGLE graph", "url": languageDALiuGE,
	})
	e["version"] = "sha256:" + f.SHA256
	e["url"] = f.Origin
	e["conformsTo"] = c.profiles([]string{profileBioFlow})
	var inputs []any
	for _, p := range c.Parameters {
		inputs = append(inputs, c.formal(p))
	}
	if m, ok := c.file(NodeManifest); ok {
		inputs = append(inputs, c.put(parameterManifest, "FormalParameter", entity{
			"name": "manifest", "additionalType": "File", "valueRequired": true, "workExample": ref(fileID(m.Path)),
			"conformsTo": c.profiles([]string{profileBioFormal}),
		}))
	}
	e["input"] = inputs
	if len(c.Products) > 0 {
		e["output"] = []any{c.put(parameterProducts, "FormalParameter", entity{
			"name": "products", "additionalType": "File", "multipleValues": true, "conformsTo": c.profiles([]string{profileBioFormal}),
		})}
	}
	var steps, tools []any
	for i, s := range c.Steps {
		tools = append(tools, c.put(localID("tool", s.ID), "SoftwareApplication", entity{
			"name": s.Name, "description": strings.TrimPrefix(s.Description+". A "+s.Category+" of the graph", ". "), "version": "as in the graph sha256:" + f.SHA256,
		}))
		steps = append(steps, c.put(localID("step", s.ID), "HowToStep", entity{
			"name": s.Name, "position": strconv.Itoa(i + 1), "workExample": ref(localID("tool", s.ID)),
		}))
	}
	e["step"], e["hasPart"] = steps, tools
}

// formal describes a value that the config sets in the graph, and the one that this run got.
func (c *crate) formal(p BundleParameter) map[string]any {
	name := p.Node + " " + p.Field
	id, value := localID("parameter", p.Node, p.Field), localID("value", p.Node, p.Field)
	c.put(value, "PropertyValue", entity{"name": name, "value": parameterValue(p.Value), "exampleOfWork": ref(id)})
	about := ""
	if p.Rule != "" {
		about = "Set by the survey's config as " + p.Rule
	}
	return c.put(id, "FormalParameter", entity{
		"name": name, "description": about, "additionalType": parameterType(p.Value), "workExample": ref(value),
		"conformsTo": c.profiles([]string{profileBioFormal}),
	})
}

// parameterType names a value's type in the words that the profile allows.
func parameterType(v any) string {
	switch v := v.(type) {
	case bool:
		return "Boolean"
	case json.Number:
		if _, err := v.Int64(); err == nil {
			return "Integer"
		}
		return "Number"
	case int, int64:
		return "Integer"
	case float64:
		return "Number"
	}
	return "Text"
}

// parameterValue gives plain values as they are and others as their JSON text: a crate's document is flat.
func parameterValue(v any) any {
	switch v.(type) {
	case bool, string, json.Number, int, int64, float64:
		return v
	}
	return string(plainJSON(v))
}

// run puts the deeds: the preparation, the run, each application's part in it, and Beampipe's over all.
func (c *crate) run(graph BundleFile, hasGraph bool) {
	engine := c.software()
	instrument := engine
	if hasGraph {
		instrument = ref(fileID(graph.Path))
	}
	c.prepare(engine)
	run := entity{
		"name": "Run " + c.Execution, "description": c.aboutRun(), "instrument": instrument, "agent": c.person(),
		"object": c.inputs(), "result": c.results(), "startTime": timeText(c.Started), "endTime": timeText(c.Ended),
		"actionStatus": c.Outcome.status(),
	}
	if c.Outcome == OutcomeFailed {
		run["error"] = c.Error
	}
	c.actions = append(c.actions, c.put(actionRun, "CreateAction", run))
	if !hasGraph || len(c.Steps) == 0 {
		return
	}
	var controls []any
	for _, s := range c.Steps {
		controls = append(controls, c.step(s))
	}
	organize := entity{
		"name": "Beampipe's part in " + c.Execution, "description": "Admitted, prepared, submitted and watched the run",
		"instrument": engine, "agent": c.person(), "object": controls, "result": ref(actionRun),
		"startTime": timeText(&c.Created), "endTime": timeText(c.Ended),
	}
	if c.Outcome == OutcomeCompleted || c.Outcome == OutcomeFailed {
		organize["actionStatus"] = c.Outcome.status()
	}
	c.actions = append(c.actions, c.put(actionOrganize, "OrganizeAction", organize))
}

// aboutRun is a sentence about the run.
func (c *crate) aboutRun() string {
	text := fmt.Sprintf("Attempt %d of the survey's graph", c.Attempt)
	if c.Place != "" {
		text += " at " + c.Place
	}
	return text + "; the ledger says " + c.Status
}

// software puts Beampipe and what it ran with.
func (c *crate) software() map[string]any {
	version := func(name string) string {
		if v := c.Software[name]; v != "" {
			return v
		}
		return "not recorded"
	}
	var needs []any
	for _, name := range slices.Sorted(maps.Keys(c.Software)) {
		if name != beampipe {
			id, page := localID("software", name), softwarePages[name]
			if page != "" {
				id = page
			}
			needs = append(needs, c.put(id, "SoftwareApplication", entity{"name": name, "softwareVersion": version(name), "url": page}))
		}
	}
	return c.put(softwareBeampipe, "SoftwareApplication", entity{
		"name": "Beampipe", "softwareVersion": version(beampipe), "softwareRequirements": needs,
		"description": "Turns new data in an astronomical archive into runs of a survey's graph, and keeps the ledger that this crate was made of",
	})
}

// prepare puts the deed that made the manifest and the patched graph.
func (c *crate) prepare(engine map[string]any) {
	var from, made []any
	for _, f := range c.Files {
		switch f.Kind {
		case NodeSourceGraph, NodeConfig, NodeAnswer:
			from = append(from, ref(fileID(f.Path)))
		case NodeManifest, NodePatchedGraph:
			made = append(made, ref(fileID(f.Path)))
		}
	}
	if made == nil {
		return
	}
	e := entity{
		"name": "Preparation of " + c.Execution, "description": "Made the manifest of what the archives answered, and put it and the config's values into the graph",
		"instrument": engine, "agent": c.person(), "object": append(from, c.answers()...), "result": made,
		"actionStatus": OutcomeCompleted.status(), "endTime": timeText(c.happened("execution.prepared")),
	}
	c.actions = append(c.actions, c.put(actionPrepare, "CreateAction", e))
}

// happened gives the time of the newest event of a type, nil where there is none.
func (c *crate) happened(eventType string) *time.Time {
	for _, e := range slices.Backward(c.Events) {
		if e.Type == eventType {
			return &e.OccurredAt
		}
	}
	return nil
}

// inputs are what a run was given.
func (c *crate) inputs() []any {
	var list []any
	for _, f := range c.Files {
		if f.Kind == NodeManifest || f.Kind == NodePatchedGraph {
			list = append(list, ref(fileID(f.Path)))
		}
	}
	for _, p := range c.Parameters {
		list = append(list, ref(localID("value", p.Node, p.Field)))
	}
	return append(list, c.answers()...)
}

// results puts the products. They are named, not contained, so their ids are local.
func (c *crate) results() []any {
	var list []any
	for _, p := range c.Products {
		if p.MediaType == "" {
			p.MediaType = mediaUnknown
		}
		e := entity{
			"name": p.Path, "sha256": p.SHA256, "contentSize": strconv.FormatInt(p.Bytes, 10), "encodingFormat": p.MediaType,
			"contentUrl": p.URI, "identifier": productID(c.Bundle, p), "description": "Not contained in this crate",
		}
		if c.hub() != "" {
			e["exampleOfWork"] = ref(parameterProducts)
		}
		if p.Withdrawn {
			e["creativeWorkStatus"] = "Withdrawn"
			e["description"] = strings.TrimSuffix("WITHDRAWN: "+p.Why, ": ") + ". Not contained in this crate"
		}
		list = append(list, c.put(localID("product", strconv.Itoa(p.Attempt), p.Path), "File", e))
	}
	return list
}

// step puts what one application did, and that Beampipe's run of the graph let it.
func (c *crate) step(s BundleStep) map[string]any {
	e := entity{
		"name": s.Name, "instrument": ref(localID("tool", s.ID)), "agent": c.person(), "actionStatus": s.Outcome.status(),
		"description": "All instances of the application in this run; when each ran is in the logs of the place",
	}
	control := entity{"name": "Control of " + s.Name, "instrument": ref(localID("step", s.ID)), "object": ref(localID("run", s.ID))}
	if s.Outcome == OutcomeFailed {
		e["error"], control["error"] = s.Error, s.Error
	}
	if s.Outcome == OutcomeCompleted || s.Outcome == OutcomeFailed {
		control["actionStatus"] = s.Outcome.status()
	}
	c.actions = append(c.actions, c.put(localID("run", s.ID), "CreateAction", e))
	return c.put(localID("control", s.ID), "ControlAction", control)
}

// answers puts the archives' answers that the lineage names, with the queries and archives behind them.
func (c *crate) answers() []any {
	if c.Lineage == nil {
		return nil
	}
	var list []any
	for _, n := range c.Lineage.Nodes {
		switch n.Kind {
		case NodeAnswer:
			list = append(list, c.put(localID(n.ID), "CreativeWork", c.cited(n, "Answer of an archive, by the digest of its rows")))
		case NodeQuery:
			c.put(localID(n.ID), "CreativeWork", c.cited(n, "Query that an archive was asked"))
		case NodeArchive:
			c.put(localID(n.ID), "CreativeWork", c.cited(n, "Archive"))
		}
	}
	return list
}

// cited describes a node of the lineage that is no file: its attributes, most of them as a text, and what it came of.
func (c *crate) cited(n Node, about string) entity {
	var based []any
	for _, e := range c.Lineage.Edges {
		if to, ok := c.Lineage.Node(e.To); ok && e.From == n.ID && (to.Kind == NodeAnswer || to.Kind == NodeQuery || to.Kind == NodeArchive) {
			based = append(based, ref(localID(to.ID)))
		}
	}
	e := entity{"name": n.Label, "identifier": n.ID, "isBasedOn": based}
	for _, key := range slices.Sorted(maps.Keys(n.Attributes)) {
		text, ok := n.Attributes[key].(string)
		switch {
		case ok && key == "adql":
			e["text"] = text
			continue
		case ok && key == "url":
			e["url"] = text
			continue
		case !ok:
			text = string(plainJSON(n.Attributes[key]))
		}
		about += "; " + key + ": " + text
	}
	e["description"] = about
	if n.Label == "" {
		e["name"] = n.ID
	}
	return e
}
