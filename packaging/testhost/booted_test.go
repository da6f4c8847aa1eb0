//go:build booted

// These tests need root, systemd-nspawn, mmdebstrap and, once, the Debian
// archive. Where those are missing they fail: skipped, they would prove nothing.

package testhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var suites = []string{"bullseye", "bookworm", "trixie"}

// boot boots a host that the test closes.
func boot(t *testing.T, o Options) *Host {
	t.Helper()
	h, err := Boot(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// sh runs a script that must succeed and returns its output without the last
// line's end.
func sh(t *testing.T, h *Host, script string) string {
	t.Helper()
	r, err := h.Sh(t.Context(), script)
	if err != nil {
		t.Fatal(err)
	}
	if r.Code != 0 {
		t.Fatalf("%s\nexit status %d\n%s%s", script, r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSuffix(r.Stdout, "\n")
}

func TestSuites(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			h := boot(t, Options{Suite: suite, Name: "box"})
			t.Run("system", func(t *testing.T) { testSystem(t, h) })
			t.Run("run", func(t *testing.T) { testRun(t, h) })
			t.Run("kill", func(t *testing.T) { testKill(t, h) })
			t.Run("trace", func(t *testing.T) { testTrace(t, h) })
			t.Run("files", func(t *testing.T) { testFiles(t, h) })
			t.Run("listen", func(t *testing.T) { testListen(t, h) })
			t.Run("sandbox", func(t *testing.T) { testSandbox(t, h) })
			t.Run("terminal", func(t *testing.T) { testTerminal(t, h) })
			t.Run("reboot", func(t *testing.T) { testReboot(t, h) })
		})
	}
}

func testSystem(t *testing.T, h *Host) {
	if got := sh(t, h, "systemctl is-system-running; systemctl --failed --no-legend"); got != "running" {
		t.Errorf("system is %s", got)
	}
	for script, want := range map[string]string{
		"cat /proc/1/comm; hostname; pwd; id -un": "systemd\nbox\n/\nroot",
		"stat -fc %T /sys/fs/cgroup":              "cgroup2fs",
		"ls /sys/class/net":                       "lo",
		"sysctl -n net.ipv4.ip_local_port_range":  "49152\t60999",
		"busctl get-property org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager SystemState": `s "running"`,
		"nft add table inet t && nft list tables":              "table inet t",
		"systemctl start polkit && systemctl is-active polkit": "active",
		"unshare --user --mount true && echo yes":              "yes",
		"env -u _ -u SHLVL -u PWD | sort":                      "HOME=/root\nLANG=C.UTF-8\nLOGNAME=root\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nSHELL=/bin/bash\nTERM=xterm\nUSER=root",
		// No more than the host's own root may.
		"[ $(grep CapEff /proc/self/status | cut -f2) = $(grep CapBnd /proc/1/status | cut -f2) ] && echo same": "same",
		"cut -d: -f3 /proc/self/cgroup | grep -o '^/testhost/'":                                                 "/testhost/",
	} {
		if got := sh(t, h, script); got != want {
			t.Errorf("%s\ngot  %q\nwant %q", script, got, want)
		}
	}
	sh(t, h, "logger -t testhost 'a line for the journal'")
	err := Wait(t.Context(), "the journal line", func() (bool, error) {
		text, err := h.Journal(t.Context(), "-t", "testhost", "-o", "cat")
		return text == "a line for the journal\n", err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := h.Journal(t.Context(), "--no-such-option"); err == nil || !strings.Contains(err.Error(), "running journalctl: exit status 1") {
		t.Errorf("got %v", err)
	}
}

func testRun(t *testing.T, h *Host) {
	groups := func() []string {
		found, err := filepath.Glob(filepath.Join(string(h.group()), "machine/payload/testhost/[0-9]*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	before := len(groups())
	for _, c := range []struct {
		script string
		want   Result
	}{
		{"echo out; echo err >&2", Result{"out\n", "err\n", 0}},
		{"exit 7", Result{Code: 7}},
		{"kill -TERM $$", Result{Code: 143}},
		{"kill -KILL $$", Result{Code: 137}},
		{"echo first >/dev/stdout; echo second >/dev/stdout", Result{Stdout: "first\nsecond\n"}},
		{"no-such-program", Result{Stderr: "bash: line 1: no-such-program: command not found\n", Code: 127}},
		{"sleep 1000 & echo $! >/run/daemon", Result{}}, // does not wait for it
	} {
		got, err := h.Sh(t.Context(), c.script)
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", c.script, got, err, c.want)
		}
	}
	sh(t, h, "kill $(cat /run/daemon)")
	if n := len(groups()); n > before+1 { // the daemon's
		t.Errorf("%d cgroups have become %d", before, n)
	}
	if r, err := h.Run(t.Context(), "printf", "%s|", "a b", "$HOME", "", "*"); err != nil || r.Stdout != "a b|$HOME||*|" {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := h.Run(t.Context(), "no-such-program"); err == nil || !strings.Contains(err.Error(), "running no-such-program: ") {
		t.Errorf("a missing program is %v", err)
	}
	cmd := h.Command(t.Context(), "sh", "-c", "cat; echo $EXTRA")
	cmd.Env = append(cmd.Env, "EXTRA=more")
	cmd.Stdin = strings.NewReader("input\n")
	if out, err := cmd.Output(); err != nil || string(out) != "input\nmore\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

// testKill checks that a canceled command takes its children along.
func testKill(t *testing.T, h *Host) {
	ctx, cancel := context.WithCancel(t.Context())
	cmd := h.Command(ctx, "bash", "-c", "(sleep 4242 & exec sleep 4242) & echo started; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("started\n"))); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("a killed command succeeds")
	}
	err = Wait(t.Context(), "its children to end", func() (bool, error) {
		r, err := h.Run(t.Context(), "pgrep", "-f", "sleep 424[2]")
		return r.Code == 1, err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := h.Run(ctx, "true"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func testFiles(t *testing.T, h *Host) {
	ctx := t.Context()
	local := filepath.Join(t.TempDir(), "file")
	big := strings.Repeat("0123456789abcdef", 1<<16)
	if err := os.WriteFile(local, []byte(big), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Put(ctx, local, "/opt/new/dir/program", 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Read(ctx, "/opt/new/dir/program"); err != nil || string(got) != big {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if got, err := os.ReadFile(h.Path("/opt/new/dir/program")); err != nil || string(got) != big {
		t.Errorf("read %d bytes from outside, %v", len(got), err)
	}
	if err := h.Write(ctx, "/etc/secret", []byte("x\x00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := sh(t, h, "stat -c '%a %U %s' /etc/secret /opt/new/dir/program"); got != "600 root 3\n755 root 1048576" {
		t.Errorf("got %s", got)
	}
	// An absolute link stays in the host.
	sh(t, h, "ln -s /etc/secret /etc/link")
	if got, err := h.Read(ctx, "/etc/link"); err != nil || string(got) != "x\x00\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := h.Read(ctx, "/nowhere"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := h.Read(ctx, "/etc"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := h.Write(ctx, "/proc/x", nil, 0o600); err == nil {
		t.Error("wrote to /proc")
	}
}

func testListen(t *testing.T, h *Host) {
	l, err := h.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello ", r.URL.Path)
	})}
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	if got := sh(t, h, "curl -sS --max-time 10 http://127.0.0.1:8080/box"); got != "hello /box" {
		t.Errorf("got %s", got)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	<-served
}

func testSandbox(t *testing.T, h *Host) {
	script, err := os.ReadFile("testdata/sandbox.sh")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"credential hush", "user other", "own user namespace", "read-only root", "no namespaces",
		"no privileged calls", "processes hidden", "host hidden",
	}
	if got := sh(t, h, string(script)); got != strings.Join(want, "\n") {
		journal, _ := h.Journal(t.Context(), "-u", "sandbox", "-o", "cat")
		t.Errorf("got\n%s\n%s", got, journal)
	}
}

func testTerminal(t *testing.T, h *Host) {
	ctx := t.Context()
	term, err := h.TTY(ctx, "bash", "-c", `tty; stty size; read -rp "name? " name </dev/tty; printf '\e[1mhello %s\e[0m\n' "$name"; trap 'echo resized' WINCH; trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.1; done`)
	if err != nil {
		t.Fatal(err)
	}
	defer term.Close()
	step := func(pattern string) {
		t.Helper()
		if _, err := term.Expect(ctx, pattern); err != nil {
			t.Fatal(err)
		}
	}
	step(`^/dev/pts/\d+\r\n24 80\r\n`)
	step(`name\? $`)
	if err := term.Send("Ada\r"); err != nil {
		t.Fatal(err)
	}
	step(`^Ada\r\nhello Ada\r\n`)
	step("ready")
	if err := term.Resize(50, 100); err != nil {
		t.Fatal(err)
	}
	step("resized")
	if err := term.Send("\x03"); err != nil {
		t.Fatal(err)
	}
	step("interrupted")
	if code, err := term.Wait(ctx); err != nil || code != 3 {
		t.Errorf("got %d, %v", code, err)
	}
	if _, err := term.Expect(ctx, "more"); err == nil || !strings.Contains(err.Error(), "ended with 3") {
		t.Errorf("got %v", err)
	}

	// A shell has job control, and a hangup ends it and what it started.
	shell, err := h.TTY(ctx, "bash", "-i")
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Send("sleep 5151 & jobs; echo $((40+2))\r"); err != nil {
		t.Fatal(err)
	}
	out, err := shell.Expect(ctx, `\r\n42\r\n`)
	if err != nil || !strings.Contains(out, "Running") || strings.Contains(out, "no job control") {
		t.Errorf("got %q, %v", out, err)
	}
	if err := shell.Close(); err != nil {
		t.Error(err)
	}
	err = Wait(ctx, "the job to end", func() (bool, error) {
		r, err := h.Run(ctx, "pgrep", "-f", "sleep 515[1]")
		return r.Code == 1, err
	})
	if err != nil {
		t.Error(err)
	}
}

func testReboot(t *testing.T, h *Host) {
	leader := h.Leader()
	before := sh(t, h, "cat /etc/machine-id /proc/sys/kernel/random/boot_id; touch /var/kept /run/lost; sync")
	if err := h.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := sh(t, h, "cat /etc/machine-id /proc/sys/kernel/random/boot_id; ls /var/kept /run/lost 2>/dev/null || :")
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	if a[0] != b[0] || a[1] == b[1] || len(b) != 3 || b[2] != "/var/kept" || h.Leader() == leader {
		t.Errorf("before\n%s\nafter\n%s\nleader %d and %d", before, after, leader, h.Leader())
	}
	if text, err := h.Journal(t.Context(), "-b", "-1", "-t", "testhost", "-o", "cat"); err != nil || text != "a line for the journal\n" {
		t.Errorf("the journal of the boot before: %q, %v", text, err)
	}
}

func TestBinds(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "a:b")
	if err := os.Mkdir(odd, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(odd, "f"), []byte("shared"), 0o644); err != nil {
		t.Fatal(err)
	}
	h := boot(t, Options{Binds: []Bind{
		{Host: odd, Guest: "/mnt/rw"},
		{Host: odd, Guest: "/mnt/r:o", ReadOnly: true},
	}})
	if got := sh(t, h, "cat /mnt/rw/f /mnt/r:o/f; echo x >/mnt/rw/new; echo x 2>/dev/null >/mnt/r:o/new2 || echo denied"); got != "sharedshareddenied" {
		t.Errorf("got %s", got)
	}
	if _, err := os.Stat(filepath.Join(odd, "new")); err != nil {
		t.Error(err)
	}
	if _, err := Boot(t.Context(), Options{Binds: []Bind{{Host: dir, Guest: "relative"}}}); err == nil {
		t.Error("a relative mount point boots")
	}
	if _, err := Boot(t.Context(), Options{Binds: []Bind{{Host: "/no/such/dir", Guest: "/x"}}}); err == nil || !strings.Contains(err.Error(), "/no/such/dir") {
		t.Errorf("got %v", err)
	}
}

// TestCopiedBase boots as on machines that cannot stack an overlay.
func TestCopiedBase(t *testing.T) {
	h := boot(t, Options{copyBase: true})
	if got := sh(t, h, "stat -fc %T /; systemctl is-system-running"); strings.Contains(got, "overlay") || !strings.HasSuffix(got, "running") {
		t.Errorf("got %s", got)
	}
}

// BenchmarkBoot measures Boot alone: nothing to a host on which systemd has
// started everything.
func BenchmarkBoot(b *testing.B) {
	for _, suite := range suites {
		b.Run(suite, func(b *testing.B) {
			for b.Loop() {
				h, err := Boot(b.Context(), Options{Suite: suite})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := h.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
