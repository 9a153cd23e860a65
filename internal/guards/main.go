// Command guards takes away one protection of the program after the other and
// shows that a unit test notices. A folder of patches names them: each takes one
// guard away, must still compile, and must make the tests that it names fail,
// which are green with the guard.
//
//	go run ./internal/guards [-p N] [part of a guard's name]...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patches is the folder of the guards, below the module's.
const patches = "internal/guards/patches"

func main() {
	side := flag.Int("p", 2, "how many guards are tried side by side")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root, err := os.Getwd()
	if err == nil {
		err = run(ctx, os.Stdout, root, *side, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run tries the guards of the module in root whose names have one of these parts in
// them, or all, and prints a line for each.
func run(ctx context.Context, w io.Writer, root string, side int, parts []string) error {
	guards, err := load(filepath.Join(root, filepath.FromSlash(patches)))
	if err != nil {
		return err
	}
	if len(parts) > 0 {
		guards = slices.DeleteFunc(guards, func(g guard) bool {
			return !slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(g.name, p) })
		})
	}
	if len(guards) == 0 {
		return errors.New("there is no such guard")
	}
	if err := green(ctx, root, side, guards); err != nil {
		return err
	}
	verdicts := make([]verdict, len(guards))
	var mu sync.Mutex
	sideBySide(side, len(guards), func(i int) {
		begun := time.Now()
		v := try(ctx, root, guards[i])
		mu.Lock()
		defer mu.Unlock()
		verdicts[i] = v
		fmt.Fprintf(w, "%-8s  %4.1f s  %-44s  %s %s\n", v.word, time.Since(begun).Seconds(), guards[i].name, guards[i].dir, strings.Join(guards[i].tests, " "))
		if v.word != caught {
			fmt.Fprintln(w, indent(v.detail))
		}
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	missed := slices.DeleteFunc(verdicts, func(v verdict) bool { return v.word == caught })
	if len(missed) > 0 {
		return fmt.Errorf("%d of %d guards can be taken away, or could not be tried", len(missed), len(guards))
	}
	fmt.Fprintf(w, "all %d guards are needed: without each of them a unit test fails\n", len(guards))
	return nil
}

// green makes sure that every test that a guard names is there and passes.
func green(ctx context.Context, root string, side int, guards []guard) error {
	byDir := map[string][]string{}
	var dirs []string
	for _, g := range guards {
		if byDir[g.dir] == nil {
			dirs = append(dirs, g.dir)
		}
		byDir[g.dir] = append(byDir[g.dir], g.tests...)
	}
	errs := make([]error, len(dirs))
	sideBySide(side, len(dirs), func(i int) {
		tests := slices.Compact(slices.Sorted(slices.Values(byDir[dirs[i]])))
		out, err := goTest(ctx, root, "./"+dirs[i], tests, "")
		for _, test := range tests {
			if err == nil && out.actions[test] != "pass" {
				err = fmt.Errorf("%s in %s does not pass as everything stands (%s):\n%s", test, dirs[i], said(out, test), indent(out.output))
			}
		}
		errs[i] = err
	})
	return errors.Join(errs...)
}

// said is what became of a test.
func said(o outcome, test string) string {
	switch {
	case !o.built:
		return "it does not compile"
	case o.actions[test] == "":
		return "there is no such test"
	}
	return o.actions[test]
}

// The words of verdicts.
const (
	caught   = "caught"
	survived = "SURVIVED"
	untried  = "ERROR"
)

// verdict is what became of a guard that was taken away.
type verdict struct{ word, detail string }

// try takes the guard away and runs its tests.
func try(ctx context.Context, root string, g guard) verdict {
	files, err := g.apply(root)
	if err != nil {
		return verdict{untried, err.Error()}
	}
	dir, err := os.MkdirTemp("", "guards-")
	if err != nil {
		return verdict{untried, err.Error()}
	}
	defer func() { _ = os.RemoveAll(dir) }()
	to, err := overlay(root, dir, files)
	if err != nil {
		return verdict{untried, err.Error()}
	}
	out, err := goTest(ctx, root, g.pkg(), g.tests, to)
	if err != nil {
		return verdict{untried, err.Error()}
	}
	return judge(g, out)
}

// judge says whether the tests have noticed: all of them failed, each by an
// assertion and not since something does not compile or breaks down.
func judge(g guard, o outcome) verdict {
	switch {
	case !o.built:
		return verdict{untried, "without the guard it does not compile:\n" + o.output}
	case o.panicked():
		return verdict{untried, "without the guard the tests panic, which is no assertion:\n" + o.output}
	}
	for _, test := range g.tests {
		switch {
		case o.actions[test] == "pass":
			return verdict{survived, g.why + ": " + test + " passes without it"}
		case o.actions[test] != "fail":
			return verdict{untried, test + ": " + said(o, test) + "\n" + o.output}
		case !strings.Contains(o.of[test], g.says):
			return verdict{untried, fmt.Sprintf("%s fails, and does not say %q:\n%s", test, g.says, o.of[test])}
		}
	}
	return verdict{word: caught}
}

// sideBySide calls do for 0 to n-1, so many at a time.
func sideBySide(side, n int, do func(i int)) {
	free := make(chan struct{}, max(side, 1))
	var wg sync.WaitGroup
	for i := range n {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			do(i)
		})
	}
	wg.Wait()
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}
