//go:build slow

package e2e

import (
	"bytes"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// Services that outlive the program see what its Pulumi CLI still writes when
// the program is killed in the middle of an up. The next run waits for that
// write, which must not come over its own (I16).
func TestKillLeavesNoGhostWrite(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	c.flags = append(c.flags, "--commit")
	old := c.pass(clerkKey)
	made, err := c.world.Issue(world.Order{Service: "clerk", Entries: []string{"secret-key"}})
	require.NoError(t, err)
	c.insert(clerkKey, made[0].Value)
	c.passCommand("", "git", "push", "--quiet")
	// Scaleway takes its time with the first write.
	require.NoError(t, c.world.AddFault(world.Fault{Service: "scaleway", Method: "PATCH", Times: 1, Delay: 3000}))

	shell := *c.sandboxed
	shell.root = filepath.Join(c.dir, "projects", "secret-rotation")
	cmd := shell.command(shared.binary, append([]string{"rotate", "--pending", "--secret", "clerk"}, c.flags...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	c.await("stripe-backend is being updated", func() bool {
		require.Empty(t, ended, "it ended before: %s", &stderr)
		return c.matches("state/.pulumi/locks/organization/stripe-backend/prod/*.json")
	})
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	<-ended

	r := c.rotate("clerk")
	require.Equal(t, 6, r.code, tail(r.stderr, 25))
	require.Contains(t, r.stderr, "somebody has to retire the old", "it goes on to the person's part")
	var anew journal.Event
	for _, e := range c.events("clerk") {
		if e.Holder.PID != cmd.Process.Pid && strings.HasPrefix(e.Step, "setting config") && anew.Step == "" {
			anew = e
		}
	}
	require.NotEmpty(t, anew.Step, "the second run deployed nothing itself")
	later := 0
	for _, request := range c.requests() {
		if request.Method == "PATCH" && request.Service == "scaleway" && request.Time.After(anew.Time) {
			later++
		}
	}
	require.LessOrEqual(t, later, 1, "the killed run's write came over the next run's")
	require.Equal(t, made[0].Value, c.truth().Consumers[payments].RunsWith["CLERK_SECRET_KEY"])

	_, err = c.world.Revoke(credential(t, c.truth(), old).ID)
	require.NoError(t, err)
	r = c.rotate("clerk")
	require.Zero(t, r.code, tail(r.stderr, 25))
	o := &observed{sandboxed: c.sandboxed, subject: subjects()["clerk"]}
	require.Empty(t, o.unreleased())
	require.Empty(t, o.stillRunning(), "the killed run's children live on")
	require.False(t, c.matches("state/.pulumi/locks/*/*/*/*.json"))
}
