//go:build vm

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/stubimage"
)

const (
	vmUnit  = "/etc/systemd/system/" + vmSequencer
	vmStore = "/var/lib/aztec/val1/archiver/"
)

// looks are at what a power cut would leave, again and again while something
// goes on: a boot for each would take too long. Each is put right as a boot does
// it, by the program of this machine.
type looks struct {
	m       *machine
	program string
	dir     string
	saw     map[string]int // by what is in place and what the intent said
}

// looksWhileRolling looks during a roll to a version with other stores and the
// way back to the one before.
func (m *machine) looksWhileRolling() {
	l := &looks{m: m, dir: m.t.TempDir(), saw: map[string]int{}}
	l.program = filepath.Join(l.dir, "aztec-spartan")
	if out, err := exec.Command("go", "build", "-o", l.program, ".").CombinedOutput(); err != nil {
		m.t.Fatalf("%v: %s", err, out)
	}
	if err := os.Mkdir(filepath.Join(l.dir, "host"), 0o700); err != nil {
		m.t.Fatal(err)
	}
	m.sh("dd if=/dev/zero of=" + vmStore + "proof bs=1M status=none count=16 && sync")
	l.while(func() { m.sh("aztec-spartan update val1 --settle 1s --to " + stubimage.Schema) })
	l.while(func() { m.sh("aztec-spartan rollback val1 --settle 1s && aztec-spartan unskip val1") })
	seen := 0
	for _, n := range l.saw {
		seen += n
	}
	m.t.Logf("what a power cut would leave was put right %d times: %v", seen, l.saw)
	if seen < 5 {
		m.t.Error("that is too few")
	}
}

// while runs do and looks meanwhile.
func (l *looks) while(do func()) {
	l.m.t.Helper()
	ctx, stop := context.WithCancel(l.m.t.Context())
	var looking sync.WaitGroup
	looking.Go(func() {
		for ctx.Err() == nil {
			if err := l.look(); err != nil {
				l.m.t.Error(err)
				return
			}
		}
	})
	defer looking.Wait()
	defer stop()
	do()
}

// look finds one version whole: its unit, its environment, its image and its
// stores, of which only those of 4.1.2 have a proof.
func (l *looks) look() error {
	copied := filepath.Join(l.dir, "root.ext4")
	if err := l.m.CopyDisk(l.m.t.Context(), copied); err != nil {
		return err
	}
	host := filepath.Join(l.dir, "host")
	// Mounting writes the journal back, as a boot does. Whoever starts a container
	// meanwhile must not get the mount, and keep it.
	script := `set -e; mount -o loop ` + copied + ` ` + host + `; cd ` + host + `/var/lib/aztec-spartan
		unit=` + host + vmUnit + `
		was="$(sed -n 's/^Version=//p' $unit), $(jq -r 'if .intent == null then "no roll" elif .intent.begun then "a roll begun" else "a roll asked for" end' instances/val1/state.json)"
		` + l.program + ` --root ` + host + ` roll --recover >&2
		jq -e . instances/*/state.json images/*.json images/sha256-*/image.json >/dev/null
		root=$(sed -n 's/^RootDirectory=//p' $unit); env=$(sed -n 's/^EnvironmentFile=//p' $unit | head -1)
		test -d ` + host + `$root -a -e ` + host + `${root%/rootfs}/complete -a -s ` + host + `$env
		` + l.program + ` --root ` + host + ` verify >/dev/null
		version=$(sed -n 's/^Version=//p' $unit) proof=$(stat -c %s ` + host + vmStore + `proof 2>/dev/null || echo none)
		case "$version $proof" in "4.1.2 16777216"|"` + stubimage.Schema + ` none") ;; *) echo "$version on stores whose proof is $proof" >&2; exit 1;; esac
		echo "$was: $version"`
	cmd := exec.Command("unshare", "--mount", "bash", "-c", script)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("what a power cut leaves is not whole: %w: %s", err, said.String())
	}
	l.saw[strings.TrimSpace(string(out))]++
	return nil
}
