package rotation

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
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
