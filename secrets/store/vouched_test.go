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

// A key is listed by its fingerprint, that of a subkey, its long id or an address;
// what means no key of this keyring lets nobody in.
func TestAKeyIsListedByWhatNamesIt(t *testing.T) {
	f := storetest.New(t)
	own := strings.TrimSpace(f.Run("", "cat", ".gpg-id"))
	two := f.Key("Two <two@example.invalid>", "", "never")
	f.Pass("", "init", own, two)
	subkey := ""
	for line := range strings.Lines(f.Run("", "gpg", "--batch", "--with-colons", "--list-keys", two)) {
		if c := strings.Split(line, ":"); c[0] == "fpr" {
			subkey = c[9] // the last one
		}
	}
	for _, name := range []string{two, subkey, two[24:], "0x" + two, "two@example.invalid", "Two <two@example.invalid>"} {
		o := f.Options()
		o.Recipients = []string{own, name}
		require.NoError(t, f.Open(o).Write(t.Context(), "", change("a", name+"\n")), name)
		require.Equal(t, []string{own, two}, encryptedTo(f, "a", own, two))
	}
	o := f.Options()
	for _, name := range []string{"nobody@example.invalid", strings.Repeat("A", 40)} {
		o.Recipients = []string{own, name}
		e := want(t, f.Open(o).Write(t.Context(), "", change("a", "hunter2\n")), store.Recipients)
		require.Equal(t, "pass git log -p -- .gpg-id", e.Next)
		require.Contains(t, e.Detail, f.Git("log", "-1", "--format=%h", "--abbrev=12", "--", ".gpg-id"))
		require.Contains(t, e.Detail, storetest.Email)
	}
}

// A write is for the keys that were agreed to, whatever the list says by then.
func TestAWriteIsForTheReadersThatWereAgreedTo(t *testing.T) {
	f := storetest.New(t)
	own := strings.TrimSpace(f.Run("", "cat", ".gpg-id"))
	c := change("a", "hunter2\n")
	c.Readers = []string{own}
	require.NoError(t, f.Store.Write(t.Context(), "", c))
	f.Pass("", "init", own, f.Key("Two <two@example.invalid>", "", "never"))
	want(t, f.Store.Write(t.Context(), "", c), store.Recipients)
}

// A group of gpg.conf in .gpg-id, which pass takes too.
func TestAGroupStandsForItsKeys(t *testing.T) {
	f := storetest.New(t)
	own := strings.TrimSpace(f.Run("", "cat", ".gpg-id"))
	two := f.Key("Two <two@example.invalid>", "", "never")
	write(t, filepath.Join(f.GNUPGHome, "gpg.conf"), "group team = "+own+" "+two+"\n", 0o600)
	require.NoError(t, os.WriteFile(filepath.Join(f.Dir, ".gpg-id"), []byte("team\n"), 0o600))
	all, err := f.Store.Recipients(t.Context(), "a")
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.NoError(t, f.Store.Write(t.Context(), "", change("a", "hunter2\n")))
	require.Equal(t, []string{own, two}, encryptedTo(f, "a", own, two))
}
