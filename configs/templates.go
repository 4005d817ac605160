package configs

import (
	"sort"
	"strings"
)

// RenderTemplate fills in a manifest template: a text that is entirely {key} becomes lookup's typed
// value; every other text, and text within a text, is literal. Lists and objects are rendered
// through; keys are not. A key that lookup does not know keeps its literal text and is reported in
// unresolved, each once, sorted. The template itself is not changed.
func RenderTemplate(tmpl any, lookup func(key string) (any, bool)) (out any, unresolved []string) {
	missing := map[string]bool{}
	out = render(tmpl, lookup, missing)
	for key := range missing {
		unresolved = append(unresolved, key)
	}
	sort.Strings(unresolved)
	return out, unresolved
}

func render(tmpl any, lookup func(string) (any, bool), missing map[string]bool) any {
	switch tmpl := tmpl.(type) {
	case string:
		key, ok := templateKey(tmpl)
		if !ok {
			return tmpl
		}
		if v, ok := lookup(key); ok {
			return v
		}
		missing[key] = true
		return tmpl
	case []any:
		list := make([]any, len(tmpl))
		for i, item := range tmpl {
			list[i] = render(item, lookup, missing)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(tmpl))
		for key, item := range tmpl {
			object[key] = render(item, lookup, missing)
		}
		return object
	}
	return tmpl
}

// templateKey gives the key of a text that is entirely {key}.
func templateKey(s string) (string, bool) {
	if len(s) < 3 || s[0] != '{' || s[len(s)-1] != '}' {
		return "", false
	}
	key := s[1 : len(s)-1]
	return key, !strings.ContainsAny(key, "{}")
}
