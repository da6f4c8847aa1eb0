package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aztec-spartan/aztec-spartan/packaging/handbook"
)

// What README and the handbook have their reader type are verbs, flags and
// numbers of arguments that there are.
func TestDocumentedCommands(t *testing.T) {
	top := filepath.Join("..", "..")
	var typed []string
	files, err := filepath.Glob(filepath.Join(top, "packaging", "handbook", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, filepath.Join(top, "README.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		typed = append(typed, inText(string(text))...)
	}
	chapters, err := handbook.Chapters(os.DirFS(filepath.Join(top, "packaging", "handbook")))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chapters {
		for _, s := range c.Steps {
			for _, command := range s.Commands {
				typed = append(typed, command.Shown)
			}
		}
	}
	const some = 100
	if len(typed) < some {
		t.Errorf("%d commands: are they found?", len(typed))
	}
	for _, line := range typed {
		for _, words := range commandsIn(line) {
			if err := understood(words); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

// inText is what stands in blocks, in cells of tables and in sentences.
func inText(text string) (list []string) {
	for _, m := range regexp.MustCompile("`((?:sudo )?aztec-spartan [^`]*)`").FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	text = strings.ReplaceAll(text, "\\\n", " ")
	for _, m := range regexp.MustCompile(`(?m)^ {4}((?:sudo |docker .*\| )?aztec-spartan .*)$`).FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	return list
}

// commandsIn are the calls of this program in a line, without its name.
func commandsIn(line string) (list [][]string) {
	for _, part := range shellCommands(line) {
		if len(part) > 0 && part[0] == "sudo" {
			part = part[1:]
		}
		if len(part) > 0 && part[0] == "aztec-spartan" {
			list = append(list, part[1:])
		}
	}
	return list
}

var shellWord = regexp.MustCompile(`'([^']*)'|"([^"]*)"|[|<>;&]+|(?:^|\s)#.*|[^\s'"|<>;&]+`)

// shellCommands are the words of each command of a line, as far as a shell's
// rules matter here.
func shellCommands(line string) [][]string {
	list := [][]string{nil}
	for _, m := range shellWord.FindAllStringSubmatch(strings.ReplaceAll(line, "\\\n", " "), -1) {
		word := m[0]
		switch {
		case strings.HasPrefix(strings.TrimSpace(word), "#"):
			return list
		case strings.Trim(word, "|<>;&") == "":
			list = append(list, nil)
			continue
		case m[1]+m[2] != "":
			word = m[1] + m[2]
		}
		list[len(list)-1] = append(list[len(list)-1], word)
	}
	return list
}

// understood says what is wrong with a command. "..." and what is in brackets
// stand for what the reader adds.
func understood(words []string) error {
	whole := len(words)
	words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "..." || strings.HasPrefix(w, "[") })
	root := newApp(io.Discard).command()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	cmd, rest, err := root.Find(longForm(words))
	if err != nil {
		return err
	}
	if cmd == root {
		return fmt.Errorf("it has no verb")
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if whole > len(words) {
		return nil
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

func TestUnderstood(t *testing.T) {
	for line, want := range map[string]bool{
		"sudo aztec-spartan status val1":                        true,
		"docker save a | aztec-spartan load -":                  true,
		"aztec-spartan logs val1 --since '1 hour ago' # errors": true,
		"aztec-spartan pull ...":                                true,
		"aztec-spartan pull":                                    false,
		"aztec-spartan promte val1":                             false,
		"aztec-spartan update val1 --two 4.1.3":                 false,
		"aztec-spartan report val1 val2":                        false,
	} {
		commands := commandsIn(line)
		if len(commands) != 1 {
			t.Errorf("%s: %d commands", line, len(commands))
			continue
		}
		if err := understood(commands[0]); (err == nil) != want {
			t.Errorf("%s: %v", line, err)
		}
	}
}
