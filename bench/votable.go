package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"beampipe/fault"
	"beampipe/vo/votable"
)

// Settings of the votable bench.
const (
	votableRows    = 200_000
	votableRuns    = 3
	votableGoal    = 3.0  // times stilts
	votableRSSGoal = 32.0 // MB
)

// votableForms are the serializations, with the name of each one's row.
var votableForms = []struct {
	form votable.Serialization
	row  string
}{{votable.TableData, "tabledata_mb_s"}, {votable.Binary, "binary_mb_s"}, {votable.Binary2, "binary2_mb_s"}}

// votableReading times reading every cell of a table of 200,000 rows and 20 columns, decoded to its value,
// in TABLEDATA, BINARY and BINARY2, beside stilts (tpipe omode=checksum, which reads every cell) on the
// same file. Both are whole processes, from their start to their end, in turns; the best of three counts.
// MB are 10^6 bytes of the document.
//
// For its own figures the bench starts this program with the flag "read", which names a file: then it
// reads that alone, and its rows are read_s and read_rss_mb. Further flags: "rows" and "runs" instead of
// 200,000 and 3; "program" is the beampipe to start instead of this one.
func votableReading(ctx context.Context, o Options) ([]Row, error) {
	if path := o.Flags["read"]; path != "" {
		return readVotable(ctx, path)
	}
	b, err := newVotableBench(o)
	if err != nil {
		return nil, err
	}
	var rows []Row
	var peak, stiltsPeak float64
	for _, f := range votableForms {
		path := filepath.Join(o.Dir, strings.ToLower(f.form.String())+".vot")
		if err := writeVotable(ctx, path, f.form, b.rows); err != nil {
			return nil, err
		}
		ours, theirs, err := b.measure(ctx, path)
		if err != nil {
			return nil, err
		}
		peak, stiltsPeak = max(peak, ours.rss), max(stiltsPeak, theirs.rss)
		row, err := b.row(f.row, path, ours, theirs)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
		if err := os.Remove(path); err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "bench votable", "")
		}
	}
	reference := ""
	if b.stilts != "" {
		reference = "stilts on the same file"
	}
	return append(rows, under("peak_rss_mb", peak, "MB", votableRSSGoal, reference, stiltsPeak)), nil
}

type votableBench struct {
	rows, runs int
	program    string
	stilts     string // "" where it is not installed
}

// reading is what one process took.
type reading struct {
	seconds float64
	rss     float64 // MB
}

func newVotableBench(o Options) (b votableBench, err error) {
	if b.rows, err = positive(o, "rows", votableRows); err != nil {
		return b, err
	}
	if b.runs, err = positive(o, "runs", votableRuns); err != nil {
		return b, err
	}
	if b.program = o.Flags["program"]; b.program == "" {
		b.program, err = os.Executable()
		if err != nil {
			return b, fault.Wrap(fault.Unavailable, err, "bench votable: find this program", "name it with --set program=FILE")
		}
	}
	if strings.HasSuffix(b.program, ".test") {
		return b, fault.New(fault.Invalid, "bench votable: "+b.program+" is a test, not beampipe", "name a beampipe with --set program=FILE")
	}
	b.stilts, _ = exec.LookPath("stilts") // "" is not installed
	return b, nil
}

// row sets our best time beside that of stilts.
func (b votableBench) row(name, path string, ours, theirs reading) (Row, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Row{}, fault.Wrap(fault.Unavailable, err, "bench votable", "")
	}
	mb := float64(info.Size()) / 1e6
	r := Row{Name: name, Value: mb / ours.seconds, Unit: "MB/s", Goal: fmt.Sprintf("at least %g × stilts", votableGoal)}
	if b.stilts == "" {
		r.Skipped = "stilts is not installed, so there is nothing to compare with (Debian: apt-get install stilts)"
		return r, nil
	}
	r.Reference = fmt.Sprintf("stilts tpipe omode=checksum on the same file, best of %d", b.runs)
	r.ReferenceValue = mb / theirs.seconds
	r.Ratio = theirs.seconds / ours.seconds
	r.Met = r.Ratio >= votableGoal
	return r, nil
}

// measure lets both read a file, in turns.
func (b votableBench) measure(ctx context.Context, path string) (ours, theirs reading, err error) {
	ours.seconds, theirs.seconds = math.Inf(1), math.Inf(1)
	for range b.runs {
		r, err := b.readOurs(ctx, path)
		if err != nil {
			return ours, theirs, err
		}
		ours = reading{min(ours.seconds, r.seconds), max(ours.rss, r.rss)}
		if b.stilts == "" {
			continue
		}
		if r, err = b.readStilts(ctx, path); err != nil {
			return ours, theirs, err
		}
		theirs = reading{min(theirs.seconds, r.seconds), max(theirs.rss, r.rss)}
	}
	return ours, theirs, nil
}

// readOurs starts this program to read a file. Its peak is what it says of itself: what the system says of
// an ended process has that of the process which started it in it.
func (b votableBench) readOurs(ctx context.Context, path string) (r reading, err error) {
	cmd := exec.CommandContext(ctx, b.program, "bench", "votable", "--json", "--set", "read="+path)
	begun := time.Now()
	out, err := cmd.Output()
	r.seconds = seconds(begun)
	if err != nil {
		return r, processFailed(cmd, err)
	}
	var report Report
	if err := json.Unmarshal(out, &report); err != nil {
		return r, processFailed(cmd, err)
	}
	for _, row := range report.Rows {
		switch row.Name {
		case "read_rss_mb":
			r.rss = row.Value
		case "read_rows":
			if int(row.Value) != b.rows {
				return r, fault.New(fault.Unavailable, fmt.Sprintf("bench votable: %g of %d rows were read", row.Value, b.rows), "")
			}
		}
	}
	return r, nil
}

func (b votableBench) readStilts(ctx context.Context, path string) (r reading, err error) {
	cmd := exec.CommandContext(ctx, b.stilts, "tpipe", "in="+path, "ifmt=votable", "omode=checksum")
	begun := time.Now()
	out, err := cmd.Output()
	r.seconds = seconds(begun)
	if err == nil && !strings.Contains(string(out), "Nrow: "+strconv.Itoa(b.rows)) {
		err = fmt.Errorf("it says %.200q, not that it read %d rows", out, b.rows)
	}
	if err != nil {
		return r, processFailed(cmd, err)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.rss = float64(usage.Maxrss) * 1024 / 1e6
	}
	return r, nil
}

func processFailed(cmd *exec.Cmd, err error) error {
	var exit *exec.ExitError
	said := ""
	if errors.As(err, &exit) {
		said = ": " + strings.TrimSpace(string(exit.Stderr))
	}
	return fault.Wrap(fault.Unavailable, err, fmt.Sprintf("bench votable: %s%.500s", cmd, said), "")
}

// readVotable reads every cell of a file, and says how long it took and how much memory this process had.
func readVotable(ctx context.Context, path string) ([]Row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "bench votable: read", "")
	}
	defer f.Close()
	begun := time.Now()
	rd, err := votable.NewReader(f, votable.Limits{})
	if err != nil {
		return nil, err
	}
	values := make([]any, len(rd.Fields()))
	rows, nulls := 0, 0
	for err = rd.Next(values); err == nil; err = rd.Next(values) {
		rows++
		for _, v := range values {
			if v == nil {
				nulls++
			}
		}
		if rows%10_000 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	took := seconds(begun)
	rss, err := peakRSS()
	if err != nil {
		return nil, err
	}
	return []Row{
		{Name: "read_s", Value: took, Unit: "s"},
		{Name: "read_rss_mb", Value: rss, Unit: "MB"},
		{Name: "read_rows", Value: float64(rows)},
		{Name: "read_nulls", Value: float64(nulls)},
	}, nil
}

// votableFields are the columns of the table: what an archive says of visibilities, in every common type.
var votableFields = func() []votable.Field {
	var fields []votable.Field
	for _, column := range strings.Fields(`id:long name:char* filename:char* coll:char* obs_id:char* url:char* pol:char*
		ra:double dec:double t_min:double t_max:double em_min:double em_max:double fov:float flux:float
		level:short n32:int size:long ok:boolean b:short`) {
		name, datatype, _ := strings.Cut(column, ":")
		f := votable.Field{Name: name, Datatype: datatype}
		if f.Datatype, f.Arraysize = strings.TrimSuffix(datatype, "*"), ""; f.Datatype != datatype {
			f.Arraysize = "*"
		}
		if name == "size" {
			f.Null = "-1"
		}
		fields = append(fields, f)
	}
	return fields
}()

// votableRow gives the values of row i, from 1.
func votableRow(i int) []any {
	var tMax, size any
	if i%13 != 0 {
		tMax = 58000.33 + float64(i)*0.0137
	}
	if i%17 != 0 {
		size = int64(i) * 40961
	}
	coll := "ASKAP Pilot Survey for WALLABY"
	if i%2 == 0 {
		coll = "WALLABY"
	}
	source := fmt.Sprintf("HIPASSJ%d", 1000+i%2400)
	x := float64(i)
	return []any{
		int64(i), fmt.Sprintf("%s-%d", source, 10+i%70), fmt.Sprintf("%s_A_beam%d_10arc_split.ms.tar", source, i%36), coll,
		fmt.Sprintf("ASKAP-%d", 10000+i%69999), fmt.Sprintf("https://casda.invalid/vo/datalink/links?ID=visibility-%d&x=a%%20b", i), "/XX/XY/YX/YY/",
		math.Mod(x*0.00171, 360), -90 + math.Mod(x*0.00057, 114), 58000 + x*0.0137, tMax,
		0.20818920694444445 + x*1e-9, 0.23149996756756758 + x*1e-9, float64(float32(1.25) + float32(i%7)), float64(float32(math.Sin(x))),
		int64(i % 4), int64(i * 7 % 100003), size, i%3 == 0, int64(i % 100),
	}
}

// writeVotable writes the table to a file, row by row.
func writeVotable(ctx context.Context, path string, form votable.Serialization, rows int) (err error) {
	fail := func(err error) error {
		return fault.Wrap(fault.Unavailable, err, "bench votable: write "+path, "make room there, or choose another folder with --dir")
	}
	f, err := os.Create(path)
	if err != nil {
		return fail(err)
	}
	defer func() {
		if closed := f.Close(); err == nil && closed != nil {
			err = fail(closed)
		}
	}()
	w := votable.NewBinaryWriter(f, votableFields, form)
	for i := 1; i <= rows; i++ {
		if err := w.Write(votableRow(i)); err != nil {
			return fail(err)
		}
		if i%10_000 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if err := w.Close(votable.StatusOK, ""); err != nil {
		return fail(err)
	}
	return nil
}
