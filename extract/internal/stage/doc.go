// Package stage turns the bytes of layers into entries and puts the contents of their files aside.
//
// Contents go to a directory of the layer's own, complete with owner, mode, time and attributes. In it each directory of the layer is a
// numbered one, flat, with its files under the last names of their paths: single names, new, among nothing but files. Most of these
// directories are, as they are, what the tree is to have, and moving one is one rename for all its files; from the rest files are
// moved one by one. What another version has already is not written: its file is linked, or cloned where the file system can
// (FICLONE). Files are written by a pool of workers, which hash them too; entries come out in the order of the archive nevertheless.
//
// While a layer is read its bytes are at hand, and what is shared is compared with them. A file of a layer that is not read, since
// its list is known, is linked if size, mode, owner and time are what was recorded: verify before you trust a disk that failed. Only
// in a tree that a killed run left it is hashed too, since something else may be at its path there.
package stage
