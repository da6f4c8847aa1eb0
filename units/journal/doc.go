// Package journal reads what units wrote into the systemd journal, and what
// systemd wrote about them.
//
// It runs journalctl and reads its JSON, which is a stable interface
// (systemd.io/JOURNAL_EXPORT_FORMATS) that knows about rotation, permissions
// and every form of journal file; the C library would need cgo, and other
// readers of the files follow their format with a delay.
//
// systemd gives every line of a node's standard output the same priority, so
// the package takes the level from the line itself (see Level), and gives the
// lines that follow it, a stack for example, the level of their head.
//
// Everything in a journal is hostile: a peer decides what a node logs. What is
// written for people has no control characters left.
package journal
