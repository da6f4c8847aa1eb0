package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// What is to run, where it comes from and what runs it know nothing of each
// other: only cmd brings them together.
func TestLayers(t *testing.T) {
	const module = "github.com/aztec-spartan/aztec-spartan/"
	for layer, strangers := range map[string][]string{
		"profiles": {"extract", "units", "cmd", "packaging"},
		"extract":  {"profiles", "units", "cmd", "packaging"},
		"units":    {"profiles", "extract", "cmd", "packaging"},
		"cmd":      {"packaging"}, // which is of tests
	} {
		read := 0
		err := filepath.WalkDir(filepath.Join("../..", layer), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			read++
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, i := range file.Imports {
				name, err := strconv.Unquote(i.Path.Value)
				if err != nil {
					return err
				}
				for _, s := range strangers {
					if rest, ok := strings.CutPrefix(name, module+s); ok && (rest == "" || rest[0] == '/') {
						t.Errorf("%s imports %s", path, name)
					}
				}
			}
			return nil
		})
		if err != nil || read == 0 {
			t.Errorf("%s: %d files, %v", layer, read, err)
		}
	}
}
