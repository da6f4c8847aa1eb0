//go:build booted || soak

package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// faultsPage is what is said of the matrix to people. It is written by -update.
const faultsPage = "../../packaging/faults.md"

const faultsHead = `# What can go wrong in a roll, and how it ends

Written by ` + "`go test -tags booted -run TestFaultsPage ./cmd/aztec-spartan -update`" + `, and held to the tests in CI. When the long ones ran
last, how often and with what result, is in [soak.md](soak.md).

A roll from 4.1.2 to a version in which something is wrong, or around which something goes wrong, on a booted host, with a stub
for a node (` + "`TestFaultMatrix`" + `: each case on one of bookworm and trixie; ` + "`TestSoakFaultMatrix`" + `: all on both, three times in a row). Asserted for each: the
version in place and the one that the node says it is, its data, the skip list, the exit code, the state file, what status says,
and the journal with its MESSAGE_IDs.

`

const faultsOthers = `
Cases that are tests of their own:

`

// others are those.
var others = []struct{ name, test, ends string }{
	{"an old version meets a newer signing-protection", "TestDataDir", "the old version runs without its validator, exit code 4; the newer store is kept; signing resumes by command"},
	{"wipes a store, and has passed the gate", "TestDataDir", "the store is kept for a while, and a rollback brings it back"},
	{"wipes a store, real node", "TestSoakSchemaChange", "as with the stub"},
	{"the operator's units that systemd stops with the node", "TestFaultMatrix", "started again (wrong chain)"},
	{"kill -9 of the engine in the gate", "TestKilledEngine", "the old version runs again within 10 s, nobody types; exit code 4, nothing skipped"},
	{"dbus-daemon is restarted in the gate, and systemd replaces itself", "TestDetachAndCancel", "judged as any other (4.1.5-silent: rolled back)"},
	{"kill -9 before every call of a roll that changes a file or a unit: of update, of the engine, of one that takes back", "TestSoakKilledAtEveryCall", "one of the two versions, whole and running; a failing one never"},
	{"kill -9 of engines at random, and of those that take back", "TestSoakKilledEngines", "the same, 200 times"},
	{"kill -9 at every step of every kind of roll, on a simulated host", "TestKilledAtEveryStep", "the same, in CI"},
	{"the host is killed in the gate", "TestInterruptedRoll", "it boots into the old version, which is judged and not started twice; nothing skipped"},
	{"the host is killed before every such call", "TestSoakKilledAtEveryCall", "it boots into one of the two versions, whole and running; a failing one never"},
	{"the host is killed at random", "TestSoakResets", "the same, and the next roll works"},
	{"the disk of the state, of the settings, of the units has no room, one page, two, until a roll has all it wants", "TestSoakFullDisk", "the node runs, in one of the two versions; what was left open is taken back once there is room"},
	{"the power of a virtual machine goes, at many moments of a roll to a version with other stores and of a rollback; what was not flushed is lost", "TestVM", "what a boot does first leaves one of the two versions, whole, with its stores"},
	{"the power of a virtual machine is cut at each step of a roll and of a way back, with and without other stores; what was not flushed is lost", "TestVM", "it boots into the old version, whole, with its stores, and that runs; into the new one where update had said that it is done; the next roll works"},
	{"the clock jumps by days, forward and back: in the gate, in a window of updates, while a validator must not sign", "TestVM", "deadlines are neither cut short nor endless, the outcome is as without; no other roll begins outside of a window; nobody signs sooner"},
	{"the same path with the real node: good update, broken update, back again", "TestRealNode", "as with the stub"},
}

func (f fault) row() string {
	result, version := cmp.Or(f.result, roll.RolledBack), "4.1.2"
	if f.code == 0 {
		version = f.tag
	}
	if f.stopped {
		version += ", stopped"
	}
	yes := func(is bool) string { return map[bool]string{true: "yes"}[is] }
	in := "CI"
	if f.long {
		in = "soak"
	}
	return fmt.Sprintf("| %s | %s | %s | %d | %s | %s | %s | %s |\n", f.name, f.tag, result, f.code, version, f.phase, yes(f.skipped), in)
}

// The page says of each case what is asserted of it, and names tests there are.
func TestFaultsPage(t *testing.T) {
	var page strings.Builder
	page.WriteString(faultsHead)
	page.WriteString("| case | version | ends as | exit code | in place | does not pass | skipped | in |\n|---|---|---|---|---|---|---|---|\n")
	for _, f := range matrix {
		page.WriteString(f.row())
	}
	page.WriteString(faultsOthers + "| case | test | ends as |\n|---|---|---|\n")
	tests := namesOfTests(t)
	for _, o := range others {
		if !slices.Contains(tests, o.test) {
			t.Errorf("there is no %s", o.test)
		}
		fmt.Fprintf(&page, "| %s | `%s` | %s |\n", o.name, o.test, o.ends)
	}
	if *update {
		if err := os.WriteFile(faultsPage, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if is, err := os.ReadFile(faultsPage); err != nil || string(is) != page.String() {
		t.Errorf("%s is not what the tests say (%v): go test -tags booted -run TestFaultsPage ./cmd/aztec-spartan -update", faultsPage, err)
	}
}

// namesOfTests are those of this module, whatever their tags.
func namesOfTests(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			if is, ok := d.(*ast.FuncDecl); ok {
				names = append(names, is.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
