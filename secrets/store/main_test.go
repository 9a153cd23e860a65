package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// The test binary is its own victim: with STORE_CHILD set it does one write and
// dies at the step it was told, or under a limit on file sizes.
func TestMain(m *testing.M) {
	if os.Getenv("STORE_CHILD") != "" {
		child()
		return
	}
	os.Exit(m.Run())
}

const (
	survived = "survived"
	failed   = "failed "
)

func child() {
	s, err := store.Open(context.Background(), store.Options{})
	if err != nil {
		fmt.Println(failed + err.Error())
		return
	}
	if limit, err := strconv.ParseUint(os.Getenv("STORE_CHILD_FSIZE"), 10, 64); err == nil {
		signal.Ignore(syscall.SIGXFSZ) // so that writes fail with EFBIG
		_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit})
	}
	if at, err := strconv.Atoi(os.Getenv("STORE_CHILD_DIE_AT")); err == nil {
		step := 0
		store.SetStage(s, func(string) {
			if step++; step == at {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		})
	}
	if step := os.Getenv("STORE_CHILD_STOP_AT"); step != "" {
		store.SetStage(s, func(at string) {
			if at == step {
				_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			}
		})
	}
	switch os.Getenv("STORE_CHILD") {
	case "recover":
		_, err = s.Recover(context.Background())
	case "copy":
		err = s.Write(context.Background(), "change", change(store.PendingPath("acme/key"), "new\n"))
	default:
		err = s.Write(context.Background(), "change", pairChanges("new")...)
	}
	if err != nil {
		fmt.Printf("%s%s: %v\n", failed, store.KindOf(err), err)
		return
	}
	fmt.Println(survived)
}

// pairChanges write two entries of a pair, a new one in a new folder, and remove one.
func pairChanges(value string) []store.Change {
	return []store.Change{
		{Path: "pair/user", Content: storetest.Value(value + "-user\n")},
		{Path: "pair/key", Content: storetest.Value(value + "-key\n")},
		{Path: "rotation/pending/key", Content: storetest.Value(value + "-pending\n"), New: true},
		{Path: "rotation/previous/key", Delete: true},
	}
}

func pairFixture(t *testing.T) *storetest.Fixture {
	f := storetest.New(t)
	f.Insert(map[string]string{"pair/user": "old-user\n", "pair/key": "old-key\n", "rotation/previous/key": "older\n"})
	return f
}

// runChild runs the child to its end and returns what it printed.
func runChild(t *testing.T, f *storetest.Fixture, extra ...string) (output string, killed bool) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(append(f.Env[:len(f.Env):len(f.Env)], "STORE_CHILD=write"), extra...)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		ws := exit.Sys().(syscall.WaitStatus)
		return string(out), ws.Signaled() && ws.Signal() == syscall.SIGKILL
	}
	require.NoError(t, err)
	return string(out), false
}

// contents decrypts every entry; one that cannot be read fails.
func contents(t *testing.T, f *storetest.Fixture) map[string]string {
	t.Helper()
	entries, err := f.Store.List(t.Context())
	require.NoError(t, err)
	all := map[string]string{}
	read, err := f.Store.ReadAll(t.Context(), entries)
	require.NoError(t, err)
	for entry, e := range read {
		all[entry] = string(e.Content().Reveal())
	}
	return all
}

func oldWorld() map[string]string {
	return map[string]string{"pair/user": "old-user\n", "pair/key": "old-key\n", "rotation/previous/key": "older\n"}
}

func newWorld() map[string]string {
	return map[string]string{"pair/user": "new-user\n", "pair/key": "new-key\n", "rotation/pending/key": "new-pending\n"}
}

// noLeftovers requires that no hidden file of ours and no empty folder remains.
func noLeftovers(t *testing.T, f *storetest.Fixture) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(f.Dir, func(name string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		require.False(t, strings.HasPrefix(d.Name(), store.OwnPrefix), name)
		if d.IsDir() && !strings.Contains(name, "/.git") {
			files, err := os.ReadDir(name)
			require.NoError(t, err)
			require.NotEmpty(t, files, name)
		}
		return nil
	}))
}

func write(t *testing.T, file, text string, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(text), mode))
	require.NoError(t, os.Chmod(file, mode))
}

// want requires an error of that kind with a next command, without a value.
func want(t *testing.T, err error, kind store.Kind) *store.Error {
	t.Helper()
	require.ErrorIs(t, err, kind)
	e, ok := errors.AsType[*store.Error](err)
	require.True(t, ok)
	require.NotContains(t, err.Error(), "hunter2")
	return e
}
