package daemon

import "time"

// kindSweep is not a scheduled tick: it ends jobs in archives that nobody goes on with.
const kindSweep = "sweep"

// sweepInterval is how often it is looked for such jobs. They wait for a day before they count as left
// behind, so it need not be known more exactly when the next look is.
const sweepInterval = time.Hour

func (d *Daemon) sweep() {
	d.every(tickKey{"", kindSweep}, sweepInterval, d.ledger.Now(), d.control.SweepArchiveJobs)
}
