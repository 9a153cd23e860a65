package e2e

import (
	"bytes"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// Ctrl-C in the middle of a rotation ends it at a safe point, with the exit code
// that a shell gives to it and the command that goes on; the old value lives.
func TestCtrlCEndsARotationAtASafePoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.pass(clerkKey)
	cmd := w.command(shared.binary, "rotate", "--secret", "clerk", "--yes", "--json", "--sandbox="+w.dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	w.await("a value waits for its deployment", func() bool {
		events := w.events("clerk")
		return len(events) > 0 && events[len(events)-1].State.AtLeast(journal.Staging)
	})
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(patience):
		require.FailNow(t, "it did not end")
	}
	require.Equal(t, 130, cmd.ProcessState.ExitCode(), stderr.String())
	require.Contains(t, stderr.String(), "interrupted: stopped at a safe point")
	require.NotContains(t, stderr.String(), "context canceled")
	require.Contains(t, stderr.String(), "next: go run . rotate --sandbox="+w.dir+" --secret clerk")
	w.goesOn(old)
}
