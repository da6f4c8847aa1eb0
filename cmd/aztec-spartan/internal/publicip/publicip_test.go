package publicip

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// answers stand for services; "" never answers.
func agreedOf(answers ...string) (string, error) {
	var urls []string
	for i := range answers {
		urls = append(urls, string(rune('0'+i)))
	}
	return agreed(context.Background(), urls, func(ctx context.Context, url string) (string, error) {
		switch said := answers[url[0]-'0']; said {
		case "":
			<-ctx.Done()
			return "", ctx.Err()
		case "fails":
			return "", errors.New("down")
		default:
			return said, nil
		}
	})
}

func TestTwoServicesDecide(t *testing.T) {
	for _, c := range []struct {
		answers []string
		want    string
	}{
		{[]string{"203.0.113.7", "203.0.113.7", ""}, "203.0.113.7"},
		{[]string{"198.51.100.1", "203.0.113.7", "203.0.113.7"}, "203.0.113.7"},
		{[]string{"fails", "2001:db8::1", "fails", "2001:db8::1"}, "2001:db8::1"},
		{[]string{"198.51.100.1", "203.0.113.7"}, ""},
		{[]string{"fails", "203.0.113.7"}, ""},
		{[]string{"fails", "fails"}, ""},
		{[]string{"203.0.113.7"}, "203.0.113.7"}, // the only one that config.toml names
	} {
		if got, err := agreedOf(c.answers...); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: %q, %v, want %q", c.answers, got, err, c.want)
		}
	}
}

func TestServicesAreNotBelieved(t *testing.T) {
	for answer, ok := range map[string]bool{
		"203.0.113.7\n": true, "2001:db8::7": true, "::ffff:203.0.113.7": true,
		"": false, "10.0.0.7": false, "127.0.0.1": false, "0.0.0.0": false, "fe80::1%eth0": false, "224.0.0.1": false,
		"<html>203.0.113.7</html>": false, "203.0.113.7" + strings.Repeat(" ", 4096): false,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
		if got, err := ask(context.Background(), s.Client(), s.URL); (err == nil) != ok {
			t.Errorf("%q: %q, %v", answer, got, err)
		}
		s.Close()
	}
}
