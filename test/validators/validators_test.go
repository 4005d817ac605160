// Package validators holds what Beampipe exports against the public validators: see README.md.
package validators

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// profile is what every crate of a run must follow, with all profiles that it builds on.
const profile = "provenance-run-crate"

// installed gives the folder that install filled. Where a folder is named it must be right.
func installed(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("BEAMPIPE_VALIDATORS")
	named := dir != ""
	if !named {
		dir = filepath.Join(os.TempDir(), "beampipe-validators")
	}
	if _, err := os.Stat(filepath.Join(dir, "installed")); err != nil {
		if named {
			t.Fatalf("BEAMPIPE_VALIDATORS: nothing is installed there (test/validators/install): %v", err)
		}
		t.Skip("the validators are not installed: test/validators/install, or make test-exports")
	}
	return dir
}

// output runs a command and gives what it printed; an end with an error is one only where it must not.
func output(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "USER=ann", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// validate asks rocrate-validator about a crate: a folder or a zip file. It takes no path with "..".
func validate(t *testing.T, dir, crate string) (string, error) {
	t.Helper()
	crate, err := filepath.Abs(crate)
	if err != nil {
		t.Fatal(err)
	}
	return output(t, filepath.Join(dir, "venv", "bin", "rocrate-validator"), "--no-interactive", "--disable-color", "validate", "--offline",
		"--cache-path", filepath.Join(dir, "cache"), "--profile-identifier", profile, "--requirement-severity", "REQUIRED", "--verbose", "--no-paging", crate)
}

// records reads a PROV document and counts its records by kind.
func records(t *testing.T, dir, document string) map[string]int {
	t.Helper()
	out, err := output(t, filepath.Join(dir, "venv", "bin", "python"), "check_prov.py", document)
	if err != nil {
		t.Fatalf("%s: %v\n%s", document, err, out)
	}
	var counts map[string]int
	if err := json.Unmarshal([]byte(out), &counts); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return counts
}

// golden is a crate of the unit tests: it has withdrawn products, redacted files and a failed step.
var golden = filepath.Join("..", "..", "provenance", "testdata", "crate")

func TestTheGoldenCrateFollowsItsProfiles(t *testing.T) {
	dir := installed(t)
	if out, err := validate(t, dir, golden); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if counts := records(t, dir, filepath.Join(golden, "prov.json")); counts["Entity"] == 0 || counts["Derivation"] == 0 || counts["Influence"] == 0 {
		t.Errorf("the document has %v", counts)
	}
}

// The validator itself must be able to say no, also offline.
func TestTheValidatorRefusesACrateThatDoesNotSayWhatWasRun(t *testing.T) {
	dir := installed(t)
	crate := t.TempDir()
	if err := os.CopyFS(crate, os.DirFS(golden)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(crate, "ro-crate-metadata.json")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	spoiled := bytes.Replace(content, []byte(`"mainEntity"`), []byte(`"mentions"`), 1)
	if bytes.Equal(spoiled, content) {
		t.Fatal("the crate has no mainEntity")
	}
	if err := os.WriteFile(file, spoiled, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := validate(t, dir, crate); err == nil || !strings.Contains(out, "mainEntity") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWhatTheDemoDidFollowsItsProfiles(t *testing.T) {
	dir := installed(t)
	if testing.Short() {
		t.Skip("runs the whole demo")
	}
	work := t.TempDir()
	program := filepath.Join(work, "beampipe")
	run := func(args ...string) string {
		t.Helper()
		out, err := output(t, program, args...)
		if err != nil {
			t.Fatalf("beampipe %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return out
	}
	if out, err := output(t, "go", "build", "-o", program, "beampipe/cmd/beampipe"); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	run("demo", "--dir", filepath.Join(work, "demo"), "--json")
	ledger := filepath.Join(work, "demo", "beampipe.db")
	for _, state := range []string{"completed", "failed"} {
		var list struct {
			Executions []struct {
				ID string `json:"uuid"`
			} `json:"executions"`
		}
		if err := json.Unmarshal([]byte(run("--ledger", ledger, "execution", "list", "--state", state, "--limit", "1", "--json")), &list); err != nil || len(list.Executions) != 1 {
			t.Fatalf("%s: %v, %d executions", state, err, len(list.Executions))
		}
		crate := filepath.Join(work, state+".zip")
		run("--ledger", ledger, "provenance", "export", list.Executions[0].ID, "--format", "ro-crate", "-o", crate)
		if out, err := validate(t, dir, crate); err != nil {
			t.Errorf("%s: %v\n%s", state, err, out)
		}
		prov := filepath.Join(work, state+".json")
		run("--ledger", ledger, "provenance", "export", list.Executions[0].ID, "--format", "prov-json", "-o", prov)
		if counts := records(t, dir, prov); counts["Activity"] == 0 {
			t.Errorf("%s: the document has %v", state, counts)
		}
		inside := filepath.Join(work, state+"-inside.json")
		if err := os.WriteFile(inside, unzipped(t, crate, "prov.json"), 0o600); err != nil {
			t.Fatal(err)
		}
		records(t, dir, inside)
		if strings.Contains(string(unzipped(t, crate, "README.md")), "## Secrets") {
			t.Errorf("%s: something was taken out, and the demo has no secrets", state)
		}
	}
}

// unzipped gives a file of a crate.
func unzipped(t *testing.T, crate, name string) []byte {
	t.Helper()
	r, err := zip.OpenReader(crate)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := r.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
