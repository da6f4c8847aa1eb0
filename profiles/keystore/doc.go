// Package keystore makes and checks the keystore files of Aztec nodes (2.0 and
// later; yarn-project/node-keystore/src/schemas.ts), and holds the keys on the
// way into one.
//
// A Key cannot be printed: every verb of fmt, JSON, text and log/slog give a
// placeholder, and only Reveal gives the key. Errors name places in a file and
// what belongs there, never what was found, since what was found may be a key
// in the wrong place.
package keystore
