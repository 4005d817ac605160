package control

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/provenance"
)

// maxSameProducts bounds the products that are looked at to find the execution of one.
const maxSameProducts = 1000

// ExportProvenance implements Exports.
func (c *Local) ExportProvenance(ctx context.Context, q ExportRequest, w io.Writer) (Exported, error) {
	write := map[string]func(io.Writer, provenance.Bundle) error{
		FormatROCrate: provenance.WriteROCrate, FormatProvJSON: provenance.WriteProvJSON,
	}[q.Format]
	if write == nil {
		return Exported{}, fault.New(fault.Invalid, fmt.Sprintf("export %s: there is no format %q", q.What, q.Format), "choose "+FormatROCrate+" or "+FormatProvJSON)
	}
	if err := c.needLedger(); err != nil {
		return Exported{}, err
	}
	var b provenance.Bundle
	err := c.ledger.Snapshot(ctx, func(v ledger.View) error {
		e, err := c.exported(v, q.What)
		if err == nil {
			b, err = c.bundle(ctx, v, e)
		}
		return err
	})
	if err != nil {
		return Exported{}, err
	}
	counted := &countingWriter{to: w}
	if err := write(counted, b); err != nil {
		return Exported{}, err
	}
	answer := Exported{
		At: c.now(), Execution: b.Execution, Status: b.Status, Format: q.Format, Bytes: counted.n, Products: len(b.Products),
		Events: len(b.Events), Head: b.Head, Missing: b.Missing,
	}
	if answer.Missing == nil {
		answer.Missing = []string{}
	}
	for _, p := range b.Products {
		if p.Withdrawn {
			answer.Withdrawn++
		}
	}
	return answer, nil
}

// countingWriter counts what passes.
type countingWriter struct {
	to io.Writer
	n  int64
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	w.n += int64(n)
	return n, err
}

// exported finds the execution that is meant: by its id, or by one of its products.
func (c *Local) exported(v ledger.View, what string) (ledger.Execution, error) {
	f := ledger.ProductFilter{Limit: maxSameProducts}
	digest, isDigest := strings.CutPrefix(what, "sha256:")
	switch {
	case isDigest:
		f.SHA256 = strings.ToLower(digest)
		if raw, err := hex.DecodeString(f.SHA256); err != nil || len(raw) != 32 {
			return ledger.Execution{}, fault.New(fault.Invalid, fmt.Sprintf("export %s: expected sha256: and 64 hexadecimal digits", what), "")
		}
	case strings.Contains(what, "://"):
		f.URI = what
	default:
		id, err := v.ResolveExecution(what)
		if err != nil {
			return ledger.Execution{}, err
		}
		return v.Execution(id)
	}
	list, err := v.Products(f)
	if err != nil {
		return ledger.Execution{}, err
	}
	var ids []string
	for _, p := range list {
		if len(ids) == 0 || ids[len(ids)-1] != p.Execution {
			ids = append(ids, p.Execution)
		}
	}
	switch len(ids) {
	case 1:
		return v.Execution(ids[0])
	case 0:
		return ledger.Execution{}, fault.New(fault.NotFound, "export "+what+": no execution in this ledger made such a file", "name the execution: beampipe execution list")
	}
	const shown = 5
	more := ""
	if len(ids) > shown {
		more = fmt.Sprintf(" and %d more", len(ids)-shown)
	}
	return ledger.Execution{}, fault.New(fault.Invalid, fmt.Sprintf("export %s: %d executions made the same file: %s%s", what, len(ids), strings.Join(ids[:min(len(ids), shown)], ", "), more),
		"name the execution that you mean")
}
