package layer

import (
	"crypto/rand"
	"hash"

	"github.com/minio/highwayhash"
)

// Digest is the HighwayHash-256 of a file's contents under a Key; all zeros if there are none. It is several times as fast as SHA-256,
// which every byte passes through once already for the diffID of its layer.
type Digest [highwayhash.Size]byte

// Key is what contents are hashed with, random, and recorded in each list. Who makes layers does not know it, so nobody can make two
// files that have one digest, which a tree would then have in the place of each other. It is a secret of the store.
type Key [highwayhash.Size]byte

// NewKey returns a key that nobody knows.
func NewKey() (k Key) {
	_, _ = rand.Read(k[:]) // it never fails, see its documentation
	return k
}

// Of returns the digest of b.
func (k *Key) Of(b []byte) Digest {
	if len(b) == 0 {
		return Digest{}
	}
	return highwayhash.Sum(b, k[:])
}

// Hash returns a hash of which the sum is a Digest, unless nothing was written to it.
func (k *Key) Hash() hash.Hash {
	h, err := highwayhash.New(k[:])
	if err != nil {
		panic(err) // only of a key of another length
	}
	return h
}
