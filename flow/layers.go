package flow

import (
	"slices"
	"strings"
)

// layers sorts n numbered things into stages: each is in the first stage behind all of its sources,
// sorted by name inside it. Things on a cycle, and behind one, are in no stage; the cycles are given as
// paths that end where they begin, in the direction of the data.
func layers(n int, sources func(int) []int, name func(int) string) (stages [][]int, cycles [][]string) {
	missing := make([]int, n)
	consumers := make([][]int, n)
	var stage []int
	for i := range n {
		missing[i] = len(sources(i))
		if missing[i] == 0 {
			stage = append(stage, i)
		}
		for _, source := range sources(i) {
			consumers[source] = append(consumers[source], i)
		}
	}
	placed := 0
	for len(stage) > 0 {
		slices.SortFunc(stage, func(a, b int) int { return strings.Compare(name(a), name(b)) })
		stages = append(stages, stage)
		placed += len(stage)
		var next []int
		for _, i := range stage {
			for _, consumer := range consumers[i] {
				if missing[consumer]--; missing[consumer] == 0 {
					next = append(next, consumer)
				}
			}
		}
		stage = next
	}
	if placed < n {
		cycles = findCycles(missing, sources, name)
	}
	return stages, cycles
}

// findCycles walks backwards from everything that could not be placed: each such thing has a source
// that could not be placed either, so the walk comes back to where it was.
func findCycles(missing []int, sources func(int) []int, name func(int) string) [][]string {
	var cycles [][]string
	walk := make([]int, len(missing)) // number of the walk that first came here
	for start := range missing {
		var path []int
		at := start
		for missing[at] > 0 && walk[at] == 0 {
			walk[at] = start + 1
			path = append(path, at)
			stuck := slices.IndexFunc(sources(at), func(source int) bool { return missing[source] > 0 })
			at = sources(at)[stuck]
		}
		if missing[at] == 0 || walk[at] != start+1 {
			continue // placed, or led into an earlier walk
		}
		cycle := path[slices.Index(path, at):]
		slices.Reverse(cycle)
		cycles = append(cycles, closed(cycle, name))
	}
	return cycles
}

// closed names a cycle, beginning and ending with its first name in the alphabet.
func closed(cycle []int, name func(int) string) []string {
	names := make([]string, len(cycle))
	for i, at := range cycle {
		names[i] = name(at)
	}
	first := slices.Index(names, slices.Min(names))
	names = append(names[first:], names[:first]...)
	return append(names, names[0])
}
