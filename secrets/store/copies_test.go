package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// A copy is for the readers of its entry: with fewer of them than the store has,
// with more, and with others; and pass itself keeps to that afterwards.
func TestCopiesAreForTheReadersOfTheirEntry(t *testing.T) {
	t.Parallel()
	f := storetest.New(t)
	own := f.Run("", "head", "-c40", ".gpg-id")
	two := f.Key("Two <two@example.invalid>", "", "never")
	three := f.Key("Three <three@example.invalid>", "", "never")
	keys := []string{own, two, three}
	for name, c := range map[string]struct{ root, acme []string }{
		"fewer":  {[]string{own, two}, []string{own}},
		"more":   {[]string{own}, []string{own, two}},
		"others": {[]string{own, two}, []string{own, three}},
	} {
		f.Pass("", append([]string{"init"}, c.root...)...)
		f.Pass("", append([]string{"init", "-p", "acme"}, c.acme...)...)
		f.Pass("1\n", "insert", "-m", "-f", "acme/deep/key")
		copied := store.PendingPath("acme/deep/key")
		if name == "more" {
			copied = store.PreviousPath("acme/deep/key")
		}
		right := func(when string) {
			t.Helper()
			require.Equal(t, c.acme, encryptedTo(f, copied, keys...), "%s, %s, %s", name, copied, when)
		}
		require.NoError(t, f.Store.Write(t.Context(), "", change(copied, "2\n")))
		f.Clean()
		right("written")
		f.Pass("3\n", "insert", "-m", "-f", copied)
		right("pass insert")
		f.Pass("", append([]string{"init"}, append(c.root, three)...)...)
		right("pass init of the store")
		f.Pass("", append([]string{"init"}, c.root...)...)
		require.Equal(t, "3\n", f.Pass("", "show", copied))
		// The entry gets other readers: the next write of the copy follows.
		f.Pass("", append([]string{"init", "-p", "acme"}, two, own)...)
		require.NoError(t, f.Store.Write(t.Context(), "", change(copied, "4\n")))
		f.Clean()
		f.Pass("5\n", "insert", "-m", "-f", copied)
		require.Equal(t, []string{own, two}, encryptedTo(f, copied, keys...))
		f.Pass("", append([]string{"init", "-p", "acme"}, c.acme...)...)

		require.NoError(t, f.Store.Write(t.Context(), "", store.Change{Path: copied, Delete: true}))
		f.Clean()
		noLeftovers(t, f)
		_, err := os.Lstat(filepath.Join(f.Dir, "rotation"))
		require.ErrorIs(t, err, os.ErrNotExist)
	}
}

// A write that was killed takes its .gpg-id with it, or keeps it, as a whole.
func TestKillBetweenCopyAndItsKeys(t *testing.T) {
	t.Parallel()
	f := storetest.New(t)
	own := f.Run("", "head", "-c40", ".gpg-id")
	f.Pass("", "init", own, f.Key("Two <two@example.invalid>", "", "never"))
	f.Pass("", "init", "-p", "acme", own)
	head := f.Git("rev-parse", "HEAD")
	list := filepath.Join(f.Dir, "rotation/pending/acme/.gpg-id")
	undone := 0
	for n := 1; ; n += 2 {
		if _, killed := runChild(t, f, "STORE_CHILD=copy", fmt.Sprint("STORE_CHILD_DIE_AT=", n)); !killed {
			break
		}
		_, err := f.Store.Recover(t.Context())
		require.NoError(t, err)
		f.Clean()
		noLeftovers(t, f)
		if f.Git("rev-parse", "HEAD") == head {
			undone++
			require.NoFileExists(t, list)
		} else {
			require.FileExists(t, list)
			require.True(t, f.Store.Exists(store.PendingPath("acme/key")))
		}
		f.Git("reset", "--quiet", "--hard", head)
	}
	require.Greater(t, undone, 5)
	require.FileExists(t, list)
}

// In a store with one .gpg-id no other is made, and one that lies deeper than
// the entry's list counts no more.
func TestCopiesInAPlainStore(t *testing.T) {
	f := storetest.New(t)
	own := f.Run("", "head", "-c40", ".gpg-id")
	two := f.Key("Two <two@example.invalid>", "", "never")
	copied := store.PendingPath("acme/key")
	list := filepath.Join(f.Dir, "rotation/pending/acme/.gpg-id")
	require.NoError(t, f.Store.Write(t.Context(), "", change(copied, "1\n")))
	require.NoFileExists(t, list)
	write(t, list, two+"\n", 0o600)
	f.Git("add", "-A")
	f.Git("commit", "-qm", "left over")
	require.NoError(t, f.Store.Write(t.Context(), "", change(copied, "2\n")))
	require.NoFileExists(t, list)
	require.Equal(t, []string{own}, encryptedTo(f, copied, own, two))
	f.Clean()
}
