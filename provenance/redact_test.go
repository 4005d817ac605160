package provenance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestSecretsAreTakenOutOfTexts(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"a signed URL of S3":            {"get https://s3.example.org/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=ab12 now", "get https://s3.example.org/b/k?REDACTED now"},
		"an older one":                  {"https://s3.example.org/k?AWSAccessKeyId=x&Signature=y%3D&Expires=1790000000", "https://s3.example.org/k?REDACTED"},
		"one of Azure":                  {"https://a.example.org/c?sv=2020&se=2026-01-01&sr=b&sp=r&sig=abc%2B", "https://a.example.org/c?REDACTED"},
		"its name escaped":              {"https://h.example.org/k?X%2DAmz%2DSignature=ab", "https://h.example.org/k?REDACTED"},
		"inside a URL":                  {"https://h.example.org/get?from=https%3A%2F%2Fs3.example.org%2Fk%3Fsig%3Dabc&x=1", "https://h.example.org/get?REDACTED"},
		"only an expiry":                {"https://h.example.org/k?id=7&expires=1790000000", "https://h.example.org/k?REDACTED"},
		"a token in the fragment":       {"https://h.example.org/cb#access_token=abc&x=1", "https://h.example.org/cb#REDACTED"},
		"& as JSON has it":              {`cut off: "url":"https://h.example.org/k?a=1\u0026token=abc\u0026b=2`, `cut off: "url":"https://h.example.org/k?REDACTED`},
		"& as HTML has it":              {"https://h.example.org/k?a=1&amp;token=abc", "https://h.example.org/k?REDACTED"},
		"no scheme":                     {"see /k?a=1&token=abc&b=2", "see /k?a=1&token=REDACTED&b=2"},
		"a password in a URL":           {"postgres://ada:pa:ss@w0rd@db.example.org/x", "postgres://REDACTED@db.example.org/x"},
		"only a user":                   {"ssh://ada@setonix.example.org:22/", "ssh://ada@setonix.example.org:22/"},
		"a port and an @ behind it":     {"https://h.example.org:8080/@ada?x=a@b", "https://h.example.org:8080/@ada?x=a@b"},
		"a plain datalink":              {"http://archive.invalid/datalink/links?ID=HIPASSJ0317-41_SB70039_beam00.ms.tar", "http://archive.invalid/datalink/links?ID=HIPASSJ0317-41_SB70039_beam00.ms.tar"},
		"ADQL":                          {"SELECT o.* FROM ivoa.obscore o WHERE o.filename LIKE 'X%' AND sbid = 5", "SELECT o.* FROM ivoa.obscore o WHERE o.filename LIKE 'X%' AND sbid = 5"},
		"a header":                      {"Authorization: Bearer abc.def\nAccept: */*", "Authorization: REDACTED\nAccept: */*"},
		"a header in JSON":              {`{"Authorization": "Basic YWRhOnBh"`, `{"Authorization": "REDACTED"`},
		"a bearer without its header":   {"curl -H bearer abcdef1234567890", "curl -H bearer REDACTED"},
		"a bearer of news":              {"the bearer telegram came", "the bearer telegram came"},
		"basic":                         {"sent Basic YWRhOnBhc3N3b3Jk", "sent Basic REDACTED"},
		"basic words":                   {"basic calibration", "basic calibration"},
		"a variable":                    {"export CASDA_PASSWORD=hunter2 && run", "export CASDA_PASSWORD=REDACTED && run"},
		"an option":                     {"run --password=hunter2 --beam 3", "run --password=REDACTED --beam 3"},
		"YAML":                          {"token: abc\npassword: 'x y'\nuser: ada\n", "token: REDACTED\npassword: 'REDACTED y'\nuser: ada\n"},
		"a reference to a secret":       {"password: {env: CASDA_PASSWORD}\ntoken: ${TOKEN}\nsecret: env:CASDA_TOKEN\npassword:\n  file: /etc/x", "password: {env: CASDA_PASSWORD}\ntoken: ${TOKEN}\nsecret: env:CASDA_TOKEN\npassword:\n  file: /etc/x"},
		"a folder of a shell":           {`singularity exec --bind "$PWD:/askapbuffer" x; PWD=/scratch/x`, `singularity exec --bind "$PWD:/askapbuffer" x; PWD=/scratch/x`},
		"a connection":                  {"UID=ada;PWD=hunter2", "UID=ada;PWD=REDACTED"},
		"a claim of a worker":           {"claim_token=0193", "claim_token=0193"},
		"a JSON Web Token":              {"x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3.abc-_ y", "x REDACTED y"},
		"a private key":                 {"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\nbnNz\n-----END OPENSSH PRIVATE KEY-----\nrest", "REDACTED\nrest"},
		"a private key that is cut off": {"-----BEGIN PRIVATE KEY-----\nb3Bl", "REDACTED"},
		"a key of Amazon":               {"id AKIAIOSFODNN7EXAMPLE.", "id REDACTED."},
		"nothing":                       {"", ""},
	} {
		got, n := RedactText(tt.text)
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
		if (n > 0) != (tt.text != tt.want) {
			t.Errorf("%s: %d taken out", name, n)
		}
		if again, n := RedactText(got); again != got || n > 0 {
			t.Errorf("%s: redacted again %q (%d)", name, again, n)
		}
	}
}

func TestSecretsAreTakenOutOfDocumentsAndTheRestStaysByteForByte(t *testing.T) {
	for name, tt := range map[string]struct{ media, document, want string }{
		"nothing in it":        {mediaJSON, "{ \"b\":1, \"a\":[ 1.50, \"x\\u0026y\" ] }\n", ""},
		"by its key":           {mediaJSON, `{"a":1,"password":"x","list":{"api-key":["y",7]}}`, `{§3,"a":1,"password":"REDACTED","list":{"api-key":["REDACTED","REDACTED"]}}`},
		"a number":             {mediaJSON, `{"token":1234}`, `{§1,"token":"REDACTED"}`},
		"empty or a switch":    {mediaJSON, `{"token":"","secret":null,"password":true,"claim_token":"x"}`, ""},
		"a reference":          {mediaJSON, `{"password":{"env":"CASDA_PASSWORD"},"secret":"file:/etc/x","token":"credential:casda"}`, ""},
		"both of two":          {mediaJSON, `{"token":"x","token":"y"}`, `{§2,"token":"REDACTED","token":"REDACTED"}`},
		"a graph's field":      {mediaJSON, `{"fields":[{"defaultValue":"d","name":"password","type":"String","value":"x"},{"name":"beam","value":"y"}]}`, `{§2,"fields":[{"defaultValue":"REDACTED","name":"password","type":"String","value":"REDACTED"},{"name":"beam","value":"y"}]}`},
		"a document in a text": {mediaJSON, `{"value":"{\"access_url\": \"https://h.example.org/k?sig=a\",\"n\":1.0}"}`, `{§1,"value":"{\"access_url\": \"https://h.example.org/k?REDACTED\",\"n\":1.0}"}`},
		"& escaped":            {mediaJSON, `{"u":"https://h.example.org/k?a=1\u0026sig=a"}`, `{§1,"u":"https://h.example.org/k?REDACTED"}`},
		"a key that is a URL":  {mediaJSON, `{"https://h.example.org/k?sig=a":1}`, `{§1,"https://h.example.org/k?REDACTED":1}`},
		"a list":               {"application/ld+json", `["https://h.example.org/k?sig=a"]`, `["https://h.example.org/k?REDACTED"]`},
		"lines":                {mediaLines, "{\"a\":1}\n{\"token\":\"x\"}\n", "{\"a\":1}\n{\"beampipe_redacted\":{\"values\":1,\"original_sha256\":\"" + hexDigest([]byte("{\"token\":\"x\"}\n")) + "\"},\"token\":\"REDACTED\"}\n"},
		"YAML":                 {"application/yaml", "a: 1\ntoken: x", "a: 1\ntoken: REDACTED\n# redacted: secret values taken out: 1; the original has the SHA-256 §\n"},
		"broken JSON":          {mediaJSON, `{"token":"x"`, "{\"token\":\"REDACTED\"\n# redacted: secret values taken out: 1; the original has the SHA-256 §\n"},
	} {
		got, r := Redact(tt.media, []byte(tt.document))
		digest := hexDigest([]byte(tt.document))
		want := tt.want
		if want == "" {
			want = tt.document
		}
		for _, n := range []string{"1", "2", "3"} {
			want = strings.ReplaceAll(want, "§"+n, `"beampipe_redacted":{"values":`+n+`,"original_sha256":"`+digest+`"}`)
		}
		want = strings.ReplaceAll(want, "§", digest)
		if string(got) != want {
			t.Errorf("%s:\n%s, want\n%s", name, got, want)
		}
		if (r.Values > 0) != (tt.want != "") || r.Values > 0 && r.OriginalSHA256 != digest {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A real graph has hundreds of fields and command lines, and nothing that lets anybody in.
func TestTheSurveysRealGraphStaysAsItIs(t *testing.T) {
	root := os.Getenv("BEAMPIPE_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "shared")
	}
	graph, err := os.ReadFile(filepath.Join(root, "data", "wallaby", "graphs", "wallaby-hires_deploy-setonix-beampipe.graph"))
	if err != nil {
		t.Skipf("the real survey's files are not here (set BEAMPIPE_SHARED): %v", err)
	}
	for _, media := range []string{mediaJSON, "text/plain"} {
		if out, r := Redact(media, graph); r.Values > 0 {
			t.Errorf("as %s: %+v: %q", media, r, cmp.Diff(strings.Split(string(graph), "\n"), strings.Split(string(out), "\n")))
		}
	}
}

// Whatever stands around it, a signature leaves; and what was JSON stays JSON.
func FuzzRedact(f *testing.F) {
	f.Add(`{"a":"`, `"}`)
	f.Add("see ", "&x=1 and more")
	f.Add(`{"value":"{\"u\":\"`, `\"}"}`)
	f.Add("https://ada:pw@h.example.org/?u=", "")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "5ecre7Value0123"
		document := []byte(before + " https://h.example.org/k?X-Amz-Signature=" + secret + " " + after)
		for _, media := range []string{mediaJSON, mediaLines, "text/plain"} {
			got, r := Redact(media, document)
			if strings.Contains(string(got), secret) {
				t.Fatalf("%s: still there: %q", media, got)
			}
			if r.Values == 0 {
				t.Fatalf("%s: nothing taken out of %q", media, document)
			}
			if media == mediaJSON && json.Valid(document) && !json.Valid(got) {
				t.Fatalf("no JSON any more: %q", got)
			}
			if utf8.Valid(document) && !utf8.Valid(got) {
				t.Fatalf("%s: no UTF-8 any more: %q", media, got)
			}
		}
	})
}
