package archive

import (
	"context"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"beampipe/fault"
)

// Observation is one row of ivoa.obscore. An empty text is null there, but for Filename, ObsID and
// PublisherDID, by which rows replace each other. The other columns hold constants that look like
// ASKAP's visibilities.
type Observation struct {
	Filename, ObsID, PublisherDID, Collection, AccessURL, TargetName string

	Filesize   int64   // kB
	RA, Dec    float64 // degrees, ICRS
	TMin, TMax float64 // MJD
	Released   string  // ISO 8601
}

// Evaluation is one row of casda.observation_evaluation_file. Rows with the same SBID and Filename
// replace each other.
type Evaluation struct {
	SBID, Filename, Format, AccessURL string
	Filesize                          int64 // kB
}

// CatalogueEntry is one row of "VIII/73/hicat": degrees and km/s, nil for null. Rows with the same
// HIPASS name (J1313-15, without HIPASS in front) replace each other.
type CatalogueEntry struct {
	HIPASS           string
	RAJ2000, DEJ2000 *float64
	RV50max, RV50min *float64
	RVmom            *float64
}

// AddObservations adds rows to ivoa.obscore, all or none.
func (a *Archive) AddObservations(ctx context.Context, list []Observation) error {
	return add(ctx, a, obscore, list, Observation.row)
}

// AddEvaluations adds rows to casda.observation_evaluation_file, all or none.
func (a *Archive) AddEvaluations(ctx context.Context, list []Evaluation) error {
	return add(ctx, a, evaluationFile, list, Evaluation.row)
}

// AddCatalogue adds rows to "VIII/73/hicat", all or none.
func (a *Archive) AddCatalogue(ctx context.Context, list []CatalogueEntry) error {
	return add(ctx, a, hicat, list, CatalogueEntry.row)
}

// row gives the values in the order of obscore's columns.
func (o Observation) row() []any {
	const secondsPerDay = 86400
	return []any{
		"visibility", 2, orNull(o.Collection), o.ObsID, o.PublisherDID,
		orNull(o.AccessURL), "application/x-tar", o.Filesize,
		orNull(o.TargetName), o.RA, o.Dec, 1.0, nil, 30.0,
		o.TMin, o.TMax, math.Round((o.TMax - o.TMin) * secondsPerDay), 10.0,
		0.2082, 0.2205, 15000.0, "phot.flux.density", "/XX/YY/",
		"ASKAP", "ASKAP",
		o.Filename, o.Filesize, "NOT_VALIDATED", orNull(o.Released),
	}
}

func (e Evaluation) row() []any {
	return []any{e.SBID, e.Filename, orNull(e.Format), e.Filesize, orNull(e.AccessURL)}
}

func (e CatalogueEntry) row() []any {
	row := []any{e.HIPASS}
	for _, v := range []*float64{e.RAJ2000, e.DEJ2000, e.RV50max, e.RV50min, e.RVmom} {
		if v == nil {
			row = append(row, nil)
		} else {
			row = append(row, *v)
		}
	}
	return row
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// add writes rows in one transaction.
func add[T any](ctx context.Context, a *Archive, t table, list []T, row func(T) []any) error {
	what := fmt.Sprintf("add %d rows to %s", len(list), t.fullName())
	tx, err := a.write.BeginTx(ctx, nil)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, what, "")
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	stmt, err := tx.PrepareContext(ctx, t.insert())
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, what, "")
	}
	defer stmt.Close()
	for i, item := range list {
		values := row(item)
		for k, v := range values {
			if err := storable(v); err != nil {
				return fault.Wrap(fault.Invalid, err, fmt.Sprintf("%s: row %d, %s", what, i+1, t.columns[k].name), "")
			}
		}
		if _, err := stmt.ExecContext(ctx, values...); err != nil {
			return fault.Wrap(fault.Unavailable, err, fmt.Sprintf("%s: row %d", what, i+1), "")
		}
	}
	return fault.Wrap(fault.Unavailable, tx.Commit(), what, "")
}

// storable refuses text that no VOTable can hold, and values that are no text, number or null.
func storable(v any) error {
	switch v := v.(type) {
	case nil, int, int64, float64:
		return nil
	case string:
		bad := func(r rune) bool {
			return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
		}
		if !utf8.ValidString(v) || strings.ContainsFunc(v, bad) {
			return fmt.Errorf("text %.60q holds control characters or is not UTF-8", v)
		}
		return nil
	}
	return fmt.Errorf("a value of type %T; expected string, int, int64, float64 or nil", v)
}

// RemoveObservations removes the rows of ivoa.obscore with this file name and says how many.
func (a *Archive) RemoveObservations(ctx context.Context, filename string) (int, error) {
	what := fmt.Sprintf("remove %q from %s", filename, obscore.fullName())
	n, err := a.exec(ctx, "DELETE FROM "+obscore.fullName()+" WHERE filename = ?", filename)
	return n, fault.Wrap(fault.Unavailable, err, what, "")
}

// UpdateObservation sets one column in the rows of ivoa.obscore with this file name: to a string,
// int, int64, float64, or nil for null. An unknown column is fault.Invalid, no such row
// fault.NotFound.
func (a *Archive) UpdateObservation(ctx context.Context, filename, column string, value any) error {
	what := fmt.Sprintf("set %s of %q in %s", column, filename, obscore.fullName())
	if !obscore.has(column) {
		return fault.New(fault.Invalid, what+": there is no such column", "")
	}
	if err := storable(value); err != nil {
		return fault.Wrap(fault.Invalid, err, what, "")
	}
	n, err := a.exec(ctx, "UPDATE "+obscore.fullName()+" SET "+column+" = ? WHERE filename = ?", value, filename)
	if err == nil && n == 0 {
		return fault.New(fault.NotFound, what+": there is no such row", "")
	}
	return fault.Wrap(fault.Unavailable, err, what, "")
}

// exec runs a statement and gives how many rows it changed.
func (a *Archive) exec(ctx context.Context, query string, args ...any) (int, error) {
	result, err := a.write.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}
