package main

import (
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// bar shows on stderr how far a long command is. Where stderr is no terminal, and with --json, it does nothing.
type bar struct {
	progress *mpb.Progress
	name     string
	current  *mpb.Bar
}

func (a *app) bar(name string) *bar {
	if !a.progress || a.json {
		return &bar{}
	}
	return &bar{progress: mpb.New(mpb.WithOutput(a.stderr), mpb.WithWidth(40)), name: name}
}

// show moves the bar to done of total.
func (b *bar) show(done, total int64) {
	if b.progress == nil || total <= 0 {
		return
	}
	if b.current == nil {
		b.current = b.progress.AddBar(0, mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(b.name+"  ")), mpb.AppendDecorators(decor.CountersNoUnit("%d of %d")))
	}
	b.current.SetTotal(total, false)
	b.current.SetCurrent(done)
}

// step goes on with another bar when the name is another one.
func (b *bar) step(name string, done, total int64) {
	if b.progress == nil {
		return
	}
	if name != b.name {
		b.complete()
		b.name = name
	}
	b.show(done, total)
}

func (b *bar) complete() {
	if b.current != nil {
		b.current.SetTotal(-1, true)
		b.current = nil
	}
}

// stop takes the bar away.
func (b *bar) stop() {
	if b.progress == nil {
		return
	}
	b.complete()
	b.progress.Wait()
	b.progress = nil
}
