// Package real tests against a real TAP service, which "make test-real" starts (test/rigs/tap). Without
// one its tests are skipped.
package real

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"beampipe/vo/tap"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(built.dir) // what is left is in the temporary folder
		os.Exit(code)
	}))
}

// observation is a row that the rig's generator made.
type observation struct {
	Filename string   `json:"filename"`
	ObsID    string   `json:"obs_id"`
	TMax     *float64 `json:"t_max"`
	Filesize *int64   `json:"filesize"`
}

// evaluation is a row of casda.observation_evaluation_file that the generator made.
type evaluation struct {
	SBID     int    `json:"sbid"`
	Format   string `json:"format"`
	Filesize *int64 `json:"filesize"`
}

// rig is the real service, and what is known to be in it.
type rig struct {
	url     string
	sources []string // identifiers, in the generator's order
	truth   struct {
		Rows int `json:"obscore_rows"`
	}
	rows        []observation
	evaluations map[string]bool // ObsID of each SBID that has a calibration file with a size
}

var known struct {
	once sync.Once
	rig  rig
	err  error
}

// theRig gives the service that the environment names, or skips the test.
func theRig(t testing.TB) rig {
	t.Helper()
	if os.Getenv("RIG_TAP_URL") == "" {
		t.Skip("there is no real TAP service (RIG_TAP_URL): make test-real starts one")
	}
	known.once.Do(func() { known.rig, known.err = readRig() })
	must(t, known.err)
	return known.rig
}

func readRig() (r rig, err error) {
	r.url = os.Getenv("RIG_TAP_URL")
	list, err := os.ReadFile(os.Getenv("RIG_TAP_SOURCES_FILE"))
	if err != nil {
		return r, err
	}
	r.sources = strings.Fields(string(list))
	truth, err := os.ReadFile(os.Getenv("RIG_TAP_TRUTH"))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(truth, &r.truth); err != nil {
		return r, err
	}
	r.evaluations = map[string]bool{}
	folder := filepath.Dir(os.Getenv("RIG_TAP_TRUTH"))
	return r, errors.Join(
		readLines(filepath.Join(folder, "obs.jsonl"), func(o observation) { r.rows = append(r.rows, o) }),
		readLines(filepath.Join(folder, "evalfile.jsonl"), func(e evaluation) {
			if e.Format == "calibration" && e.Filesize != nil {
				r.evaluations[fmt.Sprintf("ASKAP-%d", e.SBID)] = true
			}
		}))
}

// readLines reads a file of JSON lines.
func readLines[T any](path string, each func(T)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one T
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		each(one)
	}
	return lines.Err()
}

// of gives the rows of one source, and how many of them have the end of an observation.
func (r rig) of(source string) (rows []observation, dated int) {
	for _, o := range r.rows {
		if strings.HasPrefix(o.Filename, source+"_") {
			rows = append(rows, o)
			if o.TMax != nil {
				dated++
			}
		}
	}
	return rows, dated
}

// latest gives the rows of a source's latest observation.
func (r rig) latest(source string) (latest []observation) {
	rows, _ := r.of(source)
	newest := -1.0
	for _, o := range rows {
		if o.TMax != nil {
			newest = max(newest, *o.TMax)
		}
	}
	for _, o := range rows {
		if o.TMax != nil && *o.TMax == newest {
			latest = append(latest, o)
		}
	}
	return latest
}

// evaluated reports whether each SBID of a source's latest observation has an evaluation file.
func (r rig) evaluated(source string) bool {
	return !slices.ContainsFunc(r.latest(source), func(o observation) bool { return !r.evaluations[o.ObsID] })
}

// ours skips a test that stops the service where it is not ours to stop.
func ours(t testing.TB) {
	t.Helper()
	if os.Getenv("RIG_TAP_SERVICE") == "" {
		t.Skip("this TAP service is not ours to stop (RIG_TAP_SERVICE)")
	}
}

// service tells the rig's own script to stop, kill or start the TAP server.
func service(what string) error {
	script := os.Getenv("RIG_TAP_SERVICE")
	if out, err := exec.Command(script, what).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", script, what, err, out)
	}
	return nil
}

// client makes a client of an address, which tries nothing twice.
func client(t testing.TB, o tap.Options) *tap.Client {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // the standard library says so
		t.Cleanup(own.CloseIdleConnections)
		o.Transport = own
	}
	c, err := tap.New(o)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// patience bounds every wait for something that happens in another process.
const patience = 90 * time.Second

// await looks until it sees what is waited for: nothing tells when another process is done but looking.
func await(t testing.TB, what string, seen func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !seen() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %s", what, patience)
		case <-tick.C:
		}
	}
}
