package ledger

import (
	"bytes"
	"encoding/json"
)

// Canonical encodes v as compact JSON with the keys of maps sorted and without HTML escaping, so that
// the same value always gives the same bytes.
func Canonical(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
