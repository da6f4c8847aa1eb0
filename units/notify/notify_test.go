package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

type sender func(Event) error

func (s sender) Send(_ context.Context, e Event) error { return s(e) }

func quiet(string, ...any) {}

func at(minute int) time.Time { return time.Date(2026, 11, 28, 12, minute, 0, 0, time.UTC) }

// testSpool has a clock that stands, and waits for nothing.
func testSpool(t *testing.T) (s Spool, clock *time.Time) {
	now := at(0)
	tick := 0
	return Spool{
		Dir:  filepath.Join(t.TempDir(), "spool"),
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Now:  func() time.Time { tick++; return now.Add(time.Duration(tick)) }, // names differ
	}, &now
}

func put(t *testing.T, s Spool, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if err := s.Put(Event{Kind: RollDone, Text: k, Key: k, Time: s.Now()}); err != nil {
			t.Fatal(err)
		}
	}
}

// Each event arrives once and in order, whatever fails in between.
func TestSpool(t *testing.T) {
	s, clock := testSpool(t)
	var got []string
	broken := 0
	to := sender(func(e Event) error {
		if broken > 0 {
			broken--
			return errors.New("it is away")
		}
		got = append(got, e.Text)
		return nil
	})
	deliver := func(wantErr bool, want ...string) {
		t.Helper()
		got = nil
		if err := s.Deliver(t.Context(), to, quiet); (err != nil) != wantErr {
			t.Errorf("error %v", err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("arrived %q, want %q", got, want)
		}
	}
	deliver(false)
	put(t, s, "a", "b", "a", "c")
	broken = 2
	deliver(false, "a", "b", "c") // the third attempt works
	deliver(false)
	put(t, s, "d", "b", "e")
	broken = 3
	deliver(true)
	deliver(false, "d", "e")
	*clock = clock.Add(8 * 24 * time.Hour)
	put(t, s, "b")
	deliver(false, "b") // a week is over
	put(t, s, "f")
	*clock = clock.Add(25 * time.Hour)
	deliver(false) // nobody took it for a day
	if left, _ := s.waiting(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

func TestSpoolRefused(t *testing.T) {
	s, _ := testSpool(t)
	put(t, s, "a", "b")
	if err := os.WriteFile(filepath.Join(s.Dir, "0.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	tried := 0
	to := sender(func(e Event) error {
		tried++
		return fmt.Errorf("no: %w", ErrRefused)
	})
	if err := s.Deliver(t.Context(), to, quiet); err != nil || tried != 2 {
		t.Errorf("tried %d times, %v", tried, err)
	}
	for range maxSpool + 5 {
		put(t, s, "x")
	}
	if n, _ := s.waiting(); len(n) != maxSpool {
		t.Errorf("%d events wait", len(n))
	}
}

// A receiver gets exactly what its service takes.
func TestWebhook(t *testing.T) {
	var kind, body, query string
	code := 200
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		kind, body, query = r.Header.Get("Content-Type"), string(data), r.URL.RawQuery
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

func TestCommand(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	e := Event{Kind: Down, Host: "h1", Instance: "val1", Text: "it's down; $(reboot)", Key: "k"}
	c := Command{[]string{"/bin/sh", "-c", `cat >"$1"; echo "$AZTEC_SPARTAN_EVENT $AZTEC_SPARTAN_INSTANCE $AZTEC_SPARTAN_TEXT" >>"$1"`, "sh", out}}
	if err := c.Send(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	first, second, _ := strings.Cut(string(data), "\n")
	var got Event
	if err := json.Unmarshal([]byte(first), &got); err != nil || got != e {
		t.Errorf("got %s, %v", first, err)
	}
	if second != "down val1 "+e.Line()+"\n" {
		t.Errorf("got %q", second)
	}
	for _, argv := range [][]string{{"/bin/false"}, {"/not/there"}, {}} {
		if err := (Command{argv}).Send(t.Context(), e); err == nil {
			t.Errorf("%q fails silently", argv)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
