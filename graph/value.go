package graph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Value is the effective value of one field of a drop. Drops of one logical node share their
// values: do not change what JSON points to.
type Value struct {
	JSON     any    // nil, bool, json.Number, string, []any or map[string]any
	Type     string // of the field: String, Integer, Float, Boolean, …
	Encoding string // of the field: path, utf-8, pickle, …; how a port reads its data
}

// Text gives the value as text: a string as it is, a number as it was written, true or false, ""
// for null, JSON for lists and objects.
func (v Value) Text() string { return text(v.JSON) }

// Int gives the value as an integer; text that holds one counts. ok is false for anything else.
func (v Value) Int() (n int, ok bool) {
	switch v.JSON.(type) {
	case json.Number, string:
	default:
		return 0, false
	}
	s := strings.TrimSpace(text(v.JSON))
	if n, err := strconv.Atoi(s); err == nil {
		return n, true
	}
	// 3.0 is how some editors write 3.
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != float64(int(f)) || f > 1<<53 || f < -(1<<53) {
		return 0, false
	}
	return int(f), true
}

// Float gives the value as a number; text that holds one counts. ok is false for anything else.
func (v Value) Float() (f float64, ok bool) {
	switch v.JSON.(type) {
	case json.Number, string:
	default:
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(text(v.JSON)), 64)
	return f, err == nil
}

// Bool is true for true, the number 1, and the texts "true" (in any case) and "1", as DALiuGE reads
// flags.
func (v Value) Bool() bool {
	if b, ok := v.JSON.(bool); ok {
		return b
	}
	s := strings.ToLower(text(v.JSON))
	return s == "true" || s == "1"
}

// text is the text form of a JSON value, see Value.Text.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	default:
		out, err := encode(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(out)
	}
}

// empty says whether a field's value gives way to its defaultValue.
func empty(v any) bool { return v == nil || v == "" }

// normalise turns a Go value into a JSON value as Parse makes them.
func normalise(v any) (any, error) {
	raw, err := encode(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var out any
	err = dec.Decode(&out)
	return out, err
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for key, value := range v {
			c[key] = cloneValue(value)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, value := range v {
			c[i] = cloneValue(value)
		}
		return c
	default:
		return v
	}
}

// objects reads a list of objects; a missing or null key is an empty list.
func objects(in map[string]any, key string) ([]map[string]any, error) {
	if in[key] == nil {
		return nil, nil
	}
	list, ok := in[key].([]any)
	if !ok {
		return nil, fmt.Errorf("%s: found %s, expected a list", key, kindName(in[key]))
	}
	out := make([]map[string]any, len(list))
	for i, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s[%d]: found %s, expected an object", key, i, kindName(item))
		}
		out[i] = object
	}
	return out, nil
}

func kindAt(in map[string]any, key string) string {
	if _, ok := in[key]; !ok {
		return "nothing"
	}
	return kindName(in[key])
}

func kindName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "a list"
	default:
		return "an object"
	}
}

// position gives line and column (in characters), both from 1, of a byte offset.
func position(raw []byte, offset int) (line, column int) {
	offset = min(offset, len(raw))
	before := raw[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}

func firstInvalid(raw []byte) int {
	for i := 0; i < len(raw); {
		r, size := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(raw)
}

func quoteName(name string) string {
	if name == "" {
		return "(unnamed)"
	}
	return clip(name)
}

// clip keeps messages readable when a name in a foreign document is very long.
func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
