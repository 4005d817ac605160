package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"beampipe/demo"
	"beampipe/vo/archive"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"beampipe": func() { os.Exit(beampipe()) }})
}

// TestScripts runs the scripts of testdata against the real program. Each has a folder with the demo's
// survey, and an archive that serves four of its sources at $ARCHIVE.
func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("scripts run the whole program")
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"archive": archiveDo,
			"ends":    ends,
			"ids":     ids,
			"sql":     plainSQL,
			"until":   until,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("USER", "ann")
			if err := writeSurvey(env.WorkDir); err != nil {
				return err
			}
			return serveArchive(env)
		},
	})
}

func writeSurvey(dir string) error {
	strict := bytes.Replace(demo.Survey(), []byte("    stale_after_hours: 24\n"), []byte("    stale_after_hours: 24\n    quarantine_after: 2\n    mass_change: {sources: 1, percent: 10}\n"), 1)
	if bytes.Equal(strict, demo.Survey()) {
		return errors.New("the demo's survey has no stale_after_hours: 24 any more")
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "strict.yaml"), strict, 0o600),
		os.WriteFile(filepath.Join(dir, "survey.yaml"), demo.Survey(), 0o600),
		os.WriteFile(filepath.Join(dir, "profile.json"), demo.Profile(), 0o600),
		os.WriteFile(filepath.Join(dir, "demo.graph"), demo.Graph(), 0o600),
	)
}

// serveArchive serves the first four sources over HTTP: the last one has no data.
func serveArchive(env *testscript.Env) error {
	ctx := context.Background()
	a, err := archive.Open(ctx, archive.Options{Dir: filepath.Join(env.WorkDir, "archive")})
	if err != nil {
		return err
	}
	objects, err := demo.Objects()
	if err != nil {
		return err
	}
	var d demo.Data
	for i, o := range objects[:4] {
		env.Setenv("SOURCE"+strconv.Itoa(i+1), o.Identifier)
		d.List(o)
		if i < 3 {
			d.Observe(o, 70001+2*i, 1+i)
		}
	}
	if err := errors.Join(a.AddObservations(ctx, d.Observations), a.AddEvaluations(ctx, d.Evaluations), a.AddCatalogue(ctx, d.Catalogue)); err != nil {
		return err
	}
	server := httptest.NewServer(a.Handler())
	env.Setenv("ARCHIVE", "demo="+server.URL+"/tap")
	env.Setenv("ARCHIVE_URL", server.URL+"/tap")
	env.Values[served{}] = &serving{archive: a, server: server, objects: objects}
	env.Defer(func() {
		server.Close()
		_ = a.Close() // nothing is read from it any more
	})
	return nil
}

// served finds a script's archive.
type served struct{}

type serving struct {
	archive *archive.Archive
	server  *httptest.Server
	objects []demo.Object
}

// archiveDo changes a script's archive: "archive misbehave KIND MATCH", "archive behave", "archive observe
// SOURCE SBID BEAMS", "archive lose FILENAME", "archive stop".
func archiveDo(ts *testscript.TestScript, neg bool, args []string) {
	s, ok := ts.Value(served{}).(*serving)
	if neg || !ok || len(args) == 0 {
		ts.Fatalf("usage: archive misbehave|behave|observe|lose|stop …")
	}
	ctx := context.Background()
	switch command := args[0] + "/" + strconv.Itoa(len(args)); command {
	case "misbehave/3":
		s.archive.Misbehave(archive.Misbehaviour{Kind: args[1], Match: args[2]})
	case "behave/1":
		s.archive.Behave()
	case "observe/4":
		sbid, err := strconv.Atoi(args[2])
		ts.Check(err)
		beams, err := strconv.Atoi(args[3])
		ts.Check(err)
		var d demo.Data
		for _, o := range s.objects {
			if o.Identifier == args[1] {
				d.Observe(o, sbid, beams)
			}
		}
		ts.Check(errors.Join(s.archive.AddObservations(ctx, d.Observations), s.archive.AddEvaluations(ctx, d.Evaluations)))
	case "lose/2":
		n, err := s.archive.RemoveObservations(ctx, args[1])
		ts.Check(err)
		if n == 0 {
			ts.Fatalf("there is no observation %s", args[1])
		}
	case "stop/1":
		s.server.Close()
	default:
		ts.Fatalf("archive %s: unknown", strings.Join(args, " "))
	}
}

// ends runs a command that must end with an exit code: ends 3 beampipe …
func ends(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: ends CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// maxRounds bounds until.
const maxRounds = 500

// until asks again and again: "until quiet" polls until no execution is submitted any more, "until
// running" waits for a daemon, "until completed" for an execution that ended well.
func until(ts *testscript.TestScript, neg bool, args []string) {
	reached := map[string]func(*testscript.TestScript) bool{"quiet": quiet, "running": running, "completed": completed}
	if neg || len(args) != 1 || reached[args[0]] == nil {
		ts.Fatalf("usage: until quiet|running|completed")
	}
	for range maxRounds {
		if reached[args[0]](ts) {
			return
		}
	}
	ts.Fatalf("still not %s when asked %d times", args[0], maxRounds)
}

func quiet(ts *testscript.TestScript) bool {
	ts.Check(ts.Exec("beampipe", "tick", "poll"))
	ts.Check(ts.Exec("beampipe", "execution", "list", "--state", "submitting", "--state", "queued", "--state", "running", "--state", "verifying"))
	return ts.ReadFile("stdout") == "no execution\n"
}

func running(ts *testscript.TestScript) bool {
	err := ts.Exec("beampipe", "health") // an error until there is a ledger
	return err == nil && strings.Contains(ts.ReadFile("stdout"), "running (process")
}

func completed(ts *testscript.TestScript) bool {
	ts.Check(ts.Exec("beampipe", "execution", "list", "--state", "completed"))
	return ts.ReadFile("stdout") != "no execution\n"
}

// ids sets $ID to the execution in a list with one execution: ids list.json
func ids(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ids FILE")
	}
	var list struct {
		Executions []struct {
			ID string `json:"uuid"`
		} `json:"executions"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &list))
	if len(list.Executions) != 1 {
		ts.Fatalf("%d executions, want 1", len(list.Executions))
	}
	ts.Setenv("ID", list.Executions[0].ID)
}

// plainSQL runs statements on a ledger without the program, as someone with sqlite3 can: "sql FILE STATEMENTS".
func plainSQL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sql FILE STATEMENTS")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(args[1])
	ts.Check(err)
}
