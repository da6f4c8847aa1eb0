package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// profiles runs this program once more for each of the main steps, built so that
// it writes a CPU profile, in the last place: with the default places that is
// memory, where the profile shows the program and not the disk.
func (b *bench) profiles(ctx context.Context, bin string) error {
	binary := filepath.Join(bin, "aztec-spartan-profile")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "profile", "-o", binary, "./cmd/aztec-spartan")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building for a profile: %w", err)
	}
	ours, err := chosen(allTools(binary), []string{ourKey})
	if err != nil {
		return err
	}
	p := b.result.Places[len(b.result.Places)-1]
	store := filepath.Join(p.dir, "profile")
	if err := os.Mkdir(store, 0o755); err != nil {
		return err
	}
	out, err := filepath.Abs(b.options.out)
	if err != nil {
		return err
	}
	for _, s := range b.reg.steps {
		if s.name != stepPull && s.name != stepUpdate {
			continue
		}
		file := filepath.Join(out, s.name+".pprof")
		cmd := shell(ctx, ours[0].pull, append(s.env(store), "AZTEC_SPARTAN_CPUPROFILE="+file)...)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("profiling %s: %w", s.name, err)
		}
		top, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=25", file).Output()
		if err != nil {
			return fmt.Errorf("reading the profile of %s: %w", s.name, err)
		}
		if err := os.WriteFile(filepath.Join(out, s.name+".txt"), top, 0o644); err != nil {
			return err
		}
	}
	return p.remove("profile")
}
