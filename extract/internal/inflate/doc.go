// Package inflate turns the bytes of a layer, as a registry stores them, into the plain tar archive in them: gzip (RFC 1952),
// zstd (RFC 8878) or an archive that is not compressed at all, told apart by their first bytes.
//
// Nearly every layer is gzip, gzip has no way to decode one stream on two cores, and an image has few layers, so how fast one
// core decodes is what bounds an installation. That is why DEFLATE (RFC 1951) is decoded here by own code.
package inflate
