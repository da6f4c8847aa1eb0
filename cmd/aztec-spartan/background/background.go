// Package background keeps this program from asking terminals for the colour
// of their background.
//
// The form library asks when it is initialized, whatever the verb (bubbletea
// v1, tea_init.go), and waits seconds for terminals that do not answer: serial
// consoles, expect(1), script(1). It asks only if nobody has decided. This
// package decides before, since Go initializes packages in the order of their
// paths, each after what it imports (Go specification, "Package
// initialization").
package background

import "github.com/charmbracelet/lipgloss"

func init() { lipgloss.SetHasDarkBackground(true) }
