package testhost

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// packages is what a minimal rented server brings and our package and its tests
// use. polkit is the one whose name differs between releases.
var packages = []string{
	"bash-completion", "ca-certificates", "curl", "dbus", "iproute2", "jq", "less",
	"nftables", "procps", "systemd", "systemd-sysv", "util-linux",
}

// ubuntuKey signs Ubuntu's archive: F6EC B376 2474 EDA9 D21B 7022 8719 20D1 991B
// C93C, of 2018. Debian 12 has no package that brings it.
//
//go:embed ubuntu.asc
var ubuntuKey string

// ubuntu is where mmdebstrap finds a suite of Ubuntu, as an entry of apt's.
func ubuntu(suite string) string {
	key := " " + strings.ReplaceAll(strings.TrimSpace(ubuntuKey), "\n", "\n ")
	key = strings.ReplaceAll(key, "\n \n", "\n .\n") // deb822 ends at an empty line
	return "Types: deb\nURIs: http://archive.ubuntu.com/ubuntu\nSuites: " + suite + "\nComponents: main universe\nSigned-By:\n" + key + "\n"
}

// releases maps each supported suite to its polkit package, further options of
// mmdebstrap, and sources that are not Debian's.
var releases = map[string]struct {
	polkit  string
	options []string
	sources string
}{
	// Without the links bullseye would come up with a separate /bin and /lib, which
	// the installer of that release did not make. (mmdebstrap's own hook for it
	// fails on a dpkg as old as bullseye's.)
	"bullseye": {"policykit-1", []string{
		`--setup-hook=for d in bin lib lib64 sbin; do mkdir -p "$1/usr/$d"; ln -s "usr/$d" "$1/$d"; done`,
	}, ""},
	"bookworm": {"polkitd", nil, ""},
	"trixie":   {"polkitd", nil, ""},
	"jammy":    {"policykit-1", []string{"--include=apt"}, ubuntu("jammy")},
	"noble":    {"polkitd", []string{"--include=apt"}, ubuntu("noble")},
}

// hooks turn the bootstrapped tree into one that can be started many times: no
// identity (an empty machine-id is filled in at boot, a missing one would make
// it a first boot with presets), no name server of the machine that built it, a
// persistent journal, and nothing left to be done by the first boot.
var hooks = []string{
	`: >"$1/etc/machine-id"; rm -f "$1/etc/hostname" "$1/var/lib/dbus/machine-id"`,
	`rm -f "$1/etc/resolv.conf"; echo nameserver 127.0.0.1 >"$1/etc/resolv.conf"`,
	`printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >"$1/etc/hosts"`,
	`mkdir -p "$1/var/log/journal"`,
	`chroot "$1" journalctl --update-catalog`,
	`touch -r "$1/usr" "$1/etc/.updated" "$1/var/.updated"`,
}

// recipe returns the arguments of mmdebstrap for a suite without the target.
func recipe(suite string, more ...string) ([]string, error) {
	r, ok := releases[suite]
	if !ok {
		return nil, fmt.Errorf("booting a test host: unknown suite %q, want bullseye, bookworm, trixie, jammy or noble", suite)
	}
	args := []string{
		"--mode=root", "--variant=minbase", "--format=directory",
		"--include=" + strings.Join(slices.Concat([]string{r.polkit}, packages, more), ","),
	}
	args = append(args, r.options...)
	for _, hook := range hooks {
		args = append(args, "--customize-hook="+hook)
	}
	return args, nil
}

// cacheDir returns the directory of bases and running hosts, and makes it.
func cacheDir() (string, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("locating the cache of test hosts: %w", err)
	}
	dir := filepath.Join(user, "aztec-spartan", "testhost")
	// Only root may look in: the trees hold setuid programs that no longer get
	// security updates.
	return dir, os.MkdirAll(dir, 0o700)
}

// base returns the tree of a suite and builds it if this recipe has not been
// built yet. Trees of other recipes stay: they may be in use.
func base(ctx context.Context, cache, suite string, more []string, log io.Writer) (string, error) {
	args, err := recipe(suite, more...)
	if err != nil {
		return "", err
	}
	return built(ctx, cache, suite, suite, args, log)
}

// built is base for any recipe; name begins the name of the tree.
func built(ctx context.Context, cache, name, suite string, args []string, log io.Writer) (string, error) {
	sources := releases[suite].sources
	sum := sha256.Sum256([]byte(suite + sources + "\x00" + strings.Join(args, "\x00")))
	dir := filepath.Join(cache, name+"-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	lock, err := acquire(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	// Under the lock, a partial tree is one whose builder was killed.
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", fmt.Errorf("building the %s base: %w", suite, err)
	}
	var out bytes.Buffer
	args = append(slices.Clone(args), suite, partial)
	if sources != "" {
		args = append(args, "-") // standard input
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", args...)
	cmd.Stdin = strings.NewReader(sources)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, log), io.MultiWriter(&out, log)
	// It holds the lock too, and so keeps the next builder away for as long as it
	// lives, should this process be killed.
	cmd.ExtraFiles = []*os.File{lock}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building the %s base: mmdebstrap: %w\n%s", suite, err, tail(out.Bytes()))
	}
	if err := os.Rename(partial, dir); err != nil {
		return "", fmt.Errorf("building the %s base: %w", suite, err)
	}
	return dir, nil
}

// acquire locks path against other processes and against other files of this
// one. Closing the file unlocks it.
func acquire(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	err = poll(ctx, func() (bool, error) {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
		case nil:
			return true, nil
		case unix.EWOULDBLOCK, unix.EINTR:
			return false, nil
		default:
			return false, err
		}
	})
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f, nil
}

// tail returns the end of a log, which is where the reason is.
func tail(log []byte) string {
	const most = 2000
	if len(log) > most {
		log = log[len(log)-most:]
	}
	return strings.TrimSpace(string(log))
}
