//go:build soak

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage"
	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// The real node, patched to want another schema of its archiver, empties that
// store without a word; the rollback brings back what the real one had, and it
// goes on from there.
func TestSoakSchemaChange(t *testing.T) {
	set, err := realimage.Build(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	s, err := stage.Set(t.Context(), stage.Options{Suite: "bookworm", Deb: debPath(t), Settle: "5s", Layouts: []string{set.Layout}, L1: set})
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{s, t}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	old, patched := set.Tags[0], set.Tags[1]
	g.sh("umask 077; echo " + realimage.DevKey + " >/root/key")
	g.sh("aztec-spartan config val1 --key-file /root/key " + strings.Join(stage.ConfigFlags(set, "val1"), " "))
	g.sh("aztec-spartan start val1")
	g.until("aztec-spartan probe val1")
	g.publishes(set)
	g.sh("aztec-spartan pull " + stage.Repository + ":" + patched)
	rootfs := g.sh("aztec-spartan pull " + stage.Repository + ":" + patched + " --json | jq -r .rootfs")
	constant := rootfs + "/usr/src/yarn-project/archiver/dest/store/kv_archiver_store.js"
	// Not in place: the file is one with that of the other version.
	g.sh("sed 's/ARCHIVER_DB_VERSION = 5;/ARCHIVER_DB_VERSION = 6;/' " + constant + " >/root/patched && grep -q 'ARCHIVER_DB_VERSION = 6;' /root/patched && cp --remove-destination /root/patched " + constant)

	const archiver = dataDirOfVal1 + "/archiver"
	schema := func() string { return g.sh("jq .schemaVersion " + archiver + "/db_version") }
	if out := g.try("aztec-spartan update val1 --to " + patched); out.Code != 0 || !strings.Contains(out.Stderr, "wants schema 6 of archiver, which has 5") {
		t.Fatalf("exit code %d\n%s%s", out.Code, out.Stdout, out.Stderr)
	}
	if schema() != "6" || !strings.Contains(g.sh("journalctl --no-pager -u "+val1), "Resetting database at "+archiver) {
		t.Error("the patched version did not empty the store")
	}
	t.Logf("kept in %.1f s: %s", g.status().LastRoll.DataSeconds, g.sh("aztec-spartan gc --dry-run"))
	kept := "$(find " + dataDirOfVal1 + "/.aztec-spartan.saved -path '*/archiver/data.mdb')"
	if sum, size := g.sh("sha256sum <"+kept), g.sh("stat -c %s "+kept); sum == "" || size == "0" {
		t.Errorf("kept is %s of %s bytes", sum, size)
	}
	g.sh("aztec-spartan rollback val1")
	st := g.status()
	if st.Version != old || st.LastRoll.Result != roll.Done || schema() != "5" {
		t.Errorf("%+v, last roll %+v, schema %s", st, st.LastRoll, schema())
	}
	if out := g.sh("journalctl --no-pager -u " + val1 + " | grep -c 'Resetting database'"); out != "1" {
		t.Errorf("a store was emptied %s times", out)
	}
	g.publishes(set)
}

const dataDirOfVal1 = "/var/lib/aztec/val1"
