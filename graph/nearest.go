package graph

import (
	"slices"
	"sort"
	"strings"
)

// nearestShown is how many near names an error offers, nearestRunes how much of a name is compared.
const (
	nearestShown = 3
	nearestRunes = 64
)

// nearest gives the names that come nearest to want, the nearest first, for "did you mean".
func nearest(want string, names []string) []string {
	target := foldedRunes(want)
	type scored struct {
		name     string
		distance int
	}
	var all []scored
	seen := map[string]bool{"": true}
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			all = append(all, scored{name, distance(target, foldedRunes(name))})
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].distance != all[j].distance {
			return all[i].distance < all[j].distance
		}
		return all[i].name < all[j].name
	})
	var out []string
	for _, s := range all[:min(len(all), nearestShown)] {
		out = append(out, s.name)
	}
	return out
}

// quoteAll writes names for a message: "a", "b".
func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = `"` + clip(name) + `"`
	}
	return strings.Join(quoted, ", ")
}

func foldedRunes(s string) []rune {
	if len(s) > nearestRunes*4 {
		s = s[:nearestRunes*4]
	}
	r := []rune(strings.ToLower(s))
	return r[:min(len(r), nearestRunes)]
}

// distance is the number of single-character edits from a to b.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, ra := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j, rb := range b {
			cost := 1
			if ra == rb {
				cost = 0
			}
			next := slices.Min([]int{row[j+1] + 1, row[j] + 1, diagonal + cost})
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
