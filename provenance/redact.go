package provenance

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// redactedMark stands where something was taken out.
const redactedMark = "REDACTED"

// maxRedactDepth bounds how often a text inside a text is opened: a URL in a parameter of a URL, a
// document in a string of a document.
const maxRedactDepth = 4

// secretNames are names of URL parameters, JSON keys and graph fields whose value proves who asks or lets
// anybody fetch. They are compared in lower case without "-", "_", "." and blanks. A name that only ends
// like one of them (claim_token) is none.
var secretNames = set("password", "passwd", "pwd", "passphrase", "secret", "clientsecret", "secretkey", "secretaccesskey",
	"awssecretaccesskey", "awsaccesskeyid", "accesskey", "accesskeyid", "privatekey", "sshkey", "apikey", "xapikey", "subscriptionkey",
	"token", "accesstoken", "refreshtoken", "idtoken", "authtoken", "xauthtoken", "apitoken", "sessiontoken", "securitytoken", "bearertoken",
	"authenticatedidtoken", "authorization", "proxyauthorization", "auth", "credential", "credentials", "cookie", "setcookie",
	"jsessionid", "sessionid", "phpsessid")

// signedNames are URL parameters that only a signed URL has.
var signedNames = set("signature", "sig", "sign", "expires", "expiry", "policy", "keypairid", "hmac", "ticket", "nonce")

// signedPrefixes begin such parameters: of S3, of Google's and of Alibaba's storage.
var signedPrefixes = []string{"xamz", "xgoog", "xoss"}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

var squeeze = strings.NewReplacer("-", "", "_", "", ".", "", " ", "")

func secretName(name string) bool { return secretNames[squeeze.Replace(strings.ToLower(name))] }

func signedName(name string) bool {
	plain := squeeze.Replace(strings.ToLower(name))
	for _, prefix := range signedPrefixes {
		if strings.HasPrefix(plain, prefix) {
			return true
		}
	}
	return secretNames[plain] || signedNames[plain]
}

// A text may be JSON that was cut off, so that & and = can stand in it as \u0026 and \u003d.
var (
	urlText  = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.\-]{0,31}://(?:[^\s"'<>\\]|\\+u00[0-9A-Fa-f]{2})+`)
	escaped  = regexp.MustCompile(`\\+u00(26|3[dD]|3[fF]|23)`)
	userinfo = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.\-]*://)[^/?#]*:[^/?#]*@`)
	loose    = regexp.MustCompile(`(?i)([?&;#]|\\u0026|&amp;)([a-z0-9_.%\-]+)(=|\\u003d)([^\s&;"'<>#\\]+)`)

	header   = regexp.MustCompile(`(?i)\b((?:proxy-)?authorization|x-api-key|x-auth-token|set-cookie|cookie)(\\*["']?[ \t]*[:=][ \t]*\\*["']?)([^"'\r\n\\]+)`)
	bearer   = regexp.MustCompile(`(?i)\b(bearer)([ \t]+)([A-Za-z0-9._~+/=\-]{8,})`)
	basic    = regexp.MustCompile(`(?i)\b(basic)([ \t]+)([A-Za-z0-9+/]{4,}={0,2})`)
	assigned = regexp.MustCompile(`(^|[^A-Za-z0-9_\-$]|[^A-Za-z0-9_]--?)((?i:password|passwd|pwd|passphrase|secret|client[_-]?secret|secret[_-]?(?:access[_-]?)?key|` +
		`api[_-]?key|private[_-]?key|(?:api|access|refresh|auth|session|id|bearer)[_-]?token|token)|[A-Z0-9_]*(?:PASSWORD|PASSWD|TOKEN|SECRET|API_KEY|SECRET_KEY|ACCESS_KEY))` +
		`(\\*["']?[ \t]*[:=][ \t]*\\*["']?)([^\s"',;{}\[\]<>()$\\&][^\s"',;\\}&]*)`)
	wellKnown = regexp.MustCompile(`\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|` +
		`\bglpat-[A-Za-z0-9_\-]{20,}|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-[^-])*(?:-----END [A-Z ]*PRIVATE KEY-----)?`)
)

// notSecret are values that stand beside a secret's name and give nothing away.
var notSecret = set("null", "none", "true", "false", "~", strings.ToLower(redactedMark))

// references begin values that say where a secret is kept.
var references = []string{"env:", "file:", "credential:"}

// givesAway tells whether a value that stands beside a secret's name is a secret.
func givesAway(value string) bool {
	value = strings.ToLower(strings.TrimSpace(value))
	for _, prefix := range references {
		if strings.HasPrefix(value, prefix) && !strings.Contains(value, "://") {
			return false
		}
	}
	return value != "" && !notSecret[value]
}

// RedactText takes out of a text what lets anybody in: passwords in URLs, the whole query or fragment of a
// signed URL, values of headers and variables that hold secrets, and secrets of a well-known form. It
// tells how many it took. What it cannot know is a secret that looks like any other word.
func RedactText(text string) (string, int) { return redactText(text, 0) }

func redactText(text string, depth int) (string, int) {
	n := 0
	for _, r := range rules {
		if !r.near(text) {
			continue
		}
		text = r.form.ReplaceAllStringFunc(text, func(found string) string {
			with, ok := r.with(r.form.FindStringSubmatch(found), depth)
			if !ok || with == found {
				return found
			}
			n++
			return with
		})
	}
	return text, n
}

// rule finds one form of secret. near is cheap and tells most texts off: exports have very many.
type rule struct {
	form *regexp.Regexp
	near func(text string) bool
	with func(part []string, depth int) (string, bool) // what is to stand there; ok: it is a secret
}

// The rules go one after the other: a well-known secret is taken out before the URL that it stands in.
var rules []rule

// It is filled here because a rule may look into a text inside its text, by all rules.
func init() {
	has := func(sub string) func(string) bool {
		return func(text string) bool { return strings.Contains(text, sub) }
	}
	keeps := func(groups int, secret func(part []string) bool) func([]string, int) (string, bool) {
		return func(p []string, _ int) (string, bool) {
			return strings.Join(p[1:groups+1], "") + redactedMark, secret(p)
		}
	}
	rules = []rule{
		{wellKnown, func(text string) bool { return len(text) >= 20 }, keeps(0, func([]string) bool { return true })},
		{urlText, has("://"), func(p []string, depth int) (string, bool) { return redactURL(p[0], depth) }},
		{loose, func(text string) bool { return strings.ContainsAny(text, "=\\") }, keeps(3, func(p []string) bool {
			name, err := url.QueryUnescape(p[2])
			return err == nil && givesAway(p[4]) && signedName(name)
		})},
		{header, assigns, keeps(2, func(p []string) bool { return givesAway(p[3]) })},
		{bearer, spaced, keeps(2, func(p []string) bool { return len(p[3]) >= 20 || strings.ContainsAny(p[3], "0123456789") })},
		{basic, spaced, keeps(2, func(p []string) bool {
			plain, err := base64.StdEncoding.DecodeString(p[3])
			return err == nil && nameAndPassword(string(plain))
		})},
		{assigned, assigns, keeps(3, func(p []string) bool { return givesAway(p[4]) && !workFolder(p[2], p[4]) })},
	}
}

func assigns(text string) bool { return strings.ContainsAny(text, ":=") }

func spaced(text string) bool { return strings.ContainsAny(text, " \t") }

// workFolder tells a shell's PWD from a password.
func workFolder(name, value string) bool {
	return strings.EqualFold(name, "pwd") && strings.Contains(value, "/")
}

// nameAndPassword tells whether a text is what HTTP's Basic scheme sends.
func nameAndPassword(text string) bool {
	return strings.Contains(text, ":") && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// redactURL takes out a password, and the query and the fragment where one of their parameters is secret:
// what signs a URL covers the others as well. ok is false when there was nothing to take out.
func redactURL(address string, depth int) (string, bool) {
	out := userinfo.ReplaceAllString(address, "${1}"+redactedMark+"@")
	rest, fragment, hasFragment := strings.Cut(unescapeJSON(out), "#")
	path, query, hasQuery := strings.Cut(rest, "?")
	secretQuery, secretFragment := hasQuery && secretParameters(query, depth), hasFragment && secretParameters(fragment, depth)
	if !secretQuery && !secretFragment {
		return out, out != address
	}
	if secretQuery {
		query = redactedMark
	}
	if secretFragment {
		fragment = redactedMark
	}
	out = path
	if hasQuery {
		out += "?" + query
	}
	if hasFragment {
		out += "#" + fragment
	}
	return out, true
}

// unescapeJSON turns the escapes that JSON may have for the marks of a URL into these.
func unescapeJSON(text string) string {
	return escaped.ReplaceAllStringFunc(text, func(found string) string {
		switch strings.ToLower(found[len(found)-2:]) {
		case "26":
			return "&"
		case "3d":
			return "="
		case "3f":
			return "?"
		}
		return "#"
	})
}

// secretParameters tells whether one of the parameters has a secret or signs, or holds a text that does.
func secretParameters(query string, depth int) bool {
	query = strings.ReplaceAll(query, "&amp;", "&")
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if givesAway(value) && signedName(name) {
			return true
		}
		plain, err := url.QueryUnescape(value)
		if err != nil || plain == value || depth >= maxRedactDepth {
			continue
		}
		if _, n := redactText(plain, depth+1); n > 0 {
			return true
		}
	}
	return false
}
