package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"beampipe/backends"
)

// maxProducts is how many files of one run are listed, maxProductsBytes how long the list may be.
const (
	maxProducts      = 250_000
	maxProductsBytes = 256 << 20
)

// products finds and digests the files that a run made: those of its File and Directory drops that have
// producers and are done, sorted by path. Links are neither products nor followed: what they lead to is not the run's.
func (p *plan) products(done func(oid string) bool) ([]backends.Product, error) {
	root, err := os.OpenRoot(string(p.at))
	if err != nil {
		return nil, err
	}
	defer root.Close()           // only read from
	owner := map[string]string{} // path relative to the folder -> oid
	for i := range p.drops {
		d := &p.drops[i]
		if d.App || d.Category == categoryMemory || len(d.Producers) == 0 || !done(d.OID) {
			continue
		}
		if err := listProducts(root, p.relative(p.places[d.OID].path), d.OID, owner); err != nil {
			return nil, err
		}
	}
	var products []backends.Product
	for _, name := range slices.Sorted(maps.Keys(owner)) {
		size, sum, err := digestFile(root, name)
		if err != nil {
			return nil, fmt.Errorf("digest the product %s: %w", name, err)
		}
		products = append(products, backends.Product{Path: name, Bytes: size, SHA256: sum, Drop: owner[name]})
	}
	return products, nil
}

// relative gives a path below the folder, with slashes.
func (p *plan) relative(absolute string) string {
	name, err := filepath.Rel(string(p.at), absolute)
	if err != nil {
		return absolute // cannot be: locate made it below the folder
	}
	return filepath.ToSlash(name)
}

// listProducts adds the files at, or below, a name. The first drop that names a file owns it.
func listProducts(root *os.Root, name, oid string, owner map[string]string) error {
	top, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && top.Mode().Type() == fs.ModeSymlink) {
		return nil // not made, or not by this run
	}
	if err == nil {
		err = walkProducts(root, name, oid, owner)
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", path.Clean(name), err)
	}
	return nil
}

func walkProducts(root *os.Root, name, oid string, owner map[string]string) error {
	return fs.WalkDir(root.FS(), name, func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if _, known := owner[at]; known || !entry.Type().IsRegular() {
			return nil
		}
		if len(owner) == maxProducts {
			return fmt.Errorf("more than %d products", maxProducts)
		}
		owner[at] = oid
		return nil
	})
}

func digestFile(root *os.Root, name string) (int64, string, error) {
	file, err := root.Open(name)
	if err != nil {
		return 0, "", err
	}
	defer file.Close() // only read from
	hash := sha256.New()
	size, err := io.Copy(hash, file)
	return size, hex.EncodeToString(hash.Sum(nil)), err
}
