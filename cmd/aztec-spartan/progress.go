package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/aztec-spartan/aztec-spartan/extract"
)

// progress shows one bar for each layer, on a terminal only.
type progress struct {
	bars *mpb.Progress
	note func(format string, args ...any)
	said atomic.Int64 // when something was said last: Unix time in nanoseconds
}

// refresh is how often bars are drawn.
const refresh = 150 * time.Millisecond

// barWidth leaves room for the digest and the sizes in 80 columns.
const barWidth = 72

func (a *app) progress(ctx context.Context) *progress {
	p := &progress{note: a.note}
	if isTerminal(a.err) {
		p.bars = mpb.NewWithContext(ctx, mpb.WithOutput(a.err), mpb.WithWidth(barWidth), mpb.WithRefreshRate(refresh))
	}
	return p
}

func (p *progress) finish() {
	if p.bars == nil {
		return
	}
	// What is said is drawn with the bars, the next time they are, and a
	// shutdown does not draw.
	time.Sleep(time.Until(time.Unix(0, p.said.Load()).Add(2 * refresh)))
	p.bars.Shutdown()
}

// say prints a line, above the bars if there are any.
func (p *progress) say(event string) {
	const form = "aztec-spartan: %s"
	if p.bars != nil {
		if _, err := fmt.Fprintf(p.bars, form+"\n", event); err == nil {
			p.said.Store(time.Now().UnixNano())
			return
		}
	}
	p.note(form, event)
}

// Layer implements extract.Progress. size is the compressed size in bytes.
func (p *progress) Layer(digest string, size int64) extract.LayerProgress {
	if p.bars == nil {
		return silent{}
	}
	return layerBar{p.bars.New(size, mpb.BarStyle().Lbound("[").Rbound("]"),
		mpb.PrependDecorators(decor.Name(short(digest), decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f")),
	)}
}

type layerBar struct{ *mpb.Bar }

func (b layerBar) Add(n int64) { b.IncrInt64(n) }
func (b layerBar) Done()       { b.SetTotal(-1, true) }

type silent struct{}

func (silent) Add(int64) {}
func (silent) Done()     {}

// short is what people recognize a digest by.
func short(digest string) string {
	const algorithm, shown = len("sha256:"), 12
	if len(digest) < algorithm+shown {
		return digest
	}
	return digest[algorithm : algorithm+shown]
}
