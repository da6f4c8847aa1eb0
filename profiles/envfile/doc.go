// Package envfile reads and writes the files that EnvironmentFile= of
// systemd.exec(5) names.
//
// They look like shell and like Docker's --env-file, and are neither: nothing
// is expanded, quotes and backslashes have rules of their own, a comment may
// go on after a backslash or not, depending on the version, and an assignment
// that systemd does not like vanishes with one line in the journal. So Encode
// writes only forms that systemd 247, 252 and 257 were seen to read alike (the
// values of testdata/tricky.json), and refuses what systemd would drop. Parse reads as systemd does, to the byte, so that a file
// written by hand can be judged by what will come of it.
package envfile
