// Package bench measures every figure that this project publishes, each beside a reference that is
// measured in the same run.
package bench

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"

	"beampipe/fault"
)

// Report is the answer of a bench. Its JSON names are stable.
type Report struct {
	Bench string         `json:"bench"`
	Host  map[string]any `json:"host"`
	Rows  []Row          `json:"rows"`
}

// Row is one figure. A row whose reference cannot be measured here is skipped with the reason and never met.
type Row struct {
	Name           string  `json:"name"`
	Value          float64 `json:"value"`
	Unit           string  `json:"unit"`
	Reference      string  `json:"reference"` // what ReferenceValue is
	ReferenceValue float64 `json:"reference_value"`
	Ratio          float64 `json:"ratio"` // Value over ReferenceValue
	Goal           string  `json:"goal"`
	Met            bool    `json:"met"`
	Skipped        string  `json:"skipped"`
}

// Options are what a bench is given.
type Options struct {
	Dir   string            // where it works; "" = a temporary folder that is removed afterwards
	Flags map[string]string // a bench's own settings, see its doc comment
	Log   *slog.Logger      // nil = silent
}

// benches are all benches by name.
var benches = map[string]func(ctx context.Context, o Options) ([]Row, error){
	"discovery": discoveryModes,
	"ledger":    ledgerAll,
	"lifecycle": lifecycle,
	"lists":     lists,
	"tick":      tick,
	"votable":   votableReading,
}

// Names lists the benches.
func Names() []string {
	names := make([]string, 0, len(benches))
	for name := range benches {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Run runs one bench.
func Run(ctx context.Context, name string, o Options) (Report, error) {
	run, ok := benches[name]
	if !ok {
		return Report{}, fault.New(fault.Invalid, fmt.Sprintf("there is no bench %q", name), "choose one of: "+strings.Join(Names(), ", "))
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "beampipe-bench-")
		if err != nil {
			return Report{}, fault.Wrap(fault.Unavailable, err, "bench "+name, "make room in the temporary folder, or set TMPDIR")
		}
		defer os.RemoveAll(dir)
		o.Dir = dir
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return Report{}, fault.Wrap(fault.Invalid, err, "bench "+name, "choose a folder that can be written to")
	}
	rows, err := run(ctx, o)
	return Report{Bench: name, Host: host(), Rows: rows}, err
}

// host says where the figures were taken.
func host() map[string]any {
	h := map[string]any{"os": runtime.GOOS, "arch": runtime.GOARCH, "cores": runtime.NumCPU(), "go": runtime.Version()}
	if model := firstValue("/proc/cpuinfo", "model name"); model != "" {
		h["cpu"] = model
	}
	if total := firstValue("/proc/meminfo", "MemTotal"); total != "" {
		h["memory"] = total
	}
	return h
}

// firstValue reads the first "key: value" line of a file of the proc file system, "" where there is none.
func firstValue(path, key string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// peakRSS is the largest resident size that this process ever had, in MB (10^6 bytes).
func peakRSS() (float64, error) {
	text := strings.TrimSuffix(firstValue("/proc/self/status", "VmHWM"), " kB")
	kb, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fault.New(fault.Unavailable, "peak memory cannot be read on this system", "")
	}
	return kb * 1024 / 1e6, nil
}

// under makes a row whose goal is a value below a bound.
func under(name string, value float64, unit string, bound float64, reference string, referenceValue float64) Row {
	r := Row{
		Name: name, Value: value, Unit: unit, Goal: fmt.Sprintf("under %g %s", bound, unit), Met: value < bound,
		Reference: reference, ReferenceValue: referenceValue,
	}
	if referenceValue > 0 {
		r.Ratio = value / referenceValue
	}
	return r
}

// Text tells the report to a person.
func (r Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %v cores (%v, %v)\n\n", r.Bench, r.Host["cores"], r.Host["cpu"], r.Host["go"])
	for _, row := range r.Rows {
		verdict := "missed"
		switch {
		case row.Skipped != "":
			fmt.Fprintf(&b, "%-24s skipped: %s\n", row.Name, row.Skipped)
			continue
		case row.Goal == "":
			verdict = ""
		case row.Met:
			verdict = "met"
		}
		fmt.Fprintf(&b, "%-24s %10.3f %-6s goal %-14s %-7s", row.Name, row.Value, row.Unit, row.Goal, verdict)
		if row.Reference != "" {
			fmt.Fprintf(&b, " %.3g × %s (%.3f)", row.Ratio, row.Reference, row.ReferenceValue)
		}
		b.WriteString("\n")
	}
	return b.String()
}
