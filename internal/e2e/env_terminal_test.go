package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal: ours is the end that a person types at.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	return terminalSeen(t, io.Discard) // nobody looks, but what is printed must go somewhere
}

// terminalSeen is terminal whose screen goes to seen.
func terminalSeen(t *testing.T, seen io.Writer) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = theirs.Close(); _ = ours.Close() })
	go func() { _, _ = io.Copy(seen, ours) }()
	return ours, theirs
}

// at is the state letter and the process group of a process, and the group in
// the foreground of its terminal: proc_pid_stat(5).
func at(pid int) (state, group, foreground string) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", "", ""
	}
	fields := strings.Fields(string(raw)[strings.LastIndexByte(string(raw), ')')+1:])
	return fields[0], fields[2], fields[5]
}

// At a terminal Ctrl-C and Ctrl-Z are the command's, once, and the shell sees
// that the job was stopped.
func TestEnvAtATerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keyboard, screen := terminal(t)
	// What a shell does for a job: a session of its own stands for the job here.
	cmd := exec.Command(shared.binary, "env", "--for", "cloudflare", "--watch", "--sandbox="+w.dir, "--",
		"bash", "-c", `trap 'echo INT >> seen' INT; echo $$ > pid.new; mv pid.new pid; while read -r line || [ -s seen ]; do [ "$line" = end ] && exit 4; echo "line $line" >> seen; done`)
	cmd.Dir, cmd.Env = w.root, w.env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = screen, screen, screen
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	gone := make(chan struct{})
	go func() { defer close(gone); _ = cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-gone })
	ours, child := cmd.Process.Pid, 0
	w.await("the command runs", func() bool {
		n, _ := fmt.Sscan(w.read("pid"), &child)
		return n == 1
	})
	_, group, foreground := at(child)
	require.Equal(t, group, foreground, "the command has the terminal")

	typed := func(keys string) { _, err := keyboard.WriteString(keys); require.NoError(t, err) }
	typed("one\n")
	w.await("it reads", func() bool { return strings.Contains(w.read("seen"), "line one\n") })
	typed("\x03")
	w.await("it is interrupted", func() bool { return strings.Contains(w.read("seen"), "INT\n") })
	typed("\x1a")
	w.await("both are stopped", func() bool {
		one, _, _ := at(ours)
		other, _, _ := at(child)
		return one == "T" && other == "T"
	})
	_, group, foreground = at(ours)
	require.Equal(t, group, foreground, "the terminal is given back")
	require.NoError(t, syscall.Kill(-ours, syscall.SIGCONT))
	typed("two\n")
	w.await("it goes on", func() bool { return strings.Contains(w.read("seen"), "line two\n") })
	require.Equal(t, 1, strings.Count(w.read("seen"), "INT"), "once")
	typed("end\n")
	<-gone
	require.Equal(t, 4, cmd.ProcessState.ExitCode())
	require.NoFileExists(t, filepath.Join(w.root, "pid.new"))
}

func TestEnvPrintsNoValueToATerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, screen := terminal(t)
	for _, force := range []bool{false, true} {
		cmd := w.command(shared.binary, "env", "--for", "cloudflare", "--format", "shell", "--sandbox="+w.dir, fmt.Sprintf("--force=%t", force))
		cmd.Stdout = screen
		var stderr strings.Builder
		cmd.Stderr = &stderr
		err := cmd.Run()
		require.Equal(t, force, err == nil, stderr.String())
		if !force {
			refusal{code: 2, says: []string{"stand on the terminal"}, next: `eval "$(go run . env --sandbox=`}.shows(t, skipProgress(result{code: cmd.ProcessState.ExitCode(), stderr: stderr.String()}))
		}
	}
}
