// Package stage turns the bytes of layers into entries and puts the contents of their files aside.
//
// Contents go to numbered files in a directory of the layer's own, complete with owner, mode, time and attributes, so that
// bringing one into a tree is a hard link, and no name that an image chose is used before the whole tree is known. What another
// version has already is not written: its file is linked, or cloned where the file system can (FICLONE). Files are written by
// a pool of workers, which hash them too; entries come out in the order of the archive nevertheless.
//
// While a layer is read its bytes are at hand, and what is shared is compared with them. A file of a layer that is not read, since
// its list is known, is linked if size, mode, owner and time are what was recorded: verify before you trust a disk that failed.
package stage
