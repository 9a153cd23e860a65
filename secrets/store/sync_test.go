package store_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

func state(t *testing.T, f *storetest.Fixture) store.Sync {
	t.Helper()
	y, err := f.Store.Sync(t.Context())
	require.NoError(t, err)
	return y
}

func put(t *testing.T, f *storetest.Fixture, path, content string) {
	t.Helper()
	require.NoError(t, f.Store.Write(t.Context(), "", change(path, content)))
}

func remoteHead(f *storetest.Fixture) string {
	return f.Git("ls-remote", f.Remote, "refs/heads/main")[:40]
}

// Two operators: one pushes, the other is behind, is told so, pulls.
func TestTwoOperators(t *testing.T) {
	f := pairFixture(t)
	other := f.Clone()
	y := state(t, f)
	require.Equal(t, store.Sync{Git: true, Remote: "origin", Branch: "main", Upstream: "origin/main", Head: f.Git("rev-parse", "HEAD"),
		Fetched: true}, y)
	require.NoError(t, y.Ready())
	require.NoError(t, y.Pushed())

	put(t, other, "pair/key", "theirs\n")
	want(t, state(t, other).Pushed(), store.Unpushed)
	require.NoError(t, other.Store.Push(t.Context()))
	require.NoError(t, state(t, other).Pushed())
	require.Equal(t, other.Git("rev-parse", "HEAD"), remoteHead(f))

	y = state(t, f)
	require.Equal(t, 1, y.Behind)
	require.Equal(t, "pass git pull --rebase", want(t, y.Ready(), store.Behind).Next)
	put(t, f, "pair/user", "mine\n")
	require.Equal(t, "pass git pull --rebase", want(t, f.Store.Push(t.Context()), store.Behind).Next)
	require.NoError(t, f.Store.Pull(t.Context()))
	require.NoError(t, f.Store.Push(t.Context()))
	require.Equal(t, "theirs\n", f.Pass("", "show", "pair/key"))
	require.Equal(t, f.Git("rev-parse", "HEAD"), remoteHead(f))

	require.NoError(t, other.Store.Pull(t.Context())) // fast-forward
	require.Equal(t, "mine\n", other.Pass("", "show", "pair/user"))
	info, err := os.Stat(filepath.Join(other.Dir, "pair/user.gpg"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "a pull keeps pass's umask")
	require.NoError(t, other.Store.Pull(t.Context()))
}

func TestPullConflictIsUndone(t *testing.T) {
	f := pairFixture(t)
	other := f.Clone()
	put(t, other, "pair/key", "theirs\n")
	require.NoError(t, other.Store.Push(t.Context()))
	put(t, f, "pair/key", "mine\n")
	head := f.Git("rev-parse", "HEAD")
	e := want(t, f.Store.Pull(t.Context()), store.Conflict)
	require.Equal(t, "pass git pull --rebase", e.Next)
	require.Equal(t, head, f.Git("rev-parse", "HEAD"))
	require.Equal(t, "main", f.Git("branch", "--show-current"))
	require.Equal(t, "mine\n", f.Pass("", "show", "pair/key"))
	f.Clean()
}

func TestSyncTellsTheState(t *testing.T) {
	f := pairFixture(t)
	other := f.Clone()
	put(t, other, "pair/key", "theirs\n")
	require.NoError(t, other.Store.Push(t.Context()))

	write(t, filepath.Join(f.Dir, "pair/key.gpg"), "x", 0o600)
	write(t, filepath.Join(f.Dir, "with blank.gpg"), "x", 0o600)
	write(t, filepath.Join(f.Dir, store.OwnPrefix+"x.journal"), "x", 0o600)
	f.Git("mv", "pair/user.gpg", "pair/moved.gpg")
	y := state(t, f)
	require.ElementsMatch(t, []string{"pair/key.gpg", "with blank.gpg", "pair/user.gpg", "pair/moved.gpg"}, y.Dirty)
	want(t, y.Ready(), store.Dirty)
	want(t, f.Store.Pull(t.Context()), store.Dirty)
	f.Git("reset", "-q", "--hard")
	f.Git("clean", "-qfd")

	f.Git("checkout", "-q", "--detach")
	want(t, state(t, f).Ready(), store.Git)
	want(t, f.Store.Push(t.Context()), store.Git)
	f.Git("checkout", "-q", "-b", "side")
	put(t, f, "side", "1\n")
	y = state(t, f)
	require.Equal(t, []any{"", "origin", 1}, []any{y.Upstream, y.Remote, y.Ahead})
	require.Equal(t, "pass git push --set-upstream origin HEAD", want(t, y.Pushed(), store.Unpushed).Next)
	want(t, f.Store.Push(t.Context()), store.Unpushed)
	f.Git("checkout", "-q", "main")
	f.Git("remote", "remove", "origin")
	y = state(t, f)
	require.Equal(t, []any{"", "", false}, []any{y.Upstream, y.Remote, y.Fetched})
	require.NoError(t, y.Pushed())
	require.NoError(t, f.Store.Push(t.Context()))
}

// A remote that refuses, lies, is gone, or never answers.
func TestPushIsProvenAtTheRemote(t *testing.T) {
	f := pairFixture(t)
	put(t, f, "pair/key", "new\n")
	hook := filepath.Join(f.Remote, "hooks/pre-receive")
	write(t, hook, "#!/bin/sh\nexit 1\n", 0o755)
	e := want(t, f.Store.Push(t.Context()), store.Unpushed)
	require.Contains(t, e.Detail, "pre-receive hook declined")
	require.NoError(t, os.Remove(hook))

	// The remote takes it and puts the old commit back.
	write(t, filepath.Join(f.Remote, "hooks/post-receive"), "#!/bin/sh\nwhile read old new ref; do git update-ref $ref $old; done\n", 0o755)
	e = want(t, f.Store.Push(t.Context()), store.Unpushed)
	require.Contains(t, e.Detail, "the remote does not have the commit")
	require.NoError(t, os.Remove(filepath.Join(f.Remote, "hooks/post-receive")))
	require.NoError(t, f.Store.Push(t.Context()))

	f.Git("remote", "set-url", "origin", f.Home+"/gone.git")
	y, err := f.Store.Sync(t.Context())
	require.Equal(t, "pass git fetch", want(t, err, store.Unreachable).Next)
	require.Equal(t, []any{"main", 0, false}, []any{y.Branch, y.Ahead, y.Fetched})
	want(t, f.Store.Push(t.Context()), store.Unreachable)
	want(t, f.Store.Pull(t.Context()), store.Unreachable)

	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	for _, scheme := range []string{"git://", "http://me:hunter2@", "ssh://"} {
		f.Git("remote", "set-url", "origin", scheme+silent.Addr().String()+"/x.git")
		o := f.Options()
		o.Timeout = time.Second
		_, err = f.Open(o).Sync(t.Context())
		want(t, err, store.Unreachable)
	}
}

func TestHistory(t *testing.T) {
	f := storetest.New(t)
	texts := func(n int) []string {
		t.Helper()
		entries, err := f.Store.History(t.Context(), "a/b", n)
		require.NoError(t, err)
		var all []string
		for _, e := range entries {
			all = append(all, string(e.Content().Reveal()))
			require.Len(t, e.Commit, 40)
			require.WithinDuration(t, time.Now(), e.Time, time.Hour)
			require.Equal(t, "a/b", e.Path)
		}
		return all
	}
	require.Empty(t, texts(0))
	for _, v := range []string{"1\n", "2\n", "2\n", "3\n"} {
		f.Pass(v, "insert", "-m", "-f", "a/b")
		f.Pass(v, "insert", "-m", "-f", "other")
	}
	require.Equal(t, []string{"2\n", "1\n"}, texts(0))
	require.Equal(t, []string{"2\n"}, texts(1))
	f.Pass("", "rm", "-f", "a/b")
	require.Equal(t, []string{"3\n", "2\n", "1\n"}, texts(0))
	put(t, f, "a/b", "2\n")
	require.Equal(t, []string{"3\n", "2\n", "1\n"}, texts(0), "the present value was also had before")

	// A version for a key that is gone is told beside those that can be read.
	lost := f.Key("Lost <lost@example.invalid>", "", "never")
	f.Run("x\n", "gpg", "--batch", "--yes", "-o", "a/b.gpg", "-e", "-r", lost)
	f.Git("commit", "-qam", "lost")
	put(t, f, "a/b", "4\n")
	f.Run("", "gpg", "--batch", "--yes", "--delete-secret-keys", lost)
	entries, err := f.Store.History(t.Context(), "a/b", 0)
	want(t, err, store.NoKey)
	require.Len(t, entries, 4)
}
