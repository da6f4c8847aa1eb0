// Package realimage makes an OCI image of the real Aztec node, for tests and
// the demonstration, on a machine that reaches only package registries.
//
// The node is published to npm as well as in an image, native parts included.
// So the image is put together again from packages, with everything at the
// place where upstream's image has it: a Debian 13 base, Node.js and foundry,
// the dependencies, the node. A second version, 4.1.3-test, is 4.1.2 with other
// version strings; the two share three of four layers. Beside them Build leaves
// a fixture of L1 with Aztec's contracts deployed, so that a sequencer started
// on it publishes checkpoints to a real (if private) chain.
//
// Native parts of the node need glibc 2.39, so it runs from its root file
// system only; anvil runs on Debian 12's glibc 2.36 as it is.
//
// Everything is kept in the user's cache directory under a key of the recipe;
// see Build.
package realimage

// DebianPackages are the packages of Debian 12 or later that Build needs on top
// of an installation that has Go, as apt-get install takes them.
//
// npm is needed once, to fetch Node.js and a newer npm, which do the rest:
// Debian's own node-gyp links native addons against libnode.so.108, and the
// real Node.js then cannot load them. The addon is compiled (python3, g++, make)
// against the headers that come with the fetched Node.js; nothing is downloaded
// from anywhere but the npm registry and the Debian mirror.
const DebianPackages = "npm python3 g++ make mmdebstrap"
