package testhost

import (
	"slices"
	"strings"
	"testing"
)

func TestRecipe(t *testing.T) {
	for suite, polkit := range map[string]string{"bullseye": "policykit-1", "bookworm": "polkitd", "trixie": "polkitd", "jammy": "policykit-1", "noble": "polkitd"} {
		args, err := recipe(suite)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "--include=") })
		list := strings.Split(strings.TrimPrefix(args[i], "--include="), ",")
		for _, want := range []string{polkit, "systemd", "dbus", "nftables", "curl", "jq"} {
			if !slices.Contains(list, want) {
				t.Errorf("%s has no %s: %s", suite, want, list)
			}
		}
	}
	if _, err := recipe("../etc"); err == nil || !strings.Contains(err.Error(), "unknown suite") {
		t.Errorf("got %v", err)
	}
}

func TestBadNames(t *testing.T) {
	for _, name := range []string{"UPPER", "a/b", "..", "a.b", "-a", strings.Repeat("a", 33)} {
		if _, err := Boot(t.Context(), Options{Name: name}); err == nil || !strings.Contains(err.Error(), "bad name") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestMissingPrograms(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Boot(t.Context(), Options{})
	if err == nil || (!strings.Contains(err.Error(), "systemd-container mmdebstrap") && !strings.Contains(err.Error(), "must be root")) {
		t.Errorf("got %v", err)
	}
}

func TestNotifications(t *testing.T) {
	n, err := listenNotifications("unit-test")
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	first := n.booted(1)
	n.take("STATUS=Container running.\nX_NSPAWN_LEADER_PID=42")
	if n.leader() != 42 {
		t.Errorf("leader is %d", n.leader())
	}
	n.take("X_NSPAWN_LEADER_PID=-1\nX_NSPAWN_LEADER_PID=x\nX_NSPAWN_LEADER_PID")
	if n.leader() != 42 {
		t.Errorf("leader is %d after nonsense", n.leader())
	}
	select {
	case <-first:
		t.Error("booted too early")
	default:
	}
	n.take("READY=1\n")
	<-first
	<-n.booted(1)
	select {
	case <-n.booted(2):
		t.Error("booted twice")
	default:
	}
	if n.boots() != 1 {
		t.Errorf("%d boots", n.boots())
	}
}
