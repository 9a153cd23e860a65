package rotation

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// No commit of a rotation has a value of a secret for a key that may not read the
// secret: not even one that was there for a moment, since git keeps it.
func TestNoCommitIsForOthersThanTheReadersOfTheEntry(t *testing.T) {
	w := newWorld(t)
	own := w.pass.Run("", "head", "-c40", ".gpg-id")
	two := w.pass.Key("Two <two@example.invalid>", "", "never")
	w.pass.Pass("", "init", own, two)
	w.pass.Pass("", "init", "-p", "acme", own)
	w.pass.Git("push", "--quiet")
	before := w.pass.Git("rev-parse", "HEAD")
	rep, err := w.rotate(Options{Grace: noGrace})
	require.NoError(t, err)
	require.Equal(t, journal.Done, rep.State)

	var paths []string
	for line := range strings.Lines(w.pass.Git("log", "--raw", "--no-abbrev", "--no-renames", "--format=", before+"..")) {
		f := strings.Fields(line)
		if !strings.HasSuffix(f[5], ".gpg") || strings.Trim(f[3], "0") == "" {
			continue
		}
		paths = append(paths, f[5])
		_, text, _ := w.pass.Try(w.pass.Run("", "git", "cat-file", "blob", f[3]), "gpg", "--batch", "--list-only", "-v", "-d")
		require.Equal(t, 1, strings.Count(text, "public key is"), "%s: %s", f[5], text)
	}
	require.Subset(t, paths, []string{"rotation/pending/acme/api-key.gpg", "rotation/previous/acme/api-key.gpg", "acme/api-key.gpg"})
	require.Equal(t, "fingerprint-key.gpg\n", w.pass.Run("", "ls", "-A", "rotation"), "a list of keys is left behind")
}

// mallory puts a key of her own into the store's .gpg-id; anew encrypts every entry
// to it too, as a push with all of them encrypted anew does.
func (w *world) mallory(anew bool) (key, commit string) {
	w.t.Helper()
	key = w.pass.Key("Mallory <mallory@example.invalid>", "", "never")
	own := w.pass.Run("", "head", "-c40", ".gpg-id")
	if anew {
		w.pass.Pass("", "init", own, key)
	} else {
		require.NoError(w.t, os.WriteFile(filepath.Join(w.pass.Dir, ".gpg-id"), []byte(own+"\n"+key+"\n"), 0o600))
		w.pass.Git("-c", "user.name=Mallory", "commit", "-qam", "tidy up")
	}
	w.pass.Git("push", "--quiet")
	return key, w.pass.Git("log", "-1", "--format=%h", "--abbrev=12", "--", ".gpg-id")
}

// stopped requires that a call was refused for a new reader, and wrote nothing.
func (w *world) stopped(err error, key, commit string) {
	w.t.Helper()
	own := (*Error)(nil)
	require.ErrorAs(w.t, err, &own)
	require.Contains(w.t, err.Error(), key)
	require.Contains(w.t, err.Error(), commit)
	require.Equal(w.t, "pass git log -p -- .gpg-id", own.Next[0])
	for _, next := range own.Next {
		require.NotContains(w.t, next, "pass init")
		require.NotContains(w.t, next, "lsign")
	}
	require.Empty(w.t, w.holds(PendingPath(entryPath)))
}

// A key that joins after a rotation reads no later value, though every entry was
// encrypted to it: the journal knows who could read.
func TestAKeyThatJoinsAfterARotationStopsTheNext(t *testing.T) {
	w := newWorld(t)
	_, err := w.rotate(Options{Grace: noGrace})
	require.NoError(t, err)
	own := w.pass.Run("", "head", "-c40", ".gpg-id")
	require.Equal(t, map[string][]string{"api-key": {own}}, w.last().Recipients)
	key, commit := w.mallory(true)
	number, head, issued := w.last().Number, w.pass.Git("rev-parse", "HEAD"), w.issuer.issued

	_, err = w.rotate(Options{New: true, Grace: noGrace})
	w.stopped(err, key, commit)
	require.Contains(t, err.Error(), storetest.Name, "the author of the commit")
	_, err = w.rotator().Adopt(t.Context(), []string{"acme"}, Options{})
	w.stopped(err, key, commit)
	require.Equal(t, number, w.last().Number)
	require.Equal(t, issued, w.issuer.issued)
	require.Equal(t, head, w.pass.Git("rev-parse", "HEAD"))

	// The catalog lets it in by name, and the journal knows it from then on.
	o := w.pass.Options()
	o.Recipients = []string{own, "mallory@example.invalid"}
	w.pass.Store = w.pass.Open(o)
	_, err = w.rotate(Options{New: true, Grace: noGrace})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{own, key}, w.last().Recipients["api-key"])
	w.pass.Store = w.pass.Open(w.pass.Options())
	_, err = w.rotate(Options{New: true, Grace: noGrace})
	require.NoError(t, err)

	// Who leaves is no reason to stop.
	w.pass.Pass("", "init", own)
	w.pass.Git("push", "--quiet")
	_, err = w.rotate(Options{New: true, Grace: noGrace})
	require.NoError(t, err)
	require.Equal(t, []string{own}, w.last().Recipients["api-key"])
}

// Without a journal that says so, the file itself tells who could read so far.
func TestAKeyThatNoEntryIsEncryptedToStopsTheFirstRotation(t *testing.T) {
	w := newWorld(t)
	key, commit := w.mallory(false)
	_, err := w.rotate(Options{Grace: noGrace})
	w.stopped(err, key, commit)
	require.Contains(t, err.Error(), "Mallory")
	require.Zero(t, w.last().Number)
}

// The list may change between the plan and a write.
func TestAKeyThatJoinsDuringARotationGetsNothing(t *testing.T) {
	w := newWorld(t)
	r := w.rotator()
	agree := agreeing{w, func() { w.mallory(true) }}
	r.Person = agree
	_, err := r.Rotate(t.Context(), []string{"acme"}, Options{Grace: noGrace})
	require.ErrorIs(t, err, store.Recipients)
	require.Empty(t, w.holds(PendingPath(entryPath)))
}

// agreeing does something before it agrees.
type agreeing struct {
	*world
	first func()
}

func (a agreeing) Agree(context.Context, *Plan) error { a.first(); return nil }
