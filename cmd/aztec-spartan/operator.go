package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/answer"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// What root does for members of the group aztec is the verb alone, on instances
// that are named, with no flag that changes what it means: no version, file or
// address is theirs to choose, and no key is shown by any of it. Who is a member
// is asked of polkit (packaging/polkit), when they start aztec-operator@.service;
// the name of that unit is all that root reads of them.
const (
	operatorGroup = "aztec"
	operatorDir   = lockDir + "/operator"
	// longestUnit is the longest name that systemd takes (UNIT_NAME_MAX).
	longestUnit = 255
)

// operatorVerbs are what root does for members, and operatorFlags with which flags.
var (
	operatorVerbs = []string{"start", "stop", "restart", "status", "versions", "disk"}
	operatorFlags = []string{"all", "json"}
)

// operatorForm is a request: a verb, names of instances, flags.
var operatorForm = regexp.MustCompile(`^([a-z]+)((?::[a-z][a-z0-9-]{0,23})*)((?::\.[a-z]+)*)$`)

// request is what a member asks for, as the instance of a unit.
func request(verb string, names, flags []string) string {
	words := append([]string{verb}, names...)
	for _, f := range flags {
		words = append(words, "."+f)
	}
	return strings.Join(words, ":")
}

// requestArgs are the arguments of this program that a request stands for.
func requestArgs(request string) ([]string, error) {
	m := operatorForm.FindStringSubmatch(request)
	if m == nil || !slices.Contains(operatorVerbs, m[1]) {
		return nil, usage(fmt.Errorf("operator: %q is nothing that members of the group %s may ask for", request, operatorGroup))
	}
	args := []string{m[1]}
	for flag := range strings.SplitSeq(strings.TrimPrefix(m[3], ":"), ":") {
		if flag == "" {
			continue
		}
		if !slices.Contains(operatorFlags, flag[1:]) {
			return nil, usage(fmt.Errorf("operator: %q is no flag of theirs", flag))
		}
		args = append(args, "--"+flag[1:])
	}
	if m[2] != "" {
		args = append(args, strings.Split(m[2][1:], ":")...)
	}
	return args, nil
}

// operatorCommand is what aztec-operator@.service runs. It succeeds if the verb
// was carried out to its end, whatever that was: the unit of a member's mistake
// is not among those that failed on the host.
func (a *app) operatorCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "operator REQUEST",
		Short:  "Do for a member of the group aztec what needs root",
		Hidden: true, // for aztec-operator@.service
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("operator", false); err != nil {
				return err
			}
			if !a.live() {
				return withCode(exitUnsupported, errors.New("operator: --root never talks to systemd"))
			}
			words, err := requestArgs(args[0])
			if err != nil {
				return err
			}
			group, err := user.LookupGroup(operatorGroup)
			if err != nil {
				return err
			}
			gid, err := strconv.Atoi(group.Gid)
			if err != nil {
				return err
			}
			said, err := answer.New(operatorDir, args[0], gid)
			if err != nil {
				return err
			}
			code := run(cmd.Context(), words, strings.NewReader(""), said.Stream(false, a.out), said.Stream(true, a.err))
			return said.End(code)
		},
	}
}

// forMembers has a verb ask root for what it needs root for, where its caller
// is not root.
func (a *app) forMembers(cmd *cobra.Command) *cobra.Command {
	own := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if os.Geteuid() == 0 || !a.live() {
			return own(cmd, args)
		}
		var flags []string
		others := false
		cmd.Flags().Visit(func(f *pflag.Flag) {
			flags = append(flags, f.Name)
			others = others || !slices.Contains(operatorFlags, f.Name) || f.Value.String() != "true"
		})
		if others {
			return own(cmd, args) // says that it needs root
		}
		for _, name := range args {
			if err := profiles.ValidName(name); err != nil {
				return usage(err)
			}
		}
		return a.askRoot(cmd.Context(), cmd.Name(), args, flags)
	}
	return cmd
}

// askRoot has root carry out a verb, says what it says, and ends as it ends.
func (a *app) askRoot(ctx context.Context, verb string, names, flags []string) error {
	words := request(verb, names, flags)
	unit := "aztec-operator@" + words + ".service"
	if len(unit) > longestUnit {
		return usage(fmt.Errorf("%s: so many instances at once need root", verb))
	}
	m, err := connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	heard := answer.Hear(operatorDir, words, a.out, a.err)
	done := make(chan error, 1)
	go func() { done <- m.Start(ctx, unit, manager.Timeout(runLimit)) }()
	tick := time.NewTicker(hearEvery)
	defer tick.Stop()
	for {
		select {
		case err = <-done:
		case <-tick.C:
			if err := heard.More(false); err != nil {
				return err
			}
			continue
		}
		break
	}
	switch {
	case ctx.Err() != nil: // as Ctrl-C would have it end, were it this process
		return errors.Join(ctx.Err(), m.Stop(context.WithoutCancel(ctx), unit))
	case errors.Is(err, manager.ErrDenied):
		return withHint(fmt.Errorf("%s: needs root, or a member of the group %s: %w", verb, operatorGroup, manager.ErrDenied),
			"sudo aztec-spartan %s; members need no sudo where polkit is 0.106 or newer", strings.Join(append([]string{verb}, names...), " "))
	case err != nil:
		return withHint(fmt.Errorf("%s: %w", verb, err), "journalctl -u %s", unit)
	}
	err = a.hearOut(ctx, m, unit, heard)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return withHint(fmt.Errorf("%s: it was done, and what was said cannot be read: %w", verb, err), "this session began before its user was a member of the group %s: log in anew", operatorGroup)
	case err != nil:
		return fmt.Errorf("%s: it was done, and what was said cannot be read: %w", verb, err)
	case heard.Code() != 0:
		return withCode(heard.Code(), errSaid)
	}
	return nil
}

// hearOut hears the rest of an answer. The path of an answer that is whole may be
// that of another one by now, to who asked the same a moment later: then that one
// is the answer, once its unit is over.
func (a *app) hearOut(ctx context.Context, m unitReader, unit string, heard *answer.Hearer) error {
	for over := false; ; {
		err := heard.More(true)
		if !errors.Is(err, answer.ErrNoEnd) || over {
			return err
		}
		s, lost := m.State(ctx, unit)
		if lost != nil {
			return err
		}
		if over = !s.Job; over {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(hearEvery):
		}
	}
}

// hearEvery is how often it is looked for what was said since.
const hearEvery = 50 * time.Millisecond
