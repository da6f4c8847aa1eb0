// Package archive reads images out of files the way a registry would give them: manifests and blobs by digest.
//
// What it reads, told apart by what is in it and not by its name:
//
//   - an OCI image layout, as a directory or in a tar archive (OCI image specification, image-layout.md);
//   - what `docker save` writes. Docker 25 and later write an OCI layout with a manifest.json beside it, and then the layout
//     counts: everything in it hangs on digests from the index down, and nothing in manifest.json does. Older ones, and skopeo,
//     podman and crane, write manifest.json, the configuration of each image, and its layers (moby: image/spec/v1.2.md).
//
// An archive may be compressed with gzip or zstd, in several members or frames.
//
// # How
//
// A tar archive is walked once from header to header, and only names, offsets and sizes are kept: reading a blob is reading a
// section of the file, and blobs can be read in parallel. That needs an uncompressed file. What is compressed, or comes through
// a pipe, is therefore written out first, once and uncompressed, to a file without a name in Options.TempDir, which is gone
// with the process however that ends. There is no way around it: the index is the last thing in most archives.
//
// The older docker form has no manifests. One is made up for each image, always the same for the same archive: its
// configuration is the blob as it is, so that the image keeps the ID that `docker images` shows, and its layers are the layer
// archives under the digests that the configuration gives them (rootfs.diff_ids). They are not hashed for that; whoever unpacks
// them has to verify their digest, as with any blob. Only layers that are compressed in there (crane does that) are hashed when
// the archive is opened: no one says what their digest is.
//
// # Trust
//
// None. Names in archives are keys and never paths; names that are absolute or climb, and names that occur twice, make an
// archive invalid, because another reader could see another image in it. Links in an archive lead to other names in it, a
// layout directory is read through os.Root. Documents are capped before they are read, and so are the numbers of entries and
// images. A manifest is verified before it is returned; a blob is verified by whoever reads it.
//
// # Not go-containerregistry
//
// Its package tarball opens the archive anew, and scans it from the start, for each file that it reads: that is quadratic, and
// impossible with a pipe. It takes the first of two entries with one name, reads configurations of any size, and knows neither
// compressed archives nor layouts in archives. Its package layout opens names that links may lead out of the layout.
package archive
