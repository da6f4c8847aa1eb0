// Package registry pulls from one repository of a registry or of its mirrors, by the OCI distribution specification.
//
// A blob is read in order while several connections fetch ranges of it ahead of the reader: one connection is as fast as its
// congestion window allows, a reader that writes a tree to disk wants the bytes in order, and neither wants a temporary file.
// Whatever goes wrong on the way (resets, stalls, tokens and redirects that expire, registries that are busy, mirrors that
// lack something) is dealt with here, and goes on from the byte that was reached. What is left of an error when that fails is
// one line with the host and what it was asked for.
//
// Sizes are enforced here and digests of manifests checked; the digest of a blob is for its reader, who sees all of it anyway.
package registry
