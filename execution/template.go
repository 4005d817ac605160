package execution

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"beampipe/configs"
	"beampipe/graph"
	"beampipe/ledger"
)

// A graph is the same for every execution with the same patches but for what Inject puts in: an id, a
// name, a time and the manifest's text. Hundreds of executions share those patches, so the graph is
// patched and encoded once, with slots where these values go.
//
// graphTemplate gives byte for byte what PrepareGraph gives; a test holds the two together.
type graphTemplate struct {
	changes []graph.Change
	parts   [][]byte     // what stands before, between and behind the slots
	slots   []int        // which value goes between parts[i] and parts[i+1]
	graph   *graph.Graph // instead of parts: the patched graph, for a document that cannot be cut

	mu         sync.Mutex
	seen, same bool // whether a recipe makes what fill makes
}

// rebuilds tells whether a recipe makes what fill makes, as try finds for the first execution. Where it
// cannot be tried, nothing is remembered, and the graph is not known to be made again.
func (t *graphTemplate) rebuilds(try func() (same bool, err error)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen {
		return t.same
	}
	same, err := try()
	t.seen, t.same = err == nil, same && err == nil
	return t.same
}

// The values of a slot.
const (
	slotID = iota
	slotName
	slotTime
	slotManifest
)

// slotAt stands for the time in a template. No execution was made then.
var slotAt = time.Unix(-62135596800+7, 0)

// newTemplate patches source and encodes it with slots.
func newTemplate(cfg *configs.Project, source *graph.Graph, patches []graph.Patch) (*graphTemplate, error) {
	t := &graphTemplate{}
	patched := source.Clone()
	var err error
	if t.changes, err = patched.Patch(patches); err != nil {
		return nil, err
	}
	// The marks are made of the document's own digest, so that they are not in it already.
	mark := digest(patched.Encode())
	m := Manifest{Embedded: []byte(`{"` + mark + `":""}`)}
	slotted := patched.Clone()
	if err := inject(cfg, slotted, m, mark, slotAt); err != nil {
		return nil, err
	}
	if cfg.Graph.Manifest == configs.ManifestNone {
		t.parts = [][]byte{slotted.Encode()}
		return t, nil
	}
	encoded := slotted.Encode()
	if !onlyConfig(encoded, ConfigID(mark)) {
		t.graph = patched // the order of several configurations depends on their ids
		return t, nil
	}
	t.cut(encoded, values(m, mark, slotAt))
	return t, nil
}

// onlyConfig tells whether a document has no graph configuration but the one with that id.
func onlyConfig(encoded []byte, id string) bool {
	var doc struct {
		Configs map[string]json.RawMessage `json:"graphConfigurations"`
	}
	err := json.Unmarshal(encoded, &doc)
	_, there := doc.Configs[id]
	return err == nil && there && len(doc.Configs) == 1
}

// values are what Inject puts into a graph, as they stand in JSON.
func values(m Manifest, executionID string, at time.Time) [4][]byte {
	text := func(v any) []byte {
		b, err := ledger.Canonical(v)
		if err != nil {
			panic("execution: a text cannot be written as JSON: " + err.Error())
		}
		return b
	}
	return [4][]byte{
		slotID: text(ConfigID(executionID)), slotName: text(configName(executionID)), slotTime: text(at.Unix()), slotManifest: text(string(m.Embedded)),
	}
}

// cut takes the document apart at the marks.
func (t *graphTemplate) cut(encoded []byte, marks [4][]byte) {
	for {
		first, which := -1, 0
		for i, mark := range marks {
			if at := bytes.Index(encoded, mark); at >= 0 && (first < 0 || at < first) {
				first, which = at, i
			}
		}
		if first < 0 {
			t.parts = append(t.parts, encoded)
			return
		}
		t.parts, t.slots = append(t.parts, encoded[:first]), append(t.slots, which)
		encoded = encoded[first+len(marks[which]):]
	}
}

// fill makes the graph of one execution.
func (t *graphTemplate) fill(cfg *configs.Project, m Manifest, executionID string, createdAt time.Time) ([]byte, error) {
	if t.graph != nil {
		g := t.graph.Clone()
		err := inject(cfg, g, m, executionID, createdAt)
		return g.Encode(), err
	}
	with := values(m, executionID, createdAt)
	out := make([]byte, 0, len(t.parts[0])+len(t.parts[len(t.parts)-1])+2*len(m.Embedded)+4096)
	for i, part := range t.parts {
		out = append(out, part...)
		if i < len(t.slots) {
			out = append(out, with[t.slots[i]]...)
		}
	}
	return out, nil
}
