package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
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

// Webhook sends events to a URL: of a webhook, or in the form that shoutrrr has
// for each service. The URL is a secret: no error has more of it than the host.
type Webhook struct {
	URL    string
	Format Format // of a webhook; "": by the host

	// via carries the requests; nil: a transport that honours proxies.
	via http.RoundTripper
}

// Send implements Sender.
func (w Webhook) Send(ctx context.Context, e Event) error {
	if err := CheckURL(w.URL); err != nil {
		return fmt.Errorf("the url of [notify]: %w: %w", ErrRefused, err)
	}
	u, err := url.Parse(w.URL)
	if err != nil {
		return fmt.Errorf("the url of [notify]: %w", ErrRefused) // the cause quotes it
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	wire := newWire(ctx, w.via, e)
	if _, ok := services[u.Scheme]; ok {
		return wire.shout(u, e)
	}
	body, kind, err := w.body(u, e)
	if err != nil {
		return fmt.Errorf("the event: %w: %w", ErrRefused, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", u.Host, ErrRefused)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := (&http.Client{Transport: wire}).Do(req) // which makes a header of user info
	if err != nil {
		return fmt.Errorf("%s: %w", u.Host, ErrRefused) // it quotes the URL
	}
	_ = resp.Body.Close()
	return wire.failed()
}

// body is what a webhook gets. The operator's own URL and its parameters stay
// as they are, which those of the library's services would not.
func (w Webhook) body(u *url.URL, e Event) (body []byte, kind string, err error) {
	format, line := w.Format, harmless(e.Line())
	if format == "" {
		format = formatOf(u)
	}
	e.Text = harmless(e.Text) // chats show it
	var v any = e
	switch format {
	case Ntfy:
		return []byte(line), "text/plain; charset=utf-8", nil
	case Slack:
		v = map[string]string{"text": line}
	case Discord:
		v = map[string]any{"content": line, "allowed_mentions": map[string]any{"parse": []string{}}}
	case Telegram:
		v = map[string]string{"chat_id": u.Query().Get("chat_id"), "text": line}
	}
	body, err = json.Marshal(v)
	return body, "application/json", err
}
