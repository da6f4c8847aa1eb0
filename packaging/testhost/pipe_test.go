package testhost

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What a command printed is not lost when this process comes to read it only
// after its time is up, and something that the command left has the pipe still.
func TestLateReader(t *testing.T) {
	c, err := newCollector()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.w.WriteString("said"); err != nil {
		t.Fatal(err)
	}
	daemon, err := unix.Dup(int(c.w.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(daemon)
	if err := c.r.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	c.read()
	if got, err := c.finish(); got != "said" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
