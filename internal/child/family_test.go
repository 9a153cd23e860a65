package child

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A process in a session of its own that has lost its parent would live on with
// the values that it was started with.
func TestStopFollowsIntoAnotherSession(t *testing.T) {
	require.NoError(t, Adopt())
	c, out := shell(t, `setsid sh -c 'sleep 1000 & echo $!; wait' & wait`)
	left := line(t, out)
	ours := exec.CommandContext(t.Context(), "sleep", "1000")
	require.NoError(t, ours.Start())
	other, _ := shell(t, `exec sleep 1000`)
	c.Stop(time.Minute)
	require.True(t, gone(left))
	require.NoError(t, syscall.Kill(ours.Process.Pid, 0), "a process of ours is none of the program's")
	require.False(t, isOver(other), "another program is none of this one's")
	other.Stop(time.Minute)
	require.NoError(t, ours.Process.Kill())
	_ = ours.Wait()
}

func isOver(c *Child) bool {
	select {
	case <-c.Ended():
		return true
	default:
		return false
	}
}

// What does not listen there is killed after the patience.
func TestStopKillsInAnotherSession(t *testing.T) {
	require.NoError(t, Adopt())
	c, out := shell(t, `setsid sh -c 'trap "" TERM; echo $$; while :; do sleep 1000; done' & wait`)
	left := line(t, out)
	c.Stop(50 * time.Millisecond)
	require.True(t, gone(left))
}

// A program that ends and leaves a daemon is told of; the user's GnuPG daemons are
// nobody's to end.
func TestLeftNamesWhatLivesOn(t *testing.T) {
	require.NoError(t, Adopt())
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	raw, err := os.ReadFile(sleep)
	require.NoError(t, err)
	agent := filepath.Join(t.TempDir(), "gpg-agent")
	require.NoError(t, os.WriteFile(agent, raw, 0o700))
	c, out := shell(t, `setsid sh -c '`+agent+` 1000 & echo $!; exec sleep 1000' & setsid sleep 1000 & echo $!`)
	one, two := line(t, out), line(t, out)
	<-c.Ended()
	require.Eventually(t, func() bool { return strings.Count(strings.Join(c.Left(), " "), "sleep") == 2 }, 5*time.Second, 10*time.Millisecond)
	require.NotContains(t, strings.Join(c.Left(), " "), "gpg-agent")
	c.Stop(time.Minute)
	alive := []string{}
	for _, pid := range []string{one, two} {
		if !gone(pid) {
			alive = append(alive, pid)
			name, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
			require.NoError(t, err)
			require.Equal(t, "gpg-agent\n", string(name))
			require.NoError(t, exec.CommandContext(t.Context(), "kill", "-9", pid).Run())
		}
	}
	require.Len(t, alive, 1)
	require.Empty(t, c.Left())
}

// A signal that is to end a program reaches it also where it is stopped.
func TestASignalToEndWakesAStoppedProgram(t *testing.T) {
	c, out := shell(t, `trap 'exit 5' TERM; echo $$; kill -STOP $$; wait`)
	pid := line(t, out)
	require.Eventually(t, func() bool {
		raw, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		return err == nil && strings.Contains(string(raw), ") T ")
	}, 5*time.Second, 10*time.Millisecond)
	c.Signal(syscall.SIGTERM)
	select {
	case <-c.Ended():
		require.Equal(t, 5, c.Code())
	case <-time.After(10 * time.Second):
		c.Stop(0)
		require.Fail(t, "it never heard the signal")
	}
}
