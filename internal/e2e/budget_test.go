package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A preview and an up are the only CLI processes of a stack, and at most three
// more the run's (DESIGN section 8). Counted by a program in the CLI's place,
// which notes each call and becomes the CLI.
func TestProcessBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	calls := filepath.Join(w.root, "calls")
	front := filepath.Join(w.root, "pulumi")
	script := fmt.Sprintf("#!/bin/sh\necho \"$*\" >>'%s'\nexec '%s' \"$@\"\n", calls, shared.cli.Path)
	require.NoError(t, os.WriteFile(front, []byte(script), 0o700))
	count := func(args ...string) map[string]int {
		t.Helper()
		_ = os.Remove(calls)
		w.must(append(args, "--yes", "--pulumi", front)...)
		raw, err := os.ReadFile(calls)
		require.NoError(t, err)
		out := map[string]int{}
		for line := range strings.Lines(string(raw)) {
			kind := "run"
			for _, word := range strings.Fields(line) {
				if word == "preview" || word == "up" {
					kind = word
					break
				}
			}
			out[kind]++
		}
		return out
	}

	asked := count("rotate", "--secret", "stripe")
	t.Logf("value made after the question: %v", asked)
	require.Equal(t, 2, asked["preview"], "one to be agreed to, one with the values themselves")
	require.Equal(t, 1, asked["up"])
	require.LessOrEqual(t, asked["run"], 3)

	rolled := w.roll("stripe")
	w.insert(stripeKey, rolled["secret-key"])
	w.insert(stripeHook, rolled["webhook-secret"])
	held := count("rotate", "--secret", "stripe")
	t.Logf("value in pass before: %v", held)
	require.Equal(t, 1, held["preview"])
	require.Equal(t, 1, held["up"])
	require.LessOrEqual(t, held["run"], 3)

	first := count("rotate", "--secret", "sightengine")
	t.Logf("first rotation of a declared stack: %v", first)
	require.Equal(t, 1, first["up"])
	require.LessOrEqual(t, first["run"], 3+1, "the stack is made once, in the backend")
}
