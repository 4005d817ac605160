package execution

import (
	"cmp"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"beampipe/backends"
	"beampipe/ledger"
)

// placeLocal is the kind of place that is this machine.
const placeLocal = "local"

// productList is the artifact that says what a run made.
type productList struct {
	Execution    string             `json:"execution"`
	Attempt      int                `json:"attempt"`
	SubmissionID string             `json:"submission_id"`
	Folder       string             `json:"folder,omitempty"`
	EndedAt      *time.Time         `json:"ended_at,omitempty"`
	Products     []backends.Product `json:"products"`
}

// madeProducts is what a run made, ready to be stored: as the artifact and product by product.
type madeProducts struct {
	packed ledger.Packed
	list   []ledger.Product
}

// packProducts lists what a run made, nil for one that has not finished. kind is that of its place.
func packProducts(x ledger.Execution, o backends.Observation, kind string) (*madeProducts, error) {
	if o.Phase != backends.PhaseFinished {
		return nil, nil
	}
	folder := cmp.Or(x.Folder, o.Folder) // found and finished at one look: only the place knows the folder yet
	list := productList{
		Execution: x.ID, Attempt: x.Attempt, SubmissionID: x.SubmissionID, Folder: folder, EndedAt: o.EndedAt,
		Products: slices.Clone(o.Products),
	}
	if list.Products == nil {
		list.Products = []backends.Product{}
	}
	slices.SortFunc(list.Products, func(a, b backends.Product) int { return strings.Compare(a.Path, b.Path) })
	text, err := ledger.Canonical(list)
	if err != nil {
		return nil, err
	}
	made := &madeProducts{list: make([]ledger.Product, len(list.Products))}
	for i, p := range list.Products {
		made.list[i] = ledger.Product{Path: p.Path, Bytes: p.Bytes, SHA256: p.SHA256, Drop: p.Drop, URI: productURI(kind, folder, p.Path)}
	}
	made.packed, err = ledger.Pack(mediaJSON, text)
	return made, err
}

// productURI says where a product was made: a file of this machine, for a local run. A folder on a cluster
// has no URI of its own.
func productURI(kind, folder, name string) string {
	if kind != placeLocal || !path.IsAbs(folder) {
		return ""
	}
	return (&url.URL{Scheme: "file", Path: path.Join(folder, name)}).String()
}

// store keeps what was made, in the transaction in which the run ends.
func (m *madeProducts) store(tx *ledger.Tx, x ledger.Execution) error {
	if err := tx.AttachArtifact(x.ID, x.Attempt, ledger.ArtifactProducts, m.packed); err != nil {
		return err
	}
	return tx.AddProducts(x.ID, x.Attempt, m.list)
}
