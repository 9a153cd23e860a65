package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// script writes a program for one test.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755))
	return path
}

func spec(t *testing.T, body string) Spec {
	t.Helper()
	return Spec{Path: script(t, body), Dir: t.TempDir(), Env: []string{"PATH=" + os.Getenv("PATH")},
		Redactor: secrets.NewRedactor(), ID: "test-" + t.Name() + strconv.Itoa(os.Getpid())}
}

func secret(s string) secrets.Value { return secrets.NewValue([]byte(s)) }

// awaitFile waits until a script has got to a place.
func awaitFile(t *testing.T, path string) {
	t.Helper()
	require.Eventually(t, func() bool { _, err := os.Stat(path); return err == nil }, 20*time.Second, 5*time.Millisecond)
}

func TestRunRefusesASecretArgument(t *testing.T) {
	s := spec(t, "touch ran")
	s.Redactor.Add(secret("a-registered-value"))
	s.Args = []string{"--message=x a-registered-value y"}
	res, err := Run(context.Background(), s)
	require.ErrorIs(t, err, ErrSecretInArgument)
	require.False(t, res.Started)
	require.NoFileExists(t, filepath.Join(s.Dir, "ran"))
}

func TestRunRedactsAndCutsOutput(t *testing.T) {
	s := spec(t, `printf 'start a-registered-'; printf 'value end\n'; echo 'a-registered-value' >&2; head -c 200000 /dev/zero | tr '\0' x; echo THE-END; exit 3`)
	s.Redactor.Add(secret("a-registered-value"))
	res, err := Run(context.Background(), s)
	require.Error(t, err)
	require.Equal(t, 3, res.Code)
	require.True(t, strings.HasSuffix(res.Stdout, "THE-END\n"))
	require.LessOrEqual(t, len(res.Stdout), tailSize+10)
	require.NotContains(t, res.Stdout+res.Stderr+err.Error(), "a-registered-value")
	require.NotEmpty(t, res.Stderr)
}

func TestRunGivesAPrivatePlaceAndNoCoreDumps(t *testing.T) {
	s := spec(t, `echo "$TMPDIR"; touch "$TMPDIR/left" made; stat -c %a "$TMPDIR" made; ulimit -c; env | sort`)
	s.Env = append(s.Env, "TMPDIR=/elsewhere")
	res, err := Run(context.Background(), s)
	require.NoError(t, err, res.Stderr)
	lines := strings.Split(res.Stdout, "\n")
	require.NotEqual(t, "/elsewhere", lines[0])
	require.NoDirExists(t, lines[0], "removed at the end")
	require.Equal(t, []string{"700", "600", "0"}, lines[1:4])
	require.Contains(t, res.Stdout, Marker+"="+s.ID)
}

func TestRunHandsThePassphraseOverAsAFile(t *testing.T) {
	s := spec(t, `f=$PULUMI_CONFIG_PASSPHRASE_FILE; echo "$f"; cat "$f"; echo; cat "$f"; echo; ls "$TMPDIR"`)
	s.Passphrase = secret("open sesame")
	res, err := Run(context.Background(), s)
	require.NoError(t, err, res.Stderr)
	require.Equal(t, "/proc/self/fd/3\nopen sesame\nopen sesame\n", res.Stdout, "readable twice, and on no disk")
}

func TestPassphraseFileOnDiskIsPrivate(t *testing.T) {
	dir, err := TempDir()
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	name, err := diskFile(dir, secret("open sesame"))
	require.NoError(t, err)
	info, err = os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// asProgram makes the test binary a program that writes down its interrupts: a
// shell's children ignore them. "parent" starts a "child" in its own group.
const asProgram = "PROCESS_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if role := os.Getenv(asProgram); role != "" {
		os.Exit(program(role))
	}
	os.Exit(m.Run())
}

func program(role string) int {
	ints := make(chan os.Signal, 8)
	signal.Notify(ints, syscall.SIGINT)
	stop := make(chan error, 1)
	if role == "parent" {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), asProgram+"=child")
		in, _ := child.StdinPipe()
		if child.Start() != nil {
			return 1
		}
		defer func() { _ = in.Close(); _ = child.Wait() }()
	} else {
		_ = os.WriteFile("ready", nil, 0o600)
		go func() { _, err := os.Stdin.Read(make([]byte, 1)); stop <- err }()
	}
	var late <-chan time.Time
	for {
		select {
		case <-ints:
			f, _ := os.OpenFile("log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			_, _ = f.WriteString(role + "\n")
			_ = f.Close()
			if role == "parent" && late == nil {
				late = time.After(200 * time.Millisecond) // for a second one
			}
		case <-late:
			return 7
		case <-stop:
			return 0
		}
	}
}

// An interrupt reaches the program itself, once, and not the processes it has
// started: it tells those.
func TestRunInterruptsOnce(t *testing.T) {
	s := spec(t, "")
	s.Path, s.Env = os.Args[0], append(s.Env, asProgram+"=parent")
	told := 0
	s.Interrupted = func() { told++ }
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		awaitFile(t, filepath.Join(s.Dir, "ready"))
		cancel()
	}()
	res, err := Run(ctx, s)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, errors.Is(err, ErrKilled))
	require.Equal(t, 7, res.Code)
	log, err := os.ReadFile(filepath.Join(s.Dir, "log"))
	require.NoError(t, err)
	require.Equal(t, "parent\n", string(log))
	require.Equal(t, 1, told)
}

// A Ctrl-C at the terminal goes to the terminal's group: the command is not in
// it, or it would be interrupted twice.
func TestRunHasAGroupOfItsOwn(t *testing.T) {
	res, err := Run(context.Background(), spec(t, `echo $$; cut -d' ' -f5 /proc/$$/stat`))
	require.NoError(t, err)
	ids := strings.Fields(res.Stdout)
	require.Equal(t, ids[0], ids[1])
}

func TestRunKillsAllThatIgnoresTheInterrupt(t *testing.T) {
	s := spec(t, `trap '' INT
sh -c 'echo $$ > same-group; while :; do sleep 0.05; done' &
setsid sh -c 'echo $$ > own-group; while :; do sleep 0.05; done' &
while [ ! -s same-group ] || [ ! -s own-group ]; do sleep 0.02; done
touch ready
while :; do sleep 0.05; done`)
	s.Patience = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		awaitFile(t, filepath.Join(s.Dir, "ready"))
		cancel()
	}()
	res, err := Run(ctx, s)
	require.ErrorIs(t, err, ErrKilled)
	require.Equal(t, -1, res.Code)
	require.Empty(t, living(-1, s.ID))
	for _, name := range []string{"same-group", "own-group"} {
		require.False(t, alive(t, filepath.Join(s.Dir, name)), name)
	}
}

// What a program that ended well leaves running does not stay, and does not
// keep Run waiting for its end of the pipe.
func TestRunLeavesNothingRunning(t *testing.T) {
	s := spec(t, `setsid sh -c 'echo $$ > left; while :; do sleep 0.05; done' &
while [ ! -s left ]; do sleep 0.02; done; exit 5`)
	res, err := Run(context.Background(), s)
	require.Error(t, err)
	require.Equal(t, 5, res.Code)
	require.False(t, alive(t, filepath.Join(s.Dir, "left")))
}

// Two worlds that were made side by side killed each other's CLI.
func TestRunsOfOneNameLeaveEachOtherAlone(t *testing.T) {
	long := spec(t, `touch begun; while [ ! -e end ]; do sleep 0.05; done`)
	ended := make(chan error, 1)
	go func() { _, err := Run(context.Background(), long); ended <- err }()
	awaitFile(t, filepath.Join(long.Dir, "begun"))

	short := spec(t, `exit 1`)
	short.ID = long.ID
	_, err := Run(context.Background(), short)
	require.Error(t, err, "what a failed command left is ended")
	require.NoError(t, os.WriteFile(filepath.Join(long.Dir, "end"), nil, 0o600))
	require.NoError(t, <-ended)
}

func TestRunDoesNotStartAfterCancel(t *testing.T) {
	s := spec(t, "touch ran")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	res, err := Run(ctx, s)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, res.Started)
	require.NoFileExists(t, filepath.Join(s.Dir, "ran"))
}

func TestSweepRemovesOnlyWhatTheDeadLeft(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	own, err := TempDir()
	require.NoError(t, err)
	dead := filepath.Join(os.TempDir(), tempPrefix+"999999999-abc")
	other := filepath.Join(os.TempDir(), tempPrefix+"notes")
	require.NoError(t, os.Mkdir(dead, 0o700))
	require.NoError(t, os.Mkdir(other, 0o700))
	Sweep()
	require.DirExists(t, own)
	require.DirExists(t, other)
	require.NoDirExists(t, dead)
}

func alive(t *testing.T, pidFile string) bool {
	t.Helper()
	raw, err := os.ReadFile(pidFile)
	require.NoError(t, err)
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(raw)) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
