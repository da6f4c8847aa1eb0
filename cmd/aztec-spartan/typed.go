package main

import (
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/huh"
)

// typedField is an input that is judged while it is typed. huh does it at
// Enter, and forgets what it said with the next key.
type typedField struct {
	*huh.Input
	check func(string) error
	err   error
}

// typed asks for a line. check never sees what was not typed: what is proposed
// may be left as it is, and nothing is an answer only at Enter.
func typed(title, description string, value *string, check func(string) error) *typedField {
	return &typedField{Input: huh.NewInput().Title(title).Description(description).Value(value).Validate(check), check: check}
}

// secret has what is typed not echoed.
func (f *typedField) secret() *typedField {
	f.EchoMode(huh.EchoModePassword)
	return f
}

// Update is called by the form, from one goroutine.
func (f *typedField) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	before := f.text()
	_, cmd := f.Input.Update(msg)
	if after := f.text(); after != before {
		f.err = nil
		if after != "" {
			f.err = f.check(after)
		}
	}
	return f, cmd
}

// Error is what the form shows.
func (f *typedField) Error() error {
	if err := f.Input.Error(); err != nil {
		return err
	}
	return f.err
}

func (f *typedField) text() string {
	s, _ := f.GetValue().(string)
	return s
}
