package execution

import (
	"context"
	"sync"
	"testing"

	"beampipe/ledger"
	"beampipe/provenance"
)

func TestManyWorkersDoEachThingOnce(t *testing.T) {
	r := newRig(t)
	r.standard(20)
	second, err := ledger.Open(context.Background(), r.path, ledger.Options{Now: r.clock.now, Rebuild: Rebuild})
	r.must(err)
	defer second.Close()
	engines := []*Engine{r.Engine, r.engine(second, "second")}
	var wg sync.WaitGroup
	for _, e := range engines {
		wg.Go(func() {
			if _, err := e.Admit(context.Background(), "demo", AdmitOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range 3 { // a worker that finds nothing stops; what another still had in hand comes after
		for _, e := range engines {
			for range 2 {
				wg.Go(func() {
					for {
						run, ok, err := e.Next(context.Background())
						if err != nil || !ok {
							if err != nil {
								t.Error(err)
							}
							return
						}
						if err := run(context.Background()); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		wg.Wait()
	}
	counts, err := r.view().CountExecutions("demo")
	r.must(err)
	if len(counts) != 1 || counts[ledger.Queued] != 20 {
		t.Errorf("%v", counts)
	}
	for id, n := range r.place.told {
		if n != 1 {
			t.Errorf("%s was submitted %d times", id, n)
		}
	}
	if len(r.place.told) != 20 {
		t.Errorf("%d submissions", len(r.place.told))
	}
	var chain provenance.Verifier
	r.must(r.view().EachEvent(chain.Next))
}
