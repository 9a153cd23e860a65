package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

func read(t *testing.T, s *store.Store, path string) string {
	t.Helper()
	e, err := s.Read(t.Context(), path)
	require.NoError(t, err)
	return string(e.Content().Reveal())
}

// Every way in which pass writes, we read; the bytes are those of `pass show`.
func TestReadWhatPassWrote(t *testing.T) {
	f := storetest.New(t)
	f.Pass("one\n", "insert", "--echo", "echoed")
	f.Pass("pw\npw\n", "insert", "asked")
	f.Pass("a\nb: c\n\n", "insert", "--multiline", "deep/in/multi")
	f.Pass("crlf\r\nx\r\n", "insert", "-m", "crlf")
	f.Pass("nul\x00\xff", "insert", "-m", "binary")
	f.Pass("", "insert", "-m", "empty")
	f.Pass("", "generate", "made/full")
	f.Pass("", "generate", "--no-symbols", "made/short", "12")
	f.Pass("old\nkept: yes\n", "insert", "-m", "made/inplace")
	f.Pass("", "generate", "--in-place", "made/inplace", "9")
	f.Run("", "env", "EDITOR=sed -i s/a/z/", "pass", "edit", "deep/in/multi")
	f.Pass("", "cp", "echoed", "copied")
	f.Pass("", "mv", "copied", "moved/there")
	other := f.Key("Second <second@example.invalid>", "", "never")
	f.Pass("", "init", "--path=shared", other, storetest.Email)
	f.Pass("both\n", "insert", "-m", "shared/x")

	all, err := f.Store.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"asked", "binary", "crlf", "deep/in/multi", "echoed", "empty", "made/full", "made/inplace", "made/short",
		"moved/there", "shared/x"}, all)
	for _, path := range all {
		require.Equal(t, f.Pass("", "show", path), read(t, f.Store, path), path)
	}
	require.Equal(t, "z\nb: c\n\n", read(t, f.Store, "deep/in/multi"))
	require.Equal(t, "nul\x00\xff", read(t, f.Store, "binary"))
	require.Regexp(t, "^.{9}\nkept: yes\n$", read(t, f.Store, "made/inplace"))
}

func TestReadWhatIsNotThere(t *testing.T) {
	f := storetest.New(t)
	f.Insert(map[string]string{"verifieddit/stripe/secret-key": "x\n", "both": "file\n", "both/inside": "inside\n"})

	_, err := f.Store.Read(t.Context(), "verifieddit/stripe")
	require.Equal(t, "pass ls verifieddit/stripe", want(t, err, store.Folder).Next)
	require.False(t, f.Store.Exists("verifieddit/stripe"))

	for _, near := range []string{"verifieddit/stripe/secret-kye", "stripe/secret-key", "verifieddit/stripe/secret-key.gpg",
		"verifieddit/stripe/secret-key/x/secret-key"} {
		_, err = f.Store.Read(t.Context(), near)
		require.Contains(t, want(t, err, store.Missing).Detail, "did you mean verifieddit/stripe/secret-key?", near)
	}
	_, err = f.Store.Read(t.Context(), "nothing/like/it")
	e := want(t, err, store.Missing)
	require.Equal(t, "pass insert nothing/like/it", e.Next)
	require.Equal(t, `reading pass entry "nothing/like/it": no such entry`, err.Error())

	// Both a file and a folder: the file, as pass does.
	require.Equal(t, "file\n", f.Pass("", "show", "both"))
	require.Equal(t, "file\n", read(t, f.Store, "both"))
	require.Equal(t, "inside\n", read(t, f.Store, "both/inside"))
	require.True(t, f.Store.Exists("both"))
	for _, bad := range []string{"both/", "../store/both", "/etc/passwd", ".gpg-id", "-m"} {
		_, err = f.Store.Read(t.Context(), bad)
		want(t, err, store.Name)
		require.False(t, f.Store.Exists(bad))
	}
}

func TestSymbolicLinks(t *testing.T) {
	f := storetest.New(t)
	f.Insert(map[string]string{"real/x": "x\n"})
	outside := filepath.Join(f.Home, "outside")
	require.NoError(t, os.MkdirAll(outside, 0o700))
	require.NoError(t, os.Rename(filepath.Join(f.Dir, "real/x.gpg"), filepath.Join(outside, "y.gpg")))
	f.Git("checkout", "-q", "real/x.gpg")
	link := func(to, at string) { require.NoError(t, os.Symlink(to, filepath.Join(f.Dir, at))) }
	link("real/x.gpg", "inner.gpg")
	link("real", "folder")
	link(filepath.Join(outside, "y.gpg"), "absolute.gpg")
	link("../outside/y.gpg", "relative.gpg")
	link("../outside", "out")
	link("nowhere.gpg", "dangling.gpg")
	link("loop.gpg", "loop.gpg")
	require.NoError(t, os.Mkdir(filepath.Join(f.Dir, "dir.gpg"), 0o700))

	require.Equal(t, "x\n", read(t, f.Store, "inner"))
	require.Equal(t, "x\n", read(t, f.Store, "folder/x"))
	for _, path := range []string{"absolute", "relative", "out/y", "dangling", "loop"} {
		_, err := f.Store.Read(t.Context(), path)
		require.Contains(t, want(t, err, store.Symlink).Next, "ls -l ")
	}
	_, err := f.Store.Read(t.Context(), "dir")
	want(t, err, store.Damaged)
	all, err := f.Store.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"inner", "real/x"}, all)

	// Nothing is written through a link.
	before := f.Git("rev-parse", "HEAD")
	for _, path := range []string{"inner", "folder/x", "folder/new", "absolute", "out/new", "dangling"} {
		want(t, f.Store.Write(t.Context(), "", store.Change{Path: path, Content: storetest.Value("hunter2\n")}), store.Symlink)
	}
	require.Equal(t, before, f.Git("rev-parse", "HEAD"))
	require.NoFileExists(t, filepath.Join(outside, "new.gpg"))

	// The store's own folder may be a link.
	link(f.Dir, "../alias")
	o := f.Options()
	o.Dir = filepath.Join(f.Home, "alias")
	require.Equal(t, "x\n", read(t, f.Open(o), "real/x"))
}

func TestKeysThatDoNotOpen(t *testing.T) {
	f := storetest.New(t)
	f.Insert(map[string]string{"plain": "hunter2\n"})
	f.Key("Locked <locked@example.invalid>", "pass phrase", "never")
	f.Key("Sign <sign@example.invalid>", "", "never")
	enc := func(file string, args ...string) {
		f.Run("hunter2\n", "gpg", append([]string{"--batch", "--yes", "--trust-model", "always", "-o", filepath.Join(f.Dir, file)}, args...)...)
	}
	enc("locked.gpg", "-e", "-r", "locked@example.invalid")
	enc("hidden.gpg", "-e", "-R", "locked@example.invalid")
	enc("either.gpg", "-e", "-r", "locked@example.invalid", "-r", storetest.Email)
	enc("phrase.gpg", "--pinentry-mode", "loopback", "--passphrase", "x", "-c")
	f.Run("", "gpgconf", "--kill", "gpg-agent")

	for _, path := range []string{"locked", "hidden"} {
		_, err := f.Store.Read(t.Context(), path)
		e := want(t, err, store.Locked)
		file := filepath.Join(f.Store.Dir(), path+".gpg")
		require.Equal(t, "gpg --decrypt "+file+" >/dev/null", e.Next)
		require.Empty(t, f.Run("", "sh", "-c", strings.Replace(e.Next, file, filepath.Join(f.Dir, "plain.gpg"), 1)), "it shows nothing of the secret")
	}
	require.Equal(t, "hunter2\n", read(t, f.Store, "either"))
	_, err := f.Store.Read(t.Context(), "phrase")
	want(t, err, store.Damaged)

	// An unlocked agent serves without a terminal.
	f.Run("pass phrase", "gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase-fd", "0", "-d", filepath.Join(f.Dir, "locked.gpg"))
	require.Equal(t, "hunter2\n", read(t, f.Store, "locked"))

	empty, err := os.MkdirTemp(f.Home, "h")
	require.NoError(t, err)
	o := f.Options()
	o.GNUPGHome = empty
	s := f.Open(o)
	t.Cleanup(func() { _ = s.StopAgent(context.Background()) })
	_, err = s.Read(t.Context(), "plain")
	require.Contains(t, want(t, err, store.NoKey).Next, "gpg --list-secret-keys")
}

// What gpg gives out is believed only if it says that it was all: cut off near
// the start, gpg prints nothing and exits 0; later, it prints the text and 2.
func TestDamagedFiles(t *testing.T) {
	f := storetest.New(t)
	f.Insert(map[string]string{"x": "hunter2\n"})
	file := filepath.Join(f.Dir, "x.gpg")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	for n := 0; n < len(whole); n += 1 + n%3 {
		write(t, file, string(whole[:n]), 0o600)
		_, err := f.Store.Read(t.Context(), "x")
		require.ErrorIs(t, err, store.Damaged, "%d bytes", n)
	}
	for n := len(whole) - 60; n < len(whole); n += 7 {
		flipped := []byte(string(whole))
		flipped[n] ^= 1
		write(t, file, string(flipped), 0o600)
		_, err := f.Store.Read(t.Context(), "x")
		require.ErrorIs(t, err, store.Damaged, "byte %d", n)
	}
	write(t, file, "hunter2\n", 0o600)
	_, err = f.Store.Read(t.Context(), "x")
	require.Equal(t, "pass git log -- x.gpg", want(t, err, store.Damaged).Next)
	require.NoError(t, os.Truncate(file, 17<<20))
	_, err = f.Store.Read(t.Context(), "x")
	want(t, err, store.Disk)
}

// A pinentry that nobody answers: with a terminal it is waited for, not longer
// than the limit, and nothing of ours is left running.
func TestTimeLimitAndCancel(t *testing.T) {
	f := storetest.New(t)
	f.Key("Locked <locked@example.invalid>", "pass phrase", "never")
	f.Run("hunter2\n", "gpg", "--batch", "-o", filepath.Join(f.Dir, "locked.gpg"), "-e", "-r", "locked@example.invalid")
	asked := filepath.Join(f.Home, "asked")
	write(t, filepath.Join(f.Home, "pinentry"), "#!/bin/sh\n: >"+asked+"\nwhile read line; do :; done\n", 0o755)
	write(t, filepath.Join(f.GNUPGHome, "gpg-agent.conf"), "pinentry-program "+f.Home+"/pinentry\n", 0o600)
	f.Run("", "gpgconf", "--kill", "gpg-agent")

	// Without a terminal nobody is asked.
	_, err := f.Store.Read(t.Context(), "locked")
	want(t, err, store.Locked)
	require.NoFileExists(t, asked)

	o := f.Options()
	o.Interactive, o.Timeout = true, 500*time.Millisecond
	_, err = f.Open(o).Read(t.Context(), "locked")
	e := want(t, err, store.Timeout)
	require.Contains(t, e.Detail, "gpg did not answer within 500ms")
	require.Contains(t, e.Next, "gpg --decrypt ")
	require.FileExists(t, asked)

	o.Timeout = 0
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	_, err = f.Open(o).Read(ctx, "locked")
	want(t, err, store.Canceled)
	require.NotContains(t, f.Run("", "ps", "-eo", "args"), "--status-fd 3 --no-auto-key-locate --max-output")
}

func TestReadAll(t *testing.T) {
	f := storetest.New(t)
	var paths []string
	entries := map[string]string{}
	for i := range 30 {
		path := fmt.Sprintf("many/e%02d", i)
		paths = append(paths, path)
		entries[path] = fmt.Sprintf("value %d\n", i)
	}
	var changes []store.Change
	for path, content := range entries {
		changes = append(changes, store.Change{Path: path, Content: storetest.Value(content)})
	}
	require.NoError(t, f.Store.Write(t.Context(), "", changes...))
	write(t, filepath.Join(f.Dir, "bad.gpg"), "x", 0o600)

	got, err := f.Store.ReadAll(t.Context(), append(paths, "bad", "none", "many"))
	require.ErrorIs(t, err, store.Damaged)
	require.ErrorIs(t, err, store.Missing)
	require.ErrorIs(t, err, store.Folder)
	require.Len(t, strings.Split(err.Error(), "\n"), 3)
	require.Len(t, got, len(paths))
	for path, content := range entries {
		require.Equal(t, content, string(got[path].Content().Reveal()))
		require.Equal(t, path, got[path].Path)
	}
	got, err = f.Store.ReadAll(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, got)
}
