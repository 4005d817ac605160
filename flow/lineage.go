package flow

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Record says where one value came from.
type Record struct {
	Output string            `json:"output"`           // qualified name; "$name" for a seed
	Vertex string            `json:"vertex,omitempty"` // who gave it; "" for a seed
	Inputs map[string]string `json:"inputs,omitempty"` // input name -> qualified source
	Digest string            `json:"digest,omitempty"` // sha256 of the canonical JSON; "" when the value has none
	At     time.Time         `json:"at"`
}

// Trace gives the record of output and of everything it was made from, back to the roots (seeds, and
// vertices without inputs): output first, then its sources breadth-first by input name, each once. It
// is empty when the run did not give that output.
func (r *Result) Trace(output string) []Record {
	byOutput := make(map[string]Record, len(r.Lineage))
	for _, record := range r.Lineage {
		byOutput[record.Output] = record
	}
	var trace []Record
	seen := map[string]bool{output: true}
	for queue := []string{output}; len(queue) > 0; queue = queue[1:] {
		record, ok := byOutput[queue[0]]
		if !ok {
			continue
		}
		trace = append(trace, record)
		for _, input := range slices.Sorted(maps.Keys(record.Inputs)) {
			if source := record.Inputs[input]; !seen[source] {
				seen[source] = true
				queue = append(queue, source)
			}
		}
	}
	return trace
}

// lineage puts the records into the order of the graph: seeds first, then stage by stage.
func (r *run) lineage() []Record {
	records := make([]Record, 0, len(r.records))
	for _, record := range r.records {
		records = append(records, record)
	}
	slices.SortFunc(records, func(a, b Record) int {
		if before := r.rank(a) - r.rank(b); before != 0 {
			return before
		}
		return strings.Compare(a.Output, b.Output)
	})
	return records
}

func (r *run) rank(record Record) int {
	if record.Vertex == "" {
		return -1
	}
	return r.graph.index[record.Vertex]
}
