package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"beampipe/graph"
)

// initialTypes are the types of a Memory drop's pydata that are plain text.
var initialTypes = []string{"String", "Integer", "Float", "Boolean", "Json", "Select"}

// initial gives what a Memory drop holds from the beginning, if anything: its field pydata.
func initial(d *graph.Drop) string {
	if text := d.Fields["pydata"].Text(); text != "None" {
		return text
	}
	return ""
}

func checkInitial(d *graph.Drop) error {
	if typ := d.Fields["pydata"].Type; initial(d) != "" && !slices.Contains(initialTypes, typ) {
		return fmt.Errorf("unsupported: its field pydata holds an %s, expected text", typ)
	}
	return nil
}

// makeRoom prepares the place of a data drop before anyone writes to it.
func (p *plan) makeRoom(d *graph.Drop) error {
	at := p.places[d.OID]
	if at.dir {
		return os.MkdirAll(at.path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(at.path), 0o755); err != nil {
		return err
	}
	if d.Category == categoryMemory {
		return os.WriteFile(at.path, []byte(initial(d)), 0o644)
	}
	return nil
}

// complete says whether a data drop is in order once its producers are done. Like DALiuGE it does not
// mind a missing file, unless check_filepath_exists is set.
func (p *plan) complete(d *graph.Drop) error {
	if !d.Fields["check_filepath_exists"].Bool() {
		return nil
	}
	at := p.places[d.OID]
	_, err := os.Stat(at.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the file %s is not there (check_filepath_exists)", filepath.Base(at.path))
	}
	return err
}

// content reads a data drop as text for a command, without the newlines at its end (as the shell's own
// $(…) does).
func (p *plan) content(oid string) (string, error) {
	at := p.places[oid].path
	info, err := os.Stat(at)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file with text", filepath.Base(at)) // a pipe would never end
	}
	if err != nil {
		return "", err
	}
	raw, err := readLimited(at, maxCommandBytes)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(raw), "\n"), nil
}

// ingest writes the manifest to everything that the ingest application gives.
func (p *plan) ingest(d *graph.Drop) error {
	manifest := p.manifest
	if text := strings.TrimSpace(d.Fields[ingestField].Text()); text != "" {
		manifest = []byte(text)
	}
	for _, port := range d.Outputs {
		if err := writeFile(p.places[port.Drop].path, manifest); err != nil {
			return fmt.Errorf("write the manifest: %w", err)
		}
	}
	return nil
}
