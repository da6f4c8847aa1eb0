// Package roll changes the version that an instance runs, and back.
//
// A generation is everything one version of an instance needs, kept in a
// directory: the unit file, the environment file and the instance.toml they
// were rendered from. What is active is decided by one file only, the unit in
// /etc/systemd/system, which names its generation itself; [Files.Activate]
// replaces it by rename. There is no second place that could disagree.
//
// A roll is recorded as an [Intent] in state.json before anything changes and
// is carried out by [Engine.Run] in a service of its own
// (aztec-roll@NAME.service), so that it does not depend on a terminal. An
// engine that finds an intent already begun was killed in the middle: it goes
// back. After every run the instance is in exactly one of its two versions,
// whole.
//
// The new version must pass a gate: the start job is done, the invocation is
// new, the RPC answers as what was installed, and the main process is the same
// one for a while. Else the old generation is put back and has to pass the
// same gate.
//
// The way back asks for as little as it can: a unit file that is in place is
// not written again, and the start is tried whatever went wrong before it. Only
// data that cannot be put back keep the node from it: then another engine tries
// again, a few times, and somebody is asked for help ([ErrGivenUp]).
//
// An intent that nobody has begun is bound to the generation it was
// asked for from; if that is not in place any more, it is dropped.
package roll
