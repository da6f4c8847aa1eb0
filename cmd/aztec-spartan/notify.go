package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aztec-spartan/aztec-spartan/cmd/aztec-spartan/internal/hook"
	"github.com/aztec-spartan/aztec-spartan/profiles/redact"
	"github.com/aztec-spartan/aztec-spartan/units/manager"
	"github.com/aztec-spartan/aztec-spartan/units/notify"
	"github.com/aztec-spartan/aztec-spartan/units/roll"
)

const (
	spoolDir   = "/var/lib/aztec-spartan/notify"
	notifyUnit = "aztec-notify.service"
	watchTimer = "aztec-watch.timer"
	// notifyLock is the name of the lock of the spool. Instance names have no dot.
	notifyLock = "notify.spool"
)

func (a *app) notifyCommand() *cobra.Command {
	var test bool
	cmd := &cobra.Command{
		Use:   "notify [enable | disable]",
		Short: "Tell the operator what happens, by webhook or command",
		Long: `Show who is told what happens on this host: the url or command under [notify] in
config.toml. --test tells them something now, and says whether it arrived. A url is
that of a webhook (Slack, Discord, Telegram and ntfy are known by it; any other gets
JSON), or of a service in the form that shoutrrr has for it, such as matrix://, mattermost://
or gotify://: https://shoutrrr.nickfedor.com lists them.

Told are rolls (done, rolled back, failed), updates that are there or wait, tags
that moved, a validator that signs again by policy, a recovery at boot, and, each
once and once more when it is over: nodes that are down, unhealthy for unhealthy_after, or in a crash loop, disks
below disk_low, a public address that changed.

What can be seen only by looking is looked for every minute by aztec-watch.timer:
enable and disable are about it. With action = "restart" under [watchdog] it
restarts a node, too, that runs and is unhealthy for long. What is to be told lies in a spool until it is
taken, for a day at most. Nothing waits for it, least of all a roll.`,
		Example: `  aztec-spartan notify --test
  aztec-spartan notify enable`,
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: []string{"enable", "disable"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRoot("notify", false); err != nil {
				return err
			}
			ctx := cmd.Context()
			switch {
			case test && len(args) > 0:
				return usage(errors.New("notify: --test goes alone"))
			case test:
				return a.testNotify(ctx)
			case len(args) == 0:
				return a.showNotify(ctx)
			case args[0] == "enable" || args[0] == "disable":
				return a.switchWatch(ctx, args[0] == "enable")
			}
			return withHint(usage(fmt.Errorf("notify: %q is neither enable nor disable", args[0])), "aztec-spartan notify --help shows how it is called")
		},
	}
	cmd.Flags().BoolVar(&test, "test", false, "tell something now")
	cmd.AddCommand(&cobra.Command{
		Use: "deliver", Short: "Send what is in the spool", Hidden: true, // for aztec-notify.service
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.deliver(cmd.Context()) },
	})
	return cmd
}

func (a *app) spool() notify.Spool { return notify.Spool{Dir: a.path(spoolDir)} }

// sender is who is told; nil: nobody.
func (c hostConfig) sender(url string) notify.Sender {
	switch {
	case len(c.Notify.Command) > 0:
		return notify.Command{Argv: c.Notify.Command}
	case url != "":
		return notify.Webhook{URL: url, Format: notify.Format(c.Notify.Format)}
	}
	return nil
}

// notifyURL is the receiver's, which may lie in a file of its own.
func (a *app) notifyURL(c hostConfig) (string, error) {
	if c.Notify.URLFile == "" {
		return c.Notify.URL, nil
	}
	data, err := os.ReadFile(a.path(c.Notify.URLFile))
	if err != nil {
		return "", withHint(fmt.Errorf("reading the url of [notify]: %w", err), "url_file in %s names a file with the URL alone, mode 0600", configFile)
	}
	return strings.TrimSpace(string(data)), nil
}

// receiver is who is told, and what is to be told.
func (a *app) receiver() (hostConfig, notify.Sender, error) {
	c, err := a.hostConfig()
	if err != nil {
		return c, nil, err
	}
	url, err := a.notifyURL(c)
	return c, c.sender(url), err
}

// receiverName tells of a URL what is no secret. In those of services the host
// may be one.
func receiverName(u string) string {
	scheme, _, ok := strings.Cut(u, "://")
	switch {
	case !ok:
		return "nobody: the url of [notify] is none"
	case scheme == "http" || scheme == "https":
		return redact.URLs(u)
	}
	return scheme
}

// mayTell refuses a command that is not root's alone: it runs as root.
func mayTell(to notify.Sender) error {
	c, ok := to.(notify.Command)
	if !ok {
		return nil
	}
	if err := hook.Trusted(c.Argv[0]); err != nil {
		return withHint(fmt.Errorf("notifying: the command %s: %w", c.Argv[0], err), "look at [notify] in %s", configFile)
	}
	return nil
}

func (a *app) testNotify(ctx context.Context) error {
	_, to, err := a.receiver()
	if err != nil {
		return err
	}
	if to == nil {
		return withHint(usage(errors.New("notify: nobody is to be told")), "set url, url_file or command under [notify] in %s", configFile)
	}
	if err := mayTell(to); err != nil {
		return err
	}
	a.warnNotify(ctx)
	e := a.event(notify.Test, "", "this is a test, by aztec-spartan notify --test")
	if err := to.Send(ctx, e); err != nil {
		return withHint(fmt.Errorf("notifying: %w", err), "look at [notify] in %s", configFile)
	}
	a.print("told: %s", e.Line())
	return nil
}

// warnNotify says what of the set-up is not as it should be.
func (a *app) warnNotify(ctx context.Context) {
	c, err := a.hostConfig()
	if err != nil {
		return
	}
	for path, secret := range map[string]bool{configFile: c.Notify.URL != "", c.Notify.URLFile: c.Notify.URLFile != ""} {
		if fi, err := os.Stat(a.path(path)); secret && err == nil && fi.Mode()&0o004 != 0 {
			a.note("warning: everybody on this host can read the URL: put it into a file with mode 0600, and its path into url_file (%s)", path)
		}
	}
	if !a.live() {
		return
	}
	m, err := manager.Connect(ctx)
	if err != nil {
		return
	}
	defer m.Close()
	if s, err := m.State(ctx, watchTimer); err == nil && s.ActiveState != "active" {
		a.note("nobody looks whether nodes are down or unhealthy: aztec-spartan notify enable")
	}
}

func (a *app) showNotify(ctx context.Context) error {
	c, to, err := a.receiver()
	if err != nil {
		return err
	}
	switch to := to.(type) {
	case notify.Webhook:
		a.print("events go to %s", receiverName(to.URL))
	case notify.Command:
		a.print("events go to %s", to.Argv[0])
	default:
		a.print("nobody is told: set url, url_file or command under [notify] in %s", configFile)
		return nil
	}
	if len(c.Notify.Events) > 0 {
		a.print("only: %s", join(c.Notify.Events))
	}
	a.warnNotify(ctx)
	return nil
}

func (a *app) switchWatch(ctx context.Context, on bool) error {
	if !a.live() {
		return withCode(exitUnsupported, errors.New("notify: --root never talks to systemd"))
	}
	m, err := connect(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	if !on {
		if err := m.Disable(ctx, watchTimer); err != nil {
			return err
		}
		if err := m.Stop(ctx, watchTimer); err != nil {
			return err
		}
		a.print("nodes are not looked at any more")
		return nil
	}
	if err := m.Enable(ctx, watchTimer); err != nil {
		return err
	}
	if err := m.Start(ctx, watchTimer); err != nil {
		return err
	}
	a.print("nodes are looked at every minute")
	return nil
}

// deliver empties the spool. What cannot be sent stays, and the code makes
// systemd try again.
func (a *app) deliver(ctx context.Context) error {
	if err := a.needRoot("notify deliver", false); err != nil {
		return err
	}
	_, to, err := a.receiver()
	if err != nil {
		return err
	}
	if to == nil {
		return nil
	}
	if err := mayTell(to); err != nil {
		return err
	}
	return a.locked(ctx, notifyLock, "notify", func() error {
		return a.spool().Deliver(ctx, to, func(format string, args ...any) { a.note(format, args...) })
	})
}

// event is one of this host, fit to be told. What keys it has beyond its words
// is for the caller.
func (a *app) event(kind notify.Kind, instance, text string) notify.Event {
	host, err := os.Hostname()
	if err != nil {
		host = "this host"
	}
	now := time.Now().UTC()
	text = quotedLine(redact.Text(text))
	return notify.Event{Kind: kind, Host: host, Instance: instance, Text: text, Time: now, Key: fmt.Sprintf("%s %s %s", kind, instance, text)}
}

// maxEvent is how much of a text is told.
const maxEvent = 500

// quotedLine is a text on one line of ASCII.
func quotedLine(text string) string {
	line := strings.Trim(string(asciiJSON([]byte(strings.Join(strings.Fields(text), " ")))), " ")
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, line)
	if len(line) > maxEvent {
		line = line[:maxEvent] + "..."
	}
	return line
}

// tell puts an event into the spool and has it sent. It never fails and never
// waits: what it is about goes on.
func (a *app) tell(ctx context.Context, kind notify.Kind, instance, text string) {
	a.tellEvents(ctx, a.event(kind, instance, text))
}

func (a *app) tellEvents(ctx context.Context, events ...notify.Event) {
	c, to, err := a.receiver()
	if err != nil || to == nil {
		if err != nil && len(events) > 0 {
			a.note("warning: nobody is told: %v", err)
		}
		return
	}
	for _, e := range events {
		if !c.wants(e.Kind) {
			continue
		}
		if err := a.spool().Put(e); err != nil {
			a.note("warning: %v", err)
			return
		}
	}
	if !a.live() || !a.spool().Waits() {
		return
	}
	m, err := manager.Connect(context.WithoutCancel(ctx))
	if err == nil {
		defer m.Close()
		err = m.StartNoWait(context.WithoutCancel(ctx), notifyUnit)
	}
	if err != nil {
		a.note("warning: what is to be told waits: %v", err)
	}
}

// tellRoll tells what became of a roll.
func (a *app) tellRoll(ctx context.Context, name string, out roll.Outcome) {
	kind, known := map[string]notify.Kind{roll.Done: notify.RollDone, roll.Waiting: notify.RollDone, roll.RolledBack: notify.RolledBack, roll.Failed: notify.RollFailed}[out.Result]
	if !known {
		return // cancelled: whoever did it knows
	}
	e := a.event(kind, name, out.String())
	e.Key += " " + out.Finished.String()
	a.tellEvents(ctx, e)
}
