package configs

import (
	"encoding/json"
	"math"
	"strings"
)

// Expression is a patch value computed from the manifest: $count(path) or $sum(path). A path is
// segments joined by dots; a segment is key, key[] (each entry of the list under key) or [] (each
// entry of the current list).
type Expression struct {
	sum      bool
	segments []segment
}

// segment goes down to key, unless it is empty, and then into each entry if each is set.
type segment struct {
	key  string
	each bool
}

// ParseExpression reads an expression. It reports false for any other text, which is then literal.
func ParseExpression(s string) (Expression, bool) {
	var e Expression
	path, ok := strings.CutPrefix(s, "$count(")
	if !ok {
		if path, ok = strings.CutPrefix(s, "$sum("); !ok {
			return Expression{}, false
		}
		e.sum = true
	}
	if path, ok = strings.CutSuffix(path, ")"); !ok {
		return Expression{}, false
	}
	for _, text := range strings.Split(path, ".") {
		key, each := strings.CutSuffix(strings.TrimSpace(text), "[]")
		if key == "" && !each || strings.ContainsAny(key, "()[]{}$*/+ \t\n") {
			return Expression{}, false
		}
		e.segments = append(e.segments, segment{key, each})
	}
	return e, true
}

// Eval computes the expression over a JSON-like document. $count counts the values at the end of the
// path; $sum adds those that are non-negative numbers, each truncated to an integer, and stops at
// the largest int64. What is missing or of another type contributes 0.
func (e Expression) Eval(doc any) int64 {
	values := []any{doc}
	for _, s := range e.segments {
		values = s.follow(values)
	}
	if !e.sum {
		return int64(len(values))
	}
	var total int64
	for _, v := range values {
		total = saturatedAdd(total, amount(v))
	}
	return total
}

func (s segment) follow(values []any) []any {
	var reached []any
	for _, v := range values {
		if s.key != "" {
			object, ok := v.(map[string]any)
			if !ok {
				continue
			}
			if v, ok = object[s.key]; !ok {
				continue
			}
		}
		if !s.each {
			reached = append(reached, v)
			continue
		}
		switch list := v.(type) {
		case []any:
			reached = append(reached, list...)
		case []map[string]any:
			for _, item := range list {
				reached = append(reached, item)
			}
		}
	}
	return reached
}

// amount is a value's part of a sum: text counts nothing.
func amount(v any) int64 {
	switch v.(type) {
	case int, int64, float64, json.Number:
		n, _ := wholeNumber(v)
		return max(n, 0)
	}
	return 0
}

func saturatedAdd(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
