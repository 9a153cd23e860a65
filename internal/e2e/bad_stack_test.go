package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// TestStackLockedByAnother: the holder is named, and his lock stays.
func TestStackLockedByAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lock := filepath.Join(w.dir, "state", ".pulumi", "locks", "organization", "stripe-backend", "prod")
	require.NoError(t, os.MkdirAll(lock, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(lock, "4c2f.json"),
		[]byte(`{"pid":4711,"username":"ann","hostname":"laptop","timestamp":"2026-11-22T20:00:00Z"}`), 0o600))
	w.refused(refusal{5, []string{"stripe-backend", "ann", "laptop", "4711"}, "go run . unlock"}, "", "rotate", "--secret", "stripe", "--yes")
}

// TestAnotherRotationRuns: this test is the other operator, alive on this host.
func TestAnotherRotationRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lease, err := journal.InDir(filepath.Join(w.dir, "state")).Acquire(t.Context(), "stripe", journal.StackLease("stripe-backend"))
	require.NoError(t, err)
	defer func() { require.NoError(t, lease.Release(context.Background())) }()
	me := "process " + strconv.Itoa(os.Getpid())
	w.refused(refusal{5, []string{"stripe", me, "is being worked on by"}, "go run . rotate"}, "", "rotate", "--secret", "stripe", "--yes")
	// Clerk's key is deployed to the same stack.
	w.refused(refusal{5, []string{"stack stripe-backend", me}, "go run . rotate"}, "", "rotate", "--secret", "clerk", "--yes")
	// Another secret on other stacks is nobody's business.
	w.must("rotate", "--secret", "sightengine", "--preview")
}

// TestForeignChanges: an up would roll out what somebody edited into the
// program; only --allow-other-changes takes that along.
func TestForeignChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	program := filepath.Join(w.dir, stripeFolder, "Pulumi.yaml")
	raw, err := os.ReadFile(program)
	require.NoError(t, err)
	edited := strings.Replace(string(raw), "maxScale: 4", "maxScale: 5", 1)
	require.NotEqual(t, string(raw), edited)
	require.NoError(t, os.WriteFile(program, []byte(edited), 0o600))
	w.refused(refusal{1, []string{"stripe-backend", "nothing to do with this rotation", "container", "maxScale"}, "--allow-other-changes"}, "", "rotate", "--secret", "stripe", "--yes")
	r := w.must("rotate", "--secret", "stripe", "--yes", "--allow-other-changes")
	require.Regexp(t, `update +container .*maxScale`, r.stdout+r.stderr, "what else changes is shown")
	require.Equal(t, w.pass(stripeKey), w.truth().Consumers["stripe-backend"].RunsWith["STRIPE_SECRET_KEY"])
}

// TestOneDocumentOnFailure: whatever goes wrong, stdout holds one document that
// says so, and the exit code is the same as without --json.
func TestOneDocumentOnFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct {
		code  int
		stdin string
		args  []string
		says  string
	}{
		"unknown secret":   {2, "", []string{"rotate", "--secret", "strip"}, "did you mean stripe?"},
		"unknown flag":     {2, "", []string{"rotate", "--nope"}, "unknown flag"},
		"no confirmation":  {2, "", []string{"rotate", "--secret", "stripe"}, "--yes was not given"},
		"wrong format":     {2, "sk_test_abcdefghijklmnopqrstuvwxyz", []string{"rotate", "--secret", "stripe", "--entry", "secret-key", "--value-stdin", "--yes"}, "sk_test_"},
		"no such folder":   {1, "", []string{"rotate", "--secret", "stripe", "--yes", "--root=" + w.root + "/none"}, "holds no Pulumi.yaml"},
		"an unknown stack": {2, "", []string{"preview", "--stack", "nope"}, "no stack"},
		"verify, unknown":  {2, "", []string{"verify", "--secret", "nope"}, "no secret"},
		"refused value":    {1, "sk_live_" + strings.Repeat("Zz9", 20), []string{"rotate", "--secret", "stripe", "--entry", "secret-key", "--value-stdin", "--yes"}, "stripe refuses it"},
	} {
		t.Run(name, func(t *testing.T) {
			s := *w
			s.t = t
			r := s.feed(c.stdin, append(c.args, "--json")...)
			require.Equal(t, c.code, r.code, r.stderr)
			doc := document(t, r.stdout)
			require.Contains(t, doc["error"], c.says)
			require.NotEmpty(t, doc["next"])
			if code, ok := doc["exit_code"]; ok {
				require.EqualValues(t, c.code, code)
			} else {
				require.Equal(t, "ABANDONED", doc["state"], "a result says how far it came")
			}
		})
	}
}
