package discovery

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"beampipe/configs"
	"beampipe/ledger"
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
		sbid, ok := sbidText(record[fieldSBID])
		if !ok {
			continue
		}
		groups[sbid] = append(groups[sbid], newSigned(strip(record, drop)))
	}
	var b bytes.Buffer
	for _, sbid := range sortedKeys(groups) {
		list := groups[sbid]
		slices.SortFunc(list, func(a, b signed) int {
			return cmp.Or(cmp.Compare(a.key, b.key), bytes.Compare(a.json, b.json))
		})
		separate(&b, '{')
		b.Write(canonical(sbid))
		b.WriteString(`:{"datasets":[`)
		for i, s := range list {
			if i > 0 {
				b.WriteByte(',')
			}
			b.Write(s.json)
		}
		b.WriteByte(']')
		if includeFlags && len(flags) > 0 {
			b.WriteString(`,"discovery_flags":`)
			b.Write(canonical(flags))
		}
		b.WriteByte('}')
	}
	if b.Len() == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return digest(b.Bytes())
}

// signed is a record as it is hashed. Records sort by key, then by their JSON.
type signed struct {
	key  string
	json []byte
}

func newSigned(record any) signed {
	object, _ := record.(map[string]any)
	dataset, _ := sbidText(object[fieldDataset])
	visibility, _ := sbidText(object[fieldVisibility])
	return signed{key: dataset + "\x1f" + visibility, json: canonical(record)}
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

// canonical encodes a JSON-like value: sorted keys, no blanks, nothing escaped that JSON does not
// ask for. What JSON cannot express (a NaN) counts as null.
func canonical(v any) []byte {
	b, err := ledger.Canonical(v)
	if err != nil {
		return []byte("null")
	}
	return unescapeSeparators(b)
}

// unescapeSeparators takes back the one thing that encoding/json escapes beyond JSON's own rules:
// U+2028 and U+2029.
func unescapeSeparators(b []byte) []byte {
	if !bytes.Contains(b, []byte(`\u202`)) {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		rest := b[i:]
		switch {
		case bytes.HasPrefix(rest, []byte(`\u2028`)):
			out, i = append(out, "\u2028"...), i+5
		case bytes.HasPrefix(rest, []byte(`\u2029`)):
			out, i = append(out, "\u2029"...), i+5
		case b[i] == '\\' && len(rest) > 1:
			out, i = append(out, b[i], b[i+1]), i+1
		default:
			out = append(out, b[i])
		}
	}
	return out
}

// digest is the SHA-256 in hexadecimal.
func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// separate begins an object, or parts its members.
func separate(b *bytes.Buffer, begin byte) {
	if b.Len() == 0 {
		b.WriteByte(begin)
		return
	}
	b.WriteByte(',')
}

// signatureOf signs what was mapped as the project says.
func (m mapper) signatureOf(data mapped) string {
	o := m.project.Discovery.PrepareMetadata.SignatureOptions()
	return Sign(data.records, data.flags, o.ExcludeFields, o.IncludeDiscoveryFlags)
}
