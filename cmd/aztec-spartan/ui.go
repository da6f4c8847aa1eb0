package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aztec-spartan/aztec-spartan/extract"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/profiles/redact"
	"github.com/aztec-spartan/aztec-spartan/units"
	"github.com/aztec-spartan/aztec-spartan/units/lock"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
)

// How the program speaks:
//
//   - results go to stdout, everything else to stderr;
//   - an error is one line, "aztec-spartan: <doing> <what>: <cause>", followed
//     by "hint: <what to do>" where there is something to do;
//   - no capitals at the start, no full stop at the end;
//   - bars and colours only on a terminal, and no colours with NO_COLOR;
//   - --json prints one JSON value on stdout and nothing else there.

// Exit codes, as documented in the help text and the man page.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitUnsupported = 3
	exitRolledBack  = 4
	exitLocked      = 5
	exitUnhealthy   = 6
)

// failure is an error with what the user sees of it beside its text.
type failure struct {
	err  error
	code int
	hint string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// Advice is the hint, for doctor.
func (f *failure) Advice() string { return f.hint }

func usage(err error) error { return &failure{err: err, code: exitUsage} }

func withCode(code int, err error) error { return &failure{err: err, code: code} }

func withHint(err error, format string, args ...any) error {
	hint := fmt.Sprintf(format, args...)
	if f, ok := errors.AsType[*failure](err); ok && f.hint == "" {
		return &failure{err: err, code: f.code, hint: hint}
	}
	return &failure{err: err, code: codeOf(err), hint: hint}
}

// codeOf is the exit code of an error that was given none.
func codeOf(err error) int {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.code
	}
	if _, ok := errors.AsType[*lock.HeldError](err); ok {
		return exitLocked
	}
	if _, ok := errors.AsType[*units.NewerSchemaError](err); ok {
		return exitUnsupported
	}
	switch {
	case errors.Is(err, manager.ErrNoSystemd), errors.Is(err, units.ErrOldSystemd), errors.Is(err, extract.ErrKernel),
		errors.Is(err, extract.ErrSchema), errors.Is(err, profiles.ErrSchema):
		return exitUnsupported
	case errors.Is(err, extract.ErrBusy):
		return exitLocked
	case errors.Is(err, extract.ErrReference), errors.Is(err, extract.ErrPlatform):
		return exitUsage
	}
	if _, ok := errors.AsType[*extract.AuthoritiesError](err); ok {
		return exitUsage // a setting of config.toml
	}
	return exitFailed
}

// errSaid is an error that the user has read already.
var errSaid = errors.New("said already")

// report prints an error and returns the exit code.
func (a *app) report(err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, errSaid) {
		return codeOf(err)
	}
	fmt.Fprintf(a.err, "aztec-spartan: %s\n", words(err))
	hint := ""
	if f, ok := errors.AsType[*failure](err); ok {
		hint = f.hint
	}
	if hint == "" {
		hint = hintFor(err)
	}
	if hint != "" {
		fmt.Fprintf(a.err, "hint: %s\n", redact.Text(hint))
	}
	return codeOf(err)
}

// words are what the user reads of an error. That a context was canceled is
// how the program learns of Ctrl-C and SIGTERM, and nothing to say to people.
func words(err error) string {
	text := redact.Text(err.Error())
	if errors.Is(err, context.Canceled) {
		text = strings.ReplaceAll(text, context.Canceled.Error(), "interrupted")
	}
	return text
}

// print is for results in words. With --json stdout is for JSON alone.
func (a *app) print(format string, args ...any) {
	out := a.out
	if a.json {
		out = a.err
	}
	fmt.Fprintf(out, format+"\n", args...)
}

// note is for what the user should know but did not ask for.
func (a *app) note(format string, args ...any) {
	fmt.Fprintln(a.err, redact.Text(fmt.Sprintf(format, args...)))
}

func (a *app) printJSON(v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := a.out.Write(asciiJSON([]byte(redact.URLs(text.String()))))
	return err
}
