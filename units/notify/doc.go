// Package notify tells an operator what happened while nobody looked: by a
// webhook or a command.
//
// Whoever has something to tell puts an event into a spool, a directory, which
// is one write and never waits for a network. A short-lived service empties the
// spool, in order: an event stays until it was taken, is tried again, and is
// given up after a day. What has the key of something that was told already is
// told no second time.
//
// Conditions that last (a node that is down, a disk that fills) are followed by
// a Tracker from one look at the host to the next: each is told once, and once
// more when it is over.
package notify
