package configs

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kinds of Transform.Kind.
const (
	TransformIdentity    = "identity"
	TransformTrim        = "trim"
	TransformLowercase   = "lowercase"
	TransformUppercase   = "uppercase"
	TransformReplace     = "replace"
	TransformAddPrefix   = "add_prefix"
	TransformAddSuffix   = "add_suffix"
	TransformStripPrefix = "strip_prefix"
	TransformDefault     = "default_if_empty"
	TransformDigits      = "extract_digits"
	TransformSplitLast   = "split_last"
	TransformPresent     = "is_present"
	TransformRegex       = "regex_extract"
	TransformChain       = "chain"
	TransformEvaluation  = "select_eval_file_by_size"
)

const (
	defaultSeparators = "/:#"
	defaultRegexGroup = 1
)

// Limits of a transform.
const (
	maxChainDepth   = 32      // chains in chains
	maxChainSteps   = 1000    // of one Apply, with the steps of chains in chains
	maxRegexPattern = 4096    // bytes
	maxTransformed  = 1 << 20 // bytes of a text that a step gives
)

// Transform is one named transform. Which parameters a Kind needs and what it gives stands in
// docs/survey.md. Parameters that the kind does not use are ignored.
type Transform struct {
	Kind       string   `json:"kind"`
	From       *string  `json:"from,omitempty"`
	To         *string  `json:"to,omitempty"`
	Prefix     *string  `json:"prefix,omitempty"`
	Suffix     *string  `json:"suffix,omitempty"`
	Default    *string  `json:"default,omitempty"`
	Separators []string `json:"separators,omitempty"`
	Pattern    *string  `json:"pattern,omitempty"`
	Group      *int     `json:"group,omitempty"`
	Steps      []string `json:"steps,omitempty"`
}

// Apply takes a JSON-like value through the named transforms from left to right. It reports false
// when there is no value: a step fails, is not defined, or chains are nested deeper than 32 or take
// more than 1000 steps (so a chain that names itself ends). Without names the value comes back as it is.
func (p *Project) Apply(names []string, v any) (any, bool) {
	steps := 0
	return p.apply(names, v, 0, &steps)
}

func (p *Project) apply(names []string, v any, depth int, steps *int) (any, bool) {
	if depth > maxChainDepth {
		return nil, false
	}
	for _, name := range names {
		if *steps++; *steps > maxChainSteps {
			return nil, false
		}
		t, ok := p.Definitions.Transforms[name]
		if !ok {
			return nil, false
		}
		if t.Kind == TransformChain {
			if len(t.Steps) == 0 {
				return nil, false
			}
			v, ok = p.apply(t.Steps, v, depth+1, steps)
		} else {
			v, ok = t.apply(v)
		}
		if !ok {
			return nil, false
		}
	}
	return v, true
}

// Map takes the value that a mapping found through the mapping's transforms, see Apply.
func (p *Project) Map(m Mapping, v any) (any, bool) { return p.Apply(m.Transform, v) }

// apply does one step that is no chain.
func (t Transform) apply(v any) (any, bool) {
	switch t.Kind {
	case TransformIdentity:
		return v, true
	case TransformPresent:
		return !isEmpty(v), true
	case TransformDefault:
		if isEmpty(v) {
			return value(t.Default), t.Default != nil
		}
		return v, true
	case TransformEvaluation:
		return t.evaluationFile(v)
	}
	text, ok := Text(v)
	if !ok {
		return nil, false
	}
	out, ok := t.applyText(text)
	if !ok || len(out) > maxTransformed {
		return nil, false
	}
	return out, true
}

// applyText does the kinds that work on text(v).
func (t Transform) applyText(text string) (string, bool) {
	switch t.Kind {
	case TransformTrim:
		return text, true
	case TransformLowercase:
		return mapASCII(text, 'A', 'Z', 'a'-'A'), true
	case TransformUppercase:
		return mapASCII(text, 'a', 'z', 'A'-'a'), true
	case TransformReplace:
		return t.replace(text)
	case TransformAddPrefix:
		return value(t.Prefix) + text, t.Prefix != nil
	case TransformAddSuffix:
		return text + value(t.Suffix), t.Suffix != nil
	case TransformStripPrefix:
		return strings.TrimPrefix(text, value(t.Prefix)), t.Prefix != nil
	case TransformDigits:
		digits := keepDigits(text)
		return digits, digits != ""
	case TransformSplitLast:
		return t.splitLast(text), true
	case TransformRegex:
		return t.extract(text)
	}
	return "", false
}

func (t Transform) replace(text string) (string, bool) {
	if value(t.From) == "" {
		return "", false
	}
	grown := strings.Count(text, *t.From) * len(value(t.To))
	if grown > maxTransformed {
		return "", false
	}
	return strings.ReplaceAll(text, *t.From, value(t.To)), true
}

// splitLast gives what follows the last occurrence of any character of any separator, trimmed; the
// whole text where none occurs.
func (t Transform) splitLast(text string) string {
	set := strings.Join(t.Separators, "")
	if set == "" {
		set = defaultSeparators
	}
	at := strings.LastIndexAny(text, set)
	if at < 0 {
		return text
	}
	_, size := utf8.DecodeRuneInString(text[at:])
	return strings.TrimSpace(text[at+size:])
}

func (t Transform) extract(text string) (string, bool) {
	re, err := t.regex()
	if err != nil {
		return "", false
	}
	found := re.FindStringSubmatchIndex(text)
	group := t.regexGroup()
	if found == nil || group < 0 || 2*group >= len(found) || found[2*group] < 0 {
		return "", false
	}
	return text[found[2*group]:found[2*group+1]], true
}

// regex compiles the pattern: the syntax is Go's, RE2 as in the predecessor.
func (t Transform) regex() (*regexp.Regexp, error) {
	if len(value(t.Pattern)) > maxRegexPattern {
		return nil, fmt.Errorf("the pattern is longer than %d bytes", maxRegexPattern)
	}
	return regexp.Compile(value(t.Pattern))
}

func (t Transform) regexGroup() int {
	if t.Group == nil {
		return defaultRegexGroup
	}
	return *t.Group
}

func mapASCII(text string, low, high, shift rune) string {
	return strings.Map(func(r rune) rune {
		if r >= low && r <= high {
			return r + shift
		}
		return r
	}, text)
}

func keepDigits(text string) string {
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && unicode.IsDigit(r) {
			return r
		}
		return -1
	}, text)
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
