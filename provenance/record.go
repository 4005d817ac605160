package provenance

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// recordFields is the number of texts that a Record has besides its hashes.
const recordFields = 8

// Record is an event as it is stored, nothing parsed: verification hashes what is there, and a time or a
// payload that no program could read is still told from one that was changed.
type Record struct {
	Seq      int64
	PrevHash string
	Hash     string
	// occurred_at, event_type, project_module, source_identifier, execution_id, actor, correlation_id, payload
	Fields [recordFields]string
}

// Type is the record's event type.
func (r *Record) Type() string { return r.Fields[1] }

// record writes an event as the ledger stores it.
func (e Event) record() Record {
	return Record{
		Seq: e.Seq, PrevHash: e.PrevHash, Hash: e.Hash,
		Fields: [recordFields]string{e.OccurredAt.UTC().Format(TimeFormat), e.Type, e.Project, e.Source, e.Execution, e.Actor, e.Correlation, string(e.Payload)},
	}
}

// hasher computes hashes and keeps its buffer between them: a chain of millions of events is hashed without
// making garbage. It is not safe for concurrent use.
type hasher struct {
	buf []byte
	hex [2 * sha256.Size]byte
}

// sum gives the hash that the record has as event seq, in hexadecimal. The result is valid until the next call.
func (h *hasher) sum(r *Record, seq int64) []byte {
	b := appendField(h.buf[:0], r.PrevHash)
	var digits [20]byte
	b = appendField(b, string(strconv.AppendInt(digits[:0], seq, 10)))
	for i := range r.Fields {
		b = appendField(b, r.Fields[i])
	}
	h.buf = b
	sum := sha256.Sum256(b)
	hex.Encode(h.hex[:], sum[:])
	return h.hex[:]
}

// appendField writes a field with its length.
func appendField(b []byte, field string) []byte {
	b = strconv.AppendInt(b, int64(len(field)), 10)
	b = append(b, ':')
	b = append(b, field...)
	return append(b, ',')
}
