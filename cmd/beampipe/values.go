package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// minute and second resolution of times; they are always UTC.
const (
	minuteFormat = "2006-01-02 15:04 UTC"
	secondFormat = "2006-01-02 15:04:05"
)

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(minuteFormat)
}

func whenOrNever(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return when(*t)
}

// age says how long before at something was, in one unit: "12 min". at is the answer's own time. A time
// behind it (the demo moves the clock on) is "12 min ahead".
func age(at, then time.Time) string {
	d := at.Sub(then)
	if d < 0 {
		return age(then, at) + " ahead"
	}
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

func ageOr(at time.Time, then *time.Time, none string) string {
	if then == nil {
		return none
	}
	return age(at, *then)
}

// took shows a duration with what matters of it: "1.2 s".
func took(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// span shows a duration that somebody chose, in the largest unit that holds it whole: "48 h".
func span(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", int64(d/time.Hour))
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", int64(d/time.Minute))
	}
	return fmt.Sprintf("%d s", int64(d/time.Second))
}

// short gives the first digits of a digest.
func short(digest string) string {
	if digest == "" {
		return "none"
	}
	return digest[:min(len(digest), 8)]
}

// bytesText shows a size in binary units.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, i := float64(n), -1
	for value >= unit && i < 3 {
		value, i = value/unit, i+1
	}
	if value == float64(int64(value)) {
		return fmt.Sprintf("%d %ciB", int64(value), "KMGT"[i])
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGT"[i])
}

// count shows a number with its noun: "1 source", "2 sources".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// cut shortens text to one line of at most n characters.
func cut(text string, n int) string {
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// counts shows numbers by name, the empty ones left out: "12 completed, 1 failed".
func counts[K ~string](m map[K]int, empty string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name] == 0 {
			continue
		}
		shown := strings.ReplaceAll(string(name), "_", " ")
		if shown == "" {
			shown = empty
		}
		parts = append(parts, fmt.Sprintf("%d %s", m[name], shown))
	}
	return strings.Join(parts, ", ")
}

// value shows any JSON value on one line.
func value(v any) string {
	switch v := v.(type) {
	case nil:
		return "–"
	case string:
		return v
	}
	b, err := compactJSON(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

func compactJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	if err := out.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// decode reads an open part of an answer (one that control gives as any) into a struct. What does not
// fit is left empty: the answer as it is can be had with --json.
func decode(part, into any) bool {
	if part == nil {
		return false
	}
	b, err := compactJSON(part)
	return err == nil && string(b) != "null" && json.Unmarshal(b, into) == nil
}

// pair is one named value of a document.
type pair struct{ name, value string }

// flatten gives the values of a JSON document by dotted name, sorted, at most limit of them; more says
// that some were left out.
func flatten(doc any, limit int) (pairs []pair, more bool) {
	var plain any
	if !decode(doc, &plain) {
		return nil, false
	}
	var walk func(name string, v any)
	walk = func(name string, v any) {
		object, ok := v.(map[string]any)
		if !ok {
			pairs = append(pairs, pair{name, value(v)})
			return
		}
		for _, key := range slices.Sorted(maps.Keys(object)) {
			inner := key
			if name != "" {
				inner = name + "." + key
			}
			walk(inner, object[key])
		}
	}
	walk("", plain)
	if len(pairs) > limit {
		return pairs[:limit], true
	}
	return pairs, false
}
