//go:build oracle || real

package extract_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// The oracles are umoci and GNU tar, from Debian's packages of these names. Without them these tests fail: a comparison that did
// not happen proves nothing.

// umoci unpacks what descriptor names, with its blobs in blobs ("sha256/HEX" files), and returns the rootfs.
func umoci(t *testing.T, blobs string, descriptor desc) string {
	t.Helper()
	dir := t.TempDir()
	layout := filepath.Join(dir, "layout")
	index := desc{"schemaVersion": 2, "manifests": []desc{{
		"mediaType": descriptor["mediaType"], "digest": descriptor["digest"], "size": descriptor["size"],
		"annotations": desc{"org.opencontainers.image.ref.name": "it"},
	}}}
	raw, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.Mkdir(layout, 0o700), os.Symlink(blobs, layout+"/blobs"), os.WriteFile(layout+"/index.json", raw, 0o600),
		os.WriteFile(layout+"/oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	run(t, "umoci", "unpack", "--image", layout+":it", dir+"/bundle")
	return dir + "/bundle/rootfs"
}

// gnuTar applies plain layers as a careful person with a shell would: the whiteouts, what changes its type, then `tar x`. It
// knows neither links among parents (the shell would leave the root) nor whiteouts of what the same layer brings.
func gnuTar(t *testing.T, layers ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, layer := range layers {
		f, err := os.Open(layer)
		if err != nil {
			t.Fatal(err)
		}
		clearTheWay(t, root, f)
		f.Close()
		run(t, "tar", "-C", root, "-xpf", layer, "--numeric-owner", "--same-owner", "--delay-directory-restore",
			"--xattrs", "--xattrs-include=user.*", "--exclude=.wh.*")
	}
	return root
}

func clearTheWay(t *testing.T, root string, layer io.Reader) {
	t.Helper()
	tr := tar.NewReader(layer)
	var conflicts []string
	for {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		dir, base := path.Split(path.Clean(hdr.Name))
		full := filepath.Join(root, dir, base)
		switch hidden, ok := strings.CutPrefix(base, ".wh."); {
		case ok && hidden == ".wh..opq":
			below, err := filepath.Glob(filepath.Join(root, dir, "*"))
			if err != nil {
				t.Fatal(err)
			}
			conflicts = append(conflicts, below...)
		case ok:
			conflicts = append(conflicts, filepath.Join(root, dir, hidden))
		default:
			if st, err := os.Lstat(full); err == nil && st.IsDir() != (hdr.Typeflag == tar.TypeDir) {
				conflicts = append(conflicts, full)
			}
		}
	}
	for _, c := range conflicts {
		if err := os.RemoveAll(c); err != nil {
			t.Fatal(err)
		}
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out.String())
	}
}

// agree compares a tree of ours with an oracle's, apart from what is dropped on purpose: set-id bits and devices.
func agree(t *testing.T, oracle string, ours, theirs map[string]Listed) {
	t.Helper()
	for p, l := range theirs {
		if l.Type == "c" || l.Type == "b" {
			delete(theirs, p)
			continue
		}
		l.Mode &= 0o1777
		theirs[p] = l
	}
	if diff := cmp.Diff(theirs, ours); diff != "" {
		if len(diff) > 4000 {
			diff = diff[:4000] + "..."
		}
		t.Errorf("the tree differs from that of %s (-%s +ours):\n%s", oracle, oracle, diff)
	}
}
