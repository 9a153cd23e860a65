package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// extension is that of the files that each take one guard away.
const extension = ".guard"

// guard is one protection of the program, how to take it away, and the tests that
// must fail without it.
type guard struct {
	// name is its file's, without the extension.
	name string
	// why says what the program protects with it.
	why string
	// dir is the folder of the tests' package, below the module's.
	dir   string
	tests []string
	// says is what the failing tests print; empty: anything.
	says  string
	edits []edit
}

// edit replaces old, which must stand in file exactly once.
type edit struct{ file, old, new string }

// pkg is the package of the tests, as the go command takes it.
func (g guard) pkg() string { return "./" + g.dir }

// load reads every guard of a folder, in the order of their names.
func load(dir string) ([]guard, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the guards: %w", err)
	}
	var out []guard
	var errs []error
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), extension)
		if !ok {
			errs = append(errs, fmt.Errorf("%s is no %s file", e.Name(), extension))
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading the guards: %w", err)
		}
		g, err := parse(name, string(text))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", e.Name(), err))
		}
		out = append(out, g)
	}
	return out, errors.Join(errs...)
}

// parse reads one guard: its headers, then for every edit a line "@@ FILE" and a
// hunk as of a unified diff, without line numbers.
//
//	why: what the program protects with it
//	test: FOLDER TestName...
//	says: part of what the failing tests print (optional)
//
//	@@ FOLDER/file.go
//	 a line that stays
//	-a line that goes
//	+a line that comes
func parse(name, text string) (guard, error) {
	g := guard{name: name}
	head, body, _ := strings.Cut(text, "\n\n")
	for line := range strings.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "why":
			g.why = value
		case "says":
			g.says = value
		case "test":
			words := strings.Fields(value)
			if len(words) < 2 {
				return g, errors.New("test: wants a folder and a test's name")
			}
			g.dir, g.tests = words[0], words[1:]
		default:
			return g, fmt.Errorf("unknown line %q", strings.TrimSpace(line))
		}
	}
	if g.why == "" || len(g.tests) == 0 {
		return g, errors.New("why: and test: are missing")
	}
	for line := range strings.Lines(body) {
		if file, ok := strings.CutPrefix(line, "@@ "); ok {
			g.edits = append(g.edits, edit{file: strings.TrimSpace(file)})
			continue
		}
		if len(g.edits) == 0 {
			return g, fmt.Errorf("%q stands before the first @@ line", strings.TrimSpace(line))
		}
		if err := g.edits[len(g.edits)-1].add(line); err != nil {
			return g, err
		}
	}
	if slices.ContainsFunc(g.edits, func(e edit) bool { return e.old == e.new }) || len(g.edits) == 0 {
		return g, errors.New("it changes nothing")
	}
	return g, nil
}

// add takes a line of the hunk.
func (e *edit) add(line string) error {
	switch {
	case line == "\n": // an editor may have taken the space of an empty line
		e.old, e.new = e.old+line, e.new+line
	case line[0] == ' ':
		e.old, e.new = e.old+line[1:], e.new+line[1:]
	case line[0] == '-':
		e.old += line[1:]
	case line[0] == '+':
		e.new += line[1:]
	default:
		return fmt.Errorf("%q begins with none of space, - and +", strings.TrimSpace(line))
	}
	return nil
}

// apply gives the changed files by their path below root. Whole lines are compared;
// an edit that does not fit exactly one place is an error, since nobody would know
// what was tested.
func (g guard) apply(root string) (map[string]string, error) {
	out := map[string]string{}
	for _, e := range g.edits {
		text, changed := out[e.file]
		if !changed {
			data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.file)))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", g.name, err)
			}
			text = string(data)
		}
		at := places(text, e.old)
		if len(at) != 1 {
			return nil, fmt.Errorf("%s: what it takes away from %s stands there %d times instead of once:\n%s", g.name, e.file, len(at), e.old)
		}
		out[e.file] = text[:at[0]] + e.new + text[at[0]+len(e.old):]
	}
	return out, nil
}

// places are where these lines begin in a text.
func places(text, lines string) (at []int) {
	for i := range text {
		if (i == 0 || text[i-1] == '\n') && strings.HasPrefix(text[i:], lines) {
			at = append(at, i)
		}
	}
	return at
}
