package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"beampipe/control"
	"beampipe/fault"
)

// exportedFile is the answer of provenance export -o.
type exportedFile struct {
	File string `json:"file"`
	control.Exported
}

func newProvenanceExportCmd(a *app) *cobra.Command {
	var q control.ExportRequest
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:   "export EXECUTION|FILE --format FORMAT",
		Short: "All that is known of a run, to be kept beside its products or published",
		Long: `Write all that the ledger knows of one run, to stdout or to -o FILE. FORMAT is ro-crate, a Workflow Run RO-Crate
(Provenance Run Crate 0.5) as one zip file with manifest, graphs, config, inventory, lineage and the events of the run;
or prov-json, its lineage as W3C PROV-JSON.

The run is named by its id, or by one of its products: a file here, which is found by its digest, sha256:DIGEST or the
product's URI. Products are listed with their digests and not contained; withdrawn ones are marked. Signed URLs,
passwords and tokens are taken out, and each file of which that is true says so. The same run gives the same bytes as
long as nothing new happens to it and the log does not grow.`,
		Example: "  beampipe provenance export 0193a1c2 --format ro-crate -o run.zip\n  beampipe provenance export mosaic.fits --format prov-json",
		Args:    arguments(1, 1, "an execution id or a product"),
		RunE: a.with(onRead, func(ctx context.Context, c control.Control, args []string) error {
			var err error
			if q.What, err = exportedThing(ctx, args[0]); err != nil {
				return err
			}
			if out == "" {
				if q.Format == control.FormatROCrate && a.terminal {
					return usagef("provenance export: a zip file is not written to a terminal: give -o FILE, or redirect stdout")
				}
				_, err := c.ExportProvenance(ctx, q, a.stdout)
				return err
			}
			answer := exportedFile{File: out}
			err = writeNew(out, force, func(w io.Writer) error {
				answer.Exported, err = c.ExportProvenance(ctx, q, w)
				return err
			})
			if err != nil {
				return err
			}
			return a.print(answer, func(p *page) { p.exported(answer) })
		}),
	}
	f := cmd.Flags()
	f.StringVar(&q.Format, "format", "", "`FORMAT`: ro-crate or prov-json")
	outFlag(cmd, &out, "write it to `FILE`, which must not be there yet")
	f.BoolVar(&force, "force", false, "let -o replace a file")
	require(cmd, "format")
	return cmd
}

// exportedThing turns the name of a file that is here into its digest. Everything else stays as it is.
func exportedThing(ctx context.Context, what string) (string, error) {
	info, err := os.Stat(what)
	if err != nil || !info.Mode().IsRegular() {
		return what, nil // an id, a digest or a URI
	}
	doing := "digest product " + what
	f, err := os.Open(what)
	if err != nil {
		return "", openFileError(err, doing)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, &contextReader{ctx: ctx, from: f}); err != nil {
		return "", fault.Wrap(fault.Invalid, plainCause(err), doing, "")
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// contextReader ends with its context: products are large.
type contextReader struct {
	ctx  context.Context
	from io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.from.Read(p)
}

// writeNew writes a file that is there whole or not at all. One that is there already is kept unless
// force is given.
func writeNew(path string, force bool, write func(io.Writer) error) (err error) {
	exists := fault.New(fault.Conflict, "write "+path+": it is there already", "choose another name, or replace it with --force")
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return fault.New(fault.Invalid, "write "+path+": it is a folder", "name a file in it")
	case err == nil && !force:
		return exists
	}
	fail := func(err error) error {
		return fault.Wrap(fault.Invalid, plainCause(err), "write "+path, "name a file in a folder that can be written to")
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fail(err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		f.Close()
		var disk *fs.PathError
		if errors.As(err, &disk) && disk.Path == f.Name() {
			return fault.Wrap(fault.Unavailable, disk.Err, "write "+path, "make room there, or name a file on another disk")
		}
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return fail(err)
	}
	if !force {
		// A link fails where a file came meanwhile; a rename would replace it. Not every file system has links.
		switch err := os.Link(f.Name(), path); {
		case err == nil:
			return fail(os.Remove(f.Name()))
		case errors.Is(err, fs.ErrExist):
			return exists
		}
	}
	return fail(os.Rename(f.Name(), path))
}

func (p *page) exported(x exportedFile) {
	p.line("%s   %s, %s", p.bold(x.File), x.Format, bytesText(x.Bytes))
	p.field("execution", "%s, %s", x.Execution, x.Status)
	products := count(x.Products, "product")
	if x.Withdrawn > 0 {
		products += fmt.Sprintf(", %d of them withdrawn", x.Withdrawn)
	}
	p.field("lists", "%s, %s", products, count(x.Events, "event"))
	p.field("ledger head", "%s", x.Head)
	p.fields("not in it", x.Missing)
}
