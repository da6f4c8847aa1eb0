package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/atomicfile"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// transientDir holds units until the next boot (systemd.unit(5)).
const transientDir = "/run/systemd/system"

// runLimit is longer than any tool of the image takes.
const runLimit = 24 * time.Hour

func (a *app) runCommand() *cobra.Command {
	var withEnv bool
	cmd := &cobra.Command{
		Use:   "run NAME -- ARGS...",
		Short: "Run the image's own command line",
		Long: fmt.Sprintf(`Run a command of the image that an instance is on, with the user and in the
sandbox of its node, on this terminal. Nothing that it prints is in the journal.
The exit code is the program's.

It starts in %s, which is its home too: what it
writes there stays. That is not where the node's keystore is: hand a new one over
with "keys NAME add --keystore". The node's settings, keys and data are there
only with --with-env; then none of ARGS may be the word start, which would be
another node with the keys of this one.`, units.OutputDir("NAME")),
		Example: `  aztec-spartan run val1 -- validator-keys new --fee-recipient 0x... \
      --staker-output
  aztec-spartan run val1 --with-env -- migrate-ha-db up --database-url ...
  aztec-spartan run agent-1 --with-env -- preload-crs
  aztec-spartan run val1 -- --version`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 || cmd.ArgsLenAtDash() > 1 {
				return errors.New("a name, --, and arguments are wanted")
			}
			return nil
		},
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			// ARGS always follow the image's entry point, which takes its command behind
			// a "--" too, and whatever else a version may take before it.
			if withEnv && slices.Contains(args[1:], "start") {
				err := usage(errors.New("run: start is a node, which --with-env would give the keys of this one: two with one key are slashed"))
				return withHint(err, "aztec-spartan start %s", args[0])
			}
			if err := a.needRoot("run", false); err != nil {
				return err
			}
			if !a.live() {
				return withCode(exitUnsupported, errors.New("run: --root never talks to systemd"))
			}
			return a.runTool(cmd.Context(), args[0], args[1:], withEnv)
		},
	}
	cmd.Flags().BoolVar(&withEnv, "with-env", false, "with the node's variables, keys and data")
	return cmd
}

func (a *app) runTool(ctx context.Context, name string, args []string, withEnv bool) error {
	c, err := a.tool(ctx, name, args, withEnv)
	if err != nil {
		return err
	}
	m, err := connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	code, err := a.runUnit(ctx, m, c)
	if err != nil {
		return fmt.Errorf("running a tool of %s: %w", name, err)
	}
	if found, err := os.ReadDir(units.OutputDir(name)); err == nil && len(found) > 0 {
		a.note("what it wrote is in %s; keys: aztec-spartan keys %s add --keystore FILE", units.OutputDir(name), name)
	}
	if code != 0 {
		return withCode(code, fmt.Errorf("running %s of %s: it exited with code %d", args[0], name, code))
	}
	return nil
}

// runUnit runs a command to its end and returns its exit code.
func (a *app) runUnit(ctx context.Context, m *manager.Manager, c units.Command) (code int, err error) {
	streams, err := a.streams()
	if err != nil {
		return 0, err
	}
	defer streams.close()
	c.Input, c.Output, c.Error = streams.paths[0], streams.paths[1], streams.paths[2]
	text, err := c.Render()
	if err != nil {
		return 0, err
	}
	path := filepath.Join(transientDir, c.Unit)
	if err := a.forgetOrphans(ctx, m); err != nil {
		a.note("warning: what killed runs left: %v", err)
	}
	// Arguments are for nobody else, as far as that goes: the bus shows them.
	if err := atomicfile.Write(path, text, 0o600); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, a.forgetTool(ctx, m, c.Unit, path)) }()
	if err := m.Reload(ctx); err != nil {
		return 0, err
	}
	code, err = a.waitTool(ctx, m, c.Unit)
	return code, errors.Join(err, streams.drain())
}

// tool is what to run: the image that the instance is on, with its entry point.
func (a *app) tool(ctx context.Context, name string, args []string, withEnv bool) (units.Command, error) {
	inst, err := a.loadInstance(name)
	if err != nil {
		return units.Command{}, err
	}
	_, meta, err := a.generations(inst)
	if err != nil {
		return units.Command{}, err
	}
	var img *extract.Image
	if meta.Image != "" {
		img, err = a.have(meta.Image)
	} else {
		img, err = a.here(inst.Image) // its first start is still to come
	}
	if errors.Is(err, extract.ErrNotFound) {
		return units.Command{}, withHint(fmt.Errorf("running a tool of %s: %w", name, err), "aztec-spartan pull %s", inst.Image)
	}
	if err != nil {
		return units.Command{}, err
	}
	a.warnSecretArgs(args)
	argv, err := commandLine(img, args)
	if err != nil {
		return units.Command{}, err
	}
	if err := a.ensureUser(ctx, name); err != nil {
		return units.Command{}, err
	}
	var c units.Command
	if withEnv {
		if c, err = a.nodeSettings(ctx, inst, img); err != nil {
			return units.Command{}, err
		}
	} else {
		c.Environment = imageEnv(img)
		if c.Systemd, err = a.systemdVersion(ctx); err != nil {
			return units.Command{}, err
		}
	}
	c.Unit = toolUnit(name, randomHex(4))
	c.Instance, c.User, c.Slice = name, userOf(name), "aztec.slice"
	c.Description = fmt.Sprintf("Tool of Aztec node %s: %s", name, filepath.Base(args[0]))
	c.Rootfs, c.Exec = img.Rootfs(), argv
	return c, nil
}

// toolUnit is the unit of one run of a tool; see forgetOrphans.
func toolUnit(instance, id string) string {
	return "aztec-run-" + instance + "-" + id + ".service"
}

// nodeSettings are the variables and secrets that the node would start with.
func (a *app) nodeSettings(ctx context.Context, inst profiles.Instance, img *extract.Image) (units.Command, error) {
	sec, err := a.loadKeys(ctx, inst.Name)
	if err != nil {
		return units.Command{}, err
	}
	state, meta, err := a.generations(inst)
	if err != nil {
		return units.Command{}, err
	}
	if meta.Generation == 0 {
		return units.Command{}, withHint(fmt.Errorf("running a tool of %s with its settings: it has no unit yet", inst.Name), "aztec-spartan start %s", inst.Name)
	}
	r, err := a.render(ctx, inst, img, sec, state.Next())
	if err != nil {
		return units.Command{}, err
	}
	s := r.service
	// Those of the generation in place: the next one is not written.
	s.EnvFiles = append([]string{a.files().EnvPath(inst.Name, meta.Generation)}, s.EnvFiles[1:]...)
	return units.Command{Service: s, WithData: true}, nil
}

// warnSecretArgs says what cannot be taken back once the program runs.
func (a *app) warnSecretArgs(args []string) {
	for _, arg := range args {
		if strings.Contains(arg, "private-key") || strings.Contains(arg, "mnemonic") || strings.Contains(arg, "database-url") {
			a.note("warning: while it runs, every user of this host can see its arguments, and you gave it %s", strings.SplitN(arg, "=", 2)[0])
		}
	}
}

// waitTool runs the unit and returns the exit code of its program. When ctx
// ends the program is stopped.
func (a *app) waitTool(ctx context.Context, m *manager.Manager, unit string) (int, error) {
	err := m.Start(ctx, unit, manager.Timeout(runLimit))
	if err != nil && ctx.Err() != nil {
		return 0, errors.Join(err, m.Stop(context.WithoutCancel(ctx), unit))
	}
	if err == nil {
		return 0, nil
	}
	s, serr := m.State(ctx, unit)
	if serr != nil {
		return 0, errors.Join(err, serr)
	}
	switch {
	case s.ExecMainCode == cldExited && s.ExecMainStatus > 0 && s.ExecMainStatus < firstSystemdCode:
		return int(s.ExecMainStatus), nil
	case s.ExecMainCode == cldKilled || s.ExecMainCode == cldDumped:
		return 128 + int(s.ExecMainStatus), nil
	}
	return 0, withHint(err, "journalctl -u %s", unit)
}

// firstSystemdCode and those above it say that systemd could not set the
// program up (systemd.exec(5), "Process Exit Codes").
const firstSystemdCode = 200

// forgetOrphans ends and removes units of runs that were killed, and so could
// not. Whose a unit is its streams say.
func (a *app) forgetOrphans(ctx context.Context, m *manager.Manager) error {
	found, err := filepath.Glob(filepath.Join(transientDir, toolUnit("*", "*")))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // its run has just ended
		}
		// A number that another process has by now leaves it until the next boot.
		pid, ok := runnerOf(string(text))
		if !ok || exists(filepath.Join("/proc", pid)) {
			continue
		}
		unit := filepath.Base(path)
		errs = append(errs, m.Stop(ctx, unit), a.forgetTool(ctx, m, unit, path))
	}
	return errors.Join(errs...)
}

// runnerOf is the process whose streams a unit has.
func runnerOf(text string) (pid string, ok bool) {
	for line := range strings.Lines(text) {
		if path, is := strings.CutPrefix(line, "StandardInput=file:/proc/"); is {
			pid, _, ok = strings.Cut(path, "/")
			return pid, ok
		}
	}
	return "", false
}

// forgetTool removes the unit.
func (a *app) forgetTool(ctx context.Context, m *manager.Manager, unit, path string) error {
	ctx = context.WithoutCancel(ctx)
	return errors.Join(m.ResetFailed(ctx, unit), os.Remove(path), m.Reload(ctx))
}

// streams are this run's standard streams, as paths that systemd can open.
type streams struct {
	paths  [3]string
	ends   []io.Closer // of pipes, that the program has opened itself
	copies []chan error
	open   []io.Closer
}

// streams offers terminals and pipes as they are. What cannot be opened by its
// path (a socket, as ssh may have) is copied through a pipe, and so is a file that
// is written: who opens it anew is at a place of its own in it, and what is written
// after the tool would go over what the tool wrote. A file that is read is not:
// the rest of it is for whoever called this, as the loop of a shell.
func (a *app) streams() (*streams, error) {
	s := &streams{}
	for i, stream := range []any{a.in, a.out, a.err} {
		f, ok := fileOf(stream)
		if ok && reopens(f, i == 0) {
			s.paths[i] = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
			continue
		}
		if i == 2 && ok && sameFile(f, a.out) {
			s.paths[i] = s.paths[1] // one pipe keeps the order
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			s.close()
			return nil, err
		}
		mine, theirs := r, w
		if i == 0 {
			mine, theirs = w, r
		}
		s.paths[i] = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), theirs.Fd())
		s.ends, s.open = append(s.ends, theirs), append(s.open, mine)
		if i == 0 {
			// It may wait for its reader for ever, and ends with this process.
			go func() {
				_, _ = io.Copy(mine, a.in)
				mine.Close()
			}()
			continue
		}
		done := make(chan error, 1)
		s.copies = append(s.copies, done)
		go func() {
			_, err := io.Copy(stream.(io.Writer), mine)
			if err != nil {
				// The tool waits for nobody, and ends as it would have.
				_, _ = io.Copy(io.Discard, mine)
				err = fmt.Errorf("passing on what it wrote: %w", err)
			}
			done <- err
		}()
	}
	return s, nil
}

func reopens(f *os.File, input bool) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeSocket == 0 && (input || !info.Mode().IsRegular())
}

func sameFile(f *os.File, stream any) bool {
	g, ok := fileOf(stream)
	if !ok {
		return false
	}
	a, err1 := f.Stat()
	b, err2 := g.Stat()
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// drain waits until all that the program wrote has been copied. An error says
// that some of it is lost.
func (s *streams) drain() error {
	for _, e := range s.ends {
		e.Close()
	}
	s.ends = nil
	var errs []error
	for _, done := range s.copies {
		errs = append(errs, <-done)
	}
	return errors.Join(errs...)
}

func (s *streams) close() {
	for _, e := range append(s.ends, s.open...) {
		e.Close()
	}
}
