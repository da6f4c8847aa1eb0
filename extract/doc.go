// Package extract turns a reference to an image in a registry into a verified root file system in a store of versions.
//
// Three ideas carry it:
//   - Everything that comes from a registry is hostile until its digest is checked: manifests and the configuration before they
//     are parsed, layers over their compressed and their plain bytes, to the last one. What is checked late (layers, while they
//     are being unpacked) is unpacked where nobody looks and thrown away when the check fails.
//   - An image is published by renames: it is unpacked under a temporary name, synced, renamed, and marked `complete` last. What
//     is not marked is not there, whatever a crash left behind.
//   - A rootfs holds nothing that a service does not need: no setuid bits, no devices, no file capabilities.
//
// It knows nothing of what the image is for.
package extract
