package envfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// File is what systemd makes of an environment file.
type File struct {
	Vars    []Var // in order of first appearance; the last value of a name is its value
	Ignored []int // lines, from 1, that end in no assignment, or one systemd drops, or a comment that older versions continue on the next line
}

// Parse reads a file as systemd does. It fails where systemd refuses the whole
// file, which keeps the service from starting: a NUL, or text that is not
// UTF-8. No error contains a value.
func Parse(data []byte) (File, error) {
	if bytes.IndexByte(data, 0) >= 0 {
		return File{}, errors.New("parsing environment: the file contains NUL")
	}
	p := parser{state: preKey, line: 1}
	for _, c := range data {
		p.next(c)
		if c == '\n' {
			p.line++
		}
	}
	p.end()
	return p.file, p.err
}

// state is where the parser is. The machine is that of systemd's
// parse_env_file(), described in systemd.exec(5), EnvironmentFile=.
type state int

const (
	preKey state = iota
	key
	preValue
	value
	valueEscape
	singleQuoted
	doubleQuoted
	doubleQuotedEscape
	comment
	commentEscape
)

type parser struct {
	state      state
	line       int
	key, value []byte
	trim       int // length of value without its trailing blanks; -1: all of it
	file       File
	err        error
}

func blank(c byte) bool   { return c == ' ' || c == '\t' || newline(c) }
func newline(c byte) bool { return c == '\n' || c == '\r' }

func (p *parser) next(c byte) {
	switch p.state {
	case preKey, key:
		p.inKey(c)
	case preValue, value, valueEscape:
		p.inValue(c)
	case singleQuoted:
		if c == '\'' {
			p.state = preValue
		} else {
			p.value = append(p.value, c)
		}
	case doubleQuoted:
		switch c {
		case '"':
			p.state = preValue
		case '\\':
			p.state = doubleQuotedEscape
		default:
			p.value = append(p.value, c)
		}
	case doubleQuotedEscape:
		p.state = doubleQuoted
		if strings.IndexByte("\"\\`$", c) >= 0 {
			p.value = append(p.value, c)
		} else if c != '\n' {
			p.value = append(p.value, '\\', c)
		}
	case comment:
		if c == '\\' {
			p.state = commentEscape
		} else if newline(c) {
			p.state = preKey
		}
	case commentEscape:
		// From 254 on the comment ends with its line; before, it goes on
		// with the next, whose assignment is lost.
		p.state = comment
		if newline(c) {
			p.ignore()
			p.state = preKey
		}
	}
}

func (p *parser) inKey(c byte) {
	switch {
	case p.state == preKey && (c == '#' || c == ';'):
		p.state = comment
	case p.state == preKey && blank(c):
	case p.state == preKey:
		p.state, p.key = key, append(p.key[:0], c)
	case newline(c):
		p.ignore()
		p.state = preKey
	case c == '=':
		p.state, p.value, p.trim = preValue, p.value[:0], -1
	default:
		p.key = append(p.key, c)
	}
}

func (p *parser) inValue(c byte) {
	switch p.state {
	case valueEscape:
		p.state = value
		if !newline(c) {
			p.value = append(p.value, c)
		}
		return
	case preValue:
		switch {
		case newline(c):
			p.push()
		case c == '\'':
			p.state = singleQuoted
		case c == '"':
			p.state = doubleQuoted
		case c == '\\':
			p.state = valueEscape
		case !blank(c):
			p.state = value
			p.value = append(p.value, c)
		}
		return
	}
	switch {
	case newline(c):
		p.push()
	case c == '\\':
		p.state, p.trim = valueEscape, -1
	default:
		if !blank(c) {
			p.trim = -1
		} else if p.trim < 0 {
			p.trim = len(p.value)
		}
		p.value = append(p.value, c)
	}
}

func (p *parser) end() {
	switch p.state {
	case preKey, comment, commentEscape:
	case key:
		p.ignore()
	default:
		p.push()
	}
}

func (p *parser) ignore() { p.file.Ignored = append(p.file.Ignored, p.line) }

// push ends an assignment.
func (p *parser) push() {
	if p.state == value && p.trim >= 0 {
		p.value = p.value[:p.trim]
	}
	p.state = preKey
	name := strings.TrimRight(string(p.key), " \t")
	v := string(p.value)
	if err := errors.Join(systemdText(name), systemdText(v)); err != nil {
		if p.err == nil {
			p.err = fmt.Errorf("parsing environment, line %d: %w", p.line, err)
		}
		return
	}
	if CheckName(name) != nil {
		p.ignore()
		return
	}
	for i := range p.file.Vars {
		if p.file.Vars[i].Name == name {
			p.file.Vars[i].Value = v
			return
		}
	}
	p.file.Vars = append(p.file.Vars, Var{name, v})
}

// systemdText is what systemd's own check of the file is. It accepts U+FEFF,
// which its manual page excludes; Encode follows the manual page.
func systemdText(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("not valid UTF-8")
	}
	for _, r := range s {
		if nonCharacter(r) {
			return fmt.Errorf("contains %U", r)
		}
	}
	return nil
}
