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

func TestAWitnessFileThatDoesNotDoItsWorkIsAProblem(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for want, w := range map[string]ledger.WitnessState{
		"":                       {State: ledger.WitnessAgrees, At: now},
		"none":                   {State: ledger.WitnessAgrees},
		"no witness file":        {State: ledger.WitnessMissing, Detail: "there is no witness file"},
		"cannot be written: no":  {State: ledger.WitnessAgrees, Problem: "no"},
		"events (3 of them) are": {State: ledger.WitnessAgrees, Unnoted: 3, At: now.Add(-time.Hour)},
		"it is not this problem": {State: ledger.WitnessBehind, Detail: "the ledger lost its tail"},
	} {
		silent := want == "" || want == "none" || w.Lost()
		p, found := witnessProblem(w, now)
		if found == silent || found && (!strings.Contains(p.Text, want) || p.Todo == "" || p.Severity != "warning") {
			t.Errorf("%q: %v, %+v", want, found, p)
		}
	}
}
