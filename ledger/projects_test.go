package ledger

import (
	"errors"
	"testing"

	"beampipe/fault"
)

func TestAConfigIsARevisionAndTheSameOneAgainIsNoChange(t *testing.T) {
	f := newFixture(t) // revision 1 has digest c1 and no graph
	graph := pack(t, "{}")
	add := func(digest string, graph *Packed) (cfg Config, added bool) {
		f.write(func(tx *Tx) (err error) {
			cfg, added, err = tx.AddConfig(NewConfig{Project: project, Digest: digest, Spec: []byte("{}"), File: []byte("kind: x"), FileName: "x.yaml", Graph: graph}, person)
			return err
		})
		return cfg, added
	}
	before := f.head()
	for _, tt := range []struct {
		digest   string
		graph    *Packed
		revision int
		added    bool
	}{{"c1", nil, 1, false}, {"c1", &graph, 2, true}, {"c2", &graph, 3, true}, {"c2", &graph, 3, false}, {"c1", nil, 4, true}} {
		if cfg, added := add(tt.digest, tt.graph); cfg.Revision != tt.revision || added != tt.added {
			t.Errorf("%s: revision %d, added %v; want %d, %v", tt.digest, cfg.Revision, added, tt.revision, tt.added)
		}
	}
	if got := f.eventTypes(before); got != "config.activated config.activated config.activated" {
		t.Errorf("events %s", got)
	}
	cfg, err := f.view().Config(project, 3)
	if err != nil || cfg.Digest != "c2" || string(cfg.File) != "kind: x" || cfg.GraphSHA256 != graph.SHA256 {
		t.Errorf("%+v %v", cfg, err)
	}
	list, err := f.view().Configs(project)
	if err != nil || len(list) != 4 || list[0].Revision != 4 {
		t.Errorf("%d revisions, %v", len(list), err)
	}
	if _, err := f.view().Config(project, 9); !errors.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
}

func TestANewProjectAdmitsNothingUntilItIsStarted(t *testing.T) {
	f := newFixture(t)
	if p, err := f.view().Project(project); p.Admitting || err != nil {
		t.Errorf("%+v %v", p, err)
	}
	before := f.head()
	for _, on := range []bool{true, true, false, false} {
		f.write(func(tx *Tx) error { _, err := tx.SetAdmission(project, on, "why", person); return err })
		if p, err := f.view().Project(project); p.Admitting != on || p.AdmitBy != person || err != nil {
			t.Errorf("%+v %v", p, err)
		}
	}
	if got := f.eventTypes(before); got != "project.started project.paused" {
		t.Errorf("events %s", got)
	}
	if list, err := f.view().Projects(); len(list) != 1 || err != nil {
		t.Errorf("%v %v", list, err)
	}
	if _, err := f.view().Project("none"); !errors.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
}

func TestProfilesHaveRevisionsAndOneDefault(t *testing.T) {
	f := newFixture(t) // "here", not a default
	add := func(p Profile) (Profile, error) {
		var stored Profile
		err := f.try(func(tx *Tx) (err error) { stored, _, err = tx.AddProfile(p, person); return err })
		return stored, err
	}
	if _, err := f.view().DefaultProfile(project); !errors.Is(err, fault.NotFound) || len(fault.Hints(err)) == 0 {
		t.Errorf("no default: %v", err)
	}
	for _, p := range []Profile{
		{Name: "all", Digest: "a1", Spec: []byte("{}"), IsDefault: true},
		{Name: "all", Digest: "a2", Spec: []byte("{}"), IsDefault: true},
		{Name: "own", Digest: "o1", Spec: []byte("{}"), Project: project, IsDefault: true},
	} {
		if _, err := add(p); err != nil {
			t.Fatal(err)
		}
	}
	_, err := add(Profile{Name: "second", Digest: "s", Spec: []byte("{}"), IsDefault: true})
	wantKind(t, err, fault.Conflict, "second", "all")
	_, err = add(Profile{Name: "second", Digest: "s", Spec: []byte("{}"), Project: project, IsDefault: true})
	wantKind(t, err, fault.Conflict, "second", "own", project)
	for _, tt := range []struct{ project, want string }{{project, "own"}, {"other", "all"}, {"", "all"}} {
		if p, err := f.view().DefaultProfile(tt.project); p.Name != tt.want || err != nil {
			t.Errorf("default of %q: %q, %v", tt.project, p.Name, err)
		}
	}
	if p, err := f.view().ProfileRevision("all", 1); p.Digest != "a1" || p.Revision != 1 || err != nil {
		t.Errorf("%+v %v", p, err)
	}
	if p, err := f.view().Profile("all"); p.Digest != "a2" || p.Revision != 2 || err != nil {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := f.view().ProfileRevision("all", 3); !errors.Is(err, fault.NotFound) {
		t.Errorf("%v", err)
	}
	if list, err := f.view().Profiles(); len(list) != 3 || err != nil {
		t.Errorf("%v %v", list, err)
	}
}
