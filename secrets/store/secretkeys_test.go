package store_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// nightKey makes a key that certifies and one below it that decrypts, as
// docs/nightly.md says, and returns its fingerprint.
func nightKey(f *storetest.Fixture, passphrase string) string {
	gpg := func(args ...string) {
		f.Run(passphrase, "gpg", append([]string{"--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase-fd", "0"}, args...)...)
	}
	gpg("--quick-generate-key", "Night <night@example.invalid>", "ed25519", "cert", "1y")
	fpr := ""
	for line := range strings.Lines(f.Run("", "gpg", "--batch", "--with-colons", "--list-keys", "night@example.invalid")) {
		if c := strings.Split(line, ":"); c[0] == "fpr" && fpr == "" {
			fpr = c[9]
		}
	}
	gpg("--quick-add-key", fpr, "cv25519", "encr", "1y")
	return fpr
}

// host is a keyring of its own that has what was exported.
func host(t *testing.T, f *storetest.Fixture, exported string) store.Options {
	home, err := os.MkdirTemp(f.Home, "h")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(home, 0o700))
	t.Cleanup(func() { f.Run("", "gpgconf", "--homedir", home, "--kill", "gpg-agent") })
	f.Run(exported, "gpg", "--homedir", home, "--batch", "--quiet", "--import")
	o := f.Options()
	o.GNUPGHome = home
	return o
}

func TestSecretKeysOfANightlyHost(t *testing.T) {
	f := storetest.New(t)
	own := strings.TrimSpace(f.Run("", "cat", ".gpg-id"))
	night := nightKey(f, "")
	f.Run("", "pass", "init", own, night)
	f.Pass("hunter2\n", "insert", "-m", "a/b")
	public := f.Run("", "gpg", "--batch", "--armor", "--export")
	sub := f.Run("", "gpg", "--batch", "--armor", "--export-secret-subkeys", night)

	// What the operator has: everything.
	keys, err := f.Store.SecretKeys(t.Context(), "a/b")
	require.NoError(t, err)
	require.Len(t, keys, 2)
	for _, k := range keys {
		require.True(t, k.HasPrimary)
		require.Equal(t, store.Free, k.Access)
	}
	// What the host has: the one key that decrypts, and nothing that signs.
	s := f.Open(host(t, f, public+sub))
	keys, err = s.SecretKeys(t.Context(), "a/b")
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.Equal(t, night, keys[0].Primary)
	require.False(t, keys[0].HasPrimary)
	require.Empty(t, keys[0].Others)
	require.Equal(t, store.Free, keys[0].Access)
	require.False(t, keys[0].Expires.IsZero())
	require.Equal(t, "hunter2\n", read(t, s, "a/b"))

	// With a passphrase that nobody gives: told, and not waited for.
	f.Run("", "gpg", "--batch", "--yes", "--delete-secret-and-public-key", night)
	locked := nightKey(f, "correct horse")
	f.Run("", "pass", "init", own, locked)
	sub = f.Run("correct horse", "gpg", "--batch", "--armor", "--pinentry-mode", "loopback", "--passphrase-fd", "0", "--export-secret-subkeys", locked)
	s = f.Open(host(t, f, f.Run("", "gpg", "--batch", "--armor", "--export")+sub))
	keys, err = s.SecretKeys(t.Context(), "a/b")
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.Equal(t, store.Asks, keys[0].Access)
	_, err = s.Read(t.Context(), "a/b")
	want(t, err, store.Locked)
}

func TestMayPush(t *testing.T) {
	f := storetest.New(t)
	f.Insert(map[string]string{"a": "1\n"})
	refs := f.Run("", "git", "ls-remote", f.Remote)
	may, err := f.Store.MayPush(t.Context())
	require.NoError(t, err)
	require.True(t, may)
	// A remote that only gives: what a read-only deploy key comes to.
	f.Git("config", "remote.origin.receivepack", "false")
	may, err = f.Store.MayPush(t.Context())
	require.NoError(t, err)
	require.False(t, may)
	require.Equal(t, refs, f.Run("", "git", "ls-remote", f.Remote), "nothing was pushed")
	f.HideRemote()
	_, err = f.Store.MayPush(t.Context())
	want(t, err, store.Unreachable)
}
