// Package manager talks to systemd over D-Bus: it starts and stops units and
// knows how that ended, reloads, enables, and reads the state of units.
//
// Starting a unit is a job (systemd.unit(5), org.freedesktop.systemd1(5)):
// the call that asks for it returns at once, and a signal says later how it
// ended. The methods here wait for that end, because only the result tells a
// start from an attempt. Each wait is bounded three ways: by the context, by
// a timeout of its own, and by systemd, which may go away. A connection that is
// lost meanwhile is made anew, and what the unit does says how its job ended.
// A job that is not waited for any longer is cancelled, so that nothing
// happens behind the back of a caller that was told of a failure.
//
// The system bus is used where there is one, and systemd's private socket
// where not (early boot, a minimal host), which answers root only.
package manager
