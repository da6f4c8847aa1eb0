package profiles

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// The lines are those of 4.1.2, and of signing-protection those of version 5.
func TestStoreSchemas(t *testing.T) {
	image := fstest.MapFS{}
	put := func(file, text string) { image[yarnProject+file] = &fstest.MapFile{Data: []byte(text)} }
	put("archiver/dest/store/kv_archiver_store.js", "import x;\nexport const ARCHIVER_DB_VERSION = 5;\nclass A { static SCHEMA_VERSION = ARCHIVER_DB_VERSION; }\n")
	put("world-state/dest/native/native_world_state.js", "export const WORLD_STATE_DB_VERSION = 2; // The initial version\n")
	put("p2p/dest/client/factory.js", `    const store = deps.store ?? await createStore(P2P_STORE_NAME, 2, config, bindings);
    const archive = await createStore(P2P_ARCHIVE_STORE_NAME, 1, config, bindings);
    const attestationStore = await createStore(P2P_ATTESTATION_STORE_NAME, SCHEMA, config, bindings);
`)
	put("slasher/dest/stores/schema_version.js", "export const SCHEMA_VERSION = 1;\n")
	put("node-lib/dest/stores/l1_tx_store.js", "    static SCHEMA_VERSION = 2;\n")
	put("validator-ha-signer/dest/db/lmdb.js", "export class LmdbSlashingProtectionDatabase {\n    static SCHEMA_VERSION = 3;\n")
	put("aztec-node/dest/sentinel/store.js", "    static SCHEMA_VERSION = 99999999999;\n") // no schema
	got, err := StoreSchemas(image)
	want := map[string]int{
		"archiver": 5, "world_state": 2, "p2p": 2, "p2p-archive": 1, "slasher": 1, "l1-tx-utils": 2, "signing-protection": 3,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := StoreSchemas(fstest.MapFS{}); err != nil || len(got) != 0 {
		t.Errorf("an image that says nothing: %v, %v", got, err)
	}
}
