package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"beampipe/fault"
	"beampipe/provenance"
)

// maxArchiveWindow bounds the memory that reading an archive may ask for.
const maxArchiveWindow = 128 << 20

// archive is a file of JSON Lines (zstd) that is being written: what is pruned goes there first.
type archive struct {
	folder string
	part   *partFile
	file   *os.File
	sum    hash.Hash
	zip    *zstd.Encoder
	rows   int64
}

// newArchive begins a file in a folder, which is made when it is not there. Its name is given at the end.
func newArchive(folder, begins string) (*archive, error) {
	what := "archive to folder " + folder
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, what, "name a folder that can be written to")
	}
	a := &archive{folder: folder, sum: sha256.New()}
	var err error
	if a.part, err = newPart(filepath.Join(folder, begins), 0o640); err != nil {
		return nil, err
	}
	if a.file, err = os.OpenFile(a.part.part, os.O_WRONLY, 0); err != nil {
		a.part.drop()
		return nil, fault.Wrap(fault.Unavailable, err, what, "")
	}
	if a.zip, err = zstd.NewWriter(io.MultiWriter(a.file, a.sum), zstd.WithEncoderConcurrency(1)); err != nil {
		a.drop()
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return a, nil
}

// Write adds to the file.
func (a *archive) Write(b []byte) (int, error) {
	n, err := a.zip.Write(b)
	if err != nil {
		return n, fault.Wrap(fault.Unavailable, err, "write archive in folder "+a.folder, "make room there")
	}
	return n, nil
}

// finish makes the file durable under a name. An earlier file of that name holds the same rows.
func (a *archive) finish(name string) (ArchiveFile, error) {
	err := a.zip.Close()
	if closing := a.file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		a.part.drop()
		return ArchiveFile{}, fault.Wrap(fault.Unavailable, err, "write archive in folder "+a.folder, "make room there")
	}
	a.part.path = filepath.Join(a.folder, name)
	if err := a.part.finish(); err != nil {
		return ArchiveFile{}, err
	}
	return ArchiveFile{Path: a.part.path, SHA256: hex.EncodeToString(a.sum.Sum(nil)), Rows: a.rows}, nil
}

// drop removes what was written so far.
func (a *archive) drop() {
	a.file.Close()
	a.part.drop()
}

// VerifyArchive checks a file of events that a pruning wrote: that its lines are one unbroken part of a
// chain, without anything but the file. sum is the file's digest, which the event ledger.pruned tells.
func VerifyArchive(path string) (a provenance.Archive, sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return a, "", fault.Wrap(fault.NotFound, err, "verify archive "+path, "")
	}
	defer f.Close()
	digest := sha256.New()
	zip, err := zstd.NewReader(io.TeeReader(f, digest), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxArchiveWindow))
	if err != nil {
		return a, "", fault.Wrap(fault.Invalid, err, "verify archive "+path, "")
	}
	defer zip.Close()
	if a, err = provenance.VerifyArchive(zip, nil); err == nil {
		_, err = io.Copy(digest, f) // what is behind the last frame
	}
	return a, hex.EncodeToString(digest.Sum(nil)), fault.Wrap(fault.Invalid, err, "verify archive "+path, "it is not what was written; take another copy of it")
}
