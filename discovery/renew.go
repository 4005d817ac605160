package discovery

import (
	"context"
	"errors"
	"sync"
	"time"

	"beampipe/fault"
	"beampipe/ledger"
)

// renewals is how often the claims of a batch are renewed within the time for which they hold.
const renewals = 3

// renew keeps the claims of a batch while archives are asked about it, however slow they are, until stop
// is called. A claim that was lost is left to its new holder: its source is not stored.
func (b *batch) renew(ctx context.Context) (stop func()) {
	e := b.tick.engine
	ttl := b.tick.claimTTL()
	every := e.renewEvery
	if every == 0 {
		every = ttl / renewals
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		held := append([]ledger.Claim(nil), b.claims...)
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if err := e.ledger.Write(ctx, func(tx *ledger.Tx) error { return renewAll(tx, held, ttl) }); err != nil && ctx.Err() == nil {
				e.log.Warn("claims of a discovery batch could not be renewed", "project", b.tick.id, "error", err)
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// renewAll renews those claims that are still held.
func renewAll(tx *ledger.Tx, claims []ledger.Claim, ttl time.Duration) error {
	for i := range claims {
		if err := tx.RenewClaim(&claims[i], ttl); err != nil && !errors.Is(err, fault.Conflict) {
			return err
		}
	}
	return nil
}

// claimTTL is how long a claim of this project holds without being renewed.
func (t *Tick) claimTTL() time.Duration {
	return time.Duration(t.project.Automation.Discovery.ClaimTTLMinutes) * time.Minute
}
