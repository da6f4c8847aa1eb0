package main

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// tableWidth is how wide a table may be: terminals have 80 columns, and mails.
const tableWidth = 80

// column is the index of one.
type column = int

// fit lays rows out in columns two spaces apart. Where they are too wide, it
// leaves out columns of drop, in that order, and then shortens cells of cut.
func fit(rows [][]string, width int, drop, cut []column) []string {
	const gap = 2
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	gone := map[column]bool{}
	total := func() int {
		sum := -gap
		for i, w := range widths {
			if !gone[i] {
				sum += w + gap
			}
		}
		return sum
	}
	for _, c := range drop {
		if total() > width {
			gone[c] = true
		}
	}
	const shortest = 8
	for _, c := range cut {
		if over := total() - width; over > 0 {
			widths[c] = max(min(widths[c], shortest), widths[c]-over)
		}
	}
	var lines []string
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			if gone[i] {
				continue
			}
			b.WriteString(padded(cell, widths[i]) + strings.Repeat(" ", gap))
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return slices.Clip(lines)
}

// padded is a cell with exactly so many letters.
func padded(cell string, width int) string {
	r := []rune(cell)
	if len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return cell + strings.Repeat(" ", width-len(r))
}
