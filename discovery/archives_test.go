package discovery

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/vo/tap"
)

func loaded(t *testing.T, id, adapters string) *configs.Project {
	t.Helper()
	survey := strings.NewReplacer("metadata: {id: survey}", "metadata: {id: "+id+"}", "required: [casda, vizier]", "required: [casda, vizier]"+adapters).Replace(plainSurvey)
	p, report := configs.Load([]byte(survey), "survey.yaml")
	must(t, report.Err())
	return p
}

func client(t *testing.T, s *ArchiveSet, p *configs.Project) *tap.Client {
	t.Helper()
	c, err := s.Client(p, "casda")
	must(t, err)
	return c
}

func TestProjectsShareAClientUnlessTheyAskInAnotherWay(t *testing.T) {
	s := NewArchives(ArchiveOptions{Transport: func(string) http.RoundTripper { return http.NewFileTransport(http.Dir(t.TempDir())) }})
	defer s.Close()
	first := client(t, s, loaded(t, "one", ""))
	if client(t, s, loaded(t, "two", "")) != first {
		t.Error("the same settings give two clients")
	}
	for _, settings := range []string{
		", tap: {timeout_seconds: 5}", ", tap: {retries: 3}", ", tap: {mode: async}", ", tap: {max_wait_minutes: 5}",
		", credentials: {casda: {kind: bearer, secret: 'env:TOKEN'}}", ", tap_url: {other: 'http://other.invalid/tap'}, casda_tap_url: 'http://other.invalid/tap'",
		", tap: {max_concurrency: 2}", ", tap: {requests_per_second: 3}",
	} {
		if client(t, s, loaded(t, "two", settings)) == first {
			t.Errorf("%s gives the same client", settings)
		}
	}
}

func TestAnArchiveHasOneBudgetWithTheLeastThatAProjectAllows(t *testing.T) {
	s := NewArchives(ArchiveOptions{Transport: func(string) http.RoundTripper { return http.NewFileTransport(http.Dir(t.TempDir())) }})
	defer s.Close()
	concurrency := func(want int) {
		t.Helper()
		if got := s.States()["casda"].Concurrency; got != want {
			t.Errorf("%d at a time, want %d: %v", got, want, s.States())
		}
	}
	client(t, s, loaded(t, "one", ""))
	concurrency(8)
	client(t, s, loaded(t, "two", ", tap: {max_concurrency: 3}"))
	client(t, s, loaded(t, "one", ""))
	concurrency(3)
	client(t, s, loaded(t, "two", ", tap: {max_concurrency: 20}"))
	client(t, s, loaded(t, "one", ""))
	concurrency(8)
	one, err := s.Client(loaded(t, "one", ""), "vizier")
	must(t, err)
	if len(s.States()) != 2 || one.Name() != "vizier" {
		t.Errorf("states %v", s.States())
	}
}

// sender answers every request with an error and keeps what it was sent.
type sender struct{ sent []string }

func (s *sender) RoundTrip(req *http.Request) (*http.Response, error) {
	s.sent = append(s.sent, req.Header.Get("Authorization")+req.Header.Get("Cookie"))
	return nil, errors.New("the line is dead")
}

func TestSecretsAreReadWhenTheyAreNeededAndShownNowhere(t *testing.T) {
	line := &sender{}
	secret := "first"
	s := NewArchives(ArchiveOptions{
		Transport: func(string) http.RoundTripper { return line },
		Secrets: func(_ context.Context, reference string) (string, error) {
			if reference != "env:TOKEN" {
				t.Errorf("asked for %q", reference)
			}
			if secret == "" {
				return "", fault.New(fault.Invalid, "read the secret: it is empty", "")
			}
			return secret, nil
		},
	})
	defer s.Close()
	c := client(t, s, loaded(t, "one", ", tap: {retries: 0, mode: sync}, credentials: {casda: {kind: bearer, secret: 'env:TOKEN'}}"))
	for _, secret = range []string{"first", "second"} {
		if _, err := c.Query(t.Context(), "SELECT 1"); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("error %v", err)
		}
		if len(line.sent) == 0 || line.sent[len(line.sent)-1] != "Bearer "+secret {
			t.Errorf("sent %q, want %s", line.sent, secret)
		}
	}
	before := len(line.sent)
	secret = ""
	if _, err := c.Query(t.Context(), "SELECT 1"); fault.KindOf(err) != fault.Unavailable || len(line.sent) != before {
		t.Errorf("without its secret it asked: %v, %q", err, line.sent)
	}
}

func TestReadingSecrets(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		must(t, os.Chmod(path, mode))
		return path
	}
	t.Setenv("BEAMPIPE_TEST_TOKEN", "hush")
	t.Setenv("BEAMPIPE_TEST_EMPTY", "")
	t.Setenv(envCredentials, dir)
	file("token", "hush\r\n", 0o600)
	for _, tt := range []struct {
		reference string
		kind      fault.Kind
		says      string
	}{
		{reference: "env:BEAMPIPE_TEST_TOKEN"},
		{reference: "file:" + file("own", "hush", 0o600)},
		{reference: "file:" + file("group", "hush\n", 0o640)},
		{reference: "credential:token"},
		{reference: "env:BEAMPIPE_TEST_NOWHERE", kind: fault.Unavailable, says: "not set"},
		{reference: "env:BEAMPIPE_TEST_EMPTY", kind: fault.Invalid, says: "empty"},
		{reference: "file:" + dir + "/nowhere", kind: fault.Unavailable, says: "nowhere"},
		{reference: "file:" + file("open", "hush", 0o604), kind: fault.Invalid, says: "0604"},
		{reference: "file:" + file("lines", "hush\nhush", 0o600), kind: fault.Invalid, says: "one line"},
		{reference: "file:" + file("long", strings.Repeat("hush", MaxSecretBytes), 0o600), kind: fault.Invalid, says: "longer"},
		{reference: "file:" + dir, kind: fault.Invalid, says: "not a file"},
		{reference: "credential:nowhere", kind: fault.Unavailable, says: "nowhere"},
		{reference: "credential:../token", kind: fault.Invalid, says: "not a reference"},
		{reference: "hush", kind: fault.Invalid, says: "not a reference"},
	} {
		t.Run(tt.reference[max(0, len(tt.reference)-30):], func(t *testing.T) {
			got, err := ReadSecret(t.Context(), tt.reference)
			if tt.kind == "" {
				if err != nil || got != "hush" {
					t.Errorf("%q, %v", got, err)
				}
				return
			}
			if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hush") || got != "" {
				t.Errorf("%q, %v; want %s %q", got, err, tt.kind, tt.says)
			}
		})
	}
}

func TestATapeIsPutAroundEachTransport(t *testing.T) {
	line, taped := &sender{}, 0
	s := NewArchives(ArchiveOptions{
		Transport: func(string) http.RoundTripper { return line },
		Tape: func(next http.RoundTripper) (http.RoundTripper, error) {
			if next != line {
				t.Error("another transport")
			}
			if taped++; taped > 1 {
				return nil, fault.New(fault.Invalid, "the tape is full", "")
			}
			return next, nil
		},
	})
	defer s.Close()
	client(t, s, loaded(t, "one", ""))
	client(t, s, loaded(t, "one", ", tap: {retries: 3}"))
	if _, err := s.Client(loaded(t, "one", ""), "vizier"); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "vizier: the tape is full") {
		t.Errorf("error %v", err)
	}
}
