package control

import (
	"strings"
	"testing"
	"time"

	"beampipe/ledger"
)

func TestAStartedProjectThatNothingAdvancesIsAProblem(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	started := now.Add(-3 * time.Hour)
	project := ledger.Project{ID: "survey", Admitting: true, AdmitAt: &started}
	paused := ledger.Project{ID: "other", AdmitAt: &started}
	for _, tt := range []struct {
		name     string
		projects []ledger.Project
		last     time.Time
		want     bool
	}{
		{name: "the last tick is hours ago", projects: []ledger.Project{project, paused}, last: now.Add(-2 * time.Hour), want: true},
		{name: "no tick was ever run", projects: []ledger.Project{project}, want: true},
		{name: "cron ticks every few minutes", projects: []ledger.Project{project}, last: now.Add(-5 * time.Minute)},
		{name: "it rests", projects: []ledger.Project{paused}, last: now.Add(-48 * time.Hour)},
		{name: "an empty ledger"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			problem, got := unattended(tt.projects, tt.last, now)
			if got != tt.want {
				t.Fatalf("unattended: %v, want %v", got, tt.want)
			}
			if got && (problem.Severity != "error" || !strings.Contains(problem.Text, "survey") || strings.Contains(problem.Text, "other")) {
				t.Errorf("problem: %+v", problem)
			}
		})
	}
}

func TestAnIdentifierInASuggestedCommandIsOneWordOfTheShell(t *testing.T) {
	for text, want := range map[string]string{
		"HIPASSJ1313-15": "HIPASSJ1313-15",
		"A'B":            `'A'\''B'`,
		"a;b":            "'a;b'",
		"two words":      "'two words'",
		"":               "''",
	} {
		if got := shellWord(text); got != want {
			t.Errorf("%q becomes %s, want %s", text, got, want)
		}
	}
}
