package flow

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// MaxOutputBytes is the largest output, as JSON, that is digested, cached and kept in checkpoints.
// Larger data belongs into a file or an artifact, with its digest as the output.
const MaxOutputBytes = 64 << 20

// canonical gives a value as JSON with sorted keys, without spaces and HTML escapes, so that a value
// and what comes back from its JSON have the same bytes.
func canonical(value any) (json.RawMessage, error) {
	raw, err := encode(value)
	if err != nil {
		return nil, err
	}
	if len(raw) > MaxOutputBytes {
		return nil, fmt.Errorf("%d bytes of JSON, more than %d", len(raw), MaxOutputBytes)
	}
	if raw[0] != '{' && raw[0] != '[' {
		return raw, nil
	}
	// Structs keep the order of their fields; a plain copy has maps, whose keys are sorted.
	plain, err := decode(raw)
	if err != nil {
		return nil, err
	}
	return encode(plain)
}

func encode(value any) (json.RawMessage, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), nil
}

// decode gives JSON as plain values, numbers as json.Number so that none loses digits.
func decode(raw json.RawMessage) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	return value, err
}

func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
