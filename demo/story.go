package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"beampipe/vo/archive"
)

// The cast: enough real sources for every turn of a survey's life.
const (
	sources      = 64
	withoutData  = 3
	firstSBID    = 70001
	newSBID      = 79001
	rediscovered = 3
)

// story is what the demo's archive holds at first and what comes later.
type story struct {
	sources []Object
	first   Data
	later   Data   // new observations of exactly three sources
	broken  string // file whose row names no observation
	bad     string // file that the archive marks as bad, so that its run fails
}

// prefixPairs are real identifiers of which one begins with the other.
var prefixPairs = []string{"HIPASSJ0324-21", "HIPASSJ0324-21b", "HIPASSJ1300-13", "HIPASSJ1300-13B"}

// choose takes both prefix pairs and then sources in order, half of them with a catalogued position.
func choose(all []Object) []Object {
	var chosen []Object
	taken := map[string]bool{}
	take := func(o Object) {
		if !taken[o.Identifier] {
			taken[o.Identifier] = true
			chosen = append(chosen, o)
		}
	}
	for _, o := range all {
		for _, id := range prefixPairs {
			if o.Identifier == id {
				take(o)
			}
		}
	}
	for _, derived := range []bool{false, true} {
		room := (sources - len(chosen)) / 2
		if derived {
			room = sources - len(chosen)
		}
		for _, o := range all {
			if room > 0 && o.Derived == derived && !taken[o.Identifier] {
				take(o)
				room--
			}
		}
	}
	return chosen
}

// write makes the archive's content: sources without data, with one or two SBIDs, with one to four
// beams, one with a broken record and one whose data is marked as bad.
func write(all []Object) story {
	s := story{sources: choose(all)}
	sbid := firstSBID
	for i, o := range s.sources {
		if i >= len(s.sources)-withoutData {
			continue // registered, and the archive knows nothing of it
		}
		s.first.List(o)
		s.first.Observe(o, sbid, 1+i%4)
		if i%9 == 4 {
			s.first.Observe(o, sbid+1, 2)
		}
		sbid += 2
		file := s.first.Observations[len(s.first.Observations)-1].Filename
		switch i {
		case 10:
			s.broken = file
		case 20:
			s.bad = file
		}
	}
	for i := range rediscovered {
		s.later.Observe(s.sources[5+7*i], newSBID+i, 1)
	}
	return s
}

// fill writes a part of the story into the archive.
func fill(ctx context.Context, a *archive.Archive, d Data) error {
	return errors.Join(a.AddObservations(ctx, d.Observations), a.AddEvaluations(ctx, d.Evaluations), a.AddCatalogue(ctx, d.Catalogue))
}

// open makes the archive with the first part of the story.
func (s story) open(ctx context.Context, dir string) (*archive.Archive, error) {
	a, err := archive.Open(ctx, archive.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		fill(ctx, a, s.first),
		a.UpdateObservation(ctx, s.broken, "obs_id", nil),
		a.UpdateObservation(ctx, s.bad, "quality_level", "BAD"),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fill the demo's archive: %w", err), a.Close())
	}
	return a, nil
}

// identifiers gives the registered names, one per line.
func (s story) identifiers() string {
	names := make([]string, len(s.sources))
	for i, o := range s.sources {
		names[i] = o.Identifier
	}
	return strings.Join(names, "\n") + "\n"
}
