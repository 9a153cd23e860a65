package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// A rehearsal tells what a write would, and leaves nothing behind.
func TestRehearse(t *testing.T) {
	f := storetest.New(t)
	f.Insert(map[string]string{"acme/api-key": "value"})
	trial := store.Change{Path: "rotation/pending/acme/api-key"}
	head := f.Git("rev-parse", "HEAD")
	clean := func() {
		require.Empty(t, f.Git("status", "--porcelain", "--ignored"))
		left, err := filepath.Glob(filepath.Join(f.Dir, ".*trial*"))
		require.NoError(t, err)
		require.Empty(t, left)
		require.NoDirExists(t, filepath.Join(f.Dir, "rotation"))
	}
	require.NoError(t, store.Rehearse(t.Context(), f.Store, trial))
	clean()
	require.Equal(t, head, f.Git("rev-parse", "HEAD"))

	require.NoError(t, os.WriteFile(filepath.Join(f.Dir, ".gpg-id"), []byte("nobody@example.invalid\n"), 0o600))
	f.Git("commit", "-qam", "ids")
	err := store.Rehearse(t.Context(), f.Store, trial)
	require.Equal(t, store.Recipients, store.KindOf(err))
	clean()
}
