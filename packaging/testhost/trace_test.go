//go:build booted

package testhost

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testTrace sees what a program is about to change, and kills it in the middle.
func testTrace(t *testing.T, h *Host) {
	// In the background: nsenter stops with the program that it waits for.
	const script = "(echo $BASHPID >/run/traced; kill -STOP $BASHPID; mkdir /root/traced; echo one >/root/traced/file; mv /root/traced/file /root/traced/name; echo two >/root/traced/file; rm -r /root/traced /run/traced) & wait $!"
	for _, dieAt := range []string{"", "create /root/traced/file"} {
		cmd := h.Command(t.Context(), "bash", "-c", script)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		awaitStop := "grep -q '^State:.*T' /proc/$(cat /run/traced)/status"
		if err := Wait(t.Context(), "the program to stop itself", func() (bool, error) {
			r, err := h.Sh(t.Context(), awaitStop)
			return r.Code == 0, err
		}); err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(sh(t, h, "cat /run/traced"))
		if err != nil {
			t.Fatal(err)
		}
		var calls []string
		err = h.Trace(t.Context(), pid, func(c Call) {
			calls = append(calls, c.String())
			if c.String() == dieAt {
				if err := h.Kill(pid); err != nil {
					t.Error(err)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		werr := cmd.Wait()
		// Those of bash itself: it starts the programs, which are not traced.
		want := []string{"create /root/traced/file", "create /root/traced/file"}
		if dieAt != "" {
			want = want[:1]
		}
		calls = slices.DeleteFunc(calls, func(c string) bool { return c != want[0] })
		if d := cmp.Diff(want, calls); d != "" || (werr != nil) != (dieAt != "") {
			t.Errorf("killed before %q: %v (-want +got):\n%s", dieAt, werr, d)
		}
		if dieAt != "" {
			sh(t, h, "test -d /root/traced && test ! -e /root/traced/file && rm -r /root/traced")
		}
	}
	if _, err := h.Outside(1 << 21); err == nil {
		t.Error("a process that is not there was found")
	}
}
