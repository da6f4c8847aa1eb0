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
	Do                   // a script of the test
	Until                // one that is run until it succeeds
)

// Step is a block of a chapter that has something done.
type Step struct {
	Kind Kind
	Line int    // of its first line in the chapter
	New  bool   // on the other host
	By   string // the only test that does it; "": all
	Exit int    // of the last command
	// Text is a script, or TOML.
	Text     string
	Commands []Command
}

// Command is what is typed in a session, and printed.
type Command struct {
	Shown string // as the reader types it
	Run   string // as the test does
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
	typed [][2]string // for the next session
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
	if len(r.typed) > 0 {
		return c, fmt.Errorf("%q is typed in no session", r.typed[0][0])
	}
	return c, nil
}

// step reads the block that begins here; nil: none does.
func (r *reader) step() (*Step, error) {
	line := r.lines[r.at]
	if info, ok := strings.CutPrefix(line, "```"); ok {
		body, err := r.body("```")
		if err != nil {
			return nil, err
		}
		return r.fence(strings.Fields(info), body)
	}
	comment, ok := strings.CutPrefix(line, "<!-- ")
	if !ok {
		return nil, nil
	}
	if typed, ok := strings.CutPrefix(comment, "typed: "); ok {
		before, after, ok := strings.Cut(strings.TrimSuffix(typed, " -->"), " => ")
		if !ok {
			return nil, fmt.Errorf("%q is not A => B", typed)
		}
		r.typed = append(r.typed, [2]string{before, after})
		return nil, nil
	}
	if strings.HasSuffix(comment, "-->") {
		return nil, nil
	}
	body, err := r.body("-->")
	if err != nil {
		return nil, err
	}
	kind, known := map[string]Kind{"do": Do, "until": Until}[strings.Fields(comment + " .")[0]]
	if !known {
		return nil, nil
	}
	s := &Step{Kind: kind, Text: strings.Join(body, "\n")}
	return s, s.words(strings.Fields(comment)[1:])
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
func (r *reader) fence(info, body []string) (*Step, error) {
	if len(info) == 0 {
		return nil, fmt.Errorf("a block of no kind")
	}
	s := &Step{}
	switch info[0] {
	case "console":
		var err error
		if s.Commands, err = r.session(body); err != nil {
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

func (r *reader) session(body []string) ([]Command, error) {
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
		list = append(list, Command{Shown: command, Run: command})
	}
	for _, t := range r.typed {
		found := false
		for i := range list {
			run := strings.ReplaceAll(list[i].Run, t[0], t[1])
			found = found || run != list[i].Run
			list[i].Run = run
		}
		if !found {
			return nil, fmt.Errorf("%q is not typed here", t[0])
		}
	}
	r.typed = nil
	return list, nil
}
