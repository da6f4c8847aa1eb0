package stubimage

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/packaging/realimage/tree"
)

// envVars are the variables that 4.1.2 reads, in the order of its env_var.d.ts.
//
//go:embed env_vars.txt
var envVars string

const packages = "usr/src/yarn-project/"

// base is what a distribution would bring, plus what the layers above hide.
func base() *tree.Tree {
	t := &tree.Tree{}
	for _, dir := range []string{"dev", "proc", "sys", "mnt", "srv", "run", "etc", "usr/bin", "usr/lib", "var/lib", "var/tmp"} {
		t.Dir(dir, 0o755)
	}
	t.Dir("root", 0o700)
	t.Dir("tmp", 0o777|fs.ModeSticky)
	t.Symlink("bin", "usr/bin")
	t.Symlink("lib", "usr/lib")
	t.File("etc/os-release", 0o644, []byte("ID=stub\nPRETTY_NAME=\"stub of an Aztec image\"\n"))
	t.File("etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\n"))
	t.File("etc/group", 0o644, []byte("root:x:0:\n"))
	t.File("usr/bin/perl", 0o755, []byte("#!/bin/false\n"))
	t.Hardlink("usr/bin/perl5.40.1", "usr/bin/perl")
	t.File("usr/bin/su", 0o755|fs.ModeSetuid, []byte("#!/bin/false\n"))
	t.File("opt/solc/from-below", 0o644, []byte("hidden by an opaque directory\n"))
	return t
}

// node is the runtime. The layer is as large as the binary in it.
func node(binary string) *tree.Tree {
	t := &tree.Tree{}
	t.Source("usr/local/bin/node", 0o755, binary)
	for _, tool := range []string{"anvil", "cast", "forge"} {
		t.File("opt/foundry/bin/"+tool, 0o755, []byte("#!/bin/false\n"))
	}
	return t
}

// deps are packages that no version changes.
func deps() *tree.Tree {
	t := &tree.Tree{}
	for _, name := range []string{"commander", "koa", "pino", "test-exclude", "viem"} {
		dir := packages + "node_modules/" + name
		t.File(dir+"/package.json", 0o644, fmt.Appendf(nil, "{\"name\":%q,\"version\":\"1.0.0\"}\n", name))
		t.File(dir+"/index.js", 0o644, []byte("module.exports = {};\n"))
	}
	t.Dir("usr/src/bb", 0o777)
	return t
}

// aztec is the layer that differs between versions.
func aztec(version, faults string) *tree.Tree {
	t := &tree.Tree{}
	for _, name := range []string{"aztec", "foundation", "stdlib", "node-keystore"} {
		t.File(packages+name+"/package.json", 0o644, fmt.Appendf(nil, "{\n  \"name\": \"@aztec/%s\",\n  \"version\": %q,\n  \"type\": \"module\"\n}\n", name, version))
		t.Symlink(packages+"node_modules/@aztec/"+name, "../../"+name)
	}
	t.File(packages+"package.json", 0o644, []byte("{\"private\":true,\"type\":\"module\"}\n"))
	t.File(packages+"aztec/dest/bin/index.js", 0o755, []byte("#!/usr/bin/env node\n// read by no one: the node of this image needs only the place of this file\n"))
	t.File(packages+"foundation/dest/config/env_var.d.ts", 0o644, declaration())
	schemas(t, faults)
	if faults != "" {
		t.File(packages+"stub.json", 0o644, []byte(faults+"\n"))
	}
	t.Symlink("usr/src/node_modules", "/usr/src/yarn-project/node_modules")
	t.Whiteout(packages + "node_modules/test-exclude")
	t.Opaque("opt/solc")
	t.File("opt/solc/solc", 0o755, []byte("#!/bin/false\n"))
	return t
}

// schemas are the constants that say what the node of a version wants of its
// stores, in the files and lines of 4.1.2; signing-protection as in version 5.
func schemas(t *tree.Tree, faults string) {
	var other struct{ Schemas map[string]int }
	if faults != "" && json.Unmarshal([]byte(faults), &other) != nil {
		return // stubnode will say so
	}
	archiver, protection := 5, other.Schemas["signing-protection"]
	if n := other.Schemas["archiver"]; n > 0 {
		archiver = n
	}
	files := map[string]string{
		"archiver/dest/store/kv_archiver_store.js":      fmt.Sprintf("export const ARCHIVER_DB_VERSION = %d;\n", archiver),
		"world-state/dest/native/native_world_state.js": "export const WORLD_STATE_DB_VERSION = 2; // The initial version\n",
		"p2p/dest/client/factory.js": `    const store = deps.store ?? await createStore(P2P_STORE_NAME, 2, config, bindings);
    const archive = await createStore(P2P_ARCHIVE_STORE_NAME, 1, config, bindings);
    const peerStore = await createStore(P2P_PEER_STORE_NAME, 1, config, bindings);
    const attestationStore = await createStore(P2P_ATTESTATION_STORE_NAME, 1, config, bindings);
`,
		"slasher/dest/stores/schema_version.js": "export const SCHEMA_VERSION = 1;\n",
		"node-lib/dest/stores/l1_tx_store.js":   "    static SCHEMA_VERSION = 2;\n",
	}
	if protection > 0 {
		files["validator-ha-signer/dest/db/lmdb.js"] = fmt.Sprintf("    static SCHEMA_VERSION = %d;\n", protection)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		t.File(packages+name, 0o644, []byte(files[name]))
	}
}

// declaration is env_var.d.ts in the shape of 4.1.2: all names on one line.
func declaration() []byte {
	var names []string
	for name := range strings.Lines(envVars) {
		names = append(names, "'"+strings.TrimSpace(name)+"'")
	}
	return fmt.Appendf(nil, "export type EnvVar = %s;\n//# sourceMappingURL=env_var.d.ts.map\n", strings.Join(names, " | "))
}
