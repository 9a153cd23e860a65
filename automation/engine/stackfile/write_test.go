package stackfile

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// The test binary starts itself: a writer of its own process, named by the
// environment.
const (
	asWriter = "STACKFILE_TEST_WRITER" // the key to write
	atFile   = "STACKFILE_TEST_FILE"
	dying    = "STACKFILE_TEST_DIES"
)

func TestMain(m *testing.M) {
	if key := os.Getenv(asWriter); key != "" {
		os.Exit(writer(key))
	}
	os.Exit(m.Run())
}

func writer(key string) int {
	f := file(nil, "")
	f.Path = os.Getenv(atFile)
	if os.Getenv(dying) != "" {
		f.beforeRename = func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }
	}
	_, err := f.Update(context.Background(), map[string]secrets.Value{key: value("value of " + key)}, true,
		func(salt string) (string, Crypter, error) {
			if salt == "" {
				return NewSalt(context.Background(), value(phrase))
			}
			c, err := Open(value(phrase), salt)
			return salt, c, err
		})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func start(t *testing.T, f File, key string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), asWriter+"="+key, atFile+"="+f.Path), env...)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	return cmd
}

func TestParallelWritersLoseNothing(t *testing.T) {
	f := file(t, "")
	const processes, goroutines = 3, 3
	var cmds []*exec.Cmd
	for i := range processes {
		cmds = append(cmds, start(t, f, fmt.Sprintf("process-%d", i)))
	}
	open := func(salt string) (string, Crypter, error) {
		if salt == "" {
			return NewSalt(context.Background(), value(phrase))
		}
		c, err := Open(value(phrase), salt)
		return salt, c, err
	}
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			key := fmt.Sprintf("goroutine-%d", i)
			_, err := f.Update(context.Background(), map[string]secrets.Value{key: value("value of " + key)}, true, open)
			require.NoError(t, err)
		})
	}
	wg.Wait()
	for _, cmd := range cmds {
		require.NoError(t, cmd.Wait())
	}
	c, err := f.Load()
	require.NoError(t, err)
	crypt, err := Open(value(phrase), c.Salt)
	require.NoError(t, err)
	opened, err := f.Decrypt(context.Background(), c, crypt)
	require.NoError(t, err)
	require.Len(t, opened.Secrets, processes+goroutines)
	for key, v := range opened.Secrets {
		require.True(t, v.Equal(value("value of "+key)), key)
	}
}

func TestAKillBeforeTheRenameLeavesTheOldFile(t *testing.T) {
	k := newKit(t)
	f := file(t, k.fill("encryptionsalt: %SALT%\nconfig: {}\n"))
	before := read(t, f)
	cmd := start(t, f, "token", dying+"=1")
	require.Error(t, cmd.Wait())
	require.Equal(t, syscall.SIGKILL, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
	require.Equal(t, before, read(t, f))
	left, err := os.ReadDir(filepath.Dir(f.Path))
	require.NoError(t, err)
	require.Len(t, left, 2, "the temporary file is left")

	require.NoError(t, start(t, f, "token").Wait())
	require.NotEqual(t, before, read(t, f))
	left, err = os.ReadDir(filepath.Dir(f.Path))
	require.NoError(t, err)
	require.Len(t, left, 1, "the next write cleans up")
}

func TestUpdateKeepsModeAndSymbolicLink(t *testing.T) {
	k := newKit(t)
	real := file(t, k.fill("encryptionsalt: %SALT%\n"))
	require.NoError(t, os.Chmod(real.Path, 0o640))
	f := file(t, "")
	require.NoError(t, os.Symlink(real.Path, f.Path))
	_, err := f.Update(context.Background(), map[string]secrets.Value{"a": value("b")}, false, k.open)
	require.NoError(t, err)
	info, err := os.Lstat(f.Path)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
	info, err = os.Stat(real.Path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	require.Contains(t, read(t, real), "secure:")
}

func TestUndoLeavesAForeignChangeAlone(t *testing.T) {
	k := newKit(t)
	f := file(t, k.fill("encryptionsalt: %SALT%\n"))
	edit, err := f.Update(context.Background(), map[string]secrets.Value{"a": value("b")}, false, k.open)
	require.NoError(t, err)
	foreign := read(t, f) + "# mine\n"
	require.NoError(t, os.WriteFile(f.Path, []byte(foreign), 0o644))
	require.ErrorIs(t, edit.Undo(), ErrChanged)
	require.Equal(t, foreign, read(t, f))
}

func TestUpdateGivesUpWaitingWithItsContext(t *testing.T) {
	k := newKit(t)
	f := file(t, k.fill("encryptionsalt: %SALT%\n"))
	unlock, err := lockFolder(context.Background(), f.Path)
	require.NoError(t, err)
	defer unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = f.Update(ctx, map[string]secrets.Value{"a": value("b")}, false, k.open)
	require.ErrorIs(t, err, context.Canceled)
}
