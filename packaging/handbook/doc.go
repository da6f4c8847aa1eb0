// Package handbook is the operator's handbook, a chapter in each of its
// Markdown files, and reads them, so that tests know what it has its reader type.
//
// A fenced block `console` is a session: lines after "$ " are typed, with
// further lines after "\", and those below are printed, up to the next "$ ";
// "..." stands for anything in a line, and in a line of its own for any lines.
// Words after `console` say more: `new` is the other host; `exit=4` is the exit
// code of the last command; `by=TestX` is a test that types it. A fenced block
// `toml` is what the reader writes into config.toml.
package handbook
