package rootfs_test

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/aztec-spartan/aztec-spartan/extract/internal/rootfs"
	. "github.com/aztec-spartan/aztec-spartan/extract/internal/tartest"
)

// TestInherited: a tree has what its layers say, whatever the directory that it is in gives to new ones: here a group, and an ACL that
// lets somebody else in.
func TestInherited(t *testing.T) {
	above := t.TempDir()
	// USER_OBJ rwx, USER 7 rwx, GROUP_OBJ rwx, MASK rwx, OTHER rwx: linux/posix_acl_xattr.h.
	acl := "\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x07\x00\x07\x00\x00\x00\x04\x00\x07\x00\xff\xff\xff\xff" +
		"\x10\x00\x07\x00\xff\xff\xff\xff\x20\x00\x07\x00\xff\xff\xff\xff"
	if err := errors.Join(os.Chown(above, 0, 50), os.Chmod(above, 0o755|os.ModeSetgid)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(above, "system.posix_acl_default", []byte(acl), 0); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(above, "root")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	m := memory{}
	tree, err := rootfs.New(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if _, err := m.applyAll(t, tree, layers{{File("d/f", "contents"), Dir("e", Mode(0o750)), Node(tar.TypeFifo, "p")}}, never); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.AddEmpty("/run/mount", false, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := tree.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := check(t, tree); len(left) > 0 {
		t.Errorf("what was made is not what is known:\n%s", lines(left))
	}
}
