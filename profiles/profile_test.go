package profiles

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
)

// shared gives the folder with the real survey files, or skips the test.
func shared(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("BEAMPIPE_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	dir = filepath.Join(dir, "data", "wallaby")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the real survey files are not there (%v); set BEAMPIPE_SHARED to their folder", err)
	}
	return dir
}

func load(t *testing.T, text string) *Profile {
	t.Helper()
	p, err := Load([]byte(text), "test.json")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	minimalLocal = `{"name": "here", "deployment": {"kind": "local"}}`
	minimalRest  = `{"name": "dim", "deployment": {"kind": "rest_remote", "deploy_host": "dlg-dim"}}`
	minimalSlurm = `{"name": "hpc", "deployment": {"kind": "slurm_remote", "login_node": "login.example.org",
  "account": "project1", "home_dir": "/home/p", "log_dir": "/scratch/p/log", "dlg_root": "/scratch/p/dlg"}}`
)

func TestRealProfilesLoadUnmodified(t *testing.T) {
	dir := shared(t)
	for _, tt := range []struct{ file, target string }{
		{"dlg-dim.json", "dim:dlg-dim:8001"},
		{"slurm-remote.json", "slurm:operator@setonix.pawsey.org.au:22"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join(dir, "profiles", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			p, err := Load(raw, tt.file)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Target(); got != tt.target {
				t.Errorf("target %q, want %q", got, tt.target)
			}
			if err := p.Built(); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "unsupported: deployment.kind "+p.Deployment.Kind) {
				t.Errorf("Built gave %v, want a refusal that names the kind", err)
			}
			roundTrip(t, p)
		})
	}
}

func roundTrip(t *testing.T, p *Profile) {
	t.Helper()
	again, err := FromCanonical(p.Canonical())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, again); diff != "" {
		t.Errorf("the stored profile reads back differently:\n%s", diff)
	}
	if p.Digest() != again.Digest() {
		t.Errorf("digests differ: %s and %s", p.Digest(), again.Digest())
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	local := load(t, minimalLocal)
	if diff := cmp.Diff(&Local{Parallelism: 2, Environment: []string{"PATH", "HOME", "LANG", "TMPDIR"}, MaxLogBytes: 1 << 20}, local.Deployment.Local); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Translation{Algo: "metis", NumPar: 1, TMURL: "http://localhost:9000"}, local.Translation); diff != "" {
		t.Error(diff)
	}
	if err := local.Built(); err != nil {
		t.Errorf("the local kind is built, got %v", err)
	}
	if rest := load(t, minimalRest).Deployment.Rest; !rest.VerifySSL || rest.DeployPort != 8001 || rest.DIMHostForTM != "localhost" {
		t.Errorf("rest defaults: %+v", rest)
	}
	slurm := load(t, minimalSlurm).Deployment.Slurm
	if slurm.SSHPort != 22 || slurm.ExecPrefix != "srun -l" || slurm.WallTimeMinutes() != 30 || slurm.Nodes() != 1 || slurm.RemoteUser != nil {
		t.Errorf("slurm defaults: %+v", slurm)
	}
	for _, text := range []string{minimalLocal, minimalRest, minimalSlurm} {
		roundTrip(t, load(t, text))
	}
}

func TestResourcesWinOverTheirFallbacks(t *testing.T) {
	s := load(t, strings.Replace(minimalSlurm, `"account"`,
		`"num_nodes": 2, "job_duration_minutes": 10, "resources": {"nodes": 5, "wall_time_minutes": 99}, "manager_topology": {"islands": 3}, "account"`, 1)).Deployment.Slurm
	if s.Nodes() != 5 || s.WallTimeMinutes() != 99 || s.Islands() != 3 {
		t.Errorf("got %d nodes, %d minutes, %d islands", s.Nodes(), s.WallTimeMinutes(), s.Islands())
	}
}

func TestDigestIgnoresKeyOrderAndWrittenDefaults(t *testing.T) {
	a := load(t, minimalLocal)
	b := load(t, `{"deployment": {"parallelism": 2, "kind": "local"}, "is_default": false, "name": "here", "description": null}`)
	if a.Digest() != b.Digest() {
		t.Errorf("%s\n%s", a.Canonical(), b.Canonical())
	}
	want := `{"deployment":{"environment":["PATH","HOME","LANG","TMPDIR"],"kind":"local","max_log_bytes":1048576,"parallelism":2,"work_dir":""},` +
		`"is_default":false,"name":"here","translation":{"algo":"metis","num_islands":0,"num_par":1,"tm_url":"http://localhost:9000"}}`
	if got := string(a.Canonical()); got != want {
		t.Errorf("canonical form\n got %s\nwant %s", got, want)
	}
}

func TestLoadRefusesAndNamesThePlace(t *testing.T) {
	rest := func(more string) string {
		return `{"name": "dim", "deployment": {"kind": "rest_remote", ` + more + `}}`
	}
	slurm := func(more string) string {
		return strings.Replace(minimalSlurm, `"account": "project1"`, more, 1)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"empty file", ``, "test.json:1:1: the JSON document ends too early"},
		{"cut off", "{\n \"name\": ", "test.json:2:10: the JSON document ends too early"},
		{"not JSON", "{\n name: x}", "test.json:2:2: not JSON"},
		{"trailing text", minimalLocal + "\n{}", "test.json:2:1: text after the end"},
		{"not UTF-8", "{\"name\": \"\xff\"}", "not UTF-8"},
		{"a list", `[]`, "expected an object, found a list"},
		{"key twice", `{"name": "a", "name": "b"}`, `test.json:1:15: the key "name" is there twice`},
		{"deep", strings.Repeat("[", 100), "nested deeper than 16 levels"},
		{"unknown key", "{\"name\": \"x\",\n  \"colour\": 1,\n  \"deployment\": {\"kind\": \"local\"}}", "test.json:2:3: colour: unknown key; expected one of name,"},
		{"unknown nested key", `{"name": "x", "deployment": {"kind": "local", "ssh_port": 22}}`, "deployment.ssh_port: unknown key"},
		{"no name", `{"deployment": {"kind": "local"}}`, "name: missing"},
		{"name with a blank", `{"name": "a b", "deployment": {"kind": "local"}}`, "name: expected 1 to 50 letters"},
		{"name too long", `{"name": "` + strings.Repeat("n", 51) + `", "deployment": {"kind": "local"}}`, "name: expected 1 to 50 letters"},
		{"no deployment", `{"name": "a"}`, "deployment: missing"},
		{"unknown kind", `{"name": "a", "deployment": {"kind": "cloud"}}`, `deployment.kind: expected one of rest_remote, slurm_remote or local, found the text "cloud"`},
		{"concurrency 0", `{"name": "a", "max_concurrent_executions": 0, "deployment": {"kind": "local"}}`, "max_concurrent_executions: expected a whole number from 1"},
		{"fraction", `{"name": "a", "max_concurrent_executions": 1.5, "deployment": {"kind": "local"}}`, "max_concurrent_executions: expected a whole number from 1"},
		{"algo", `{"name": "a", "translation": {"algo": "best"}, "deployment": {"kind": "local"}}`, "translation.algo: expected metis or mysarkar"},
		{"num_par 0", `{"name": "a", "translation": {"num_par": 0}, "deployment": {"kind": "local"}}`, "translation.num_par: expected"},
		{"password in the URL", `{"name": "a", "translation": {"tm_url": "http://u:p@h"}, "deployment": {"kind": "local"}}`, `without a user or password, found the text "http://…@h"`},
		{"deploy_host missing", rest(`"deploy_port": 1`), "deployment.deploy_host: missing"},
		{"deploy_port", rest(`"deploy_host": "h", "deploy_port": 70000`), "deployment.deploy_port: expected a whole number from 1 to 65535"},
		{"deploy_host is a URL", rest(`"deploy_host": "http://h/"`), "deployment.deploy_host: expected a host name"},
		{"verify_ssl text", rest(`"deploy_host": "h", "verify_ssl": "yes"`), `deployment.verify_ssl: expected true or false, found the text "yes"`},
		{"slot climbs", slurm(`"account": "a", "ssh_credential": "../etc"`), "deployment.ssh_credential: expected a credential slot"},
		{"dlg_root is the root", strings.Replace(minimalSlurm, "/scratch/p/dlg", "////", 1), "deployment.dlg_root: expected an absolute path"},
		{"relative home", strings.Replace(minimalSlurm, "/home/p", "home/p", 1), "deployment.home_dir: expected an absolute path"},
		{"newline in account", slurm(`"account": "a\nSUBMIT=1"`), "deployment.account: expected one word"},
		{"newline in exec_prefix", slurm(`"account": "a", "exec_prefix": "srun\n[X]"`), "deployment.exec_prefix: expected a text on one line"},
		{"NUL in modules", slurm(`"account": "a", "modules": "x\u0000"`), "deployment.modules: expected a text without control"},
		{"user that is an option", slurm(`"account": "a", "remote_user": "-oProxyCommand=x"`), "deployment.remote_user: expected a user name"},
		{"blank partition", slurm(`"account": "a", "resources": {"partition": " "}`), "deployment.resources.partition: expected one word"},
		{"unknown resource", slurm(`"account": "a", "resources": {"gpus": 1}`), "deployment.resources.gpus: unknown key"},
		{"parallelism 0", `{"name": "a", "deployment": {"kind": "local", "parallelism": 0}}`, "deployment.parallelism: expected a whole number from 1 to 1024"},
		{"variable name", `{"name": "a", "deployment": {"kind": "local", "environment": ["PATH", "A=B"]}}`, "deployment.environment[1]: expected the name of an environment variable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Load([]byte(tt.text), "test.json")
			if p != nil || !errors.Is(err, fault.Invalid) {
				t.Fatalf("got %v, %v; want a fault.Invalid", p, err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant …%s…", err, tt.want)
			}
		})
	}
}

func TestEveryProblemIsReportedAtOnce(t *testing.T) {
	_, err := Load([]byte("{\"name\": 1,\n\"x\": 2,\n\"deployment\": {\"kind\": \"rest_remote\"}}"), "p.json")
	for _, want := range []string{"3 problems", "p.json:1:10: name", "p.json:2:1: x: unknown", "p.json:3:15: deployment.deploy_host: missing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestLoadRefusesAFileThatIsTooLarge(t *testing.T) {
	if _, err := Load(make([]byte, MaxFileBytes+1), "big.json"); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "big.json: 262145 bytes") {
		t.Error(err)
	}
}

func TestRenderMarksDefaultsAndSaysWhatFollows(t *testing.T) {
	got := load(t, strings.Replace(minimalSlurm, `"account"`, `"ssh_port": 2222, "account"`, 1)).Render()
	for _, want := range []string{
		"profile hpc → slurm:login.example.org:2222\n",
		`"srun -l"  (default)`,
		"deployment.ssh_port                      2222\n",
		"asks Slurm for 1 node(s), 30 minutes, 1 data island(s)",
		"unsupported: deployment.kind slurm_remote",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
}

func TestTheExampleInTheDocsLoads(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "docs", "profile.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "```json\n")
	example, _, _ := strings.Cut(rest, "```")
	if p := load(t, example); p.Target() != "local:" || p.Built() != nil {
		t.Errorf("%+v", p)
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{minimalLocal, minimalRest, minimalSlurm, `{"a":[1,{"b":null}]}`, "[[[[", `{"name": "\ud800"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := Load(raw, "f.json")
		if (p == nil) == (err == nil) {
			t.Fatalf("got %v and %v", p, err)
		}
		if err != nil {
			return
		}
		again, err := FromCanonical(p.Canonical())
		if err != nil || again.Digest() != p.Digest() {
			t.Fatalf("does not read back: %v", err)
		}
	})
}
