package configs

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Text is the input rule that transforms share: the trimmed text of a string that is not blank, the
// decimal text of a number, "true" or "false" of a boolean. Anything else has no value: false.
func Text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		s := strings.TrimSpace(v)
		return s, s != ""
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), v != ""
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", false
		}
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// Truthy reports whether a discovery flag holds, in Python's sense: null, false, 0, blank text and
// an empty list or object do not; everything else does, the text "false" too.
func Truthy(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case json.Number:
		f, err := v.Float64()
		return err != nil || f != 0
	case int:
		return v != 0
	case int64:
		return v != 0
	case float64:
		return v != 0
	}
	return !isEmpty(v)
}

// isEmpty is the rule of is_present and default_if_empty: null, blank text, an empty list or object.
// false and 0 are not empty.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return strings.TrimSpace(v) == ""
	case []any:
		return len(v) == 0
	case []map[string]any:
		return len(v) == 0
	case []string:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// objects gives a list of objects, or one object, as a list of objects; other entries are left out.
func objects(v any) []map[string]any {
	switch v := v.(type) {
	case map[string]any:
		return []map[string]any{v}
	case []map[string]any:
		return v
	case []any:
		var list []map[string]any
		for _, item := range v {
			if object, ok := item.(map[string]any); ok {
				list = append(list, object)
			}
		}
		return list
	}
	return nil
}

// quoted lists names for a message.
func quoted(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(list, ", ")
}
