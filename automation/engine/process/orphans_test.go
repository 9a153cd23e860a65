package process

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const doomed = "PROCESS_TEST_DOOMED"

// TestDoomedRun is the run that TestOrphans kills, in a process of its own.
func TestDoomedRun(t *testing.T) {
	program := os.Getenv(doomed)
	if program == "" {
		return // not a child
	}
	_, _ = Run(context.Background(), Spec{Path: program, Args: []string{"60"}, Dir: t.TempDir(), Env: []string{"PATH=" + os.Getenv("PATH")},
		Redactor: secrets.NewRedactor(), ID: "doomed", Work: os.Getenv(doomed + "_WORK")})
}

// leftBehind kills a run whose command is this program, and returns what the
// command works on and the number of its process.
func leftBehind(t *testing.T, name string) (work string, pid int) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	work = "stack of " + dir
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	program := filepath.Join(dir, name)
	copied(t, sleep, program)
	run := exec.Command(os.Args[0], "-test.run=^TestDoomedRun$")
	run.Env = append(os.Environ(), doomed+"="+program, doomed+"_WORK="+work)
	require.NoError(t, run.Start())
	require.Eventually(t, func() bool {
		for _, c := range children(workMarker, work) {
			if c.program == name {
				pid = c.pid
			}
		}
		return pid != 0
	}, 20*time.Second, 5*time.Millisecond)
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	require.Empty(t, Orphans(work), "its run lives")
	require.NoError(t, run.Process.Kill())
	_ = run.Wait()
	return work, pid
}

func copied(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	require.NoError(t, err)
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o700)
	require.NoError(t, err)
	_, err = io.Copy(out, in)
	require.NoError(t, err)
	require.NoError(t, out.Close())
}

// The CLI of a killed run is found before it has a lock, and is not cut short.
func TestOrphansAreTheCLIsOfDeadRuns(t *testing.T) {
	work, pid := leftBehind(t, cliProgram)
	require.Equal(t, []int{pid}, Orphans(work))
	Sweep()
	require.Equal(t, []int{pid}, Orphans(work), "it was cut short")
	require.Empty(t, Orphans("another stack"))
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(t, func() bool { return len(Orphans(work)) == 0 }, 20*time.Second, 5*time.Millisecond)
}

// What outlives a killed run and its CLI writes nothing later.
func TestOrphansEndWhatHasNoCLI(t *testing.T) {
	work, pid := leftBehind(t, "plugin")
	require.Empty(t, Orphans(work))
	require.Eventually(t, func() bool { return len(children(workMarker, work)) == 0 }, 20*time.Second, 5*time.Millisecond, "process %d lives", pid)
}
