package testhost

import "testing"

func TestScreen(t *testing.T) {
	for _, c := range []struct{ name, in, text, answer string }{
		{"text", "a\r\nb", "a\r\nb", ""},
		{"colours", "\x1b[1;32mok\x1b[0m done", "ok done", ""},
		{"private modes", "\x1b[?25lx\x1b[?2004h", "x", ""},
		{"title ended by BEL", "\x1b]0;title\x07x", "x", ""},
		{"title ended by ST", "\x1b]0;title\x1b\\x", "x", ""},
		{"device control", "\x1bP+q544e\x1b\\x", "x", ""},
		{"charset", "\x1b(Bx", "x", ""},
		{"two-byte sequences", "\x1b7x\x1b8\x1b=", "x", ""},
		{"cursor position", "x\x1b[6ny", "xy", "\x1b[1;1R"},
		{"status", "\x1b[5n", "", "\x1b[0n"},
		{"unknown report", "\x1b[?15n", "", ""},
		{"beyond ASCII", "✓ \x1b[2mé\x1b[m", "✓ é", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var whole, bytewise screen
			if answer := whole.write([]byte(c.in)); answer != c.answer {
				t.Errorf("answer %q, want %q", answer, c.answer)
			}
			answer := ""
			for i := range len(c.in) {
				answer += bytewise.write([]byte{c.in[i]})
			}
			if string(whole.text) != c.text || string(bytewise.text) != c.text || answer != c.answer {
				t.Errorf("text %q, and %q with answer %q in pieces; want %q, %q", whole.text, bytewise.text, answer, c.text, c.answer)
			}
		})
	}
}
