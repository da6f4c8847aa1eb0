package profiles

import (
	"encoding/json"
	"io"
	"io/fs"
)

// versionFiles are where an image says its version, best first. stdlib's is
// what the node reports from 5.1 on; before, it holds a placeholder there and
// the manifest of release-please counts, which exists from 0.87 on
// (stdlib/src/update-checker/package_version.ts).
var versionFiles = []struct{ path, key string }{
	{"usr/src/yarn-project/stdlib/package.json", "version"},
	{"usr/src/.release-please-manifest.json", "."},
	{"usr/src/yarn-project/.release-please-manifest.json", "."},
}

// versionLabel is the annotation of the OCI image specification, annotations.md.
const versionLabel = "org.opencontainers.image.version"

// ImageVersion says which version an image is: by its files, which is what the
// node will report, else by its label, else by the tag it was pulled by. It is
// "" if none of them says, and always a text that ParseVersion reads if not.
func ImageVersion(rootfs fs.FS, labels map[string]string, tag string) string {
	for _, f := range versionFiles {
		if v := fileVersion(rootfs, f.path, f.key); release(v) {
			return v
		}
	}
	for _, v := range []string{labels[versionLabel], tag} {
		if release(v) {
			return v
		}
	}
	return ""
}

// release reports whether a text is a version and no placeholder.
func release(s string) bool {
	_, err := ParseVersion(s)
	return err == nil && s != "0.1.0" && s != "0.0.0"
}

// fileVersion reads one text out of a JSON file, "" if it is not there.
func fileVersion(rootfs fs.FS, path, key string) string {
	data, err := readSome(rootfs, path)
	if err != nil {
		return ""
	}
	var fields map[string]json.RawMessage
	var v string
	if json.Unmarshal(data, &fields) != nil || json.Unmarshal(fields[key], &v) != nil {
		return ""
	}
	return v
}

// readSome reads a file of an image, no more than 1 MiB of it: its author
// chose its size.
func readSome(rootfs fs.FS, path string) ([]byte, error) {
	file, err := rootfs.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, 1<<20))
}
