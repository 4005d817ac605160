package ledger

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
)

// joined is a Rebuilder for tests: a recipe is a list of digests, and makes what they stand for.
func joined(recipe []byte, content func(string) ([]byte, error)) ([]byte, error) {
	var out []byte
	for _, digest := range strings.Fields(string(recipe)) {
		part, err := content(digest)
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
	}
	return out, nil
}

// withRebuild opens the fixture's ledger with a Rebuilder.
func (f *fixture) withRebuild(fn Rebuilder) *fixture {
	f.Helper()
	o := f.options()
	o.Rebuild = fn
	l, err := Open(context.Background(), f.Path(), o)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { l.Close() })
	g := *f
	g.Ledger = l
	return &g
}

// baked is the recipe of some contents one after the other, which are stored with it.
func (f *fixture) baked(tx *Tx, contents ...string) (Recipe, error) {
	r := Recipe{MediaType: "text/plain"}
	whole := strings.Join(contents, "")
	for _, c := range contents {
		p, err := Pack("text/plain", []byte(c))
		if err != nil {
			return r, err
		}
		if err := tx.PutPacked(p); err != nil {
			return r, err
		}
		r.Parts = append(r.Parts, p.SHA256)
	}
	p, err := Pack("text/plain", []byte(whole))
	r.SHA256, r.Size, r.Recipe = p.SHA256, p.Size, []byte(strings.Join(r.Parts, " "))
	return r, err
}

func TestWhatIsStoredAsARecipeIsReadAsItsContent(t *testing.T) {
	f := newFixture(t).withRebuild(joined)
	f.discover("A", OutcomeChanged, "s1")
	e := f.admit("A")
	var r Recipe
	f.write(func(tx *Tx) (err error) {
		if r, err = f.baked(tx, "gra", "ph"); err != nil {
			return err
		}
		if err := tx.AttachRecipe(e.ID, 1, ArtifactPatchedGraph, r); err != nil {
			return err
		}
		return tx.AttachRecipe(e.ID, 1, ArtifactPatchedGraph, r) // again: no change
	})
	content, digest, err := f.view().ArtifactOf(e.ID, ArtifactPatchedGraph)
	if string(content) != "graph" || digest != r.SHA256 || err != nil {
		t.Errorf("%q %s %v", content, digest, err)
	}
	list, err := f.view().Artifacts(e.ID)
	if err != nil || len(list) != 1 || list[0].Size != 5 || list[0].MediaType != "text/plain" {
		t.Errorf("%+v %v", list, err)
	}
	if recipe, err := f.view().RecipeOf(digest); !bytes.Equal(recipe, r.Recipe) || err != nil {
		t.Errorf("%q %v", recipe, err)
	}
	if recipe, err := f.view().RecipeOf(r.Parts[0]); recipe != nil || err != nil {
		t.Errorf("of a plain one: %q %v", recipe, err)
	}

	// The same content plain is what is there already; other content is refused as ever.
	f.write(func(tx *Tx) error { return tx.AttachArtifact(e.ID, 2, ArtifactPatchedGraph, pack(t, "graph")) })
	err = f.try(func(tx *Tx) error { return tx.AttachArtifact(e.ID, 1, ArtifactPatchedGraph, pack(t, "other")) })
	wantKind(t, err, fault.Conflict, e.ID, "another patched_graph")

	// Without what makes it, the parts can be read and it cannot.
	plain := f.withRebuild(nil)
	if _, err := plain.view().Content(digest); !errors.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
	if content, err := plain.view().Content(r.Parts[1]); string(content) != "ph" || err != nil {
		t.Errorf("%q %v", content, err)
	}
}

func TestARecipeThatMakesSomethingElseIsDamage(t *testing.T) {
	f := newFixture(t)
	var r, own Recipe
	f.write(func(tx *Tx) (err error) {
		if r, err = f.baked(tx, "gra", "ph"); err == nil {
			err = tx.putRecipe(r)
		}
		if err == nil {
			own = Recipe{SHA256: strings.Repeat("a", 64), MediaType: "x", Recipe: []byte(strings.Repeat("a", 64))}
			err = tx.putRecipe(own)
		}
		return err
	})
	for name, fn := range map[string]Rebuilder{
		"other bytes": func([]byte, func(string) ([]byte, error)) ([]byte, error) { return []byte("grapf"), nil },
		"an error":    func([]byte, func(string) ([]byte, error)) ([]byte, error) { return nil, errors.New("no such version") },
	} {
		_, err := f.withRebuild(fn).view().Content(r.SHA256)
		if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), r.SHA256) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := f.withRebuild(joined).view().Content(own.SHA256)
	wantKind(t, err, fault.Invalid, "without end")
}

func TestARecipePastItsLimitsOrWithoutItsPartsIsRefused(t *testing.T) {
	f := newFixture(t)
	base := Recipe{SHA256: strings.Repeat("b", 64), MediaType: "x"}
	long, many, lost := base, base, base
	long.Recipe = make([]byte, MaxRecipeBytes+1)
	many.Parts = make([]string, MaxRecipeParts+1)
	lost.Parts = []string{strings.Repeat("c", 64)}
	wantKind(t, f.try(func(tx *Tx) error { return tx.putRecipe(long) }), fault.Invalid, "MaxRecipeBytes")
	wantKind(t, f.try(func(tx *Tx) error { return tx.putRecipe(many) }), fault.Invalid, "MaxRecipeParts")
	if err := f.try(func(tx *Tx) error { return tx.putRecipe(lost) }); err == nil {
		t.Error("a recipe was stored whose part is not there")
	}
}

func TestContentIsUnusedOnceNothingRefersToIt(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	e := f.admit("A")
	var used, unused Recipe
	var alone Packed
	f.write(func(tx *Tx) (err error) {
		if used, err = f.baked(tx, "source", "manifest"); err != nil {
			return err
		}
		if unused, err = f.baked(tx, "source", "another"); err != nil {
			return err
		}
		alone = pack(t, "alone")
		graph := pack(t, "pinned")
		_, _, err = tx.AddConfig(NewConfig{Project: project, Digest: "c2", Spec: []byte("{}"), File: []byte("x"), FileName: "s", Graph: &graph}, person)
		return errors.Join(err, tx.AttachRecipe(e.ID, 1, ArtifactPatchedGraph, used), tx.putRecipe(unused), tx.PutPacked(alone))
	})
	want := []string{unused.SHA256, alone.SHA256}
	slices.Sort(want)
	got, next, err := f.view().UnusedArtifacts("", f.Now(), 10)
	if err != nil || !slices.Equal(got, want) || next != "" {
		t.Errorf("%v %v, want %v, next %q", got, err, want, next)
	}
	if got, next, err := f.view().UnusedArtifacts("", f.Now(), 1); err != nil || len(got) != 1 || next != want[0] {
		t.Errorf("%v %v, next %q", got, err, next)
	}
	if got, _, err := f.view().UnusedArtifacts(want[0], f.Now(), 10); err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
	if got, _, err := f.view().UnusedArtifacts("", f.Now().Add(-time.Millisecond), 10); err != nil || len(got) != 0 {
		t.Errorf("before they were stored: %v %v", got, err)
	}
}
