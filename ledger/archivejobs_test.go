package ledger

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
)

func TestAnArchiveJobIsKeptUntilItIsForgotten(t *testing.T) {
	f := newFixture(t)
	begin := f.Now()
	keep := func(j ArchiveJob) { f.write(func(tx *Tx) error { return tx.KeepArchiveJob(j) }) }
	keep(ArchiveJob{Key: "k2", Archive: "casda", URL: "https://a/1", Project: project})
	f.clock.forward(time.Minute)
	keep(ArchiveJob{Key: "k1", Archive: "vizier", URL: "https://b/1"})
	keep(ArchiveJob{Key: "k2", Archive: "casda", URL: "https://a/1", Project: project}) // seen again
	list, err := f.view().ArchiveJobs()
	want := []ArchiveJob{
		{Key: "k2", Archive: "casda", URL: "https://a/1", Project: project, BeganAt: begin, SeenAt: begin.Add(time.Minute)},
		{Key: "k1", Archive: "vizier", URL: "https://b/1", BeganAt: begin.Add(time.Minute), SeenAt: begin.Add(time.Minute)},
	}
	if diff := cmp.Diff(want, list); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	keep(ArchiveJob{Key: "k2", Archive: "casda", URL: "https://a/2"}) // another job takes its place
	if j, ok, err := f.view().ArchiveJob("k2"); !ok || err != nil || j.URL != "https://a/2" || !j.BeganAt.Equal(f.Now()) {
		t.Errorf("%+v %v %v", j, ok, err)
	}
	for range 2 { // forgetting what is not kept is no error
		f.write(func(tx *Tx) error { return tx.ForgetArchiveJob("k2") })
	}
	if j, ok, err := f.view().ArchiveJob("k2"); ok || err != nil || j != (ArchiveJob{}) {
		t.Errorf("%+v %v %v", j, ok, err)
	}
}

func TestAnArchiveJobThatCannotBeFoundAgainIsRefused(t *testing.T) {
	f := newFixture(t)
	for _, j := range []ArchiveJob{{URL: "https://a/1"}, {Key: "k"}} {
		if err := f.try(func(tx *Tx) error { return tx.KeepArchiveJob(j) }); err == nil {
			t.Errorf("%+v was kept", j)
		}
	}
	err := f.try(func(tx *Tx) error {
		return tx.KeepArchiveJob(ArchiveJob{Key: "k", Archive: "a", URL: strings.Repeat("x", MaxJobURLBytes+1)})
	})
	wantKind(t, err, fault.Invalid, "8193 bytes, the limit is 8192")
}
