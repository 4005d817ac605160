package provenance

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// redactedKey is the key under which a JSON object says that something was taken out of it.
const redactedKey = "beampipe_redacted"

// Media types that redaction and exports know.
const (
	mediaJSON     = "application/json"
	mediaJSONLD   = "application/ld+json"
	mediaLines    = "application/jsonl"
	mediaMarkdown = "text/markdown"
	mediaHTML     = "text/html"
	mediaUnknown  = "application/octet-stream"
)

// Redaction says what was taken out of a document.
type Redaction struct {
	Values         int    `json:"values"`          // how many were taken out
	OriginalSHA256 string `json:"original_sha256"` // of the document as it was
}

// Redact takes secrets out of a document as RedactText does, in JSON also by the names of its keys and of
// its name-and-value pairs; documents inside strings are opened. A document without secrets comes back as
// it is, and a zero Redaction. Else it says itself that it was redacted, with the digest of the original:
// a JSON object under the key beampipe_redacted, each line of JSON Lines likewise, other text in a last
// line that begins with "#".
func Redact(mediaType string, content []byte) ([]byte, Redaction) {
	switch {
	case mediaType == mediaLines:
		return redactLines(content)
	case mediaType == mediaJSON || strings.HasSuffix(mediaType, "+json"):
		if out, n, err := redactJSON(content, 0); err == nil {
			return statedJSON(out, redaction(content, n))
		}
	}
	text, n := RedactText(string(content))
	r := redaction(content, n)
	if n == 0 {
		return content, r
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return []byte(text + "# " + r.String() + "\n"), r
}

func redaction(original []byte, n int) Redaction {
	if n == 0 {
		return Redaction{}
	}
	return Redaction{Values: n, OriginalSHA256: hexDigest(original)}
}

// String is a sentence for a reader; "" when nothing was taken out.
func (r Redaction) String() string {
	if r.Values == 0 {
		return ""
	}
	return fmt.Sprintf("redacted: secret values taken out: %d; the original has the SHA-256 %s", r.Values, r.OriginalSHA256)
}

func hexDigest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// statedJSON puts the statement first into an object. Another JSON value has no room for it.
func statedJSON(content []byte, r Redaction) ([]byte, Redaction) {
	body := bytes.TrimLeft(content, " \t\r\n")
	if r.Values == 0 || len(body) == 0 || body[0] != '{' {
		return content, r
	}
	return append([]byte(`{"`+redactedKey+`":`+string(plainJSON(r))+`,`), body[1:]...), r
}

// redactLines redacts JSON Lines line by line.
func redactLines(content []byte) ([]byte, Redaction) {
	var out bytes.Buffer
	total := 0
	for line := range bytes.Lines(content) {
		redacted, r := Redact(mediaJSON, line)
		total += r.Values
		out.Write(redacted)
	}
	if total == 0 {
		return content, Redaction{}
	}
	return out.Bytes(), redaction(content, total)
}

// redactJSON copies a JSON document and replaces strings that hold a secret; all else stays as it is,
// byte for byte. Its error says that content is not one JSON value.
func redactJSON(content []byte, depth int) ([]byte, int, error) {
	secret, err := secretObjects(content)
	if err != nil {
		return nil, 0, err
	}
	var out bytes.Buffer
	n := 0
	var last int64
	err = eachToken(content, func(t jsonToken) {
		piece := content[last:t.end]
		last = t.end
		with, changed := t.redacted(secret[t.object], depth)
		if !changed {
			out.Write(piece)
			return
		}
		n++
		out.Write(piece[:bytes.IndexFunc(piece, beginsValue)])
		out.Write(plainJSON(with))
	})
	out.Write(content[last:])
	return out.Bytes(), n, err
}

// beginsValue finds a value behind the blanks, commas and colons before it.
func beginsValue(r rune) bool { return !strings.ContainsRune(" \t\r\n,:", r) }

// redacted gives what is to stand instead of a token. pair says that its object is a name-and-value pair
// whose name is a secret's.
func (t jsonToken) redacted(pair bool, depth int) (string, bool) {
	text, isText := t.value.(string)
	number, isNumber := t.value.(json.Number)
	if t.isKey {
		out, n := redactText(text, depth)
		return out, n > 0
	}
	if !isText && !isNumber {
		return "", false
	}
	if secretName(t.key) || pair && (t.key == "value" || t.key == "defaultValue") {
		if isNumber {
			text = number.String()
		}
		return redactedMark, givesAway(text)
	}
	if !isText {
		return "", false
	}
	if inner := strings.TrimSpace(text); depth < maxRedactDepth && inner != "" && (inner[0] == '{' || inner[0] == '[') {
		if out, n, err := redactJSON([]byte(text), depth+1); err == nil {
			return string(out), n > 0
		}
	}
	out, n := redactText(text, depth)
	return out, n > 0
}

// secretObjects finds, by their number, the objects that are pairs with a secret's name, as a graph's
// fields are: {"name": "password", "value": …}.
func secretObjects(content []byte) (map[int]bool, error) {
	found := map[int]bool{}
	err := eachToken(content, func(t jsonToken) {
		if name, ok := t.value.(string); ok && !t.isKey && t.key == "name" && secretName(name) {
			found[t.object] = true
		}
	})
	return found, err
}

// jsonToken is one token of a document with where it stands.
type jsonToken struct {
	value  json.Token
	end    int64  // offset behind it
	isKey  bool   // a key of an object
	key    string // the key that it is the value of; in an array that of the array
	object int    // number of the object that it lies in, from 1
}

// level is an object or array that is open.
type level struct {
	array  bool
	object int
	key    string
	isNext bool // in an object: what comes next is a value
}

// eachToken gives the tokens of one JSON value in order. That there is not exactly one is an error.
func eachToken(content []byte, fn func(jsonToken)) error {
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.UseNumber()
	var open []level
	objects, whole := 0, false
	for {
		value, err := dec.Token()
		switch {
		case errors.Is(err, io.EOF) && whole:
			return nil
		case err != nil:
			return err
		case whole:
			return errors.New("there is more than one JSON value")
		}
		t := jsonToken{value: value, end: dec.InputOffset()}
		if len(open) > 0 {
			in := &open[len(open)-1]
			t.object, t.key = in.object, in.key
			if _, closes := value.(json.Delim); !in.array && !in.isNext && !closes {
				t.isKey, in.isNext = true, true
				in.key, _ = value.(string)
				fn(t)
				continue // a key is no value
			}
			in.isNext = false
		}
		switch value {
		case json.Delim('{'):
			objects++
			open = append(open, level{object: objects})
		case json.Delim('['):
			open = append(open, level{array: true, object: t.object, key: t.key})
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
		whole = len(open) == 0
		fn(t)
	}
}

// plainJSON writes a value as JSON without escapes for HTML.
func plainJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("provenance: a plain value cannot be written as JSON: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
