package notify

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/discord"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/googlechat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/lark"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/mattermost"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/rocketchat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/signal"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/slack"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/teams"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/wecom"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/zulip"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/opsgenie"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/pagerduty"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/bark"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/gotify"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ifttt"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/join"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushbullet"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushover"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/specialized/notifiarr"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// services are those of the library, by the schemes of their URLs. Not there
// are smtp, which sets a mail server no time once it is connected; generic, as
// a webhook is that; and logger, which tells nobody. With the router, which has
// all of them, the program were a fifth larger: three fill in text/template,
// beside which the linker must keep all methods of everything.
var services = map[string]func() types.Service{
	bark.Scheme:       func() types.Service { return &bark.Service{} },
	discord.Scheme:    func() types.Service { return &discord.Service{} },
	googlechat.Scheme: func() types.Service { return &googlechat.Service{} },
	gotify.Scheme:     func() types.Service { return &gotify.Service{} },
	ifttt.Scheme:      func() types.Service { return &ifttt.Service{} },
	join.Scheme:       func() types.Service { return &join.Service{} },
	lark.Scheme:       func() types.Service { return &lark.Service{} },
	matrix.Scheme:     func() types.Service { return &matrix.Service{} },
	mattermost.Scheme: func() types.Service { return &mattermost.Service{} },
	notifiarr.Scheme:  func() types.Service { return &notifiarr.Service{} },
	ntfy.Scheme:       func() types.Service { return &ntfy.Service{} },
	opsgenie.Scheme:   func() types.Service { return &opsgenie.Service{} },
	pagerduty.Scheme:  func() types.Service { return &pagerduty.Service{} },
	pushbullet.Scheme: func() types.Service { return &pushbullet.Service{} },
	pushover.Scheme:   func() types.Service { return &pushover.Service{} },
	rocketchat.Scheme: func() types.Service { return &rocketchat.Service{} },
	signal.Scheme:     func() types.Service { return &signal.Service{} },
	slack.Scheme:      func() types.Service { return &slack.Service{} },
	teams.Scheme:      func() types.Service { return &teams.Service{} },
	telegram.Scheme:   func() types.Service { return &telegram.Service{} },
	wecom.Scheme:      func() types.Service { return &wecom.Service{} },
	zulip.Scheme:      func() types.Service { return &zulip.Service{} },
}

// CheckURL reports why events cannot be sent to a URL, without quoting it. What
// a service thinks of the rest of it is known when something is sent.
func CheckURL(s string) error {
	u, err := url.Parse(s)
	if err == nil && u.Host != "" {
		if _, ok := services[u.Scheme]; ok || u.Scheme == "http" || u.Scheme == "https" {
			return nil
		}
	}
	return fmt.Errorf("it is neither an http or https URL nor that of a service: %s", strings.Join(slices.Sorted(maps.Keys(services)), ", "))
}

// shout has the library's service of a URL send an event.
func (w *wire) shout(u *url.URL, e Event) error {
	giveBack := w.lend()
	err := w.call(u, e)
	giveBack()
	switch failed := w.failed(); {
	case failed != nil: // which not every service minds
		return failed
	case err != nil:
		return fmt.Errorf("%s: %w: %s", u.Scheme, ErrRefused, complaint(err, u))
	}
	return nil
}

// call calls the library. What that does about a URL or an answer that it did
// not expect may be a panic.
func (w *wire) call(u *url.URL, e Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panicked: %v", p)
		}
	}()
	service, configured := services[u.Scheme](), *u // which it may change
	if err := service.Initialize(&configured, nil); err != nil {
		return err
	}
	w.connect(service)
	return service.Send(harmless(e.Line()), params(u, e))
}

// params give a title to what would have the library's name for one, unless
// the URL has it.
func params(u *url.URL, e Event) *types.Params {
	p := types.Params{}
	if (u.Scheme == gotify.Scheme || u.Scheme == pushbullet.Scheme) && !u.Query().Has("title") {
		p[types.TitleKey] = e.title()
	}
	return &p
}

// mention is what makes chats call people: @everyone of Discord, @channel of
// Mattermost, @name of Telegram, <!here> and <@id> of Slack. The name of a unit
// is none.
var mention = regexp.MustCompile(`(?i)\B@\b|@(?:everyone|here)\b|<[@!#&]`)

// harmless is a text in which nothing calls people: not every service can be
// told so.
func harmless(text string) string {
	const nothing = "\u200b" // a space of no width
	return mention.ReplaceAllStringFunc(text, func(s string) string { return s[:1] + nothing + s[1:] })
}

// complaint is what the library says, unless it quotes what of the URL may be
// secret.
func complaint(err error, u *url.URL) string {
	const shortest = 4 // words of a URL that tell something
	text := strings.Join(strings.Fields(err.Error()), " ")
	rest := strings.TrimPrefix(u.String(), u.Scheme+":")
	plain, _ := url.PathUnescape(rest)
	parts := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	}
	for _, word := range slices.Concat(parts(rest), parts(plain), []string{rest, plain}) {
		if len(word) >= shortest && word != u.Scheme && strings.Contains(strings.ToLower(text), strings.ToLower(word)) {
			return "something of the URL of " + u.Scheme + " is wrong, or refused"
		}
	}
	return fmt.Sprintf("%.200s", text)
}
