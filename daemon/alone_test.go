package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"beampipe/ledger"
)

// newLedger makes a ledger on a clock that the test sets.
func newLedger(t *testing.T, now *time.Time) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Create(t.Context(), filepath.Join(t.TempDir(), "beampipe.db"), ledger.Options{Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func write(t *testing.T, l *ledger.Ledger, fn func(tx *ledger.Tx) error) {
	t.Helper()
	if err := l.Write(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasPlannedByAClockThatWasFarAheadIsDueNow(t *testing.T) {
	real := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		ahead time.Duration
		want  time.Duration // of the watermark, after the real time
	}{
		{name: "years", ahead: 11 * 365 * 24 * time.Hour},
		{name: "an hour", ahead: time.Hour},
		{name: "a little", ahead: time.Minute, want: time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := real.Add(tt.ahead)
			l := newLedger(t, &now)
			write(t, l, func(tx *ledger.Tx) error { return tx.SetWatermark("survey", ledger.TickDiscovery, now) })
			now = real
			d := &Daemon{o: withDefaults(Options{}), ledger: l, log: slog.New(slog.DiscardHandler)}
			schedules, err := l.View(t.Context()).Schedules()
			if err != nil {
				t.Fatal(err)
			}
			schedules, err = d.afterClockStep(t.Context(), l.View(t.Context()), schedules)
			if err != nil {
				t.Fatal(err)
			}
			if got := schedules[0].Watermark.Sub(real); got != tt.want {
				t.Errorf("the watermark is %v ahead, want %v", got, tt.want)
			}
		})
	}
}

func TestAConfigThatCannotBeReadIsAProblemOfItsProjectAlone(t *testing.T) {
	now := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	l := newLedger(t, &now)
	write(t, l, func(tx *ledger.Tx) error {
		_, _, err := tx.AddConfig(ledger.NewConfig{Project: "spoilt", Digest: "d", Spec: []byte("{"), File: []byte("-"), FileName: "spoilt.yaml"}, "user:test")
		return err
	})
	d := &Daemon{o: withDefaults(Options{}), ledger: l, log: slog.New(slog.DiscardHandler), health: newHealth(l.Now), nextAt: map[tickKey]time.Time{}}
	if _, err := d.startDue(t.Context()); err != nil {
		t.Fatalf("the look of all projects fails: %v", err)
	}
	problems, _ := d.health.take()
	if len(problems) != 1 || problems[0].Code != codeConfig || problems[0].Subject != "spoilt" {
		t.Errorf("problems %+v", problems)
	}
}

func TestADefectInATickIsItsErrorAndNotTheEndOfTheDaemon(t *testing.T) {
	err := safely(t.Context(), func(context.Context) error { panic("a defect") })
	if err == nil || !strings.Contains(err.Error(), "a defect") {
		t.Errorf("error %v", err)
	}
}

func TestClaimsOfAKilledProcessAreGivenBackWhileTheDaemonRuns(t *testing.T) {
	child := exec.Command("true")
	if err := child.Run(); err != nil {
		t.Skip("there is no program to run: ", err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	now := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	l := newLedger(t, &now)
	claim := func(subject string, pid int) {
		write(t, l, func(tx *ledger.Tx) error {
			_, _, err := tx.TryClaim(ledger.ClaimDiscovery, subject, fmt.Sprintf("%s:%d:id", host, pid), "survey/b", 3*time.Hour)
			return err
		})
	}
	claim("source:1", child.Process.Pid)
	claim("source:2", os.Getppid())
	d := &Daemon{o: withDefaults(Options{}), ledger: l, log: slog.New(slog.DiscardHandler), health: newHealth(l.Now), nextAt: map[tickKey]time.Time{}}
	look := func() []string {
		if _, err := d.startDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		owners, err := l.View(t.Context()).ClaimOwners()
		if err != nil {
			t.Fatal(err)
		}
		return owners
	}
	if owners := look(); len(owners) != 1 || !strings.Contains(owners[0], fmt.Sprint(os.Getppid())) {
		t.Errorf("claims are left of %v", owners)
	}
	claim("source:1", child.Process.Pid)
	if owners := look(); len(owners) != 2 {
		t.Errorf("it looks more often than once in %v", ownersInterval)
	}
	now = now.Add(ownersInterval)
	if owners := look(); len(owners) != 1 {
		t.Errorf("claims are left of %v", owners)
	}
}
