package real

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/configs"
	"beampipe/vo/tap"
)

// EnvSources is how many sources the test of costs asks for: all 2000 take minutes.
const EnvSources = "BEAMPIPE_REAL_SOURCES"

func TestASetCostsLessThanAFiftiethOfItsSourcesAskedOneByOne(t *testing.T) {
	r := theRig(t)
	n := 100
	if text := os.Getenv(EnvSources); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		must(t, err)
	}
	s := newSurvey(t, r.sources[:n])
	requests := map[string]int{}
	found := map[string]map[string]learnt{}
	for _, form := range []string{configs.FormSingle, formShipped} {
		s.add(way{form: form}.project(t, form))
		c := client(t, tap.Options{URL: r.url})
		began := time.Now()
		result := s.tick(c, form)
		t.Logf("%s: %d sources, %d requests, %s", form, n, result.Requests, time.Since(began).Round(time.Millisecond))
		if heard := int(c.Stats().Requests); heard < result.Requests || heard > result.Requests+2 {
			t.Errorf("%s: the tick tells of %d requests, the client made %d (capabilities may be asked beside)", form, result.Requests, heard)
		}
		requests[form], found[form] = result.Requests, s.learnt(form)
	}
	if 50*requests[formShipped] >= requests[configs.FormSingle] {
		t.Errorf("requests: %v", requests)
	}
	if diff := cmp.Diff(found[configs.FormSingle], found[formShipped]); diff != "" {
		t.Error(diff)
	}
}

// TestTheRealSurveyFileGivesWhatTheShippedOneGives compares signatures with those of the file that is in
// use, where no name can be mistaken for another and no row lacks a date.
func TestTheRealSurveyFileGivesWhatTheShippedOneGives(t *testing.T) {
	r := theRig(t)
	root := os.Getenv("BEAMPIPE_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	raw, err := os.ReadFile(filepath.Join(root, "data", "wallaby", "configs", "wallaby_hires.v2.yaml"))
	if err != nil {
		t.Skipf("the real survey's file is not here (set BEAMPIPE_SHARED): %v", err)
	}
	inUse, report := configs.Load(raw, "wallaby_hires.v2.yaml")
	must(t, report.Err())
	s := newSurvey(t, r.sources[1:12])
	s.add(inUse)
	s.add(way{form: formShipped}.project(t, "shipped"))
	c := client(t, tap.Options{URL: r.url})
	s.tick(c, inUse.Metadata.ID)
	s.tick(c, "shipped")
	if diff := cmp.Diff(s.learnt(inUse.Metadata.ID), s.learnt("shipped")); diff != "" {
		t.Error(diff)
	}
}
