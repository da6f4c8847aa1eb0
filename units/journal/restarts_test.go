package journal

import (
	"strings"
	"testing"
	"time"
)

// Only systemd's own word about the very unit counts: a node can write the
// same.
func TestRestarts(t *testing.T) {
	const again = "aztec-sequencer@val1.service: Scheduled restart job, restart counter is at "
	f := journalctl(t, map[string]string{"out": byManager(1, node, "Started.") + entryOf(2, node, again+"7.") + byManager(3, node, again+"1.") +
		byManager(4, "aztec-sequencer@val2.service", again+"1.") + byManager(5, node, again+"2.")})
	q := f.query(Query{})
	since := time.Date(2026, 11, 28, 3, 0, 0, 0, time.UTC)
	n, first, err := Restarts(t.Context(), q.Command, node, since)
	var third Entry
	if rerr := Read(t.Context(), f.query(Query{Lines: -1}), func(e Entry) error {
		if e.Cursor == "c3" {
			third = e
		}
		return nil
	}); rerr != nil {
		t.Fatal(rerr)
	}
	if err != nil || n != 2 || !first.Equal(third.Time) || first.IsZero() {
		t.Errorf("%d since %s, %v; want 2 since %s", n, first, err, third.Time)
	}
	if args := f.runs(t)[0]; !strings.Contains(args, "_PID=1") || !strings.Contains(args, "--since=2026-11-28 03:00:00 UTC") {
		t.Errorf("journalctl was asked %s", args)
	}
}
