package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// The disk gives back another byte than was written: the entry is not exchanged.
func TestWhatTheDiskChangesIsNoEntry(t *testing.T) {
	f := pairFixture(t)
	head := f.Git("rev-parse", "HEAD")
	store.SetStage(f.Store, func(step string) {
		if step != "written" {
			return
		}
		staged, err := filepath.Glob(filepath.Join(f.Dir, "pair", store.OwnPrefix+"*.new"))
		require.NoError(t, err)
		for _, name := range staged {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			text[len(text)-1] ^= 1
			require.NoError(t, os.WriteFile(name, text, 0o600))
		}
	})
	err := f.Store.Write(t.Context(), "", pairChanges("new")...)
	require.Equal(t, oldWorld(), contents(t, f))
	want(t, err, store.Disk)
	require.Equal(t, head, f.Git("rev-parse", "HEAD"))
	f.Clean()
	noLeftovers(t, f)
}

// gpg encrypts something else than it was given: nothing is written.
func TestWhatGpgChangesIsNoEntry(t *testing.T) {
	f := storetest.New(t)
	real := strings.TrimSpace(f.Run("", "sh", "-c", "command -v gpg"))
	write(t, filepath.Join(f.Home, "bin", "gpg"), "#!/bin/sh\ncase \" $* \" in\n*\" --encrypt \"*) sed s/hunter2/hunter3/ | "+real+" \"$@\" ;;\n*) exec "+real+" \"$@\" ;;\nesac\n", 0o755)
	o := f.Options()
	o.Env = append(f.Env, "PATH="+f.Home+"/bin:"+os.Getenv("PATH"))
	s := f.Open(o)
	require.NoError(t, s.Write(t.Context(), "", change("a/b", "same\n")), "the test can tell")
	head := f.Git("rev-parse", "HEAD")
	want(t, s.Write(t.Context(), "", change("a/b", "hunter2\n")), store.Damaged)
	require.Equal(t, head, f.Git("rev-parse", "HEAD"))
	require.Equal(t, "same\n", read(t, f.Store, "a/b"))
	f.Clean()
	noLeftovers(t, f)
}

// A rehearsal tells that gpg changes what it is given.
func TestARehearsalTellsWhatGpgChanges(t *testing.T) {
	f := storetest.New(t)
	f.Insert(map[string]string{"a/b": "1\n"})
	real := strings.TrimSpace(f.Run("", "sh", "-c", "command -v gpg"))
	write(t, filepath.Join(f.Home, "bin", "gpg"), "#!/bin/sh\ncase \" $* \" in\n*\" --encrypt \"*) tr x y | "+real+" \"$@\" ;;\n*) exec "+real+" \"$@\" ;;\nesac\n", 0o755)
	o := f.Options()
	o.Env = append(f.Env, "PATH="+f.Home+"/bin:"+os.Getenv("PATH"))
	want(t, store.Rehearse(t.Context(), f.Open(o), change("a/b", "")), store.Damaged)
	left, err := filepath.Glob(filepath.Join(f.Dir, store.OwnPrefix+"*"))
	require.NoError(t, err)
	require.Empty(t, left)
}
