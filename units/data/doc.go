// Package data keeps what a version of the node could destroy of its data, and
// gives it back.
//
// A data directory holds stores, one directory each, with a file db_version
// that says which schema the store has and which rollup it is of. A node that
// finds another schema or another rollup there than its own empties the store
// without a word and syncs anew (DatabaseVersionManager of @aztec/stdlib,
// 4.1.2), whether it is newer or older than who wrote it. So before another
// version starts, the stores are copied; and when the old one comes back, its
// stores do too.
//
// What is kept lies in the data directory itself, in .aztec-spartan.saved,
// which only root may enter: nowhere else is known to be on the same file
// system and the same mount, and only there a store can be cloned, and be put
// back by rename. Each set of stores there has the number of the generation
// that they belong to.
//
// No power cut leaves a mix of two versions: [Dir.Settle] ends what was begun
// or takes it back, by what it finds alone. It is called before anything else,
// by whoever finds a roll interrupted.
//
// One store is never kept and never put back: signing-protection remembers
// what was signed, and an older copy of it would let a validator sign twice.
// The newest stays in place; where the version that comes back would empty or
// refuse it, it is set aside ([Dir.SetAside]) and nothing may be signed.
package data
