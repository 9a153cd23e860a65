package store_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// bytesOf is everything in the folder: names, modes, times of change, contents.
func bytesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all[path] = info.Mode().String() + info.ModTime().String()
		if info.Mode().IsRegular() {
			raw, err := os.ReadFile(path)
			all[path] += string(raw)
			return err
		}
		return nil
	}))
	return all
}

// compare compares and requires that the store, .git included, is as before.
func compare(t *testing.T, f *storetest.Fixture) (store.Sync, error) {
	t.Helper()
	before := bytesOf(t, f.Dir)
	y, err := f.Store.Compare(t.Context())
	require.Equal(t, before, bytesOf(t, f.Dir), "comparing changed the store")
	return y, err
}

func compared(t *testing.T, f *storetest.Fixture) store.Sync {
	t.Helper()
	y, err := compare(t, f)
	require.NoError(t, err)
	require.True(t, y.Fetched)
	return y
}

func TestCompare(t *testing.T) {
	f := pairFixture(t)
	other := f.Clone()
	same := compared(t, f)
	require.Equal(t, same.Head, same.Tip, "the remote has it")
	same.Tip = ""
	require.Equal(t, state(t, f), same, "in step, it says what Sync says")

	put(t, f, "pair/user", "mine\n")
	require.Equal(t, []int{1, 0}, counts(compared(t, f)))
	put(t, other, "pair/key", "theirs\n")
	put(t, other, "pair/key", "theirs again\n")
	require.NoError(t, other.Store.Push(t.Context()))
	y := compared(t, f)
	require.Equal(t, []int{1, 1}, counts(y), "the remote's commits are not known here: at least one")
	want(t, y.Ready(), store.Behind)
	f.Git("fetch", "-q")
	require.Equal(t, []int{1, 2}, counts(compared(t, f)), "now they are")

	// What git knows of the remote is old: somebody put its branch back.
	first := f.Git("rev-parse", "HEAD~1")
	f.Run("", "git", "--git-dir="+f.Remote, "update-ref", "refs/heads/main", first)
	require.Equal(t, []int{1, 0}, counts(compared(t, f)))

	long := time.Unix(1e9, 0)
	// A file that was touched and is the same would have git refresh its index.
	require.NoError(t, os.Chtimes(filepath.Join(f.Dir, "pair/key.gpg"), long, long))
	require.Empty(t, compared(t, f).Dirty)
	write(t, filepath.Join(f.Dir, "new.gpg"), "x", 0o600)
	require.Equal(t, []string{"new.gpg"}, compared(t, f).Dirty)
	require.NoError(t, os.Remove(filepath.Join(f.Dir, "new.gpg")))
}

func TestCompareWithoutABranchToFollow(t *testing.T) {
	f := pairFixture(t)
	f.Git("checkout", "-q", "-b", "side")
	put(t, f, "side", "1\n")
	y := compared(t, f)
	require.Equal(t, []any{"", "origin", 1}, []any{y.Upstream, y.Remote, y.Ahead})
	want(t, y.Pushed(), store.Unpushed)
	f.Git("push", "-q", "--set-upstream", "origin", "side")
	require.NoError(t, compared(t, f).Pushed())
	f.Run("", "git", "--git-dir="+f.Remote, "update-ref", "-d", "refs/heads/side")
	y = compared(t, f)
	require.Equal(t, []any{"", 1}, []any{y.Upstream, y.Ahead}, "the branch is gone at the remote")
	want(t, y.Pushed(), store.Unpushed)
	f.Git("checkout", "-q", "--detach")
	require.Equal(t, []any{"", 1}, []any{compared(t, f).Branch, compared(t, f).Ahead})
	f.Git("checkout", "-q", "main")

	back := f.HideRemote()
	y, err := compare(t, f)
	want(t, err, store.Unreachable)
	require.Equal(t, []any{"main", "origin/main", 0, false}, []any{y.Branch, y.Upstream, y.Ahead, y.Fetched})
	back()
	f.Git("remote", "remove", "origin")
	y, err = compare(t, f)
	require.NoError(t, err)
	require.Equal(t, []any{"", false}, []any{y.Remote, y.Fetched})
	f.Run("", "rm", "-rf", f.Dir+"/.git")
	y, err = compare(t, f)
	require.NoError(t, err)
	require.Zero(t, y)
}

func counts(y store.Sync) []int { return []int{y.Ahead, y.Behind} }

func TestRotationIDs(t *testing.T) {
	f := storetest.New(t)
	ids := func(path string) []string {
		t.Helper()
		all, err := f.Store.RotationIDs(t.Context(), path)
		require.NoError(t, err)
		return all
	}
	require.Empty(t, ids("a/b"))
	for _, c := range []struct{ path, message string }{
		{"a/b", "Rotate b: key (rotation 20260101-1)"},
		{"a/c", "Rotate c: key (rotation 20260102-2)"},
		{"a/b", "Edited by hand after (rotation 20260102-2) was done"},
		{"a/b", "Rotate b: key (rotation 20260103-3)"},
		{"a/b", "Rotate b: user (rotation 20260103-3)"},
	} {
		require.NoError(t, f.Store.Write(t.Context(), c.message, change(c.path, c.message+"\n")))
	}
	require.Equal(t, []string{"20260103-3", "20260101-1"}, ids("a/b"))
	require.Equal(t, []string{"20260102-2"}, ids("a/c"))
	_, err := f.Store.RotationIDs(t.Context(), "../x")
	want(t, err, store.Name)
}
