//go:build booted || soak

package handbook

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aztec-spartan/aztec-spartan/packaging/stage"
	"github.com/aztec-spartan/aztec-spartan/packaging/testhost"
)

// player does what chapters say.
type player struct {
	name  string          // of the test
	hosts [2]*stage.Stage // the second one is the new one

	layouts []string
}

// play does a chapter up to the first thing that is not as it says.
func (p *player) play(t *testing.T, c Chapter) {
	began := time.Now()
	defer func() { t.Logf("%s: %.1f s", c.File, time.Since(began).Seconds()) }()
	for _, s := range c.Steps {
		if s.By != "" && s.By != p.name {
			continue
		}
		on := 0
		if s.New {
			on = 1
		}
		switch s.Kind {
		case Do:
			p.sh(t, on, "set -e\n"+s.Text)
		case Until:
			p.until(t, on, s.Text)
		case Settings:
			p.write(t, on, s.Text)
		case Session:
			for i, command := range s.Commands {
				code := 0
				if i == len(s.Commands)-1 {
					code = s.Exit
				}
				p.do(t, on, c.File, s.Line, command, code)
			}
		}
	}
}

func (p *player) do(t *testing.T, on int, file string, line int, c Command, code int) {
	t.Helper()
	began := time.Now()
	// Both streams in one, as on a terminal.
	r, err := p.hosts[on].Sh(t.Context(), "exec 2>&1\ncd /root\n"+c.Run)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s:%d (%.1f s)\n$ %s\n%s", file, line, time.Since(began).Seconds(), c.Shown, r.Stdout)
	if r.Code != code {
		t.Errorf("%s:%d: %s: exit code %d, want %d", file, line, c.Run, r.Code, code)
	}
	if c.Want != "" && !matches(c.Want, r.Stdout) {
		t.Errorf("%s:%d: %s: the chapter shows\n%s", file, line, c.Run, c.Want)
	}
	if t.Failed() {
		journal, _ := p.hosts[on].Journal(t.Context(), "-n", "30", "-o", "short-monotonic")
		t.Fatal("journal:\n" + journal)
	}
}

// write puts settings into config.toml.
func (p *player) write(t *testing.T, on int, settings string) {
	t.Helper()
	const path = "/etc/aztec-spartan/config.toml"
	file, err := p.hosts[on].Read(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	edited, err := edit(string(file), settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.hosts[on].Write(t.Context(), path, []byte(edited), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (p *player) sh(t *testing.T, on int, script string) {
	t.Helper()
	if out, err := p.hosts[on].Must(t.Context(), script); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func (p *player) until(t *testing.T, on int, script string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var last testhost.Result
	err := testhost.Wait(ctx, strings.TrimSpace(script), func() (bool, error) {
		var err error
		last, err = p.hosts[on].Sh(ctx, script)
		return err == nil && last.Code == 0, err
	})
	if err != nil {
		t.Fatalf("%v\n%s%s", err, last.Stdout, last.Stderr)
	}
}
