package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// fakeService is one URL of each service, with SECRET wherever it has what
// nobody else may know, and what the service answers to a message, if anything.
type fakeService struct{ url, answer string }

var secret = regexp.MustCompile(`(?i)SECRET|5ec2e7`)

const (
	group  = "5ec2e700-4444-4444-8444-cccccccccccc"
	tenant = "5ec2e711-4444-4444-8444-cccccccccccc"
)

var fakeServices = map[string]fakeService{
	"bark":       {"bark://:SECRETSECRET@bark.example", `{"code":200}`},
	"discord":    {"discord://SECRETSECRET@123456", ""},
	"googlechat": {"googlechat://chat.googleapis.com/v1/spaces/FOO/messages?key=SECRETSECRET&token=SECRETSECRET", "{}"},
	"gotify":     {"gotify://gotify.example/ASECRET.SECRETS", `{"id":1}`},
	"ifttt":      {"ifttt://SECRETSECRET?events=event", ""},
	"join":       {"join://shoutrrr:SECRETSECRET@join/?devices=device", ""},
	"lark":       {"lark://open.larksuite.com/SECRETSECRET?secret=SECRETSECRET", `{"code":0}`},
	"matrix":     {"matrix://user:SECRETSECRET@matrix.example/?rooms=!room", `{"flows":[{"type":"m.login.password"}],"access_token":"SECRETSECRET","room_id":"!room"}`},
	"mattermost": {"mattermost://user@mattermost.example/SECRETSECRET", ""},
	"notifiarr":  {"notifiarr://SECRETSECRET?channel=123456789", "{}"},
	"ntfy":       {"ntfy://user:SECRETSECRET@ntfy.example/topic", "{}"},
	"opsgenie":   {"opsgenie://api.opsgenie.com/SECRETSECRET", "{}"},
	"pagerduty":  {"pagerduty://events.pagerduty.com/5ec2e75ec2e75ec2e75ec2e75ec2e700", "{}"},
	"pushbullet": {"pushbullet://SECRETSECRETSECRETSECRETSECRETSECR", `{"type":"note","body":"[h1 val1] down: the node is down","title":"[h1 val1] down","active":true,"created":0}`},
	"pushover":   {"pushover://shoutrrr:SECRETSECRET@SECRETUSER/", "{}"},
	"rocketchat": {"rocketchat://rocket.example/SECRETSECRET/SECRETSECRET", ""},
	"signal":     {"signal://user:SECRETSECRET@signal.example:8080/+11234567890/+10987654321", "{}"},
	"slack":      {"slack://hook:T00000000-B00000000-SECRETSECRETSECRETSECRET@webhook", "ok"},
	"teams":      {"teams://" + group + "@" + tenant + "/5ec2e75ec2e75ec2e75ec2e75ec2e700/44444444-4444-4444-8444-cccccccccccc/V2SECRET_SECRETSECRETSECRETSECRETSECRETSECRETSECRETSE?host=example.webhook.office.com", "1"},
	"telegram":   {"telegram://110201543:AASECRETSECRETSECRETSECRETSECRETSEC@telegram?chats=@channel", `{"ok":true}`},
	"wecom":      {"wecom://SECRETSECRET", `{"errcode":0}`},
	"zulip":      {"zulip://bot%40zulip.example:SECRETSECRET@zulip.example/?stream=s&topic=t", "{}"},
}

// receiver answers all requests with a code and a text.
type receiver struct {
	code   int
	answer string
	err    error
	stuck  bool // until the request is over

	sent  []string // bodies, and queries after them
	hosts []string
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body := []byte{}
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
	}
	r.sent, r.hosts = append(r.sent, string(body)+req.URL.RawQuery), append(r.hosts, req.URL.Host)
	if r.stuck {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	if r.err != nil {
		return nil, r.err
	}
	return &http.Response{
		StatusCode: r.code, Status: fmt.Sprint(r.code, " SECRETSECRET"), Header: http.Header{"Location": {"https://elsewhere.example/"}, "Retry-After": {"60"}},
		Body: io.NopCloser(strings.NewReader(r.answer)), Request: req,
	}, nil
}

// Each service of the library, whatever version of it comes: the event arrives
// by the wire alone, what fails is told apart, nothing is tried again behind
// its back, and no error has a secret.
func TestServices(t *testing.T) {
	e := Event{Kind: Down, Host: "h1", Instance: "val1", Text: "the node is down", Time: at(1), Key: "k"}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for scheme := range services {
		t.Run(scheme, func(t *testing.T) {
			fake, ok := fakeServices[scheme]
			if !ok {
				t.Fatal("nobody looked what it does: give it a URL here")
			}
			if err := CheckURL(fake.url); err != nil || !strings.Contains(string(readme), " "+scheme+"://") {
				t.Errorf("%v; or README does not name it", err)
			}
			send := func(ctx context.Context, r *receiver) error {
				t.Helper()
				before := http.DefaultTransport
				err := Webhook{URL: fake.url, via: r}.Send(ctx, e)
				if http.DefaultTransport != before {
					t.Error("the transport of this process is not given back")
				}
				if err != nil && secret.MatchString(err.Error()) {
					t.Errorf("it tells a secret: %v", err)
				}
				return err
			}
			ok200 := &receiver{code: 200, answer: fake.answer}
			if err := send(t.Context(), ok200); err != nil {
				t.Errorf("sending: %v", err)
			}
			arrived := 0
			for _, sent := range ok200.sent {
				if decoded, err := url.QueryUnescape(sent); strings.Contains(sent, "the node is down") || err == nil && strings.Contains(decoded, "the node is down") {
					arrived++
				}
			}
			if arrived != 1 {
				t.Errorf("it arrived %d times: %q", arrived, ok200.sent)
			}
			u, err := url.Parse(fake.url)
			if err != nil {
				t.Fatal(err)
			}
			if w := newWire(t.Context(), ok200, e); w.shout(u, e) != nil || !w.told {
				t.Errorf("that it arrived is not known: %q", ok200.sent)
			}
			for code, refused := range map[int]bool{302: true, 307: true, 400: true, 404: true, 408: false, 429: false, 500: false, 503: false} {
				r := &receiver{code: code}
				err := send(t.Context(), r)
				if err == nil || errors.Is(err, ErrRefused) != refused || len(r.sent) != 1 || !strings.Contains(err.Error(), fmt.Sprint("it answers ", code)) {
					t.Errorf("%d: %v, after %q", code, err, r.hosts)
				}
			}
			if err := send(t.Context(), &receiver{err: errors.New("connection refused")}); err == nil || errors.Is(err, ErrRefused) {
				t.Errorf("away: %v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if err := send(ctx, &receiver{stuck: true}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrRefused) {
				t.Errorf("stuck: %v", err)
			}
		})
	}
}

// What several are to have, and one of them has, is not sent to that one again.
func TestSeveralReceivers(t *testing.T) {
	e := Event{Kind: Down, Host: "h1", Text: "x"}
	telegram := strings.Replace(fakeServices["telegram"].url, "@channel", "@one,@two", 1)
	matrix := strings.Replace(fakeServices["matrix"].url, "!room", "!room,!two", 1)
	named := strings.Replace(fakeServices["matrix"].url, "user:", "down-at-h1:", 1) // which the login has
	for _, c := range []struct {
		scheme, url string
		at          int // the request that fails
		refused     bool
	}{
		{"telegram", telegram, 0, true}, // the library goes on with the second
		{"telegram", telegram, 1, true},
		{"matrix", matrix, 1, false}, // the login, before anybody has it
		{"matrix", matrix, 3, true},  // to the first room, and the library goes on
		{"matrix", matrix, 5, true},  // to the second
		{"matrix", named, 3, false},
	} {
		n := -1
		via := roundTripper(func(req *http.Request) (*http.Response, error) {
			if n++; n == c.at {
				return (&receiver{code: 503}).RoundTrip(req)
			}
			return (&receiver{code: 200, answer: fakeServices[c.scheme].answer}).RoundTrip(req)
		})
		if err := (Webhook{URL: c.url, via: via}).Send(t.Context(), e); err == nil || errors.Is(err, ErrRefused) != c.refused {
			t.Errorf("%s: number %d fails: %v", c.scheme, c.at, err)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// No URL makes it panic, tell a secret, or ask anybody.
func TestWrongURLs(t *testing.T) {
	for _, u := range []string{
		"", "x", "SECRET", "ftp://x/SECRET", "%zz/SECRET", "https:///SECRET", "logger://", "xmpp://SECRET", "slack://", "slack://SECRETSECRET", "slack://hook:SECRETSECRET@webhook",
		"discord://", "discord://SECRETSECRET@", "discord://SECRETSECRET@id/SECRET", "discord://SECRETSECRET@id?nonsense=SECRET", "telegram://SECRETSECRET@telegram", "telegram://110201543:SECRET@telegram?chats=1",
		"matrix://u:SECRET@h?rooms=,", "teams://SECRET", "teams://SECRET?host=x", "gotify://h/SECRET", "mattermost://h", "pushbullet://SECRET", "smtp://u:SECRET@127.0.0.1/",
		"rocketchat://SECRET", "zulip://SECRET", "ntfy://", "pagerduty://SECRET", "generic://SECRET", "signal://u:SECRET@h", "bark://h", "ifttt://SECRET", "join://SECRET", "lark://SECRET", "notifiarr://", "wecom://",
		"opsgenie://", "pushover://SECRET", "discord:SECRETSECRET@123456", "telegram:/110201543:AASECRETSECRETSECRETSECRETSECRETSEC@telegram?chats=@channel", "googlechat://h?key=SECRET", "https://api.telegram.org\x00/SECRET", "slack://hook:T00000000-B00000000/SECRETSECRETSECRETSECRET@webhook",
	} {
		via := &receiver{code: 418}
		if !strings.Contains(u, "://") && CheckURL(u) == nil { // no report would know what of it is secret
			t.Errorf("%s is taken for a URL", u)
		}
		err := Webhook{URL: u, via: via}.Send(t.Context(), Event{Kind: Down, Text: "x"})
		if err == nil || !errors.Is(err, ErrRefused) || secret.MatchString(err.Error()) || len(err.Error()) > 600 {
			t.Errorf("%s: %v", u, err)
		}
	}
}

// Names of units and images stay as they are; what calls people does not.
func TestHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"aztec-sequencer@val1.service, repo@sha256:ab": "aztec-sequencer@val1.service, repo@sha256:ab",
		"a < b, <none>, 5 @ 3":                         "a < b, <none>, 5 @ 3",
		"@everyone x@here @Channel (@name)":            "@_everyone x@_here @_Channel (@_name)",
		"<!channel> <@U1> <@&1> <#C1> <!subteam^S1>":   "<_!channel> <_@U1> <_@&1> <_#C1> <_!subteam^S1>",
	} {
		if got := strings.ReplaceAll(harmless(in), "\u200b", "_"); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	via := &receiver{code: 200}
	for _, url := range []string{fakeServices["discord"].url, "https://chat.example/hooks/x"} {
		via.sent = nil
		if err := (Webhook{URL: url, via: via}).Send(t.Context(), Event{Kind: Down, Text: "@everyone"}); err != nil || strings.Contains(via.sent[0], "@everyone") {
			t.Errorf("%s: %v, sent %q", url, err, via.sent)
		}
	}
}
