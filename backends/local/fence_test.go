package local

import (
	"context"
	"errors"
	"os"
	"testing"

	"beampipe/backends"
	"beampipe/backends/backendtest"
	"beampipe/fault"
)

func TestAShimThatComesAfterTheFenceDoesNothing(t *testing.T) {
	root := t.TempDir()
	paused, resume := make(chan struct{}), make(chan struct{})
	code := make(chan int, 1)
	slow, err := New(Options{Root: root, Starter: func(folder string, _ []string) (int, error) {
		close(paused) // the submitter stops here, as a machine that sleeps does
		<-resume
		code <- Main(context.Background(), folder)
		return os.Getpid(), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := submission(backendtest.GraphOf(backendtest.Quick))
	submitted := make(chan struct{})
	go func() {
		defer close(submitted)
		_, _ = slow.Submit(context.Background(), s) // whatever it says: the fence came first
	}()
	<-paused
	b := newBackend(t, root)
	if err := b.Fence(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	close(resume)
	<-submitted
	if got := <-code; got != exitTaken {
		t.Errorf("the shim ended with %d, want %d", got, exitTaken)
	}
	if o := b.observe(s.ID); o.Phase != backends.PhaseLost {
		t.Errorf("observation %+v", o)
	}
	if _, err := b.Submit(t.Context(), s); !errors.Is(err, fault.Conflict) {
		t.Errorf("it could be submitted again: %v", err)
	}
}

func TestARunWhoseFolderWasDeletedIsStillFenced(t *testing.T) {
	r := rig(t, t.TempDir())
	b := r.Backend.(*Backend)
	s := r.Submission(backendtest.Endless)
	start := running(t, r, s)
	if err := os.RemoveAll(string(b.folder(s.ID))); err != nil {
		t.Fatal(err)
	}
	if o := b.observe(s.ID); o.Phase != backends.PhaseLost {
		t.Errorf("observation %+v", o)
	}
	if err := b.Fence(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if pids := left(t, b, s.ID, start.identity); len(pids) != 0 {
		t.Errorf("processes %v are left", pids)
	}
}
