package testhost

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

//go:embed boot.sh
var bootScript string

// Options say what to boot.
type Options struct {
	// Suite is the release: bullseye (systemd 247), bookworm (252) or trixie (257)
	// of Debian, jammy (249) or noble (255) of Ubuntu. Empty means bookworm.
	Suite string
	// Binds are files and directories of this machine that the host shall see.
	Binds []Bind
	// Log receives the console, and what mmdebstrap says when the base has to be
	// built first. Nil discards it; errors quote its end in any case.
	Log io.Writer
	// Name is the host's name, without dots; several hosts may have the same one.
	// Empty means the suite.
	Name string

	// Packages are those of the distribution that the host has beyond the usual
	// ones. Each set of them is a base of its own.
	Packages []string
	// Containers lets the host run containers of its own: docker's need system
	// calls that systemd-nspawn keeps from those inside of it.
	Containers bool

	copyBase bool // as where overlayfs cannot be stacked
}

// Bind makes a path of this machine appear in a host. Mount points are created.
type Bind struct {
	Host     string // path on this machine; relative ones are taken from the working directory
	Guest    string // absolute path in the host
	ReadOnly bool
}

// Host is a booted Debian. Its methods may be called from several goroutines.
type Host struct {
	dir    string // in the cache; its base is the host's identity
	groups cgroup // root of the machine's cgroup tree
	lock   *os.File
	life   *os.File // the end of a pipe whose closing, by us or by our death, ends the host
	notify *notifications
	log    *console

	started bool
	done    chan struct{} // closed when the boot script has ended
	ended   error         // why; valid after done

	mu       sync.Mutex
	drop     string // setpriv's capability list: what PID 1 may not have either
	commands int
	closed   bool
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Boot starts a fresh host and waits until systemd has started everything, that
// is until `systemctl is-system-running` says running or degraded. The first
// boot of a suite builds its base, which takes about half a minute and the
// network. Hosts whose owners died are removed on the way.
//
// The caller must Close the host. It ends by itself when this process does.
func Boot(ctx context.Context, o Options) (_ *Host, err error) {
	if o.Suite == "" {
		o.Suite = "bookworm"
	}
	if o.Name == "" {
		o.Name = o.Suite
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if !nameForm.MatchString(o.Name) {
		return nil, fmt.Errorf("booting a test host: bad name %q, want lower case letters, digits and dashes", o.Name)
	}
	if err := requirements(); err != nil {
		return nil, err
	}
	groups, err := unified()
	if err != nil {
		return nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	tree, err := base(ctx, cache, o.Suite, o.Packages, o.Log)
	if err != nil {
		return nil, err
	}
	random := make([]byte, 4)
	rand.Read(random) // never fails
	id := o.Name + "-" + hex.EncodeToString(random)
	dir, lock, err := claim(ctx, cache, id, groups)
	if err != nil {
		return nil, fmt.Errorf("booting test host %s: %w", id, err)
	}
	h := &Host{dir: dir, groups: groups, lock: lock, done: make(chan struct{}), log: &console{to: o.Log}}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if err := h.powerOn(tree, o); err != nil {
		return nil, fmt.Errorf("booting test host %s: %w", id, err)
	}
	if err := h.awaitBoot(ctx, 1); err != nil {
		return nil, fmt.Errorf("booting test host %s: %w", id, err)
	}
	return h, nil
}

// requirements checks what Boot needs, so that what is missing is one clear
// error and not the failure of some step.
func requirements() error {
	if os.Geteuid() != 0 {
		return errors.New("booting a test host: must be root")
	}
	var missing []string
	for _, p := range []struct{ program, debian string }{
		{"systemd-nspawn", "systemd-container"},
		{"mmdebstrap", "mmdebstrap"},
		{"mount", "mount"},
		{"nsenter", "util-linux"},
	} {
		if _, err := exec.LookPath(p.program); err != nil {
			missing = append(missing, p.debian)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("booting a test host: missing programs; apt-get install %s", strings.Join(missing, " "))
	}
	return nil
}

// powerOn starts systemd-nspawn; it does not wait for anything.
func (h *Host) powerOn(tree string, o Options) error {
	id := filepath.Base(h.dir)
	how := "overlay"
	if o.copyBase {
		how = "copy"
	}
	args := []string{
		"-c", bootScript, "testhost", tree, h.dir, groupPrefix + id, how,
		"--quiet", "--boot", "--directory=" + filepath.Join(h.dir, "root"),
		"--machine=" + id, "--hostname=" + o.Name,
		// There may be no machined and no service manager to talk to.
		"--register=no", "--keep-unit",
		"--private-network", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
		"--console=read-only", "--notify-ready=yes", "--settings=no",
	}
	if o.Containers {
		args = append(args, "--system-call-filter=add_key keyctl bpf")
	}
	for _, b := range o.Binds {
		outside, err := filepath.Abs(b.Host)
		if err != nil {
			return err
		}
		if !filepath.IsAbs(b.Guest) {
			return fmt.Errorf("binding %s: %q is not an absolute path", b.Host, b.Guest)
		}
		option := "--bind="
		if b.ReadOnly {
			option = "--bind-ro="
		}
		escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`)
		args = append(args, option+escape.Replace(outside)+":"+escape.Replace(b.Guest))
	}
	var err error
	if h.notify, err = listenNotifications(id); err != nil {
		return err
	}
	ending, life, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ending.Close()
	h.life = life
	group, err := h.group().create()
	if err != nil {
		return err
	}
	defer group.Close()
	cmd := exec.Command("sh", args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		"NOTIFY_SOCKET=" + h.notify.address,
		// Else nspawn mounts a tmpfs there, which bookworm's servers do not have.
		"SYSTEMD_NSPAWN_TMPFS_TMP=0",
	}
	cmd.ExtraFiles = []*os.File{ending}
	cmd.Stdout, cmd.Stderr = h.log, h.log
	// Go also makes every mount private, so that none gets out. The process group
	// keeps a Ctrl-C at the terminal from nspawn: the owner decides.
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Unshareflags: syscall.CLONE_NEWNS,
		Setpgid:      true,
		UseCgroupFD:  true,
		CgroupFD:     int(group.Fd()),
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	h.started = true
	go func() {
		h.ended = cmd.Wait()
		close(h.done)
	}()
	return nil
}

// awaitBoot waits until systemd says that the given boot, counted from 1, has
// been completed.
func (h *Host) awaitBoot(ctx context.Context, boot int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	select {
	case <-h.notify.booted(boot):
	case <-h.done:
		return fmt.Errorf("it ended before it was up: %w\n%s", h.exit(), h.log.tail())
	case <-ctx.Done():
		return fmt.Errorf("waiting for systemd: %w\n%s", ctx.Err(), h.log.tail())
	}
	drop, err := missingCapabilities(h.Leader())
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.drop = drop
	h.mu.Unlock()
	// READY=1 comes when the first transaction is through; jobs may be left.
	return Wait(ctx, "systemd to settle", func() (bool, error) {
		r, err := h.Run(ctx, "systemctl", "is-system-running", "--wait")
		state := strings.TrimSpace(r.Stdout)
		return state == "running" || state == "degraded", err
	})
}

// exit returns why the host has ended. An orderly power off is an error
// to whoever needs the host.
func (h *Host) exit() error {
	if h.ended == nil {
		return errors.New("powered off")
	}
	return h.ended
}

// Leader returns the process ID of the host's PID 1 as this machine sees it. It
// changes on a reboot.
func (h *Host) Leader() int { return h.notify.leader() }

// Reboot restarts the host in the orderly way and waits until it is up again.
// What is on disk survives; the network, with what Listen made, does not. Only
// one call at a time.
func (h *Host) Reboot(ctx context.Context) error { return h.reboot(ctx) }

// Reset restarts the host as the button does: nothing is stopped and nothing
// synced. It is less than a power cut, since what was written without fsync
// is in the outer kernel's cache and survives.
func (h *Host) Reset(ctx context.Context) error { return h.reboot(ctx, "--force", "--force") }

func (h *Host) reboot(ctx context.Context, how ...string) error {
	boot := h.notify.boots() + 1
	r, err := h.Run(ctx, append([]string{"systemctl", "reboot"}, how...)...)
	// The command may be killed by what it asked for.
	if err == nil && r.Code != 0 && r.Code < 128 {
		err = errors.New(strings.TrimSpace(r.Stderr))
	}
	if err == nil {
		err = h.awaitBoot(ctx, boot)
	}
	if err != nil {
		return fmt.Errorf("rebooting test host %s: %w", filepath.Base(h.dir), err)
	}
	return nil
}

// Close switches the host off, as by pulling the plug, and removes everything
// of it: processes, mounts, files. Further calls do nothing. (For an orderly
// shutdown run `systemctl poweroff` first.)
func (h *Host) Close() error {
	h.mu.Lock()
	closed := h.closed
	h.closed = true
	h.mu.Unlock()
	if closed {
		return nil
	}
	if h.life != nil {
		h.life.Close()
	}
	// Not the caller's context: cleaning up is due when that has been canceled too.
	err := demolish(context.Background(), h.dir, h.groups)
	if h.started && err == nil {
		<-h.done
	}
	if h.notify != nil {
		h.notify.close()
	}
	h.lock.Close()
	if err != nil {
		return fmt.Errorf("closing test host: %w", err)
	}
	return nil
}
