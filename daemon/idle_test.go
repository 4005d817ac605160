package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"beampipe/configs"
	"beampipe/control"
	"beampipe/ledger"
)

// quiet is a survey with nothing to do.
const quiet = `
apiVersion: beampipe.dev/v2
kind: ProjectConfig
metadata: {id: survey}
adapters: {required: [casda]}
discovery:
  queries:
    - {name: visibility, adapter: casda, template: "SELECT * FROM ivoa.obscore WHERE filename LIKE '{source_identifier}%'"}
  prepare_metadata:
    field_map: {sbid: {from: obs_id}, dataset_id: {from: filename}}
automation:
  discovery: {enabled: true}
  execution: {enabled: true, archive_name: none}
`

// idle makes a ledger with sources that are not due, in a project that is started.
func idle(t *testing.T, l *ledger.Ledger, sources int) {
	t.Helper()
	cfg, report := configs.Load([]byte(quiet), "survey.yaml")
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	write(t, l, func(tx *ledger.Tx) error {
		if _, _, err := tx.AddConfig(ledger.NewConfig{Project: "survey", Digest: cfg.Digest(), Spec: cfg.Canonical(), File: []byte(quiet), FileName: "survey.yaml"}, "user:test"); err != nil {
			return err
		}
		if _, err := tx.SetAdmission("survey", true, "test", "user:test"); err != nil {
			return err
		}
		for i := range sources {
			name := fmt.Sprintf("S%06d", i)
			if _, err := tx.RegisterSource("survey", name, "user:test"); err != nil {
				return err
			}
			s, err := tx.Source("survey", name)
			if err != nil {
				return err
			}
			claim, _, err := tx.TryClaim(ledger.ClaimDiscovery, ledger.SourceSubject(s.ID), "test", "b", time.Minute)
			if err != nil {
				return err
			}
			if err := tx.StoreDiscovery(ledger.Discovery{Source: s, Claim: claim, Outcome: ledger.OutcomeNoData, Signature: "none", Rule: "r", NextDue: tx.Now().Add(24 * time.Hour)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// ticks makes one of each tick.
func ticks(ctx context.Context, t *testing.T, c *control.Local) {
	t.Helper()
	answer, err := c.TickDiscovery(ctx, "survey")
	if err != nil || len(answer.Ticks) != 1 || answer.Ticks[0].Error != "" {
		t.Fatal(answer, err)
	}
	if a := c.Admit(ctx, "survey", false); a.Error != "" {
		t.Fatal(a.Error)
	}
	if _, err := c.Work(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.TickPoll(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestTwoHundredIdleTicksWriteNoEventAndLeaveTheFileAsLongAsItWas(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "beampipe.db")
	now := time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	rounds := func(n int) (events int64) {
		l, err := ledger.Create(ctx, path, ledger.Options{Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := control.NewLocal(control.LocalOptions{Ledger: l, Actor: "system:daemon"})
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			idle(t, l, 50)
		}
		for range n {
			ticks(ctx, t, c)
			now = now.Add(time.Minute)
		}
		if events, err = l.View(ctx).CountEvents(); err != nil {
			t.Fatal(err)
		}
		return events
	}
	events := rounds(1)
	before := size()
	if again := rounds(200); again != events {
		t.Errorf("%d events were written", again-events)
	}
	if after := size(); after != before {
		t.Errorf("the file went from %d to %d bytes", before, after)
	}
}
