package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"
)

// sendTimeout bounds one attempt.
const sendTimeout = 15 * time.Second

// Format is what a webhook takes.
type Format string

// The formats.
const (
	JSON     Format = "json"     // the event; its "text" makes Mattermost, Rocket.Chat, Google Chat and Matrix bridges show it
	Slack    Format = "slack"    // {"text"}
	Discord  Format = "discord"  // {"content"}
	Telegram Format = "telegram" // {"chat_id", "text"}, of sendMessage of the Bot API
	Ntfy     Format = "ntfy"     // the line itself
)

// ParseFormat reads a format; "" is that of the URL's host.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case "", JSON, Slack, Discord, Telegram, Ntfy:
		return f, nil
	}
	return "", fmt.Errorf("format %q is none of json, slack, discord, telegram, ntfy", s)
}

// formatOf knows the services by their hosts.
func formatOf(u *url.URL) Format {
	host := strings.ToLower(u.Hostname())
	switch {
	case host == "hooks.slack.com":
		return Slack
	case host == "discord.com" || host == "discordapp.com" || strings.HasSuffix(host, ".discord.com"):
		return Discord
	case host == "api.telegram.org":
		return Telegram
	case host == "ntfy.sh":
		return Ntfy
	}
	return JSON
}

// Webhook sends events to a URL, which is a secret: no error has more of it
// than the host.
type Webhook struct {
	URL    string
	Format Format // "": by the host
}

// Send implements Sender.
func (w Webhook) Send(ctx context.Context, e Event) error {
	u, err := url.Parse(w.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("the url of [notify]: %w: it is not an http or https URL", ErrRefused)
	}
	body, kind, err := w.body(u, e)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", u.Host, ErrRefused)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := client().Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // the rest quotes the URL
		}
		return fmt.Errorf("%s: %w", u.Host, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	switch code := resp.StatusCode; {
	case code/100 == 2:
		return nil
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code/100 == 5:
		return fmt.Errorf("%s answers %d", u.Host, code)
	default:
		return fmt.Errorf("%s answers %d: %w", u.Host, code, ErrRefused)
	}
}

// client follows no redirect: what is behind it need not be who the event is
// for.
func client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true,
			DialContext: (&net.Dialer{Timeout: sendTimeout / 2}).DialContext,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (w Webhook) body(u *url.URL, e Event) (body []byte, kind string, err error) {
	format := w.Format
	if format == "" {
		format = formatOf(u)
	}
	var v any = e
	switch format {
	case Ntfy:
		return []byte(e.Line()), "text/plain; charset=utf-8", nil
	case Slack:
		v = map[string]string{"text": e.Line()}
	case Discord:
		// No name in a text calls people.
		v = map[string]any{"content": e.Line(), "allowed_mentions": map[string]any{"parse": []string{}}}
	case Telegram:
		v = map[string]string{"chat_id": u.Query().Get("chat_id"), "text": e.Line()}
	}
	body, err = json.Marshal(v)
	return body, "application/json", err
}

// Command runs a program with the event on its standard input. A code other
// than 0 is tried again.
type Command struct{ Argv []string }

// Send implements Sender.
func (c Command) Send(ctx context.Context, e Event) error {
	if len(c.Argv) == 0 {
		return fmt.Errorf("the command of [notify]: %w: it is empty", ErrRefused)
	}
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*sendTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Stdin = bytes.NewReader(append(data, '\n'))
	cmd.Env = append(os.Environ(), "AZTEC_SPARTAN_EVENT="+string(e.Kind), "AZTEC_SPARTAN_INSTANCE="+e.Instance, "AZTEC_SPARTAN_TEXT="+e.Line())
	cmd.WaitDelay = time.Second // of what it left behind with its output open
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	said, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return fmt.Errorf("running %s: %w: %.200s", c.Argv[0], err, said)
}
