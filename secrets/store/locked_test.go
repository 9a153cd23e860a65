package store_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// Who stopped inside a write is named to the next one, who does not wait for ever.
func TestAWriterThatIsStoppedIsNamed(t *testing.T) {
	t.Parallel()
	f := pairFixture(t)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(f.Env[:len(f.Env):len(f.Env)], "STORE_CHILD=write", "STORE_CHILD_STOP_AT=staged")
	require.NoError(t, cmd.Start())
	pid := cmd.Process.Pid
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err == nil && strings.Contains(string(stat), ") T ")
	}, 20*time.Second, 10*time.Millisecond)

	o := f.Options()
	o.Timeout, o.Interactive = 2*time.Second, true
	for what, do := range map[string]func(*store.Store) error{
		"write":   func(s *store.Store) error { return s.Write(t.Context(), "", change("other", "1\n")) },
		"recover": func(s *store.Store) error { _, err := s.Recover(t.Context()); return err },
	} {
		e := want(t, do(f.Open(o)), store.Busy)
		require.Contains(t, e.Detail, fmt.Sprintf("process %d, which is stopped", pid), what)
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
	require.NoError(t, cmd.Wait())
	require.NoError(t, f.Open(o).Write(t.Context(), "", change("other", "1\n")))
	require.Equal(t, "new-key\n", contents(t, f)["pair/key"])
}
