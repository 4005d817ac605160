package test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"beampipe/provenance"
)

// chain is the provenance log as somebody has it who rewrites it.
type chain []provenance.Event

// at gives the place of the event with a number.
func (c chain) at(seq int64) int {
	return slices.IndexFunc(c, func(e provenance.Event) bool { return e.Seq == seq })
}

// renumbered gives the events the numbers of their places.
func (c chain) renumbered() chain {
	for i := range c {
		c[i].Seq = int64(i) + 1
	}
	return c
}

// rehashed makes the hash of n events from place i on fit again, and what each names as the one before it.
func (c chain) rehashed(i, n int) chain {
	for ; n > 0 && i < len(c); i, n = i+1, n-1 {
		if c[i].PrevHash = ""; i > 0 {
			c[i].PrevHash = c[i-1].Hash
		}
		c[i].Hash = c[i].ChainHash()
	}
	return c
}

// events reads the log by plain SQL.
func (h *harmed) events() (c chain) {
	h.Helper()
	db := h.shell()
	rows, err := db.QueryContext(context.Background(), `SELECT seq, occurred_at, event_type, project_module, source_identifier, execution_id,
		actor, correlation_id, payload, prev_hash, hash FROM provenance_events ORDER BY seq`)
	must(h.T, err)
	for rows.Next() {
		var e provenance.Event
		var at, payload string
		must(h.T, rows.Scan(&e.Seq, &at, &e.Type, &e.Project, &e.Source, &e.Execution, &e.Actor, &e.Correlation, &payload, &e.PrevHash, &e.Hash))
		e.OccurredAt, err = time.Parse(provenance.TimeFormat, at)
		must(h.T, err)
		e.Payload = json.RawMessage(payload)
		c = append(c, e)
	}
	must(h.T, rows.Err())
	must(h.T, db.Close())
	return c
}

// rewrite replaces the log by plain SQL.
func (h *harmed) rewrite(c chain) {
	h.Helper()
	db := h.shell()
	_, err := db.ExecContext(context.Background(), "DELETE FROM provenance_events")
	must(h.T, err)
	for _, e := range c {
		_, err := db.ExecContext(context.Background(), "INSERT INTO provenance_events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			e.Seq, e.OccurredAt.Format(provenance.TimeFormat), e.Type, e.Project, e.Source, e.Execution, e.Actor, e.Correlation, string(e.Payload), e.PrevHash, e.Hash)
		must(h.T, err)
	}
	must(h.T, db.Close())
}

// verified is what "provenance verify --json" says.
type verified struct {
	Events  int64
	Finding *struct {
		Seq     int64
		Problem string
		Detail  string
	}
	Contains *bool
	Witness  struct{ State string }
}

func (h *harmed) verify(args ...string) (v verified, code int) {
	h.Helper()
	stdout, stderr, code := h.ask(append([]string{"provenance", "verify", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		h.Fatalf("verify: exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	return v, code
}

// victim is the event that the tests do harm to: in the middle, with others of its execution around it.
const victim = 60

// tampering is one way to rewrite history, and what must be said of it.
type tampering struct {
	name string
	harm func(c chain) chain

	problem string // the word for it
	seq     int64  // the event that is named, at this number
	witness bool   // only the witness, or a head that was kept elsewhere, can tell
}

// edit makes a tampering that changes the victim.
func edit(change func(e *provenance.Event)) func(c chain) chain {
	return func(c chain) chain {
		change(&c[c.at(victim)])
		return c
	}
}

// forged is an event that the ledger did not write.
func forged(seq int64) provenance.Event {
	return provenance.Event{
		Seq: seq, OccurredAt: time.Date(2026, 11, 20, 5, 0, 0, 0, time.UTC), Type: provenance.SourceRegistered,
		Project: project, Source: "HIPASSJ6666-66", Actor: "user:mallory", Payload: json.RawMessage("{}"),
	}
}

func tamperings(last int64) []tampering {
	return []tampering{
		{name: "the payload is changed", harm: edit(func(e *provenance.Event) { e.Payload = json.RawMessage(`{"why":"nothing happened"}`) }), problem: "changed", seq: victim},
		{name: "the actor is changed", harm: edit(func(e *provenance.Event) { e.Actor = "user:mallory" }), problem: "changed", seq: victim},
		{name: "the time is changed", harm: edit(func(e *provenance.Event) { e.OccurredAt = e.OccurredAt.Add(time.Millisecond) }), problem: "changed", seq: victim},
		{name: "the type is changed", harm: edit(func(e *provenance.Event) { e.Type = "execution.verified" }), problem: "changed", seq: victim},
		{name: "the execution is changed", harm: edit(func(e *provenance.Event) { e.Execution += "0" }), problem: "changed", seq: victim},
		{name: "the source is changed", harm: edit(func(e *provenance.Event) { e.Source = "HIPASSJ6666-66" }), problem: "changed", seq: victim},
		{name: "the hash is changed", harm: edit(func(e *provenance.Event) { e.Hash = strings.Repeat("0", 64) }), problem: "changed", seq: victim},
		{name: "the hash before is changed", harm: edit(func(e *provenance.Event) { e.PrevHash = strings.Repeat("0", 64) }), problem: "changed", seq: victim},
		{name: "the first event is changed", harm: func(c chain) chain { c[0].Actor = "user:mallory"; return c }, problem: "changed", seq: 1},
		{name: "the last event is changed", harm: func(c chain) chain { c[len(c)-1].Actor = "user:mallory"; return c }, problem: "changed", seq: last},
		{name: "an event is changed and its hash made to fit", harm: func(c chain) chain {
			c[victim-1].Actor = "user:mallory"
			return c.rehashed(victim-1, 1)
		}, problem: "changed", seq: victim},
		{name: "an event is changed and every hash since made to fit", harm: func(c chain) chain {
			c[victim-1].Actor = "user:mallory"
			return c.rehashed(victim-1, len(c))
		}, problem: "changed", witness: true},
		{name: "the last event is changed and its hash made to fit", harm: func(c chain) chain {
			c[len(c)-1].Actor = "user:mallory"
			return c.rehashed(len(c)-1, 1)
		}, problem: "changed", witness: true},

		{name: "an event is removed", harm: func(c chain) chain { return slices.Delete(c, victim-1, victim) }, problem: "removed", seq: victim},
		{name: "five events are removed", harm: func(c chain) chain { return slices.Delete(c, victim-1, victim+4) }, problem: "removed", seq: victim},
		{name: "the first event is removed", harm: func(c chain) chain { return c[1:] }, problem: "removed", seq: 1},
		{name: "an event is removed and the rest renumbered", harm: func(c chain) chain { return slices.Delete(c, victim-1, victim).renumbered() }, problem: "removed", seq: victim},
		{name: "an event is removed, the rest renumbered and rehashed", harm: func(c chain) chain {
			return slices.Delete(c, victim-1, victim).renumbered().rehashed(victim-1, len(c))
		}, problem: "tail_missing", witness: true},

		{name: "an event is put in", harm: func(c chain) chain {
			return chain(slices.Insert(c, victim-1, forged(victim))).renumbered()
		}, problem: "inserted", seq: victim},
		{name: "an event is put in that fits the one before it", harm: func(c chain) chain {
			return chain(slices.Insert(c, victim-1, forged(victim))).renumbered().rehashed(victim-1, 1)
		}, problem: "inserted", seq: victim},
		{name: "an event is put in and every hash since made to fit", harm: func(c chain) chain {
			return chain(slices.Insert(c, victim-1, forged(victim))).renumbered().rehashed(victim-1, len(c)+1)
		}, problem: "changed", witness: true},

		{name: "two events are swapped", harm: func(c chain) chain {
			c[victim-1].Seq, c[victim].Seq = c[victim].Seq, c[victim-1].Seq
			slices.SortFunc(c, func(a, b provenance.Event) int { return int(a.Seq - b.Seq) })
			return c
		}, problem: "reordered", seq: victim},
		{name: "an event is moved", harm: func(c chain) chain {
			e := c[victim-1]
			return chain(slices.Insert(slices.Delete(c, victim-1, victim), victim+5, e)).renumbered()
		}, problem: "reordered", seq: victim},
		{name: "two events are swapped and rehashed", harm: func(c chain) chain {
			c[victim-1], c[victim] = c[victim], c[victim-1]
			return c.renumbered().rehashed(victim-1, len(c))
		}, problem: "changed", witness: true},

		{name: "the last event is cut off", harm: func(c chain) chain { return c[:len(c)-1] }, problem: "tail_missing", seq: last, witness: true},
		{name: "a tail is cut off", harm: func(c chain) chain { return c[:victim] }, problem: "tail_missing", seq: victim + 1, witness: true},
		{name: "all is cut off", harm: func(chain) chain { return nil }, problem: "tail_missing", seq: 1, witness: true},
	}
}

func TestWhoeverRewritesTheLogByPlainSQLIsFoundByVerify(t *testing.T) {
	t.Parallel()
	intact := newHarmed(t)
	v, code := intact.verify()
	if code != 0 || v.Finding != nil || v.Witness.State != "agrees" {
		t.Fatalf("the specimen: exit code %d, %+v", code, v)
	}
	head := fmt.Sprintf("%d:%s", v.Events, intact.events()[v.Events-1].Hash)
	for _, tt := range tamperings(v.Events) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, kept := range []string{"witness", "head", "nothing"} {
				h := newHarmed(t)
				h.unguarded("provenance_events", true, func() { h.rewrite(tt.harm(h.events())) })
				var args []string
				switch kept {
				case "head":
					args = []string{"--head", head}
					must(t, os.Remove(h.witness()))
				case "nothing":
					must(t, os.Remove(h.witness()))
				}
				h.wantVerdict(tt, kept, args)
			}
		})
	}
}

// wantVerdict asks for the verdict in JSON and in words.
func (h *harmed) wantVerdict(tt tampering, kept string, args []string) {
	h.Helper()
	got, code := h.verify(args...)
	if kept == "nothing" && tt.witness { // nobody can tell from the log alone; that nobody keeps watch is told
		if got.Events > 0 && got.Witness.State != "missing" {
			h.Errorf("without a witness: %+v", got)
		}
		return
	}
	if code != exitNotSound || got.Finding == nil {
		h.Errorf("kept %s: exit code %d, %+v", kept, code, got)
		return
	}
	f := *got.Finding
	if f.Problem != tt.problem && !(kept == "head" && tt.witness) || tt.seq != 0 && f.Seq != tt.seq {
		h.Errorf("kept %s: %s at event %d (%s), want %s at event %d", kept, f.Problem, f.Seq, f.Detail, tt.problem, tt.seq)
	}
	stdout, stderr, again := h.ask(append([]string{"provenance", "verify"}, args...)...)
	if again != code || !strings.Contains(stdout+stderr, f.Detail) {
		h.Errorf("kept %s: in words, exit code %d: %s%s", kept, again, stdout, stderr)
	}
}
