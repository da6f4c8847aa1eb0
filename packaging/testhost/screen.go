package testhost

// screen is what a terminal makes of a command's output as far as tests care:
// the text in the order of its writing, without escape sequences (ECMA-48).
// Prompt libraries ask a terminal where its cursor is and wait for seconds if
// they get no answer, so it also answers that.
type screen struct {
	text   []byte
	state  escape
	params []byte // of the control sequence that is being read
}

type escape int

const (
	plain    escape = iota
	started         // after ESC
	control         // in a control sequence: ESC [ parameters final
	device          // in a string: ESC ] or P, X, ^, _ until BEL or ESC \
	stringST        // after ESC in such a string
	charset         // after ESC and an intermediate byte: one more follows
)

// write takes output, in pieces of any size, and returns what to answer.
func (s *screen) write(p []byte) (answer string) {
	for _, b := range p {
		switch s.state {
		case plain:
			if b == 0x1b {
				s.state = started
			} else {
				s.text = append(s.text, b)
			}
		case started:
			s.state = plain
			switch {
			case b == '[':
				s.state, s.params = control, s.params[:0]
			case b == ']', b == 'P', b == 'X', b == '^', b == '_':
				s.state = device
			case b >= 0x20 && b <= 0x2f:
				s.state = charset
			}
		case control:
			if b < 0x40 {
				s.params = append(s.params, b)
				continue
			}
			s.state = plain
			if b == 'n' {
				answer += report(string(s.params))
			}
		case device:
			switch b {
			case 0x07:
				s.state = plain
			case 0x1b:
				s.state = stringST
			}
		case stringST, charset:
			s.state = plain
		}
	}
	return answer
}

// report answers a device status report: all is well, the cursor is at home.
func report(params string) string {
	switch params {
	case "5":
		return "\x1b[0n"
	case "6":
		return "\x1b[1;1R"
	}
	return ""
}
