package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

func TestOpen(t *testing.T) {
	f := storetest.New(t)
	open := func(o store.Options) error { _, err := store.Open(t.Context(), o); return err }
	// Where pass looks: PASSWORD_STORE_DIR, else ~/.password-store.
	require.NoError(t, open(store.Options{Env: f.Env}))
	home := append(f.Env[:len(f.Env):len(f.Env)], "PASSWORD_STORE_DIR=")
	require.Equal(t, "pass init GPG-ID", want(t, open(store.Options{Env: home}), store.NotAStore).Next)
	require.NoError(t, os.Symlink(f.Dir, filepath.Join(f.Home, ".password-store")))
	require.NoError(t, open(store.Options{Env: home}))

	o := f.Options()
	for _, dir := range []string{f.Home + "/none", f.Home, f.Dir + "/.gpg-id"} {
		o.Dir = dir
		if dir == f.Home {
			o.Dir = f.Remote // a folder without .gpg-id
		}
		want(t, open(o), store.NotAStore)
	}
	o = f.Options()
	o.Env = append(f.Env, "PATH=/nowhere:.")
	require.Equal(t, "apt install gnupg", want(t, open(o), store.NotFound).Next)
	bin := filepath.Join(f.Home, "bin")
	gpg := strings.TrimSpace(f.Run("", "sh", "-c", "command -v gpg"))
	require.NoError(t, os.Mkdir(bin, 0o700))
	require.NoError(t, os.Symlink(gpg, filepath.Join(bin, "gpg")))
	o.Env = append(f.Env, "PATH="+bin)
	require.Equal(t, "apt install git", want(t, f.Open(o).Write(t.Context(), "", change("a", "x")), store.NotFound).Next)

	// .gpg-id in a subfolder only: readable there, not writable elsewhere.
	require.NoError(t, os.MkdirAll(filepath.Join(f.Dir, "sub"), 0o700))
	require.NoError(t, os.Rename(filepath.Join(f.Dir, ".gpg-id"), filepath.Join(f.Dir, "sub/.gpg-id")))
	s := f.Open(f.Options())
	require.NoError(t, s.Write(t.Context(), "", change("sub/a", "x")))
	want(t, s.Write(t.Context(), "", change("a", "x")), store.NotAStore)
}

// gpg's agent cannot listen in a folder with a long name; the store made there
// works all the same, also for pass, and after its short folder was cleaned.
func TestCreateInALongFolder(t *testing.T) {
	home, err := os.MkdirTemp("", "st")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	deep := filepath.Join(home, strings.Repeat("x", 70), strings.Repeat("y", 75))
	env := []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "PASSWORD_STORE_DIR=" + home + "/mine"}
	f := &storetest.Fixture{Home: home, Dir: filepath.Join(deep, "store"), GNUPGHome: filepath.Join(deep, "gnupg"),
		Remote: filepath.Join(deep, "remote.git")}
	s, err := store.Create(t.Context(), store.CreateOptions{Dir: f.Dir, GNUPGHome: f.GNUPGHome, Remote: f.Remote, Name: "A", Email: "a@example.invalid", Env: env})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.StopAgent(context.Background()) })
	require.NoDirExists(t, filepath.Join(home, "mine"))
	require.NoError(t, s.Write(t.Context(), "", change("a", "1\n")))
	require.NoError(t, s.Push(t.Context()))

	redirect, err := os.ReadFile(filepath.Join(f.GNUPGHome, "S.gpg-agent"))
	require.NoError(t, err)
	_, socket, _ := strings.Cut(strings.TrimSpace(string(redirect)), "socket=")
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(socket)) })
	require.NoError(t, s.StopAgent(t.Context()))
	require.NoError(t, os.RemoveAll(filepath.Dir(socket)))
	s, err = store.Open(t.Context(), store.Options{Dir: f.Dir, GNUPGHome: f.GNUPGHome, Env: env})
	require.NoError(t, err)
	require.Equal(t, "1\n", read(t, s, "a"))
	info, err := os.Stat(filepath.Dir(socket))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	// Somebody else's folder in its place is not used.
	require.NoError(t, s.StopAgent(t.Context()))
	require.NoError(t, os.RemoveAll(filepath.Dir(socket)))
	require.NoError(t, os.Symlink(home, filepath.Dir(socket)))
	_, err = store.Open(t.Context(), store.Options{Dir: f.Dir, GNUPGHome: f.GNUPGHome, Env: env})
	want(t, err, store.Gpg)
}

func TestCreateKeepsTheUsersConfigurationOut(t *testing.T) {
	home, err := os.MkdirTemp("", "st")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	write(t, filepath.Join(home, "hooks/pre-commit"), "#!/bin/sh\nexit 1\n", 0o755)
	write(t, filepath.Join(home, ".gitconfig"), "[commit]\n\tgpgSign = true\n[core]\n\thooksPath = "+home+"/hooks\n[init]\n\tdefaultBranch = x\n", 0o600)
	s, err := store.Create(t.Context(), store.CreateOptions{Dir: home + "/s", GNUPGHome: home + "/g", Name: "A", Email: "a@example.invalid",
		Env: []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "PASSWORD_STORE_KEY=nobody"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.StopAgent(context.Background()) })
	require.NoError(t, s.Write(t.Context(), "", change("a", "1\n")))
	y, err := s.Sync(t.Context())
	require.NoError(t, err)
	require.Equal(t, "main", y.Branch)
	require.NoError(t, y.Ready())
	require.Contains(t, s.Environ(), "PASSWORD_STORE_DIR="+s.Dir())
}

func TestAgentThatCannotStart(t *testing.T) {
	f := storetest.New(t)
	f.Insert(map[string]string{"x": "hunter2\n"})
	f.Run("", "gpgconf", "--kill", "gpg-agent")
	require.NoError(t, os.RemoveAll(filepath.Join(f.GNUPGHome, "S.gpg-agent")))
	write(t, filepath.Join(f.GNUPGHome, "S.gpg-agent/in-the-way"), "", 0o600)
	_, err := f.Store.Read(t.Context(), "x")
	require.Equal(t, "gpg-connect-agent /bye", want(t, err, store.Gpg).Next)
}
