package provenance

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What an RO-Crate says that it conforms to.
const (
	crateSpec        = "https://w3id.org/ro/crate/1.1"
	crateContext     = "https://w3id.org/ro/crate/1.1/context"
	profileProcess   = "https://w3id.org/ro/wfrun/process/0.5"
	profileWorkflow  = "https://w3id.org/ro/wfrun/workflow/0.5"
	profileRun       = "https://w3id.org/ro/wfrun/provenance/0.5"
	profileHub       = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
	profileBioFlow   = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
	profileBioFormal = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"

	// The run profiles add this term to the context; it stands in the document so that a reader needs to
	// fetch one context only.
	termSHA256 = "https://w3id.org/ro/terms/workflow-run#sha256"
)

// crateTime is how times stand in a crate: ISO 8601 with an offset, as the run profiles' checks want it.
const crateTime = "2006-01-02T15:04:05.000-07:00"

// WriteROCrate writes a bundle as a Workflow Run RO-Crate: one zip file that follows the Provenance Run
// Crate profile 0.5 on RO-Crate 1.1. Without a logical graph among the files it follows the Process Run
// Crate profile only, and says so. Secrets are taken out of every file; a file of which that is true says
// so, with the digest of the original. Products are described, not contained. The same bundle gives the
// same bytes.
func WriteROCrate(w io.Writer, b Bundle) error {
	if err := b.check(); err != nil {
		return err
	}
	clean, err := b.clean()
	if err != nil {
		return err
	}
	c := newCrate(clean)
	if err := c.describe(); err != nil {
		return err
	}
	return c.zip(w)
}

// entity is one entity of a crate's graph.
type entity map[string]any

// crate is an RO-Crate that is being made.
type crate struct {
	cleanBundle
	files    []crateFile
	entities []entity
	known    map[string]bool // ids of the entities
	actions  []any           // references, for the root
}

// crateFile is a file as it goes into the zip.
type crateFile struct {
	BundleFile
	About string // what is in it, for a reader
}

func newCrate(b cleanBundle) *crate {
	c := &crate{cleanBundle: b, known: map[string]bool{}}
	for _, f := range b.Files {
		c.files = append(c.files, crateFile{BundleFile: f, About: aboutFile[f.Kind]})
	}
	c.add(fileEvents, "Event excerpt", mediaLines, c.eventLines(),
		"What happened to the execution, one event a line, with its hash and the hash of the event before it in the whole log")
	if b.Lineage != nil {
		c.add(fileLineage, "Lineage", mediaJSON, c.lineageJSON(), "What came of what, back to the archives' rows and queries")
	}
	c.add(fileProv, "W3C PROV", mediaJSON, provJSON(b), "The lineage as W3C PROV-JSON")
	c.add(fileProducts, "Inventory of products", mediaJSON, c.inventory(), "Each file that the run made, with digest and size; their bytes are not in this crate")
	slices.SortFunc(c.files, func(a, b crateFile) int { return strings.Compare(a.Path, b.Path) })
	return c
}

// aboutFile says what the files are that the caller gives.
var aboutFile = map[NodeKind]string{
	NodeManifest:      "What the run was given: sources, datasets and their metadata, and the values set in the graph",
	NodeSourceGraph:   "The survey's logical graph, as its config pins it",
	NodePatchedGraph:  "The logical graph as it was submitted: with the config's values and the manifest in it",
	NodePhysicalGraph: "The physical graph that was run",
	NodeConfig:        "The survey's config, in the revision that the execution pinned",
	NodeProfile:       "The deployment profile",
	NodeAnswer:        "What the archives were asked about the run's sources, and the rows as they came",
}

func (c *crate) add(path, name, mediaType string, content []byte, about string) {
	c.files = append(c.files, crateFile{About: about, BundleFile: BundleFile{
		Path: path, Name: name, MediaType: mediaType, Content: content, SHA256: hexDigest(content),
	}})
}

// lineageJSON writes the lineage, with the statement where something was taken out.
func (c *crate) lineageJSON() []byte {
	content, _ := statedJSON(indented(c.Lineage), c.redacted[fileLineage])
	return content
}

// inventory lists the products.
func (c *crate) inventory() []byte {
	list := c.Products
	if list == nil {
		list = []BundleProduct{}
	}
	return indented(map[string]any{"execution": c.Execution, "attempt": c.Attempt, "products": list})
}

// exportedEvent is an event as a reader can check it: the time as it was hashed.
type exportedEvent struct {
	Event
	OccurredAt string `json:"occurred_at"`
}

func (c *crate) eventLines() []byte {
	var lines bytes.Buffer
	for _, e := range c.Events {
		lines.Write(plainJSON(exportedEvent{Event: e, OccurredAt: e.OccurredAt.UTC().Format(TimeFormat)}))
		lines.WriteByte('\n')
	}
	content, r := redactLines(lines.Bytes())
	c.note(fileEvents, r)
	return content
}

// put adds an entity once.
func (c *crate) put(id string, kind any, e entity) map[string]any {
	if !c.known[id] {
		c.known[id] = true
		e["@id"], e["@type"] = id, kind
		tidy(e)
		c.entities = append(c.entities, e)
	}
	return ref(id)
}

// tidy leaves out what says nothing, and writes a list of one as that one, as RO-Crate's JSON-LD has it.
func tidy(e entity) {
	for key, value := range e {
		switch v := value.(type) {
		case nil:
			delete(e, key)
		case string:
			if v == "" {
				delete(e, key)
			}
		case []any:
			switch len(v) {
			case 0:
				delete(e, key)
			case 1:
				e[key] = v[0]
			}
		}
	}
}

func ref(id string) map[string]any { return map[string]any{"@id": id} }

// localID is the id of something that is described and no file of the crate.
func localID(parts ...string) string {
	return "#" + (&url.URL{Fragment: strings.Join(parts, "/")}).EscapedFragment()
}

// fileID is the id of a file of the crate.
func fileID(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// timeText writes a time; "" for none.
func timeText(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.UTC().Format(crateTime)
}

// describe makes the metadata document, the README and the preview.
func (c *crate) describe() error {
	readme, err := c.page(readmePage)
	if err != nil {
		return err
	}
	c.add(fileReadme, "README", mediaMarkdown, readme, "What this crate is and how it can be checked")
	preview, err := c.page(previewPage)
	if err != nil {
		return err
	}
	c.put(fileMetadata, "CreativeWork", entity{
		"about": ref("./"), "conformsTo": refs(crateSpec, c.hub()), "name": "Metadata of this crate",
	})
	root := entity{}
	c.put("./", "Dataset", root) // the second entity; what it refers to comes after it
	c.root(root)
	tidy(root)
	c.put(filePreview, "CreativeWork", entity{"about": ref("./"), "encodingFormat": mediaHTML, "name": "Preview of this crate"})

	metadata, _, err := redactJSON(indented(map[string]any{
		"@context": []any{crateContext, map[string]any{"sha256": termSHA256}}, "@graph": c.entities,
	}), 0)
	if err != nil {
		return fmt.Errorf("export execution %s: write %s: %w", c.Execution, fileMetadata, err)
	}
	own := []crateFile{
		{BundleFile: BundleFile{Path: fileMetadata, Content: metadata}}, {BundleFile: BundleFile{Path: filePreview, Content: preview}},
	}
	c.files = append(own, c.files...)
	return nil
}

// hub is the profile of workflow crates, "" where there is no workflow.
func (c *crate) hub() string {
	if _, ok := c.file(NodeSourceGraph); !ok {
		return ""
	}
	return profileHub
}

// refs makes references; empty ids are left out.
func refs(ids ...string) []any {
	var list []any
	for _, id := range ids {
		if id != "" {
			list = append(list, ref(id))
		}
	}
	return list
}

// root fills the root entity, and puts everything that it refers to.
func (c *crate) root(root entity) {
	root["name"], root["description"] = c.Title, c.aboutCrate()
	root["datePublished"] = c.published().Format(crateTime)
	root["identifier"] = "urn:uuid:" + c.Execution
	root["license"] = c.license()
	root["author"] = c.person()
	profiles := []string{profileProcess}
	graph, hasGraph := c.file(NodeSourceGraph)
	if hasGraph {
		profiles = []string{profileProcess, profileWorkflow, profileRun, profileHub}
		root["mainEntity"] = ref(fileID(graph.Path))
	}
	root["conformsTo"] = c.profiles(profiles)
	var parts []any
	for _, f := range c.files {
		parts = append(parts, c.fileEntity(f))
	}
	root["hasPart"] = parts
	c.run(graph, hasGraph)
	root["mentions"] = c.actions
}

func (c *crate) profiles(ids []string) []any {
	names := map[string]string{
		profileProcess: "Process Run Crate", profileWorkflow: "Workflow Run Crate", profileRun: "Provenance Run Crate", profileHub: "Workflow RO-Crate",
		profileBioFlow: "Bioschemas ComputationalWorkflow", profileBioFormal: "Bioschemas FormalParameter",
	}
	for _, id := range ids {
		c.put(id, "CreativeWork", entity{"name": names[id], "version": id[strings.LastIndex(id, "/")+1:]})
	}
	return refs(ids...)
}

// aboutCrate is the root's description: the survey's own words, and what is not here.
func (c *crate) aboutCrate() string {
	text := fmt.Sprintf("Execution %s of survey %s, as the ledger of Beampipe tells it: %s.", c.Execution, c.Project, c.Status)
	if c.Description != "" {
		text += " The survey: " + strings.TrimSuffix(c.Description, ".") + "."
	}
	for _, m := range c.Missing {
		text += " " + m
	}
	return text
}

// license says under what terms the products may be used, or plainly that nobody has said.
func (c *crate) license() map[string]any {
	if u, err := url.Parse(c.License); err == nil && u.IsAbs() && u.Host != "" {
		return c.put(c.License, "CreativeWork", entity{"name": c.License})
	}
	if c.License != "" {
		return c.put("#license", "CreativeWork", entity{"name": c.License})
	}
	return c.put("#license", "CreativeWork", entity{
		"name": "No licence is given", "description": "The survey's config names no licence. Ask those who run the survey before you use its products.",
	})
}

// person is who answers for the run, nil where nobody is known.
func (c *crate) person() any {
	name, ok := strings.CutPrefix(c.Person, "user:")
	if !ok {
		return nil
	}
	about := "made the execution"
	if c.Creator != c.Person {
		about = "put the survey's config in force, after which " + c.Creator + " made the execution"
	}
	return c.put(localID("person", name), "Person", entity{"name": name, "description": name + " " + about})
}

// fileEntity describes a file of the crate.
func (c *crate) fileEntity(f crateFile) map[string]any {
	id := fileID(f.Path)
	e := entity{
		"name": f.Name, "description": f.About, "encodingFormat": f.MediaType, "contentSize": strconv.Itoa(len(f.Content)), "sha256": hexDigest(f.Content),
	}
	if r, ok := c.redacted[f.Path]; ok {
		e["description"] = strings.TrimPrefix(f.About+"; "+r.String(), "; ")
		e["identifier"] = "sha256:" + r.OriginalSHA256
	}
	var kind any = "File"
	switch {
	case f.Path == fileReadme:
		e["about"] = ref("./")
	case f.Kind == NodeManifest:
		e["exampleOfWork"] = ref(parameterManifest)
		e["isBasedOn"] = c.answers()
	case f.Kind == NodeSourceGraph:
		kind = []string{"File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"}
		c.workflow(e, f.BundleFile)
	case f.Kind == NodePatchedGraph:
		if source, ok := c.file(NodeSourceGraph); ok {
			e["isBasedOn"] = ref(fileID(source.Path))
		}
	}
	return c.put(id, kind, e)
}

// zip writes the files. Their times are the bundle's, so that nothing depends on when this runs.
func (c *crate) zip(w io.Writer) error {
	out := zip.NewWriter(w)
	at := c.published()
	for _, f := range c.files {
		to, err := out.CreateHeader(&zip.FileHeader{Name: f.Path, Method: zip.Deflate, Modified: at})
		if err == nil {
			_, err = to.Write(f.Content)
		}
		if err != nil {
			return fmt.Errorf("export execution %s: write %s: %w", c.Execution, f.Path, err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("export execution %s: end the zip file: %w", c.Execution, err)
	}
	return nil
}

// indented writes JSON for people and programs: two blanks a level, no escapes for HTML, keys of maps sorted.
func indented(v any) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, plainJSON(v), "", "  "); err != nil {
		panic("provenance: our own JSON cannot be read: " + err.Error())
	}
	b.WriteByte('\n')
	return b.Bytes()
}
