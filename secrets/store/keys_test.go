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

// encryptedTo lists the primary fingerprints that an entry's file names.
func encryptedTo(f *storetest.Fixture, path string, keys ...string) []string {
	_, text, _ := f.Try("", "gpg", "--batch", "--list-only", "-v", "--keyid-format", "long", "-d", filepath.Join(f.Dir, path+".gpg"))
	var all []string
	for _, key := range keys {
		listing := f.Run("", "gpg", "--batch", "--with-colons", "--list-keys", key)
		for line := range strings.Lines(listing) {
			if c := strings.Split(line, ":"); c[0] == "sub" && strings.Contains(text, c[4]) {
				all = append(all, key)
			}
		}
	}
	return all
}

func TestRecipientsAreThoseOfPass(t *testing.T) {
	f := storetest.New(t)
	own := strings.TrimSpace(f.Run("", "cat", ".gpg-id"))
	two := f.Key("Two <two@example.invalid>", "", "never")
	three := f.Key("Three <three@example.invalid>", "", "never")
	write(t, filepath.Join(f.Dir, ".gpg-id"), "# the team\n"+own+" # me\n\n  "+two+"  # her\n", 0o600)
	write(t, filepath.Join(f.Dir, "sub/.gpg-id"), three+"\n", 0o600)
	write(t, filepath.Join(f.Dir, "sub/deep/x"), "", 0o600)
	f.Git("add", "-A")
	f.Git("commit", "-qm", "ids")
	for _, c := range []struct {
		path string
		keys []string
	}{{"top", []string{own, two}}, {"other/x", []string{own, two}}, {"sub/x", []string{three}}, {"sub/deep/x", []string{three}}} {
		require.NoError(t, f.Store.Write(t.Context(), "", change(c.path, "1\n")))
		require.Equal(t, c.keys, encryptedTo(f, c.path, own, two, three), c.path)
		f.Pass("1\n", "insert", "-m", "-f", c.path)
		require.Equal(t, c.keys, encryptedTo(f, c.path, own, two, three), "pass, "+c.path)
		all, err := f.Store.Recipients(t.Context(), c.path)
		require.NoError(t, err)
		for i, r := range all {
			require.Equal(t, c.keys[i], r.Fingerprint)
			require.Zero(t, r.Expires)
		}
	}
	o := f.Options()
	o.Env = append(f.Env, "PASSWORD_STORE_KEY="+two+" "+three, "PASSWORD_STORE_UMASK=027")
	require.NoError(t, f.Open(o).Write(t.Context(), "", change("by/env", "1\n")))
	require.Equal(t, []string{two, three}, encryptedTo(f, "by/env", own, two, three))
	info, err := os.Stat(filepath.Join(f.Dir, "by/env.gpg"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
}

// Whoever can change .gpg-id would be given every later secret.
func TestPinnedRecipients(t *testing.T) {
	f := storetest.New(t)
	gpgID := filepath.Join(f.Dir, ".gpg-id")
	own := strings.TrimSpace(f.Run("", "cat", ".gpg-id"))
	two := f.Key("Two <two@example.invalid>", "", "never")
	o := f.Options()
	o.Recipients = []string{strings.ToLower(own[:20]) + " " + own[20:]}
	s := f.Open(o)
	put := func() error { return s.Write(t.Context(), "", change("a", "hunter2\n")) }
	require.NoError(t, put())
	for name, ids := range map[string]string{"added": own + "\n" + two + "\n", "other": two + "\n", "unknown": own + "\nnobody@example.invalid\n",
		"option": own + "\n--output=x\n", "empty": "# none\n"} {
		write(t, gpgID, ids, 0o600)
		want(t, put(), store.Recipients)
		require.Equal(t, "hunter2\n", read(t, s, "a"), name)
	}
	write(t, gpgID, own+"\n", 0o600)
	write(t, filepath.Join(f.Dir, "sub/.gpg-id"), two+"\n", 0o600)
	want(t, s.Write(t.Context(), "", change("sub/a", "hunter2\n")), store.Recipients)
	require.NoError(t, os.RemoveAll(filepath.Join(f.Dir, "sub")))
	// Who is listed and not there is nobody's loss.
	o.Recipients = []string{own, two}
	require.NoError(t, f.Open(o).Write(t.Context(), "", change("a", "hunter3\n")))
	require.NoError(t, f.Open(o).Write(t.Context(), "", change("a", "hunter2\n")))
	o.Recipients = []string{"DEADBEEF"}
	_, err := store.Open(t.Context(), o)
	want(t, err, store.Recipients)

	// gpg's own configuration may add a key behind our back.
	write(t, filepath.Join(f.GNUPGHome, "gpg.conf"), "recipient "+two+"\n", 0o600)
	want(t, put(), store.Recipients)
}

func TestKeysThatCannotEncrypt(t *testing.T) {
	f := pairFixture(t)
	expired := f.Key("Old <old@example.invalid>", "", "1d", "--faked-system-time", "20200101T000000")
	f.Key("Far <far@example.invalid>", "", "never")
	f.Key("Far <far@example.invalid>", "", "never", "--yes")
	stranger := f.Key("Stranger <stranger@example.invalid>", "", "never")
	public := f.Run("", "gpg", "--batch", "--export", "--armor", stranger)
	f.Run("", "gpg", "--batch", "--yes", "--delete-secret-and-public-key", stranger)
	f.Run(public, "gpg", "--batch", "--import")
	for id, c := range map[string]struct {
		kind store.Kind
		next string
	}{
		"old@example.invalid":      {store.Expired, "gpg --quick-set-expire " + expired + " 1y && gpg --quick-set-expire " + expired + " 1y '*'"},
		"nobody@example.invalid":   {store.Recipients, "gpg --import KEYFILE"},
		"stranger@example.invalid": {store.Recipients, "pass git log -p -- pair/.gpg-id"},
	} {
		write(t, filepath.Join(f.Dir, "pair/.gpg-id"), id+"\n", 0o600)
		e := want(t, f.Store.Write(t.Context(), "", pairChanges("hunter2")...), c.kind)
		require.Equal(t, c.next, e.Next)
		require.Equal(t, oldWorld(), contents(t, f), id)
		noLeftovers(t, f)
	}
	// A known key whose secret part is elsewhere: what we write we must be able to read.
	o := f.Options()
	o.Recipients = []string{stranger}
	write(t, filepath.Join(f.Dir, "pair/.gpg-id"), stranger+"\n", 0o600)
	want(t, f.Open(o).Write(t.Context(), "", change("pair/key", "hunter2\n")), store.NoKey)
	write(t, filepath.Join(f.Dir, "pair/.gpg-id"), "far@example.invalid\n", 0o600)
	_, err := f.Store.Recipients(t.Context(), "pair/key")
	require.Contains(t, want(t, err, store.Recipients).Detail, "several keys")
	require.Equal(t, oldWorld(), contents(t, f))
}

// An expired key still reads.
func TestExpiredKeyReads(t *testing.T) {
	f := storetest.New(t)
	expired := f.Key("Old <old@example.invalid>", "", "1d", "--faked-system-time", "20200101T000000")
	f.Run("hunter2\n", "gpg", "--batch", "--faked-system-time", "20200101T000100", "-o", "x.gpg", "-e", "-r", expired)
	require.Equal(t, "hunter2\n", read(t, f.Store, "x"))
}

func TestSignedGpgID(t *testing.T) {
	f := storetest.New(t)
	own := strings.TrimSpace(f.Run("", "cat", ".gpg-id"))
	two := f.Key("Two <two@example.invalid>", "", "never")
	o := f.Options()
	o.Env = append(f.Env, "PASSWORD_STORE_SIGNING_KEY="+own)
	s := f.Open(o)
	put := func() error { return s.Write(t.Context(), "", change("a", "hunter2\n")) }
	want(t, put(), store.Recipients)
	f.Run("", "gpg", "--batch", "--default-key", two, "--detach-sign", ".gpg-id")
	want(t, put(), store.Recipients)
	f.Run("", "env", "PASSWORD_STORE_SIGNING_KEY="+own, "pass", "init", own)
	require.NoError(t, put())
	write(t, filepath.Join(f.Dir, ".gpg-id"), two+"\n", 0o600)
	want(t, put(), store.Recipients)
}
