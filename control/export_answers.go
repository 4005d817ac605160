package control

import (
	"context"
	"io"
	"time"
)

// Exports is how what is known of an execution leaves the ledger.
type Exports interface {
	// ExportProvenance writes an execution's provenance to w. Nothing is written before everything was read;
	// an error after that is one of w.
	ExportProvenance(ctx context.Context, q ExportRequest, w io.Writer) (Exported, error)
}

// The formats of an export.
const (
	FormatROCrate  = "ro-crate"
	FormatProvJSON = "prov-json"
)

// ExportRequest says what is exported and how.
type ExportRequest struct {
	// What is an execution by its id (or part of it), or one of its products: by "sha256:<hex>" or by URI.
	What   string `json:"what"`
	Format string `json:"format"` // FormatROCrate or FormatProvJSON
}

// Exported says what was written.
type Exported struct {
	At        time.Time `json:"at"`
	Execution string    `json:"execution_id"`
	Status    string    `json:"status"`
	Format    string    `json:"format"`
	Bytes     int64     `json:"bytes"`
	Products  int       `json:"products"` // listed; their bytes are not exported
	Withdrawn int       `json:"withdrawn"`
	Events    int       `json:"events"`
	Head      string    `json:"head"`    // of the provenance log: "seq:hash"
	Missing   []string  `json:"missing"` // sentences: what is not in it, and why
}
