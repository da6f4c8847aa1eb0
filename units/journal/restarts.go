package journal

import (
	"context"
	"strings"
	"time"
)

// rescheduled is how systemd says that it starts a unit again by itself
// (service.c, service_enter_restart; 235 and later).
const rescheduled = "Scheduled restart job, restart counter is at "

// Restarts counts how often systemd started a unit again since a time, and
// returns when it first did. command is as in Query.
func Restarts(ctx context.Context, command, unit string, since time.Time) (n int, first time.Time, err error) {
	q := Query{Units: []string{unit}, Lines: -1, Since: since.UTC().Format("2006-01-02 15:04:05 UTC"), Manager: true, Command: command}
	err = Read(ctx, q, func(e Entry) error {
		if e.fromManager() && e.Unit == unit && strings.Contains(e.Message, rescheduled) {
			if n == 0 {
				first = e.Time
			}
			n++
		}
		return nil
	})
	return n, first, err
}
