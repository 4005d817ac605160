package discovery

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"beampipe/configs"
)

// NoDataSignature is the signature of a source for which the archive shows nothing: of
// {"0":{"datasets":[],"discovery_status":"no_datasets"}}.
const NoDataSignature = "f57cea7a8b79823abac81f1f90b3f9e594f21ae40faff4ad4935e8b149771c5f"

// Sign gives the signature of a source's records: the SHA-256, in hexadecimal, of the canonical JSON
// of an object by SBID with the records ("datasets") and, where they are included and there are any,
// the flags ("discovery_flags"). Keys in exclude are left out at every depth. Neither the order of
// records nor that of keys matters; records without an SBID are left out.
//
// Values are JSON-like. The rule is that of the predecessor (behaviour 2.6).
func Sign(records []map[string]any, flags map[string]any, exclude []string, includeFlags bool) string {
	drop := map[string]bool{}
	for _, key := range exclude {
		drop[key] = true
	}
	groups := map[string][]signed{}
	for _, record := range records {
		if sbid, ok := sbidText(record[fieldSBID]); ok {
			groups[sbid] = append(groups[sbid], newSigned(record, drop))
		}
	}
	b := []byte{'{'}
	for i, sbid := range sortedKeys(groups) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, sbid), `:{"datasets":[`...)
		slices.SortFunc(groups[sbid], func(a, b signed) int {
			return cmp.Or(cmp.Compare(a.key, b.key), bytes.Compare(a.json, b.json))
		})
		for j, s := range groups[sbid] {
			if j > 0 {
				b = append(b, ',')
			}
			b = append(b, s.json...)
		}
		b = append(b, ']')
		if includeFlags && len(flags) > 0 {
			b = appendJSON(append(b, `,"discovery_flags":`...), flags, nil)
		}
		b = append(b, '}')
	}
	return digest(append(b, '}'))
}

// signed is a record as it is hashed. Records sort by key, then by their JSON.
type signed struct {
	key  string
	json []byte
}

func newSigned(record map[string]any, drop map[string]bool) signed {
	text := func(field string) string {
		if drop[field] {
			return ""
		}
		s, _ := sbidText(record[field])
		return s
	}
	return signed{key: text(fieldDataset) + "\x1f" + text(fieldVisibility), json: appendJSON(nil, record, drop)}
}

// sbidText gives a text as it is, and a number as its JSON text.
func sbidText(v any) (string, bool) {
	if s, ok := v.(string); ok {
		return s, true
	}
	if _, isBool := v.(bool); isBool {
		return "", false
	}
	return configs.Text(v)
}

// strip gives v without the keys in drop, at every depth.
func strip(v any, drop map[string]bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			if !drop[key] {
				out[key] = strip(item, drop)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = strip(item, drop)
		}
		return out
	}
	return v
}

// digest is the SHA-256 in hexadecimal.
func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// signatureOf signs what was mapped as the project says.
func (m mapper) signatureOf(data mapped) string {
	o := m.project.Discovery.PrepareMetadata.SignatureOptions()
	return Sign(data.records, data.flags, o.ExcludeFields, o.IncludeDiscoveryFlags)
}
