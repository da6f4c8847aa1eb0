package packages

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What a checkout calls itself between tags is newer than what came before.
func TestVersionOfCheckout(t *testing.T) {
	script, err := filepath.Abs("../scripts/version.sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, c := range []struct{ run, want string }{
		{"true", "0.1.0~git0"}, // no repository
		{"git init -q && git commit -q --allow-empty -m a", "0.1.0~git20270115080000.$"},
		{"git tag v1.0.0-rc.1", "1.0.0-rc.1"},
		{"git commit -q --allow-empty -m b", "1.0.0-rc.1+1.g$"},
		{"git tag v1.0.0 && git tag vague", "1.0.0"},
		{"git commit -q --allow-empty -m c && git commit -q --allow-empty -m d", "1.0.0+2.g$"},
	} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `eval "$1" && exec "$2"`, "sh", c.run, script)
		cmd.Dir = dir
		cmd.Env = append(cmd.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir), "GIT_CONFIG_GLOBAL=/dev/null",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
			"GIT_AUTHOR_DATE=1800000000 +1300", "GIT_COMMITTER_DATE=1800000000 +1300")
		out, err := cmd.CombinedOutput()
		got := strings.TrimSpace(string(out))
		prefix, open := strings.CutSuffix(c.want, "$")
		if err != nil || open && (!strings.HasPrefix(got, prefix) || len(got) != len(prefix)+9) || !open && got != c.want {
			t.Errorf("after %q: %q, %v, want %s", c.run, got, err, c.want)
		}
	}
}
