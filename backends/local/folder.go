package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxRecordBytes is the longest control file that is read (products.json and the inputs have their own limits).
const maxRecordBytes = 1 << 20

// maxNameBytes keeps names made from oids well under the 255 bytes of common file systems.
const maxNameBytes = 180

// folder is the folder of one attempt.
type folder string

func (f folder) path(parts ...string) string {
	return filepath.Join(append([]string{string(f)}, parts...)...)
}

func (f folder) claim() string         { return f.path("claim") }
func (f folder) runFile() string       { return f.path("run.json") }
func (f folder) graphFile() string     { return f.path("graph.json") }
func (f folder) manifestFile() string  { return f.path("manifest.json") }
func (f folder) shimFile() string      { return f.path("shim") }
func (f folder) shimLog() string       { return f.path("shim.log") }
func (f folder) startFile() string     { return f.path("start") }
func (f folder) exitFile() string      { return f.path("exit") }
func (f folder) cancelMark() string    { return f.path("cancel") }
func (f folder) fencedMark() string    { return f.path("fenced") }
func (f folder) journal() string       { return f.path("drops.jsonl") }
func (f folder) progressFile() string  { return f.path("progress") }
func (f folder) productsFile() string  { return f.path("products.json") }
func (f folder) data() string          { return f.path("data") }
func (f folder) memory() string        { return f.path(".memory") }
func (f folder) logs() string          { return f.path("logs") }
func (f folder) log(oid string) string { return f.path("logs", fileName(oid)+".log") }

// fileName makes a file name of an oid: the oid itself where it is one, else a readable part and a
// digest, so that two oids never share a name.
func fileName(oid string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-", r):
			return r
		}
		return '_'
	}, oid)
	if safe == oid && len(oid) <= maxNameBytes && !strings.HasPrefix(oid, ".") && oid != "" {
		return oid
	}
	sum := sha256.Sum256([]byte(oid))
	return "_" + safe[:min(len(safe), maxNameBytes-20)] + "-" + hex.EncodeToString(sum[:8])
}

// writeFile puts a file there in one piece, durably: whoever reads it sees all of it or nothing.
func writeFile(path string, content []byte) error {
	temp, err := writeTemp(path, content)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(filepath.Dir(path))
}

// claimFile puts a file there in one piece if there is none, and says whether it did: of several who
// try at once, one wins.
func claimFile(path string, content []byte) (won bool, err error) {
	temp, err := writeTemp(path, content)
	if err != nil {
		return false, err
	}
	err = os.Link(temp, path)
	if removed := os.Remove(temp); err == nil && removed != nil {
		return true, removed
	}
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, syncDir(filepath.Dir(path))
}

func writeTemp(path string, content []byte) (string, error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".tmp-"+filepath.Base(path)+"-*")
	if err != nil {
		return "", err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	return errors.Join(err, dir.Close())
}

// readRecord reads a JSON file; one that is not there is found = false.
func readRecord(path string, into any) (found bool, err error) {
	raw, err := readLimited(path, maxRecordBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	return true, nil
}

// readLimited reads a file of at most limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // only read from
	raw, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("read %s: longer than %d bytes", path, limit)
	}
	return raw, nil
}

// record gives a value as one line of JSON.
func record(value any) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(fmt.Sprintf("local: a record that is no JSON: %v", err)) // records are structs of plain fields
	}
	return buffer.Bytes()
}

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
