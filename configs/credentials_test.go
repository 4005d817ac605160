package configs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withCredentials gives the small config with a block below adapters.
func withCredentials(t *testing.T, block string) string {
	t.Helper()
	return edit(t, "  required: [casda]\n", "  required: [casda]\n  "+strings.ReplaceAll(strings.TrimSpace(block), "\n", "\n  ")+"\n")
}

func TestCredentialsAreReferences(t *testing.T) {
	text := withCredentials(t, `
credentials:
  casda: {kind: basic, user: operator, secret: "env:CASDA_PASSWORD"}
  vizier: {kind: bearer, secret: "file:/run/secrets/vizier"}
`)
	p, report := Load([]byte(text), "test.yaml")
	if err := report.Err(); err != nil || len(report.Warnings) > 0 {
		t.Fatal(err, report.Warnings)
	}
	want := map[string]Credential{
		"casda":  {Kind: CredentialBasic, User: "operator", Secret: "env:CASDA_PASSWORD"},
		"vizier": {Kind: CredentialBearer, Secret: "file:/run/secrets/vizier"},
	}
	if diff := cmp.Diff(want, p.Adapters.Credentials); diff != "" {
		t.Error(diff)
	}
	again, err := FromCanonical(p.Canonical())
	if err != nil || again.Digest() != p.Digest() {
		t.Errorf("the canonical form does not come back: %v", err)
	}
	for _, reference := range []string{"env:A", "env:_a1", "file:/a", "file:/run/a b", "credential:casda", "credential:casda.token@1"} {
		if !SecretReference(reference) {
			t.Errorf("%q is a reference", reference)
		}
	}
	for _, other := range []string{
		"", "hunter2", "env:", "env:1A", "env:A B", "ENV:A", " env:A", "env: A", "file:", "file:a", "file:~/a", "file:/", "file:/a/../b", "file:/a/", "file://a", "file:/a\n",
		"credential:", "credential:../a", "credential:.a", "credential:a/b", "credential:a b", "vault:a", "credential:" + strings.Repeat("x", 256),
	} {
		if SecretReference(other) {
			t.Errorf("%q is none", other)
		}
	}
}

func TestASecretIsNeverShown(t *testing.T) {
	const secret = "hunter2"
	for _, tt := range []struct{ name, block, code string }{
		{"as the secret", "credentials:\n  casda: {kind: bearer, secret: hunter2}", CodeSecretValue},
		{"on its own line", "credentials:\n  casda:\n    kind: bearer\n    secret: hunter2", CodeSecretValue},
		{"in a block", "credentials:\n  casda:\n    kind: bearer\n    secret: |\n      hunter2", CodeSecretValue},
		{"a number", "credentials:\n  casda: {kind: bearer, secret: 0hunter2}", CodeSecretValue},
		{"in place of the object", "credentials:\n  casda: hunter2", CodeInvalidStructure},
		{"in place of all", "credentials: hunter2", CodeInvalidStructure},
		{"under another key", "credentials:\n  casda: {kind: bearer, value: hunter2}", CodeSecretValue},
		{"as the kind", "credentials:\n  casda: {kind: hunter2, secret: \"env:A\"}", CodeInvalidChoice},
		{"as the user of a token", "credentials:\n  casda: {kind: bearer, user: hunter2, secret: \"env:A\"}", CodeInvalidChoice},
		{"in a list", "credentials:\n  casda: {kind: bearer, secret: [hunter2]}", CodeInvalidStructure},
		{"beside another error", "tap: {retries: -1, password: hunter2}", CodeInvalidStructure},
		{"beside another error of a good key", "tap: {retries: x} # token: hunter2", CodeInvalidStructure},
		{"where the syntax ends", "credentials:\n  casda:\n    kind: bearer\n    secret: \"hunter2", CodeInvalidYAML},
		{"where the syntax is broken", "credentials:\n  casda:\n    kind: bearer\n    pass: hunter2: [", CodeInvalidYAML},
		{"twice", "credentials:\n  casda:\n    x: hunter2\n    x: hunter2", CodeInvalidYAML},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, report := Load([]byte(withCredentials(t, tt.block)), "test.yaml")
			if p != nil || report.Valid {
				t.Fatal("it was accepted")
			}
			raw, err := json.Marshal(report)
			if err != nil {
				t.Fatal(err)
			}
			if shown := string(raw) + report.Err().Error(); strings.Contains(shown, secret) {
				t.Error(shown)
			}
			d := report.Errors[0]
			if d.Code != tt.code || d.Line == 0 {
				t.Errorf("%s", d)
			}
		})
	}
}

func TestCredentialsNeedTheirParts(t *testing.T) {
	for block, want := range map[string]string{
		`{kind: basic, secret: "env:A"}`:                "adapters.credentials.casda.user",
		`{kind: cookie, user: me, secret: "env:A"}`:     "adapters.credentials.casda.user",
		`{kind: digest, user: me, secret: "env:A"}`:     "adapters.credentials.casda.kind",
		`{user: me, secret: "env:A"}`:                   "adapters.credentials.casda.kind",
		`{kind: bearer}`:                                "adapters.credentials.casda.secret",
		`{kind: bearer, secret: "env:A", realm: there}`: "adapters.credentials.casda.realm",
	} {
		_, report := Load([]byte(withCredentials(t, "credentials:\n  casda: "+block)), "test.yaml")
		if len(report.Errors) != 1 || report.Errors[0].Path != want || report.Errors[0].Line != 16 || report.Errors[0].Excerpt != "" {
			t.Errorf("%s: %v", block, report.Errors)
		}
	}
}

func TestCredentialsThatNobodyUsesOrAnyoneCanReadAreSaid(t *testing.T) {
	for block, want := range map[string]string{
		"credentials:\n  other: {kind: bearer, secret: \"env:A\"}":                                                                      CodeUnusedCredential,
		"casda_tap_url: http://archive.example/tap\ncredentials:\n  casda: {kind: bearer, secret: \"env:A\"}":                           CodeClearCredential,
		"casda_tap_url: http://127.0.0.1:8080/tap\ncredentials:\n  casda: {kind: bearer, secret: \"env:A\"}":                            "",
		"casda_tap_url: http://localhost/tap\ncredentials:\n  casda: {kind: basic, user: me, secret: \"credential:casda\"}":             "",
		"casda_tap_url: https://archive.example/tap\ncredentials:\n  casda: {kind: cookie, secret: \"file:/run/secrets/casda.cookie\"}": "",
	} {
		_, report := Load([]byte(withCredentials(t, block)), "test.yaml")
		if got := strings.Join(codes(report.Warnings), " "); !report.Valid || got != want {
			t.Errorf("%s: %v %v", block, report.Errors, report.Warnings)
		}
	}
}
