package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/hook"
	"github.com/aztec-spartan/aztec-spartan/profiles"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

// beforeRoll runs the pre-hook of an instance whose update is about to begin.
// If that fails, the update is over and out says so. Neither a way back nor a
// roll that is taken back asks a hook: nothing may stand in its way.
func (a *app) beforeRoll(ctx context.Context, name string, say func(string)) (out roll.Outcome, over bool, err error) {
	s, err := a.files().Load(name)
	if err != nil || s.Intent == nil || s.Intent.Begun || s.Intent.Kind != roll.Update {
		return out, false, err
	}
	u, err := a.hooksOf(name)
	if err != nil || u.PreHook == "" {
		return out, false, err
	}
	from, _ := s.Generation(s.Intent.From)
	to, _ := s.Generation(s.Intent.To)
	out = roll.Outcome{Kind: s.Intent.Kind, From: from.Version, To: to.Version, Started: time.Now().UTC()}
	failed := a.hook(ctx, u.PreHook, u, hookEnv(name, s, from, to, out), say)
	if failed == nil {
		return out, false, nil
	}
	out.Result, out.Reason = roll.Failed, fmt.Sprintf("nothing was changed, since the hook %s failed: %v", u.PreHook, failed)
	if ctx.Err() != nil {
		out.Result = roll.Cancelled
	}
	out.Finished = time.Now().UTC()
	s.Intent, s.LastRoll = nil, &out
	if err := a.files().Save(name, s); err != nil {
		return out, true, err
	}
	say(out.String())
	return out, true, nil
}

// afterRoll runs the post-hook. What it makes of the outcome changes nothing.
func (a *app) afterRoll(ctx context.Context, name string, out roll.Outcome, say func(string)) {
	u, err := a.hooksOf(name)
	if err != nil || u.PostHook == "" {
		return
	}
	s, err := a.files().Load(name)
	if err != nil {
		say(err.Error())
		return
	}
	of := func(version string) (g roll.Generation) {
		for _, g := range s.Generations {
			if g.Version == version {
				return g
			}
		}
		return g
	}
	a.postHook(ctx, u, hookEnv(name, s, of(out.From), of(out.To), out), say)
}

// cancelledHookTime is for the post-hook of a roll that was cancelled: who did
// that waits for it, and it has an outcome to tell all the same.
const cancelledHookTime = 10 * time.Second

// postHook runs the hook until it ends, or the roll's service is stopped.
func (a *app) postHook(ctx context.Context, u profiles.Update, env []string, say func(string)) {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), cancelledHookTime)
		defer cancel()
	}
	if err := a.hook(ctx, u.PostHook, u, env, say); err != nil {
		say(fmt.Sprintf("the hook %s failed: %v", u.PostHook, err))
	}
}

// hooksOf are the settings of hooks; none where nothing runs, under --root.
func (a *app) hooksOf(name string) (profiles.Update, error) {
	if !a.live() {
		return profiles.Update{}, nil
	}
	inst, err := a.loadInstance(name)
	if err != nil {
		return profiles.Update{}, err
	}
	return a.updateSettings(inst)
}

// hookEnv is all that a hook finds in its environment.
func hookEnv(name string, s roll.State, from, to roll.Generation, out roll.Outcome) []string {
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
		"AZTEC_SPARTAN_INSTANCE=" + name,
		"AZTEC_SPARTAN_UNIT=" + s.Unit,
		"AZTEC_SPARTAN_KIND=" + out.Kind,
		"AZTEC_SPARTAN_FROM=" + out.From,
		"AZTEC_SPARTAN_TO=" + out.To,
		"AZTEC_SPARTAN_FROM_DIGEST=" + from.Digest,
		"AZTEC_SPARTAN_TO_DIGEST=" + to.Digest,
		"AZTEC_SPARTAN_RESULT=" + out.Result, // empty before the stop
		"AZTEC_SPARTAN_REASON=" + strings.ReplaceAll(out.Reason, "\x00", ""),
	}
}

// hook runs a program of the operator's, with a timeout, and says what it prints.
func (a *app) hook(ctx context.Context, path string, u profiles.Update, env []string, say func(string)) error {
	if err := hook.Trusted(path); err != nil {
		return err
	}
	say("running the hook " + path)
	return hook.Run(ctx, path, env, profiles.Age(u.HookTimeout, profiles.DefaultHookTimeout), func(line string) { say("hook: " + quotedLine(line)) })
}
