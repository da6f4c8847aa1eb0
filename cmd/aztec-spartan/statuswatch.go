package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
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
		picture.out, picture.err = &drawn, &drawn // what is drawn next would be over a warning beside it
		err := picture.showStatus(ctx, args)
		if ctx.Err() != nil {
			return nil // Ctrl-C is how watching ends
		}
		if err != nil {
			return err
		}
		width, height := screen(a.out)
		if _, err := a.out.Write(frame(cropped(drawn.String(), width, height))); err != nil {
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

// screen is the size of a terminal in columns and rows, which may change at any
// time; 0 is one that does not say.
func screen(out any) (width, height int) {
	if f, ok := out.(*os.File); ok {
		width, height, _ = term.GetSize(int(f.Fd())) // 0 with an error
	}
	return width, height
}

// cropped is what a screen has room for above the cursor, and how much more there
// is. The rest would scroll the first lines away, anew with each picture.
func cropped(text string, width, height int) string {
	room := height - 1 // the cursor is below
	if width < 1 || room < 1 {
		return text
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	rows := make([]int, len(lines))
	total := 0
	for i, line := range lines {
		rows[i] = max(1, (utf8.RuneCountInString(line)+width-1)/width) // what is longer goes on in the next row
		total += rows[i]
	}
	if total <= room {
		return text
	}
	room-- // for what is said of the rest
	n := 0
	for ; rows[n] <= room; n++ {
		room -= rows[n]
	}
	rest := fmt.Sprintf("... %d lines more, on a taller terminal", len(lines)-n)
	return strings.Join(append(lines[:n:n], rest), "\n") + "\n"
}
