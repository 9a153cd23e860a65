package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// reset brings the store back to the old world between two crashes.
func reset(t *testing.T, f *storetest.Fixture, head string) {
	t.Helper()
	f.Git("reset", "--quiet", "--hard", head)
	f.Git("clean", "-qfdx")
	require.Equal(t, oldWorld(), contents(t, f))
}

// The process is killed at the n-th step, for every n. Each entry can be read
// at once, and after Recover the write happened as a whole or not at all.
func TestKillAtEveryStepOfAWrite(t *testing.T) {
	t.Parallel()
	f := pairFixture(t)
	head := f.Git("rev-parse", "HEAD")
	undone, finished := 0, 0
	for n := 1; ; n++ {
		out, killed := runChild(t, f, fmt.Sprint("STORE_CHILD_DIE_AT=", n))
		if !killed {
			require.Contains(t, out, survived)
			require.Equal(t, newWorld(), contents(t, f))
			break
		}
		for entry, content := range contents(t, f) {
			require.Contains(t, []string{oldWorld()[entry], newWorld()[entry]}, content, "step %d, %s", n, entry)
		}
		_, err := f.Store.Recover(t.Context())
		require.NoError(t, err)
		if f.Git("rev-parse", "HEAD") == head {
			undone++
			require.Equal(t, oldWorld(), contents(t, f), "step %d", n)
		} else {
			finished++
			require.Equal(t, newWorld(), contents(t, f), "step %d", n)
		}
		f.Clean()
		noLeftovers(t, f)
		reset(t, f, head)
	}
	require.GreaterOrEqual(t, undone, 18)
	require.GreaterOrEqual(t, finished, 2)
}

// The same while the write is being undone, because a hook refused the commit,
// and while Recover itself works.
func TestKillWhilePuttingBack(t *testing.T) {
	t.Parallel()
	f := pairFixture(t)
	head := f.Git("rev-parse", "HEAD")
	write(t, filepath.Join(f.Dir, ".git/hooks/pre-commit"), "#!/bin/sh\nexit 1\n", 0o755)
	for n := 18; ; n++ { // the steps before are those of TestKillAtEveryStepOfAWrite
		out, killed := runChild(t, f, fmt.Sprint("STORE_CHILD_DIE_AT=", n))
		if !killed {
			require.Contains(t, out, failed+string(store.Git))
			break
		}
		runChild(t, f, "STORE_CHILD=recover", "STORE_CHILD_DIE_AT=2")
		_, err := f.Store.Recover(t.Context())
		require.NoError(t, err)
		require.Equal(t, oldWorld(), contents(t, f), "step %d", n)
		require.Equal(t, head, f.Git("rev-parse", "HEAD"))
		f.Clean()
		noLeftovers(t, f)
	}
	require.Equal(t, oldWorld(), contents(t, f))
	f.Clean()
	noLeftovers(t, f)
}

func TestKillAtEveryStepWithoutGit(t *testing.T) {
	t.Parallel()
	f := pairFixture(t)
	require.NoError(t, os.RemoveAll(filepath.Join(f.Dir, ".git")))
	backup := filepath.Join(f.Home, "backup")
	require.NoError(t, os.CopyFS(backup, os.DirFS(f.Dir)))
	for n := 1; ; n++ {
		out, killed := runChild(t, f, fmt.Sprint("STORE_CHILD_DIE_AT=", n))
		if !killed {
			require.Contains(t, out, survived)
			break
		}
		_, err := f.Store.Recover(t.Context())
		require.NoError(t, err)
		now := contents(t, f)
		require.True(t, fmt.Sprint(now) == fmt.Sprint(oldWorld()) || fmt.Sprint(now) == fmt.Sprint(newWorld()), "step %d: %v", n, now)
		noLeftovers(t, f)
		require.NoError(t, os.RemoveAll(f.Dir))
		require.NoError(t, os.CopyFS(f.Dir, os.DirFS(backup)))
	}
	require.Equal(t, newWorld(), contents(t, f))
}

// parent is our process as a hook of git sees it.
const parent = `$(cut -d' ' -f4 /proc/$PPID/stat)`

// git outlives us and commits: Recover waits for it and finds the write done.
func TestKillInsideTheCommit(t *testing.T) {
	f := pairFixture(t)
	write(t, filepath.Join(f.Dir, ".git/hooks/pre-commit"), "#!/bin/sh\nkill -9 "+parent+"\nexec sleep 0.3 >/dev/null 2>&1\n", 0o755)
	_, killed := runChild(t, f)
	require.True(t, killed)
	r, err := f.Store.Recover(t.Context())
	require.NoError(t, err)
	require.Len(t, r.Finished, 4)
	require.Equal(t, newWorld(), contents(t, f))
	f.Clean()
	noLeftovers(t, f)
}

// Where git dies with us, its index.lock stays: it is told and nothing guessed.
func TestKillOfGitToo(t *testing.T) {
	f := pairFixture(t)
	write(t, filepath.Join(f.Dir, ".git/hooks/pre-commit"), "#!/bin/sh\nkill -9 "+parent+" $PPID\n", 0o755)
	_, killed := runChild(t, f)
	require.True(t, killed)
	o := f.Options()
	o.Timeout = 300e6
	_, err := f.Open(o).Recover(t.Context())
	e := want(t, err, store.Busy)
	f.Run("", "sh", "-c", e.Next)
	r, err := f.Store.Recover(t.Context())
	require.NoError(t, err)
	require.Len(t, r.Undone, 4)
	require.Equal(t, oldWorld(), contents(t, f))
	f.Clean()
	noLeftovers(t, f)
}

// pass writes in place: what a kill of gpg leaves is garbage, and HEAD's version
// comes back. What can be decrypted is a person's and stays.
func TestRecoverRestoresOnlyDamagedEntries(t *testing.T) {
	f := pairFixture(t)
	write(t, filepath.Join(f.Dir, "pair/key.gpg"), strings.Repeat("\x85garbage", 9000), 0o600)
	f.Git("add", "pair/key.gpg")
	f.Run("edited\n", "gpg", "--batch", "--yes", "--quiet", "-r", storetest.Email, "-o", "pair/user.gpg", "-e")
	r, err := f.Store.Recover(t.Context())
	require.NoError(t, err)
	require.Equal(t, store.Recovered{Restored: []string{"pair/key"}}, r)
	require.Equal(t, "old-key\n", f.Pass("", "show", "pair/key"))
	require.Equal(t, "edited\n", f.Pass("", "show", "pair/user"))
	require.Equal(t, "M pair/user.gpg", f.Git("status", "--porcelain"))
	noLeftovers(t, f)
}

// A damaged entry in HEAD is no better and stays as it is.
func TestRecoverLeavesWhatItCannotMend(t *testing.T) {
	f := pairFixture(t)
	file := filepath.Join(f.Dir, "pair/key.gpg")
	write(t, file, "garbage one", 0o600)
	f.Git("commit", "-qam", "damage")
	write(t, file, "garbage two", 0o600)
	r, err := f.Store.Recover(t.Context())
	require.NoError(t, err)
	require.Empty(t, r.Restored)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "garbage two", string(text))
}

// After a kill, a person's newer version of an entry is not undone.
func TestRecoverKeepsANewerEdit(t *testing.T) {
	f := pairFixture(t)
	for n := 1; ; n++ {
		_, killed := runChild(t, f, fmt.Sprint("STORE_CHILD_DIE_AT=", n))
		require.True(t, killed, "no step had replaced the entry")
		if f.Pass("", "show", "pair/user") == "new-user\n" {
			break
		}
		_, err := f.Store.Recover(t.Context())
		require.NoError(t, err)
	}
	want(t, f.Store.Write(t.Context(), "", pairChanges("newer")...), store.Interrupted)
	f.Pass("mine\n", "insert", "-m", "-f", "pair/user")
	_, err := f.Store.Recover(t.Context())
	require.NoError(t, err)
	require.Equal(t, "mine\n", f.Pass("", "show", "pair/user"))
	require.Equal(t, "old-key\n", f.Pass("", "show", "pair/key"))
	f.Clean()
	noLeftovers(t, f)
}

// A journal is data of the store's folder: one that names other files is refused.
func TestRecoverRefusesAForeignJournal(t *testing.T) {
	f := pairFixture(t)
	victim := filepath.Join(f.Home, "victim.gpg")
	write(t, victim, "x", 0o600)
	for _, file := range []string{"../victim.gpg", ".git/config", "a/../../victim.gpg", ""} {
		write(t, filepath.Join(f.Dir, ".rotation-x.journal"), fmt.Sprintf(`{"work":[{"file":%q,"old":"","new":"x"}]}`, file), 0o600)
		_, err := f.Store.Recover(t.Context())
		want(t, err, store.Damaged)
		require.FileExists(t, victim)
	}
}

// The lock ends with the process, and one writer at a time is let in.
func TestLockIsFreeAfterAKill(t *testing.T) {
	f := pairFixture(t)
	_, killed := runChild(t, f, "STORE_CHILD_DIE_AT=1")
	require.True(t, killed)
	dir, err := os.Open(f.Dir)
	require.NoError(t, err)
	defer dir.Close()
	require.NoError(t, syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
	o := f.Options()
	o.Timeout = 300e6
	want(t, f.Open(o).Write(t.Context(), "", pairChanges("new")...), store.Busy)
}
