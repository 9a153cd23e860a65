package world

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be one of several processes on one world.
func TestMain(m *testing.M) {
	if dir := os.Getenv("WORLD_WRITER"); dir != "" {
		if err := writeMany(dir, os.Getenv("WORLD_WRITER_NAME")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const rounds = 60

// writeMany counts up a port and a Worker's secret, each time by one.
func writeMany(dir, name string) error {
	w, err := Open(dir)
	if err != nil {
		return err
	}
	for range rounds {
		err := w.Update(func(s *State) error {
			s.Ports["shared"]++
			s.Ports[name]++
			n := strconv.Itoa(s.Ports["shared"])
			_, err := s.EditSecrets(WorkerName, Edit{Set: map[string]string{"A": n, "B": n}, TriggeredBy: "secret"})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func seeded(t *testing.T) (*World, map[string]string) {
	t.Helper()
	w, err := Open(filepath.Join(t.TempDir(), "world"))
	require.NoError(t, err)
	pass, err := w.Seed()
	require.NoError(t, err)
	return w, pass
}

func snapshot(t *testing.T, w *World) *State {
	t.Helper()
	s, err := w.Snapshot()
	require.NoError(t, err)
	return s
}

func TestProcessesLoseNoUpdate(t *testing.T) {
	w, _ := seeded(t)
	self, err := os.Executable()
	require.NoError(t, err)
	var writers []*exec.Cmd
	for i := range 3 {
		c := exec.Command(self)
		c.Env = append(os.Environ(), "WORLD_WRITER="+w.Dir(), "WORLD_WRITER_NAME=writer-"+strconv.Itoa(i))
		c.Stderr = os.Stderr
		require.NoError(t, c.Start())
		writers = append(writers, c)
	}
	require.NoError(t, writeMany(w.Dir(), "writer-here"))
	for _, c := range writers {
		require.NoError(t, c.Wait())
	}
	s := snapshot(t, w)
	require.Equal(t, 4*rounds, s.Ports["shared"])
	require.Equal(t, rounds, s.Ports["writer-1"])
	versions := s.Workers[WorkerName].Versions
	require.Len(t, versions, 4*rounds+1)
	for i, v := range versions[1:] {
		require.Equal(t, strconv.Itoa(i+1), v.Secrets["A"])
		require.Equal(t, v.Secrets["A"], v.Secrets["B"])
		require.Equal(t, i+2, v.Number)
	}
}

func TestFailedUpdateWritesNothing(t *testing.T) {
	w, _ := seeded(t)
	before, err := os.ReadFile(w.file())
	require.NoError(t, err)
	why := errors.New("no")
	require.ErrorIs(t, w.Update(func(s *State) error { s.Workers = nil; return why }), why)
	require.NoError(t, w.Read(func(s *State) { s.Workers = nil }))
	after, err := os.ReadFile(w.file())
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	w, _ := seeded(t)
	for name, mode := range map[string]os.FileMode{"": 0o700, stateFile: 0o600, lockFile: 0o600} {
		info, err := os.Stat(filepath.Join(w.Dir(), name))
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), name)
	}
}

func TestOpenKeepsWhatIsThere(t *testing.T) {
	w, pass := seeded(t)
	again, err := Open(w.Dir())
	require.NoError(t, err)
	_, found, err := again.Lookup(Clerk, pass["verifieddit/clerk/secret-key"])
	require.NoError(t, err)
	require.True(t, found)
	_, err = again.Seed()
	require.ErrorIs(t, err, ErrSeeded)
	require.NoError(t, os.WriteFile(w.file(), []byte("{half"), 0o600))
	_, err = again.Snapshot()
	require.ErrorContains(t, err, "decoding")
}
