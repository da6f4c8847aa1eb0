// Package doctor examines a host, and what a node needs beyond it, and says
// for each thing what was seen and what to type.
//
// A check never fails as a program: what it cannot learn is a finding too. It
// looks at the sources of what the node will do (L1 over JSON-RPC, beacon nodes
// over their API, files below /proc, /sys and /etc), never at logs. What it
// asks of the running host comes through Host, so that tests can break one
// thing at a time.
package doctor
