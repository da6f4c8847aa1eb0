// Package probe asks one node on this host how it is, over its RPC.
//
// That a node answers is not health. Its HTTP server stays up, and /status
// with it, when everything behind it was stopped: while it waits for a rollup
// that it does not know (standby), and after it has shut itself down. So a
// node is healthy only when its RPC answers, as the version and on the chain
// that were asked for, and follows its chain.
//
// Check is the whole examination. Alive is the short one for ExecStartPost=,
// which must not wait for a sync. What a node answers is hostile: bodies are
// bounded, redirects are not followed, text is quoted before it is shown.
package probe
