package ledger

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"beampipe/fault"
)

// MaxArtifactBytes bounds one artifact, plain.
const MaxArtifactBytes = 256 << 20

const restoreHint = "restore the ledger from a backup"

// Artifact kinds of an execution.
const (
	ArtifactManifest     = "manifest"
	ArtifactPatchedGraph = "patched_graph"
	ArtifactProducts     = "products"
	ArtifactLineage      = "lineage" // what the archives said of its sources when the manifest was made
)

// Artifact is a piece of content that belongs to an execution.
type Artifact struct {
	Kind      string    `json:"kind"`
	Attempt   int       `json:"attempt"`
	SHA256    string    `json:"sha256"`
	MediaType string    `json:"media_type"`
	Size      int64     `json:"size"`
	CreatedAt time.Time `json:"created_at"`
}

// Encoders and decoders keep large tables, so they are made once.
var (
	encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	})
	decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxArtifactBytes))
	})
)

func compress(plain []byte) ([]byte, error) {
	enc, err := encoder()
	if err != nil {
		return nil, err
	}
	return enc.EncodeAll(plain, nil), nil
}

func decompress(packed []byte) ([]byte, error) {
	dec, err := decoder()
	if err != nil {
		return nil, err
	}
	return dec.DecodeAll(packed, nil)
}

// Packed is content made ready to be stored: hashed and compressed outside of the write transaction,
// which then stays short.
type Packed struct {
	SHA256    string
	MediaType string
	Size      int64
	data      []byte
}

// Pack hashes and compresses content for PutPacked.
func Pack(mediaType string, content []byte) (Packed, error) {
	if len(content) > MaxArtifactBytes {
		return Packed{}, fault.New(fault.Invalid, fmt.Sprintf("store artifact: %d bytes, the limit is %d (MaxArtifactBytes)", len(content), MaxArtifactBytes), "")
	}
	sum := sha256.Sum256(content)
	data, err := compress(content)
	if err != nil {
		return Packed{}, fmt.Errorf("compress artifact: %w", err)
	}
	return Packed{SHA256: hex.EncodeToString(sum[:]), MediaType: mediaType, Size: int64(len(content)), data: data}, nil
}

// PutPacked stores content once, whatever number of executions it belongs to.
func (tx *Tx) PutPacked(p Packed) error {
	_, err := tx.exec("store artifact", `INSERT INTO artifacts (sha256, media_type, size, data, created_at)
		SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM artifacts WHERE sha256 = ?)`,
		p.SHA256, p.MediaType, p.Size, p.data, Stamp(tx.now), p.SHA256)
	return err
}

// AttachArtifact stores content and says that it is this execution's artifact of that kind for that
// attempt. The same content again is no change; other content is a Conflict.
func (tx *Tx) AttachArtifact(execution string, attempt int, kind string, p Packed) error {
	if err := tx.PutPacked(p); err != nil {
		return err
	}
	return tx.attach(execution, attempt, kind, p.SHA256)
}

// AttachStored is AttachArtifact for content that is in the ledger.
func (tx *Tx) AttachStored(execution string, attempt int, kind, digest string) error {
	return tx.attach(execution, attempt, kind, digest)
}

func (tx *Tx) attach(execution string, attempt int, kind, digest string) error {
	have, err := tx.artifactDigest(execution, kind, attempt)
	switch {
	case err != nil:
		return err
	case have == digest:
		return nil
	case have != "":
		return fault.New(fault.Conflict, fmt.Sprintf("execution %s: attempt %d already has another %s (%s)", execution, attempt, kind, have), "")
	}
	_, err = tx.exec("attach artifact", `INSERT INTO execution_artifacts (execution, kind, attempt, sha256, created_at)
		VALUES (?, ?, ?, ?, ?)`, execution, kind, attempt, digest, Stamp(tx.now))
	return err
}

func (v View) artifactDigest(execution, kind string, attempt int) (digest string, err error) {
	err = v.list("artifact", "SELECT sha256 FROM execution_artifacts WHERE execution = ? AND kind = ? AND attempt = ?",
		[]any{execution, kind, attempt}, func(rows *sql.Rows) error { return rows.Scan(&digest) })
	return digest, err
}

// Artifacts lists what belongs to an execution, the newest attempt first.
func (v View) Artifacts(execution string) ([]Artifact, error) {
	var list []Artifact
	err := v.list("artifacts", `SELECT e.kind, e.attempt, e.sha256, a.media_type, a.size, e.created_at
		FROM execution_artifacts e JOIN artifacts a ON a.sha256 = e.sha256
		WHERE e.execution = ? ORDER BY e.attempt DESC, e.kind`, []any{execution}, func(rows *sql.Rows) error {
		var a Artifact
		var at timeText
		err := rows.Scan(&a.Kind, &a.Attempt, &a.SHA256, &a.MediaType, &a.Size, &at)
		a.CreatedAt = at.value()
		list = append(list, a)
		return err
	})
	return list, err
}

// ArtifactDigest gives the digest of an execution's newest artifact of a kind, "" where there is none.
func (v View) ArtifactDigest(execution, kind string) (digest string, err error) {
	err = v.list("artifact", "SELECT sha256 FROM execution_artifacts WHERE execution = ? AND kind = ? ORDER BY attempt DESC LIMIT 1",
		[]any{execution, kind}, func(rows *sql.Rows) error { return rows.Scan(&digest) })
	return digest, err
}

// ArtifactOf gives the content of an execution's newest artifact of a kind.
func (v View) ArtifactOf(execution, kind string) ([]byte, string, error) {
	var digest string
	err := v.get(fmt.Sprintf("%s of execution %s", kind, execution), `SELECT sha256 FROM execution_artifacts
		WHERE execution = ? AND kind = ? ORDER BY attempt DESC LIMIT 1`, []any{execution, kind}, &digest)
	if err != nil {
		return nil, "", err
	}
	content, err := v.Content(digest)
	return content, digest, err
}
