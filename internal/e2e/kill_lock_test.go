//go:build slow

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// lateLock is a Pulumi CLI whose first up finds the lock of a dead process of
// this user, taken at that moment: what the CLI of a killed run leaves that was
// slow to begin and broke off when it had nobody left to talk to.
func (w *sandboxed) lateLock(user string) (program, lock string) {
	w.t.Helper()
	dead := exec.Command("true")
	require.NoError(w.t, dead.Run())
	dir := filepath.Join(w.dir, "state", ".pulumi", "locks", "organization", "stripe-backend", "prod")
	lock = filepath.Join(dir, "7d1e.json")
	program = filepath.Join(w.root, "pulumi")
	script := fmt.Sprintf(`#!/bin/sh
case " $* $PWD" in *" up "*stripe-backend*)
	if mkdir '%s/once' 2>/dev/null; then
		mkdir -p '%s'
		printf '{"pid":%d,"username":"%%s","hostname":"%%s","timestamp":"%%s"}' '%s' "$(hostname)" "$(date -u +%%Y-%%m-%%dT%%H:%%M:%%S.%%NZ)" > '%s'
	fi
esac
exec '%s' "$@"
`, w.root, dir, dead.Process.Pid, user, lock, shared.cli.Path)
	require.NoError(w.t, os.WriteFile(program, []byte(script), 0o700))
	return program, lock
}

// The up that meets such a lock takes it away and goes on in the same run.
func TestKillLeavesALockThatTheNextUpMeets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.pass(clerkKey)
	program, lock := w.lateLock(journal.Self().User)
	w.must("rotate", "--secret", "clerk", "--yes", "--grace", "0", "--pulumi", program)
	require.DirExists(t, filepath.Join(w.root, "once"), "no lock was met")
	require.NoFileExists(t, lock)
	require.NotEqual(t, old, w.pass(clerkKey))
	require.Equal(t, []string{w.pass(clerkKey)}, alive(w.truth(), "clerk", "secret-key"))
}

// Somebody else's is left where it is, and told.
func TestKillNeverTakesAnotherUsersLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	program, lock := w.lateLock("ann")
	r := w.run("rotate", "--secret", "clerk", "--yes", "--grace", "0", "--pulumi", program)
	require.Equal(t, 5, r.code, tail(r.stderr, 20))
	require.Contains(t, r.stderr, "unlock --sandbox="+w.dir+" --pulumi="+program+" --stack stripe-backend")
	require.FileExists(t, lock)
	w.must("unlock", "--stack", "stripe-backend", "--yes")
	w.must("rotate", "--secret", "clerk", "--yes", "--grace", "0")
}
