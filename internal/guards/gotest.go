package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// testLimit bounds one run of tests: each takes seconds.
const testLimit = 3 * time.Minute

// outcome is what go test said of one package.
type outcome struct {
	// built: everything compiled, and the tests began.
	built bool
	// actions are how the tests ended, by their names: pass, fail or skip.
	actions map[string]string
	// output is everything that was printed; of has what each test printed.
	output string
	of     map[string]string
}

// event is a line of go test -json.
type event struct{ Action, Test, Output, FailedBuild string }

// goTest runs these tests of a package, with files exchanged as overlay says.
func goTest(ctx context.Context, root, pkg string, tests []string, overlay string) (outcome, error) {
	args := []string{"test", "-json", "-vet=off", "-timeout=" + testLimit.String(), "-run=^(" + strings.Join(tests, "|") + ")$"}
	if overlay != "" {
		args = append(args, "-overlay="+overlay)
	}
	cmd := exec.CommandContext(ctx, cmp.Or(os.Getenv("GO"), "go"), append(args, pkg)...) //nolint:gosec // the arguments are those of the guards' files
	cmd.Dir = root
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if ctx.Err() != nil {
		return outcome{}, ctx.Err()
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return outcome{}, fmt.Errorf("running go test: %w", err)
	}
	out := read(stdout)
	out.output += stderr.String()
	return out, nil
}

// read takes in the lines of go test -json.
func read(text []byte) outcome {
	out := outcome{built: true, actions: map[string]string{}, of: map[string]string{}}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			out.output += lines.Text() + "\n" // of the go command itself
			continue
		}
		out.output += e.Output
		// A subtest's output is its test's, too.
		top, _, _ := strings.Cut(e.Test, "/")
		out.of[top] += e.Output
		switch {
		case e.FailedBuild != "" || e.Action == "build-fail":
			out.built = false
		case e.Test != "" && slices.Contains([]string{"pass", "fail", "skip"}, e.Action):
			out.actions[e.Test] = e.Action
		}
	}
	return out
}

// panicked: the tests did not end by an assertion. A timeout is a panic, too.
func (o outcome) panicked() bool {
	return strings.HasPrefix(o.output, "panic: ") || strings.Contains(o.output, "\npanic: ")
}

// overlay writes the changed files and what tells the go command of them into dir.
func overlay(root, dir string, files map[string]string) (string, error) {
	replace := map[string]string{}
	for file, text := range files {
		to := filepath.Join(dir, strings.ReplaceAll(file, "/", "+"))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("writing what a guard changes: %w", err)
		}
		replace[filepath.Join(root, filepath.FromSlash(file))] = to
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("writing what a guard changes: %w", err)
	}
	to := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(to, data, 0o600); err != nil {
		return "", fmt.Errorf("writing what a guard changes: %w", err)
	}
	return to, nil
}
