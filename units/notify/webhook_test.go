package notify

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A receiver gets exactly what its service takes.
func TestWebhook(t *testing.T) {
	var kind, body, query, password string
	code := 200
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		kind, body, query = r.Header.Get("Content-Type"), string(data), r.URL.RawQuery
		_, password, _ = r.BasicAuth()
		if code == 302 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(code)
	}))
	defer server.Close()
	e := Event{Kind: Down, Host: "h1", Instance: "val1", Text: `the node is down: "x"`, Time: at(1), Key: "k"}
	for format, want := range map[Format]string{
		Slack:    `{"text":"[h1 val1] down: the node is down: \"x\""}`,
		Discord:  `{"allowed_mentions":{"parse":[]},"content":"[h1 val1] down: the node is down: \"x\""}`,
		Telegram: `{"chat_id":"-42","text":"[h1 val1] down: the node is down: \"x\""}`,
		Ntfy:     `[h1 val1] down: the node is down: "x"`,
		JSON:     `{"kind":"down","host":"h1","instance":"val1","text":"the node is down: \"x\"","time":"2026-11-28T12:01:00Z","key":"k"}`,
	} {
		if err := (Webhook{URL: server.URL + "/bot:SECRET/send?chat_id=-42", Format: format}).Send(t.Context(), e); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		if body != want || query != "chat_id=-42" || format != Ntfy && (kind != "application/json" || !json.Valid([]byte(body))) {
			t.Errorf("%s: got %s %s, want %s", format, kind, body, want)
		}
	}
	for url, want := range map[string]Format{
		"https://hooks.slack.com/services/x": Slack, "https://discord.com/api/webhooks/1/x": Discord, "https://api.telegram.org/botx/sendMessage": Telegram,
		"https://ntfy.sh/x": Ntfy, "https://chat.example/hooks/x": JSON, "https://nothooks.slack.com.example/x": JSON,
	} {
		req, _ := http.NewRequest(http.MethodPost, url, nil)
		if got := formatOf(req.URL); got != want {
			t.Errorf("%s is %s, want %s", url, got, want)
		}
	}
	if err := (Webhook{URL: strings.Replace(server.URL, "://", "://user:SECRET@", 1) + "/x"}).Send(t.Context(), e); err != nil || password != "SECRET" {
		t.Errorf("user info: %v, the password is %q", err, password)
	}
	for answer, refused := range map[int]bool{302: true, 400: true, 404: true, 408: false, 429: false, 500: false, 503: false} {
		code = answer
		err := Webhook{URL: server.URL + "/SECRET"}.Send(t.Context(), e)
		if err == nil || errors.Is(err, ErrRefused) != refused || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%d: %v", answer, err)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1/SECRET", "ftp://x/SECRET", "%zz/SECRET", ""} {
		if err := (Webhook{URL: url}).Send(t.Context(), e); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
