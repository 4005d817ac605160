package demo

import (
	"fmt"
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"beampipe/ledger"
)

// bars shows how a round goes on. Without a writer it does nothing.
type bars struct {
	progress *mpb.Progress
	round    string
	asked    *mpb.Bar
	ran      *mpb.Bar
}

func newBars(w io.Writer) *bars {
	if w == nil {
		return &bars{}
	}
	return &bars{progress: mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))}
}

func (b *bars) add(name string) *mpb.Bar {
	return b.progress.AddBar(0,
		mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-12s %-12s", b.round, name))),
		mpb.AppendDecorators(decor.CountersNoUnit("%d of %d")))
}

// show moves the bars of a round to where the survey stands.
func (b *bars) show(round string, c counts) {
	if b.progress == nil {
		return
	}
	if b.round != round {
		b.end()
		b.round = round
		b.asked, b.ran = b.add("sources"), b.add("executions")
	}
	b.asked.SetTotal(int64(c.sources), false)
	b.asked.SetCurrent(int64(c.sources - c.due - c.outcomes[""]))
	b.ran.SetTotal(int64(c.total()+c.pending), false)
	b.ran.SetCurrent(int64(c.executions[ledger.Completed] + c.executions[ledger.Failed]))
}

// end completes the bars of a round.
func (b *bars) end() {
	for _, bar := range []*mpb.Bar{b.asked, b.ran} {
		if bar != nil {
			bar.SetTotal(-1, true)
		}
	}
}

// stop ends the display.
func (b *bars) stop() {
	if b.progress == nil {
		return
	}
	b.end()
	b.progress.Wait()
	b.progress = nil
}
