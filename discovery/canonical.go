package discovery

import (
	"encoding/json"
	"unicode/utf8"

	"beampipe/ledger"
)

// canonical encodes a JSON-like value: keys sorted by their bytes, no blanks, numbers as they are,
// nothing escaped that JSON does not ask for (encoding/json escapes U+2028 and U+2029 as well). What
// JSON cannot express counts as null.
func canonical(v any) []byte { return appendJSON(nil, v, nil) }

// appendJSON is canonical without the keys in drop, at every depth. It is written out because every
// record of every answer goes through it.
func appendJSON(b []byte, v any, drop map[string]bool) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		if v {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case string:
		return appendText(b, v)
	case json.Number:
		return append(b, v...)
	case map[string]any:
		return appendObject(b, v, drop)
	case []any:
		return appendList(b, v, drop)
	case []map[string]any:
		return appendList(b, v, drop)
	}
	other, err := ledger.Canonical(v)
	if err != nil {
		return append(b, "null"...)
	}
	return append(b, other...)
}

func appendObject(b []byte, object map[string]any, drop map[string]bool) []byte {
	b = append(b, '{')
	first := true
	for _, key := range sortedKeys(object) {
		if drop[key] {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendText(b, key), ':')
		b = appendJSON(b, object[key], drop)
	}
	return append(b, '}')
}

func appendList[T any](b []byte, list []T, drop map[string]bool) []byte {
	b = append(b, '[')
	for i, item := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, item, drop)
	}
	return append(b, ']')
}

const hexDigits = "0123456789abcdef"

// appendText writes a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ':
			b = utf8.AppendRune(b, r)
		case r == '\b':
			b = append(b, `\b`...)
		case r == '\f':
			b = append(b, `\f`...)
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, `\u00`...)
			b = append(b, hexDigits[r>>4], hexDigits[r&15])
		}
	}
	return append(b, '"')
}
