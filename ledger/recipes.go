package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"beampipe/fault"
)

// Limits of recipes.
const (
	MaxRecipeBytes = 1 << 20 // of one recipe
	MaxRecipeParts = 16      // artifacts that one recipe needs

	// A part may be made from a recipe itself. A chain longer than this is damage: nobody writes one.
	maxRecipeDepth = 4
)

// The forms in which an artifact's data is stored.
const (
	formPlain  = "plain"
	formRecipe = "recipe"
)

// Recipe stands for content that can be made again from other artifacts. Whoever reads the artifact
// gets the content, made by Options.Rebuild and held against SHA256.
type Recipe struct {
	SHA256    string // of the content that it makes
	MediaType string // of that content
	Size      int64  // of that content, in bytes
	Recipe    []byte // canonical JSON, for Options.Rebuild alone to understand
	Parts     []string
}

// AttachRecipe stores an artifact as its recipe and says that it is this execution's artifact of that
// kind for that attempt. Content that is stored already, in whatever form, stays as it is. The parts
// must be in the ledger; they are kept as long as the artifact is. Attaching is as of AttachArtifact.
//
// The caller has seen that the recipe makes the content: see View.Rebuild.
func (tx *Tx) AttachRecipe(execution string, attempt int, kind string, r Recipe) error {
	if err := tx.putRecipe(r); err != nil {
		return err
	}
	return tx.attach(execution, attempt, kind, r.SHA256)
}

func (tx *Tx) putRecipe(r Recipe) error {
	what := "store the recipe of artifact " + r.SHA256
	switch {
	case len(r.Recipe) > MaxRecipeBytes:
		return fault.New(fault.Invalid, fmt.Sprintf("%s: %d bytes, the limit is %d (MaxRecipeBytes)", what, len(r.Recipe), MaxRecipeBytes), "")
	case len(r.Parts) > MaxRecipeParts:
		return fault.New(fault.Invalid, fmt.Sprintf("%s: %d parts, the limit is %d (MaxRecipeParts)", what, len(r.Parts), MaxRecipeParts), "")
	}
	data, err := compress(r.Recipe)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	n, err := tx.exec(what, `INSERT INTO artifacts (sha256, media_type, size, data, created_at, form)
		SELECT ?, ?, ?, ?, ?, 'recipe' WHERE NOT EXISTS (SELECT 1 FROM artifacts WHERE sha256 = ?)`,
		r.SHA256, r.MediaType, r.Size, data, Stamp(tx.now), r.SHA256)
	if err != nil || n == 0 {
		return err // stored before, and so were its parts
	}
	for _, part := range r.Parts {
		if _, err := tx.exec(what, "INSERT INTO artifact_parts (artifact, part) VALUES (?, ?) ON CONFLICT DO NOTHING", r.SHA256, part); err != nil {
			return err
		}
	}
	return nil
}

// Rebuild makes content from a recipe. It is Unavailable where this ledger was opened without
// Options.Rebuild.
func (v View) Rebuild(recipe []byte) ([]byte, error) { return v.rebuildAt(recipe, 0) }

func (v View) rebuildAt(recipe []byte, depth int) ([]byte, error) {
	if v.rebuild == nil {
		return nil, fault.New(fault.Unavailable, "it is stored as a recipe, and this program was not given what makes it again", "read it with: beampipe execution artifact")
	}
	return v.rebuild(recipe, func(digest string) ([]byte, error) { return v.content(digest, depth+1) })
}

// Content reads an artifact by digest and checks that it still is what was stored. One that is stored
// as a recipe is made again.
func (v View) Content(digest string) ([]byte, error) { return v.content(digest, 0) }

func (v View) content(digest string, depth int) ([]byte, error) {
	what := "read artifact " + digest
	if depth > maxRecipeDepth {
		return nil, fault.New(fault.Invalid, what+": recipes refer to each other without end", restoreHint)
	}
	var packed []byte
	var form string
	if err := v.get("artifact "+digest, "SELECT data, form FROM artifacts WHERE sha256 = ?", []any{digest}, &packed, &form); err != nil {
		return nil, err
	}
	content, err := decompress(packed)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, what+": the stored bytes are damaged", restoreHint)
	}
	if form == formRecipe {
		if content, err = v.rebuildAt(content, depth); err != nil {
			return nil, fault.Wrap(rebuildKind(err), err, what, "")
		}
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != digest {
		return nil, fault.New(fault.Invalid, what+": its content has another digest", restoreHint)
	}
	return content, nil
}

// rebuildKind is the kind of an error of a Rebuilder: what it does not name is damage.
func rebuildKind(err error) fault.Kind {
	if kind := fault.KindOf(err); kind != "" {
		return kind
	}
	return fault.Invalid
}

// RecipeOf gives the recipe that an artifact is stored as; nil for one that is stored plain.
func (v View) RecipeOf(digest string) ([]byte, error) {
	var packed []byte
	var form string
	if err := v.get("artifact "+digest, "SELECT data, form FROM artifacts WHERE sha256 = ?", []any{digest}, &packed, &form); err != nil {
		return nil, err
	}
	if form != formRecipe {
		return nil, nil
	}
	recipe, err := decompress(packed)
	return recipe, fault.Wrap(fault.Invalid, err, "read the recipe of artifact "+digest+": the stored bytes are damaged", restoreHint)
}
