// Package handbook is the operator's handbook, a chapter in each of its
// Markdown files, and what reads them for the test that does what they say, in
// their order, on booted hosts.
//
// A fenced block `console` is a session: lines after "$ " are typed, with
// further lines after "\", and those below must be printed, as one stream, up to
// the next "$ "; "..." stands for anything in a line, and in a line of its own
// for any lines. What has nothing below may print what it likes. Words after
// `console` say more: `new` is the other host; `exit=4` is the exit code of the
// last command; `by=TestX` is for that test only, which is elsewhere where this
// package has none of its name.
//
// A fenced block `toml` is what the reader writes into config.toml.
//
// Comments of HTML, which no reader sees, are for the test. `<!-- do` is a
// script that it runs, `<!-- until` one that it runs until it succeeds, `new` and
// `by=` as above; `<!-- typed: A => B` has B done in the next block for A, where
// the host cannot do it, or not so slowly. Other comments are read by nobody.
package handbook
