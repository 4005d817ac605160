package provenance

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// archived writes a chain that begins behind event 4, with what JSON encoders like to change.
func archived(t testing.TB) string {
	t.Helper()
	var out bytes.Buffer
	prev := strings.Repeat("a", 64)
	for i, payload := range []string{"", `{"why":"a < b & c > d","uri":"x?a=1&b=2"}`, `{"n":1.50,"u":"é"}`} {
		e := Event{Seq: int64(5 + i), OccurredAt: time.Date(2026, 11, 20, 4, 0, i, 120e6, time.UTC), Type: "x.y", Project: "p", Actor: "user:ada", PrevHash: prev}
		if payload != "" {
			e.Payload = []byte(payload)
		}
		e.Hash = e.ChainHash()
		prev = e.Hash
		if err := WriteArchiveLine(&out, e); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func TestAnArchiveIsVerifiedFromItsLinesAlone(t *testing.T) {
	text := archived(t)
	var seen []int64
	a, err := VerifyArchive(strings.NewReader(text), func(e Event) error { seen = append(seen, e.Seq); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if a.First != 5 || a.Last != 7 || a.PrevHash != strings.Repeat("a", 64) || len(a.Hash) != 64 || len(seen) != 3 || a.To.Sub(a.From) != 2*time.Second {
		t.Errorf("%+v, saw %v", a, seen)
	}
}

func TestAnArchiveThatWasTouchedIsRefusedByItsLine(t *testing.T) {
	lines := strings.SplitAfter(strings.TrimSpace(archived(t)), "\n")
	for name, tt := range map[string]struct{ text, want string }{
		"empty":             {"", "no events"},
		"a payload changed": {strings.Replace(strings.Join(lines, ""), "a < b", "a > b", 1), "line 2: event 6 (x.y): its content does not match"},
		"a line is gone":    {lines[0] + lines[2], "line 2: event 7 (x.y): follows event 5"},
		"a line twice":      {lines[0] + lines[0], "follows event 5"},
		"no JSON":           {lines[0] + "nonsense\n", "line 2"},
		"two on a line":     {strings.TrimSpace(lines[0]) + lines[1], "more than one"},
		"an unknown field":  {`{"seq":1,"colour":"red"}`, "colour"},
		"a bad time":        {`{"seq":1,"occurred_at":"today"}`, "today"},
		"event 0":           {`{"seq":0,"occurred_at":"2026-11-20T04:00:00.000Z"}`, "numbered from 1"},
		"other hash before": {lines[0] + strings.Replace(lines[1], `"prev_hash":"`, `"prev_hash":"b`, 1), "not the hash of event 5"},
	} {
		_, err := VerifyArchive(strings.NewReader(tt.text), nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func FuzzVerifyArchive(f *testing.F) {
	f.Add(archived(f))
	f.Add("{}\n\n{}")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := VerifyArchive(strings.NewReader(text), nil)
		if err == nil && (a.Last < a.First || a.First < 1) {
			t.Errorf("%+v", a)
		}
	})
}
