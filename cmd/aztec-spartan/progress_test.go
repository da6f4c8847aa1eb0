package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vbauerster/mpb/v8"
)

// What is said while bars are drawn goes above them; afterwards nothing is
// lost either.
func TestSayAboveBars(t *testing.T) {
	var screen, notes strings.Builder
	p := &progress{
		bars: mpb.New(mpb.WithOutput(&screen), mpb.WithAutoRefresh(), mpb.WithRefreshRate(refresh), mpb.WithWidth(barWidth)),
		note: func(format string, args ...any) { fmt.Fprintf(&notes, format+"\n", args...) },
	}
	bar := p.Layer("sha256:"+someKey, 100)
	bar.Add(50)
	p.say("first")
	bar.Done()
	p.finish()
	p.say("second")
	said := strings.Index(screen.String(), "aztec-spartan: first\n")
	if last := strings.LastIndex(screen.String(), someKey[:12]); said < 0 || said > last {
		t.Errorf("the screen got %q", screen.String())
	}
	if notes.String() != "aztec-spartan: second\n" {
		t.Errorf("notes: %q", notes.String())
	}
}
