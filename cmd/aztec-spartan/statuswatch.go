package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"
)

const (
	watchEvery = 2 * time.Second
	// Of a terminal (ECMA-48): to its first line, and clear what is right of a
	// line's end, or below.
	toTop, clearRight, clearBelow = "\x1b[H", "\x1b[K", "\x1b[J"
)

// watchStatus draws the status until Ctrl-C. Every picture is drawn over the
// one before in one write, so that nothing flickers.
func (a *app) watchStatus(ctx context.Context, args []string) error {
	if !a.terminal() || a.json {
		return withHint(usage(errors.New("status --watch wants a terminal to draw on")), "status --json, in a loop of your own")
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		picture := *a
		var drawn bytes.Buffer
		picture.out = &drawn
		err := picture.showStatus(ctx, args)
		if ctx.Err() != nil {
			return nil // Ctrl-C is how watching ends
		}
		if err != nil {
			return err
		}
		if _, err := a.out.Write(frame(drawn.String())); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// frame is a text that is drawn over another.
func frame(text string) []byte {
	return []byte(toTop + strings.ReplaceAll(text, "\n", clearRight+"\n") + clearBelow)
}
