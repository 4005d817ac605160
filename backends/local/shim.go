package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"beampipe/backends"
)

// Exit codes of the shim.
const (
	exitFinished  = 0
	exitFailed    = 1
	exitUnusable  = 2 // the folder is not that of a submission
	exitTaken     = 3 // another shim, or a fence, has this attempt
	exitCancelled = 4
)

// Why a run is stopped.
var (
	errCancelled = errors.New("cancelled")
	errOutOfTime = errors.New("out of time")
)

// startRecord is the start file: who took the attempt for work.
type startRecord struct {
	Owner string `json:"owner"` // ownerShim or ownerFence
	identity
	At time.Time `json:"at"`
}

// Owners of claims.
const (
	ownerSubmit = "submit"
	ownerShim   = "shim"
	ownerFence  = "fence"
)

// exitRecord is the exit file: how an attempt ended.
type exitRecord struct {
	Code        int                   `json:"code"`
	Phase       backends.Phase        `json:"phase"`
	Class       string                `json:"class,omitempty"`
	Reason      string                `json:"reason,omitempty"`
	StartedAt   time.Time             `json:"started_at"`
	EndedAt     time.Time             `json:"ended_at"`
	Drops       map[string]int        `json:"drops"`
	FailedDrops []backends.FailedDrop `json:"failed_drops,omitempty"`
	Products    int                   `json:"products"` // how many are in products.json
}

// Main is the shim: it does the whole run of the attempt in the folder, at most once, and gives the code to
// exit with. SIGTERM, SIGINT and the end of ctx cancel the run. What it has to say beside the files in the
// folder goes to standard error.
func Main(ctx context.Context, at string) int {
	code, err := shim(ctx, folder(at))
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: run %s: %v\n", time.Now().UTC().Format(time.RFC3339), at, err)
	}
	return code
}

func shim(ctx context.Context, f folder) (int, error) {
	var spec runSpec
	if found, err := readRecord(f.runFile(), &spec); err != nil || !found {
		return exitUnusable, errors.Join(err, errors.New("there is no usable run.json"))
	}
	if filepath.Base(string(f)) != spec.ID {
		return exitUnusable, fmt.Errorf("run.json is that of %s", spec.ID)
	}
	// Before the claim, so that whoever sees the claim may send the signal.
	ctx, stop := stoppable(ctx)
	defer stop()
	me, err := self()
	if err != nil {
		return exitUnusable, err
	}
	started := time.Now().UTC()
	won, err := claimFile(f.startFile(), record(startRecord{Owner: ownerShim, identity: me, At: started}))
	if err != nil {
		return exitUnusable, fmt.Errorf("take the attempt: %w", err)
	}
	if !won {
		return exitTaken, errors.New("the attempt is taken by another process")
	}
	exit, err := work(ctx, f, spec)
	exit.StartedAt, exit.EndedAt = started, time.Now().UTC()
	// The attempt ends with its shim: also what applications moved out of their process groups. This must
	// happen also when the run was cancelled.
	always := func() (bool, error) { return true, nil }
	err = errors.Join(err, clearProcesses(context.WithoutCancel(ctx), spec, me, always))
	if written := writeFile(f.exitFile(), record(exit)); written != nil {
		return exitFailed, errors.Join(err, fmt.Errorf("write the exit file: %w", written))
	}
	return exit.Code, err
}

// stoppable gives a context that SIGTERM and SIGINT end, with errCancelled as the cause.
func stoppable(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-signals:
			cancel(errCancelled)
		case <-parent.Done():
			cancel(errCancelled)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
		<-done
	}
}

// work runs the graph and says how it ended. It always gives a record that can be written.
func work(ctx context.Context, f folder, spec runSpec) (exitRecord, error) {
	if marked, err := exists(f.cancelMark()); marked || err != nil {
		return ended(backends.PhaseCancelled, "", "cancelled before it began"), err
	}
	p, err := load(f, spec)
	if err != nil {
		return ended(backends.PhaseFailed, backends.ClassScience, "the graph cannot be run: "+err.Error()), err
	}
	r, err := newRun(p)
	if err != nil {
		return ended(backends.PhaseFailed, backends.ClassPlumbing, "prepare the folder: "+err.Error()), err
	}
	if spec.TimeLimit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, spec.TimeLimit, errOutOfTime)
		defer cancel()
	}
	exit, err := r.conclude(r.do(ctx))
	return exit, errors.Join(err, r.journal.close())
}

// conclude lists the products of a run. Without that list a run has not finished.
func (r *run) conclude(exit exitRecord) (exitRecord, error) {
	products, err := r.plan.products(r.journal.completed)
	class := backends.ClassScience // what the applications left there cannot be listed
	if err == nil {
		class = backends.ClassPlumbing
		err = writeFile(r.plan.at.productsFile(), record(products))
	}
	if err == nil {
		exit.Products = len(products)
		return exit, nil
	}
	if exit.Phase == backends.PhaseFinished {
		failed := ended(backends.PhaseFailed, class, "list the products: "+err.Error())
		failed.Drops = exit.Drops
		exit = failed
	}
	return exit, err
}

// load reads the attempt's inputs and plans it.
func load(f folder, spec runSpec) (*plan, error) {
	raw, err := readLimited(f.graphFile(), maxGraphBytes)
	if err != nil {
		return nil, err
	}
	manifest, err := readLimited(f.manifestFile(), maxManifestBytes)
	if err != nil {
		return nil, err
	}
	return newPlan(f, spec, raw, manifest)
}

func ended(phase backends.Phase, class, reason string) exitRecord {
	exit := exitRecord{Phase: phase, Class: class, Reason: clip(reason, backends.MaxRawBytes), Code: exitFailed}
	switch phase {
	case backends.PhaseFinished:
		exit.Code = exitFinished
	case backends.PhaseCancelled:
		exit.Code = exitCancelled
	}
	return exit
}

// readProducts reads products.json.
func readProducts(f folder) ([]backends.Product, error) {
	raw, err := readLimited(f.productsFile(), maxProductsBytes)
	if err != nil {
		return nil, err
	}
	var products []backends.Product
	if err := json.Unmarshal(raw, &products); err != nil {
		return nil, fmt.Errorf("read %s: %w", f.productsFile(), err)
	}
	return products, nil
}
