package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/term"
)

// Where commands come from: Debian's packages, and crane from the module that
// this repository uses anyway, in the version of its go.mod.
func packageOf(command string) string {
	switch command {
	case "docker", "dockerd":
		return "docker.io"
	case "ctr":
		return "containerd"
	case "igzip":
		return "isal"
	default:
		return command
	}
}

const craneModule = "github.com/google/go-containerregistry"

// installed returns the tools that can run here. It offers to install what is
// missing: on a terminal it asks, elsewhere only consent does it.
func installed(ctx context.Context, tools []tool, bin string, consent bool) ([]tool, error) {
	var packages []string
	crane := false
	for _, t := range tools {
		for _, c := range t.missing() {
			switch p := packageOf(c); {
			case c == "crane":
				crane = true
			case !slices.Contains(packages, p):
				packages = append(packages, p)
			}
		}
	}
	if len(packages) > 0 || crane {
		want := slices.Clone(packages)
		if crane {
			want = append(want, "crane (go install, for this run only)")
		}
		if !consent {
			var err error
			if consent, err = ask(os.Stdin, os.Stderr, strings.Join(want, ", ")); err != nil {
				return nil, err
			}
		}
		if consent {
			if err := install(ctx, packages, crane, bin); err != nil {
				return nil, err
			}
		}
	}
	var some []tool
	for _, t := range tools {
		if m := t.missing(); len(m) > 0 {
			fmt.Fprintf(os.Stderr, "bench: without %s: no %s (BENCH_INSTALL=yes installs it)\n", t.name, strings.Join(m, ", "))
			continue
		}
		some = append(some, t)
	}
	if len(some) < 2 {
		return nil, errors.New("comparing: no other tool is installed")
	}
	return some, nil
}

// ask is no without a terminal.
func ask(in *os.File, out io.Writer, what string) (bool, error) {
	if !term.IsTerminal(int(in.Fd())) {
		return false, nil
	}
	fmt.Fprintf(out, "Install what is missing to compare with: %s? [y/N] ", what)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}

func install(ctx context.Context, packages []string, crane bool, bin string) error {
	var scripts []string
	if len(packages) > 0 {
		scripts = append(scripts, "apt-get update -qq",
			"DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "+strings.Join(packages, " "))
	}
	if crane {
		version, err := line(ctx, "go list -m -f '{{.Version}}' "+craneModule)
		if err != nil {
			return err
		}
		scripts = append(scripts, fmt.Sprintf("GOBIN='%s' go install %s/cmd/crane@%s", bin, craneModule, version))
	}
	for _, s := range scripts {
		fmt.Fprintln(os.Stderr, "bench:", s)
		cmd := exec.CommandContext(ctx, "bash", "-c", s)
		cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("installing: %s: %w", s, err)
		}
	}
	return nil
}
