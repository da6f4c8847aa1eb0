package handbook

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Kind is what a step is.
type Kind int

// The kinds of steps.
const (
	Session  Kind = iota // commands that the reader types
	Settings             // TOML for config.toml
)

// Step is a block of a chapter that has something done.
type Step struct {
	Kind Kind
	Line int    // of its first line in the chapter
	New  bool   // on the other host
	By   string // a test that does it; "": none
	Exit int    // of the last command
	// Text is TOML.
	Text     string
	Commands []Command
}

// Command is what is typed in a session, and printed.
type Command struct {
	Typed string
	Want  string // "" for whatever
}

// Chapter is a file of the handbook.
type Chapter struct {
	File  string
	Title string
	Steps []Step
}

// Chapters reads those of a directory, in the order of their names.
func Chapters(dir fs.FS) ([]Chapter, error) {
	files, err := fs.Glob(dir, "*.md")
	if err != nil {
		return nil, err
	}
	list := make([]Chapter, 0, len(files))
	for _, file := range files {
		text, err := fs.ReadFile(dir, file)
		if err != nil {
			return nil, fmt.Errorf("reading the handbook: %w", err)
		}
		c, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		c.File = file
		list = append(list, c)
	}
	return list, nil
}

// reader goes through the lines of a chapter.
type reader struct {
	lines []string
	at    int
}

func parse(text string) (Chapter, error) {
	r := &reader{lines: strings.Split(strings.TrimRight(text, "\n"), "\n")}
	title, ok := strings.CutPrefix(r.lines[0], "# ")
	if !ok {
		return Chapter{}, fmt.Errorf("line 1: %q is no title", r.lines[0])
	}
	c := Chapter{Title: title}
	for ; r.at < len(r.lines); r.at++ {
		first := r.at + 1
		s, err := r.step()
		if err != nil {
			return c, fmt.Errorf("line %d: %w", first, err)
		}
		if s != nil {
			s.Line = first
			c.Steps = append(c.Steps, *s)
		}
	}
	return c, nil
}

// step reads the block that begins here; nil: none does.
func (r *reader) step() (*Step, error) {
	info, ok := strings.CutPrefix(r.lines[r.at], "```")
	if !ok {
		return nil, nil
	}
	body, err := r.body("```")
	if err != nil {
		return nil, err
	}
	return fence(strings.Fields(info), body)
}

// body reads the lines up to one that ends the block.
func (r *reader) body(end string) ([]string, error) {
	first := r.at + 1
	for r.at++; r.at < len(r.lines); r.at++ {
		if r.lines[r.at] == end {
			return r.lines[first:r.at], nil
		}
	}
	return nil, fmt.Errorf("no %s ends it", end)
}

// fence is a step of a fenced block. A block of another kind is an error: what
// nobody reads here could rot.
func fence(info, body []string) (*Step, error) {
	if len(info) == 0 {
		return nil, fmt.Errorf("a block of no kind")
	}
	s := &Step{}
	switch info[0] {
	case "console":
		var err error
		if s.Commands, err = session(body); err != nil {
			return nil, err
		}
	case "toml":
		s.Kind, s.Text = Settings, strings.Join(body, "\n")
	default:
		return nil, fmt.Errorf("a block of %q", info[0])
	}
	return s, s.words(info[1:])
}

func (s *Step) words(list []string) (err error) {
	for _, w := range list {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "new":
			s.New = true
		case "by":
			s.By = value
		case "exit":
			if s.Exit, err = strconv.Atoi(value); err != nil {
				return fmt.Errorf("%q is no exit code", value)
			}
		default:
			return fmt.Errorf("what is %q", w)
		}
	}
	return nil
}

func session(body []string) ([]Command, error) {
	var list []Command
	for at := 0; at < len(body); at++ {
		command, typed := strings.CutPrefix(body[at], "$ ")
		if !typed {
			if len(list) == 0 {
				return nil, fmt.Errorf("%q is printed by no command", body[at])
			}
			list[len(list)-1].Want += body[at] + "\n"
			continue
		}
		for strings.HasSuffix(command, `\`) && at+1 < len(body) {
			at++
			command += "\n" + body[at]
		}
		list = append(list, Command{Typed: command})
	}
	return list, nil
}
