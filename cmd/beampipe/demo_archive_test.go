package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"beampipe/demo"
)

// serveDemoArchive runs "demo archive" until the test ends or stop is called.
func serveDemoArchive(t *testing.T, args ...string) (served demo.ArchiveServed, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, &app{stdout: in, stderr: io.Discard, getenv: noEnv}, append([]string{"demo", "archive", "--json", "--listen", "127.0.0.1:0"}, args...))
		in.Close()
	}()
	if err := json.NewDecoder(out).Decode(&served); err != nil {
		t.Fatalf("demo archive said nothing that can be read: %v", err)
	}
	return served, func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("demo archive ended with %d, want %d", code, exitOK)
		}
	}
}

func noEnv(string) string { return "" }

// The path of docs/first-survey.md, in this process.
func TestASurveyOfOnesOwnAsksTheDemosArchive(t *testing.T) {
	dir := t.TempDir()
	if err := writeSurvey(dir); err != nil {
		t.Fatal(err)
	}
	var typed string
	must := func(want string, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		a := &app{stdin: strings.NewReader(typed), stdout: &stdout, stderr: &stderr, getenv: noEnv, open: openLocal(noEnv)}
		args = append(args, "--ledger", filepath.Join(dir, "beampipe.db"), "--actor", "ann")
		if code := run(t.Context(), a, args); code != exitOK || !strings.Contains(stdout.String(), want) {
			t.Fatalf("%s: exit code %d\n%s%s\nwant 0 and %q", strings.Join(args, " "), code, &stdout, &stderr, want)
		}
	}
	served, stop := serveDemoArchive(t, "--dir", filepath.Join(dir, "archive"))
	must("made ledger", "init")
	must("this-machine", "profile", "add", "-f", filepath.Join(dir, "profile.json"))
	must("demo_survey", "project", "add", "-f", filepath.Join(dir, "survey.yaml"))
	list, err := os.ReadFile(served.SourcesFile)
	if err != nil || served.Sources != 64 || strings.Count(string(list), "\n") != 64 {
		t.Fatalf("%d sources, listed as %q, %v", served.Sources, list, err)
	}
	typed = strings.Join(strings.SplitAfter(string(list), "\n")[:6], "")
	must("2 pairs", "source", "import", "-f", "-")
	must("6 sources: 6 changed, 0 unchanged, 0 without data, 0 missing, 0 gone, 0 ambiguous, 0 refused, 0 failed",
		"tick", "discovery", "--archive", "demo="+served.URL)
	stop()

	served, stop = serveDemoArchive(t, "--dir", filepath.Join(dir, "archive"), "--later")
	defer stop()
	must("1 changed, 5 unchanged", "source", "discover", "--all", "--archive", "demo="+served.URL)
}

func TestTheDemosArchiveLeavesNoTemporaryFolderBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	served, stop := serveDemoArchive(t)
	if _, err := os.Stat(served.SourcesFile); err != nil {
		t.Error(err)
	}
	stop()
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	if err != nil || len(left) > 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}

func TestABusyPortOfTheDemosArchiveIsOneError(t *testing.T) {
	served, stop := serveDemoArchive(t)
	defer stop()
	address := strings.TrimSuffix(strings.TrimPrefix(served.URL, "http://"), "/tap")
	var stderr bytes.Buffer
	a := &app{stdout: io.Discard, stderr: &stderr, getenv: noEnv}
	if code := run(t.Context(), a, []string{"demo", "archive", "--listen", address}); code != exitUnavailable {
		t.Errorf("exit code %d, want %d", code, exitUnavailable)
	}
	for _, want := range []string{address, "--listen"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("stderr does not name %q:\n%s", want, &stderr)
		}
	}
}
