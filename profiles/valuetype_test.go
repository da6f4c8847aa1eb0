package profiles

import (
	"strings"
	"testing"
)

func TestTypes(t *testing.T) {
	const key = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
	for _, c := range []struct {
		of        Type
		good, bad []string
	}{
		{URL, []string{"http://h:1/x"}, []string{"h", "ws://h", ""}},
		{URLs, []string{"http://h,https://g"}, []string{"http://h,,https://g"}},
		{StoreURLs, []string{"https://h/x", "s3://bucket/x", "gs://b", "file:///srv/blobs"}, []string{"ftp://h", "x", "https://h x", "s3:", "s3:///key", "gs:bucket", "file:", "file:blobs"}},
		{DatabaseURL, []string{"postgresql://u:p@h:5432/d", "postgres://h/d"}, []string{"mysql://h/d", "postgresql:///d", "u:" + key}},
		{Port, []string{"8080", "65535"}, []string{"0", "80", "65536", "x", "+8080", "8080 ", ""}},
		{Address, []string{"0xb7f8bc63bbcad18155201308c8f3540b07f84f5e"}, []string{"0x12", "null", key}},
		{AztecAddress, []string{"0x" + strings.Repeat("0", 64)}, []string{"0x12"}},
		{PrivateKey, []string{"0x" + key}, []string{"0x12", key + "00", "null"}},
		{PrivateKeys, []string{"0x" + key + ",0x" + key}, []string{"0x" + key + ","}},
		{Multiaddr, []string{"/ip4/203.0.113.7/tcp/40400/p2p/16Uiu2HAm", "/dns4/h.example/udp/1/quic-v1", "/ip6/2001:db8::1/tcp/40400", "/dns/h/tcp/443/wss"}, []string{"203.0.113.7:40400", "/ip4", "/nothing/x", "/", "", "/ip4/tcp/40400", "/ip4/1.2.3.999/tcp/1", "/ip4/1.2.3.4/tcp/70000", "/ip6/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp", "/tcp/40400"}},
		{ENRs, []string{someENR, someENR + "," + someENR}, []string{"enr:", "enr:-!", "enode://x", "null", someENR + ","}},
		{Integer, []string{"0", "9007199254740991"}, []string{"-1", "1.5", "12sec", "9007199254740992", "1e3", "+1", "", " 1"}},
		{Number, []string{"0", "-1", "1.5", "5e18"}, []string{"x", "NaN", "Inf", "", "0x1p4", "1_0", "0b1"}},
		{Boolean, []string{"true", "false", "1", "0", "True"}, []string{"yes", "2", ""}},
		{IP, []string{"203.0.113.7", "2001:db8::1"}, []string{"0.0.0.0", "h", "203.0.113.7:1"}},
		{ListenAddress, []string{"0.0.0.0", "::", "192.168.1.1"}, []string{"*", "h"}},
		{HostPort, []string{"203.0.113.7:40400", "h.example:1024", ":40400", "[::1]:40400"}, []string{"h", "h:0", "h:x", "a b:40400"}},
		{Path, []string{"/srv/a", "/"}, []string{"a", "../a", "/a/../b", "/a//b", "/a\n"}},
		{Paths, []string{"/a,/b"}, []string{"/a,b"}},
		{Size, []string{"50mb", "1024", "1.5gb"}, []string{"50 mb", "mb", "-1", "50MB!"}},
		{LogLevel, []string{"info", "info;debug:p2p"}, []string{"loud"}},
		{SyncMode, []string{"snapshot"}, []string{"l1", ""}},
		{Hash, []string{key}, []string{"0x" + key, strings.ToUpper(key)}},
		{Duration, []string{"12", "36"}, []string{"12sec", "0", "-1", "1.5"}},
		{ChainID, []string{"1"}, []string{"0", "x"}},
		{UpdateMode, []string{"disabled"}, []string{"on"}},
		{NetworkName, []string{"testnet", "v4-devnet-2"}, []string{"--x", "a b"}},
		{Text, []string{"", "anything"}, nil},
		{Type("other"), []string{"x"}, nil},
	} {
		for _, v := range c.good {
			if err := c.of.Check(v); err != nil {
				t.Errorf("%s: %v", c.of, err)
			}
		}
		for _, v := range c.bad {
			if err := c.of.Check(v); err == nil {
				t.Errorf("%s: %q is accepted", c.of, v)
			}
		}
		// A key in the wrong place is not repeated.
		if err := c.of.Check("https://u:p@h/" + key + ","); err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("%s shows a key: %v", c.of, err)
		}
		if err := c.of.Check("0x" + key); err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("%s shows a key: %v", c.of, err)
		}
	}
	for of := range checkers {
		if of != Text && of.Check("\x00") == nil {
			t.Errorf("%s accepts NUL", of)
		}
	}
}

func TestValidAllow(t *testing.T) {
	for _, s := range []string{"192.0.2.0/24", "192.0.2.7", "2001:db8::/32", "2001:db8::7", "agents.example", "agent-1", "agent-1.lan."} {
		if err := ValidAllow(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{"", "0.0.0.0/0", "::/0", "192.0.2.7/24", "192.0.2.0/33", "0.0.0.0", "a b", "-a", "a_b", "http://h", "1.2.3", "h:80", "::ffff:1.2.3.4/128", strings.Repeat("a.", 127) + "a"} {
		if ValidAllow(s) == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestRedactValue(t *testing.T) {
	for value, want := range map[string]string{
		"https://u:p@h/secret,http://g": "https://...@h/...,http://g", "50": "50", "postgresql://u:secret@h/d": "postgresql://...@h/...", "a,b": "a,b",
	} {
		if got := RedactValue(value); got != want {
			t.Errorf("%s is shown as %s, want %s", value, got, want)
		}
	}
}

func FuzzTypes(f *testing.F) {
	for _, s := range []string{"http://h:1/x", "8080", "0xb7f8bc63bbcad18155201308c8f3540b07f84f5e", someENR, "12sec", "203.0.113.7:40400", "/srv/a", "50mb", "info;debug:p2p", "192.0.2.0/24", "/ip4/1.2.3.4/tcp/1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for of, check := range checkers {
			if err := check(s); err != nil && (len(err.Error()) > 300*(1+strings.Count(s, ",")) || strings.ContainsFunc(err.Error(), unprintable)) {
				t.Fatalf("%s: %q", of, err)
			} else if err == nil && of != Text && strings.ContainsRune(s, 0) {
				t.Fatalf("%s accepts %q", of, s)
			}
		}
		_, _ = ValidAllow(s), RedactValue(s)
	})
}
