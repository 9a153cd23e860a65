package child

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shell starts a script and returns it with what it prints.
func shell(t *testing.T, script string) (*Child, *bufio.Reader) {
	t.Helper()
	file, err := Find("sh", os.Getenv("PATH"), "/")
	require.NoError(t, err)
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	out, in, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = null.Close(); _ = out.Close() })
	c, err := Start(Spec{Path: file, Args: []string{"sh", "-c", script}, Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: t.TempDir(), Stdin: null, Stdout: in, Stderr: os.Stderr})
	require.NoError(t, err)
	require.NoError(t, in.Close())
	return c, bufio.NewReader(out)
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	text, err := r.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(text)
}

func gone(pid string) bool {
	raw, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	return err != nil || strings.Contains(string(raw), ") Z ")
}

func TestCodeIsTheProgramsOwn(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 42": 42, "kill -TERM $$": 128 + 15, "kill -9 $$": 128 + 9} {
		c, _ := shell(t, script)
		require.Equal(t, want, c.Code(), script)
		c.Signal(syscall.SIGTERM) // to nobody
	}
}

// A polite program has the time to end, and what it leaves behind goes with it.
func TestStopIsPoliteAndLeavesNothing(t *testing.T) {
	c, out := shell(t, `trap 'echo bye; exit 5' TERM; sleep 1000 & echo $!; wait`)
	left := line(t, out)
	c.Stop(time.Minute)
	require.Equal(t, "bye", line(t, out))
	require.Equal(t, 5, c.Code())
	require.True(t, gone(left))
}

func TestStopKillsWhatDoesNotListen(t *testing.T) {
	c, out := shell(t, `trap '' TERM; sleep 1000 & echo $!; wait; wait; echo never`)
	left := line(t, out)
	c.Stop(50 * time.Millisecond)
	require.Equal(t, 128+9, c.Code())
	require.True(t, gone(left))
	_, err := out.ReadString('\n')
	require.ErrorIs(t, err, io.EOF)
}

// A stopped program would never hear that it is to end.
func TestStopWakesAStoppedProgram(t *testing.T) {
	c, out := shell(t, `trap 'echo bye; exit 5' TERM; echo $$; kill -STOP $$; wait`)
	pid, err := strconv.Atoi(line(t, out))
	require.NoError(t, err)
	require.Equal(t, c.pid, pid)
	require.Eventually(t, func() bool {
		raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		return err == nil && strings.Contains(string(raw), ") T ")
	}, time.Minute, 5*time.Millisecond)
	c.Stop(time.Minute)
	require.Equal(t, 5, c.Code())
}

// As from a terminal: the whole group hears SIGQUIT, the program alone SIGUSR1.
func TestSignalsReachWhomATerminalReaches(t *testing.T) {
	const inner = `trap "echo inner USR1" USR1; trap "echo inner QUIT; exit" QUIT; echo ready; while :; do sleep 0.05; done`
	c, out := shell(t, `trap 'echo outer USR1' USR1; trap 'echo outer QUIT' QUIT; bash -c '`+inner+`'; exit 0`)
	require.Equal(t, "ready", line(t, out))
	c.Signal(syscall.SIGUSR1)
	c.Signal(syscall.SIGQUIT)
	rest, err := io.ReadAll(out)
	require.NoError(t, err)
	require.Equal(t, 0, c.Code())
	require.ElementsMatch(t, []string{"inner QUIT", "outer USR1", "outer QUIT"}, strings.Split(strings.TrimSpace(string(rest)), "\n"))
}

func TestFindLooksWhereAShellDoes(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\n"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text"), []byte("text"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	for name, want := range map[string]string{"tool": "", "./tool": "", dir + "/tool": "", "text": "is not executable", "folder": "is a folder",
		"nothing": `no program "nothing" on PATH`, "./nothing": "no program"} {
		file, err := Find(name, "/nonexistent:"+dir, dir)
		if want == "" {
			require.NoError(t, err, name)
			require.Equal(t, filepath.Join(dir, "tool"), file)
		} else {
			require.ErrorContains(t, err, want, name)
		}
	}
}

func TestStartFailsWithoutTheEnvironment(t *testing.T) {
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	_, err = Start(Spec{Path: "/dev/null", Args: []string{"x"}, Env: []string{"TOKEN=hidden"}, Dir: "/", Stdin: null, Stdout: null, Stderr: null})
	require.ErrorContains(t, err, "/dev/null")
	require.NotContains(t, err.Error(), "hidden")
}
