package registry

import (
	"errors"
	"slices"
	"strings"
)

func (s *source) remember(secrets []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range secrets {
		_, value, _ := strings.Cut(x, " ") // of a header
		for _, x := range []string{x, value} {
			if len(x) >= 4 && !slices.Contains(s.auth.secrets, x) {
				s.auth.secrets = append(s.auth.secrets, x)
			}
		}
	}
}

// redact takes secrets out of what a registry says, which may be what we said to it.
func (s *source) redact(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := err.Error()
	for _, x := range s.auth.secrets {
		text = strings.ReplaceAll(text, x, "***")
	}
	if text == err.Error() {
		return err
	}
	return redacted{text, err}
}

// redacted is an error that says less than it knows.
type redacted struct {
	text string
	err  error
}

func (r redacted) Error() string { return r.text }

// Is finds the errors of this package, and nothing with a text of its own.
func (r redacted) Is(target error) bool { return errors.Is(r.err, target) }
