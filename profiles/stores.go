package profiles

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
)

// storeSchema is where an image's node says which schema a store of its has.
type storeSchema struct {
	store string
	files []string // below yarn-project; the first that exists
	is    *regexp.Regexp
}

const yarnProject = "usr/src/yarn-project/"

// storeSchemas are the stores of a data directory whose schema is a constant in
// the code of the image. Those of 4.1.2 were read in the image, and
// signing-protection in upstream's sources of version 5
// (validator-ha-signer/src/db/lmdb.ts): where a file has moved since, the
// schema is not known.
var storeSchemas = []storeSchema{
	schemaIn("archiver", `\bARCHIVER_DB_VERSION = `, "archiver/dest/store/kv_archiver_store.js"),
	schemaIn("world_state", `\bWORLD_STATE_DB_VERSION = `, "world-state/dest/native/native_world_state.js"),
	schemaIn("p2p", `\bcreateStore\(P2P_STORE_NAME, `, "p2p/dest/client/factory.js"),
	schemaIn("p2p-archive", `\bcreateStore\(P2P_ARCHIVE_STORE_NAME, `, "p2p/dest/client/factory.js"),
	schemaIn("p2p-peers", `\bcreateStore\(P2P_PEER_STORE_NAME, `, "p2p/dest/client/factory.js"),
	schemaIn("p2p-attestation", `\bcreateStore\(P2P_ATTESTATION_STORE_NAME, `, "p2p/dest/client/factory.js"),
	schemaIn("slasher", `\bSCHEMA_VERSION = `, "slasher/dest/stores/schema_version.js"),
	schemaIn("l1-tx-utils", `\bstatic SCHEMA_VERSION = `, "node-lib/dest/stores/l1_tx_store.js"),
	schemaIn("sentinel", `\bstatic SCHEMA_VERSION = `, "aztec-node/dest/sentinel/store.js"),
	schemaIn("signing-protection", `\bstatic SCHEMA_VERSION = `, "validator-ha-signer/dest/db/lmdb.js"),
}

func schemaIn(store, before string, files ...string) storeSchema {
	return storeSchema{store, files, regexp.MustCompile(before + `([0-9]{1,6})\b`)}
}

// StoreSchemas reads the schema that an image's node wants of each store of its
// data. Stores of which the image does not say it where it is looked for are
// absent.
func StoreSchemas(rootfs fs.FS) (map[string]int, error) {
	found := map[string]int{}
	for _, s := range storeSchemas {
		for _, file := range s.files {
			text, err := readSome(rootfs, yarnProject+file)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("reading %s of the image: %w", file, err)
			}
			if m := s.is.FindSubmatch(text); m != nil {
				if n, err := strconv.Atoi(string(m[1])); err == nil {
					found[s.store] = n
				}
			}
			break
		}
	}
	return found, nil
}
