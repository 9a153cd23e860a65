package proof

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// started is a real process with that environment and the file with its id.
func started(t *testing.T, environ ...string) (file string, end func()) {
	t.Helper()
	cmd := exec.Command("cat")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, environ...)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	echo(t, stdin, stdout)
	ended := false
	end = func() {
		if !ended {
			ended = true
			require.NoError(t, stdin.Close())
			require.NoError(t, cmd.Wait())
		}
	}
	t.Cleanup(end)
	return pidFile(t, strconv.Itoa(cmd.Process.Pid)+"\n"), end
}

// echo waits until a cat runs: while it is being started, it has no environment.
func echo(t *testing.T, stdin io.Writer, stdout io.Reader) {
	t.Helper()
	_, err := stdin.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(stdout, make([]byte, 1))
	require.NoError(t, err)
}

func pidFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pid")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func environQuestion(file string) Question {
	return Question{Secret: sightengine, Want: newPair, Known: []Known{{"the previous value", oldPair}}, Consumer: secrets.Consumer{
		Name: "daemon", Kind: secrets.KindManual, Probe: secrets.Probe{Kind: secrets.ProofExact, By: "environ", PidFile: file,
			Variables: map[string]string{"API_USER": "api-user", "API_SECRET": "api-secret"}},
	}}
}

func TestEnvironSaysWhatTheProcessWasStartedWith(t *testing.T) {
	const user, secret = "API_USER=2002", "API_SECRET=new-secret-new-secret"
	for name, c := range map[string]struct {
		environ []string
		want    Answer
		says    string
	}{
		"the new values":      {[]string{user, secret}, Match, "this value"},
		"the old values":      {[]string{"API_USER=1001", "API_SECRET=old-secret-old-secret"}, Differs, "the previous value"},
		"half a rotation":     {[]string{user, "API_SECRET=old-secret-old-secret"}, Differs, "API_SECRET"},
		"one is not set":      {[]string{secret}, Differs, "API_USER"},
		"under another name":  {[]string{user, "MY_API_SECRET=new-secret-new-secret"}, Differs, "API_SECRET"},
		"a longer value":      {[]string{user, secret + "x"}, Differs, "API_SECRET"},
		"inside another":      {[]string{user, "X=1\nAPI_SECRET=new-secret-new-secret"}, Differs, "API_SECRET"},
		"both, one after one": {[]string{user, secret, "API_SECRET=old-secret-old-secret"}, Unknown, "more than once"},
	} {
		t.Run(name, func(t *testing.T) {
			file, _ := started(t, c.environ...)
			if name == "both, one after one" {
				file = repeated(t, c.environ)
			}
			r := asker().Ask(t.Context(), environQuestion(file))
			require.Equal(t, c.want, r.Answer, r.Detail)
			require.Contains(t, r.Detail, c.says)
			require.NotContains(t, r.Detail, "secret-new")
		})
	}
}

// repeated is a process whose environment has a name twice; os/exec would drop
// the first.
func repeated(t *testing.T, environ []string) string {
	t.Helper()
	program, err := exec.LookPath("cat")
	require.NoError(t, err)
	in, stdin, err := os.Pipe()
	require.NoError(t, err)
	stdout, out, err := os.Pipe()
	require.NoError(t, err)
	p, err := os.StartProcess(program, []string{"cat"}, &os.ProcAttr{Env: environ, Files: []*os.File{in, out, os.Stderr}})
	require.NoError(t, err)
	require.NoError(t, errors.Join(in.Close(), out.Close()))
	echo(t, stdin, stdout)
	t.Cleanup(func() {
		require.NoError(t, stdin.Close())
		_, err := p.Wait()
		require.NoError(t, errors.Join(err, stdout.Close()))
	})
	return pidFile(t, strconv.Itoa(p.Pid))
}

// TestProcessesThatAreNotBelieved: each of them runs with the new value.
func TestProcessesThatAreNotBelieved(t *testing.T) {
	const user, secret = "API_USER=2002", "API_SECRET=new-secret-new-secret"
	for name, c := range map[string]struct {
		change func(t *testing.T, file string, end func()) string
		says   string
	}{
		"its number was used again": {func(t *testing.T, file string, _ func()) string {
			long := time.Now().Add(-time.Hour)
			require.NoError(t, os.Chtimes(file, long, long))
			return file
		}, "used again"},
		"it has ended": {func(_ *testing.T, file string, end func()) string { end(); return file }, "gone"},
		"anybody may write the file": {func(t *testing.T, file string, _ func()) string {
			require.NoError(t, os.Chmod(file, 0o666))
			return file
		}, "others may write"},
		"the file is none": {func(t *testing.T, file string, _ func()) string {
			require.NoError(t, os.Remove(file))
			return file
		}, "pid file"},
		"the file is a pipe": {func(t *testing.T, file string, _ func()) string {
			pipe := filepath.Join(filepath.Dir(file), "pipe")
			require.NoError(t, syscall.Mkfifo(pipe, 0o600))
			return pipe
		}, "is no file"},
		"the file is a folder":   {func(_ *testing.T, file string, _ func()) string { return filepath.Dir(file) }, "is no file"},
		"the file holds words":   {func(t *testing.T, _ string, _ func()) string { return pidFile(t, "self") }, "no process id"},
		"the file holds a path":  {func(t *testing.T, _ string, _ func()) string { return pidFile(t, "1/../self") }, "no process id"},
		"a group, not a process": {func(t *testing.T, _ string, _ func()) string { return pidFile(t, "-1") }, "no process id"},
	} {
		t.Run(name, func(t *testing.T) {
			file, end := started(t, user, secret)
			require.Equal(t, Match, asker().Ask(t.Context(), environQuestion(file)).Answer)
			r := asker().Ask(t.Context(), environQuestion(c.change(t, file, end)))
			require.Equal(t, Unreachable, r.Answer, r.Detail)
			require.Contains(t, r.Detail, c.says)
		})
	}
}

func TestZombieHasEnded(t *testing.T) {
	cmd := exec.Command("cat") // ends at once: nothing on its standard input
	cmd.Env = []string{"API_USER=2002", "API_SECRET=new-secret-new-secret"}
	require.NoError(t, cmd.Start())
	file := pidFile(t, strconv.Itoa(cmd.Process.Pid))
	require.Eventually(t, func() bool {
		r := asker().Ask(t.Context(), environQuestion(file))
		return r.Answer == Unreachable && strings.Contains(r.Detail, "has ended")
	}, time.Minute, time.Millisecond)
	require.NoError(t, cmd.Wait())
}

// A folder in the place of /proc: processes of others and systems without it.
func TestProcOfOtherSystems(t *testing.T) {
	a := asker()
	a.Proc = filepath.Join(t.TempDir(), "none")
	file, _ := started(t, "API_USER=2002", "API_SECRET=new-secret-new-secret")
	r := a.Ask(t.Context(), environQuestion(file))
	require.Equal(t, Unknown, r.Answer)
	require.Contains(t, r.Detail, "does not show")
	if os.Geteuid() == 0 {
		// As root this program could read it; it is still somebody else's.
		a.Proc = t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(a.Proc, "self"), 0o700))
		require.NoError(t, os.MkdirAll(filepath.Join(a.Proc, "42"), 0o700))
		require.NoError(t, os.Chown(filepath.Join(a.Proc, "42"), 65534, 65534))
		r = a.Ask(t.Context(), environQuestion(pidFile(t, "42")))
		require.Equal(t, Unreachable, r.Answer)
		require.Contains(t, r.Detail, "another user")
	}
}
