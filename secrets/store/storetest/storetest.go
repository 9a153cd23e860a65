// Package storetest makes throwaway pass stores for tests, with a real gpg key,
// a git repository and a bare remote.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// Name and Email are the user id of the fixture's key.
const (
	Name  = "Store Test"
	Email = "store@example.invalid"
)

// Fixture is a throwaway store. Everything lies below Home.
type Fixture struct {
	Home, Dir, GNUPGHome, Remote string
	// Env is a clean environment in which pass, gpg and git use this store.
	Env []string
	// Store is the opened store.
	Store *store.Store

	t testing.TB
}

// New makes a store that is removed, with its gpg-agent, when the test ends.
func New(t testing.TB) *Fixture {
	t.Helper()
	// Not t.TempDir: a test's long name would not leave room for gpg's socket.
	home, err := os.MkdirTemp("", "st")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	f := &Fixture{Home: home, Dir: filepath.Join(home, "store"), GNUPGHome: filepath.Join(home, "g"),
		Remote: filepath.Join(home, "remote.git"), t: t}
	f.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "LC_ALL=C.UTF-8",
		"GNUPGHOME=" + f.GNUPGHome, "PASSWORD_STORE_DIR=" + f.Dir}
	// gpg's agent would measure for seconds how much work a passphrase is worth.
	require.NoError(t, os.Mkdir(f.GNUPGHome, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(f.GNUPGHome, "gpg-agent.conf"), []byte("s2k-count 65536\n"), 0o600))
	// Registered before the agent is there, so that one of a half-made store dies too.
	t.Cleanup(func() { f.stopAgent(f.GNUPGHome) })
	parts, err := template()
	require.NoError(t, err)
	// A copy: making a key and a repository takes a second of one's own.
	require.NoError(t, os.CopyFS(home, parts))
	require.NoError(t, os.Chmod(f.GNUPGHome, 0o700))
	f.Git("remote", "set-url", "origin", f.Remote)
	f.Store = f.Open(f.Options())
	return f
}

// template is a store just made, as files in memory.
var template = sync.OnceValues(func() (parts fstest.MapFS, err error) {
	home, err := os.MkdirTemp("", "st")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	made, err := store.Create(context.Background(), store.CreateOptions{Dir: filepath.Join(home, "store"), GNUPGHome: filepath.Join(home, "g"),
		Remote: filepath.Join(home, "remote.git"), Name: Name, Email: Email,
		Env: []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "LC_ALL=C.UTF-8"}})
	if err != nil {
		return nil, err
	}
	if err := made.StopAgent(context.Background()); err != nil {
		return nil, err
	}
	parts = fstest.MapFS{}
	return parts, filepath.WalkDir(home, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(home, file)
		info, err := d.Info()
		switch {
		case err != nil || name == ".":
			return err
		case d.IsDir():
			parts[name] = &fstest.MapFile{Mode: info.Mode()}
		case info.Mode().IsRegular():
			data, err := os.ReadFile(file)
			parts[name] = &fstest.MapFile{Data: data, Mode: info.Mode()}
			return err
		}
		return nil // a socket
	})
})

func (f *Fixture) stopAgent(home string) {
	cmd := exec.Command("gpgconf", "--kill", "gpg-agent")
	cmd.Env = append(f.Env[:len(f.Env):len(f.Env)], "GNUPGHOME="+home)
	_ = cmd.Run()
}

// Options are those of this store, to be changed and opened again.
func (f *Fixture) Options() store.Options {
	return store.Options{Dir: f.Dir, GNUPGHome: f.GNUPGHome, Env: f.Env}
}

// Open opens the store once more.
func (f *Fixture) Open(o store.Options) *store.Store {
	f.t.Helper()
	s, err := store.Open(f.t.Context(), o)
	require.NoError(f.t, err)
	return s
}

// Try runs a program in the store's folder and environment; it returns stdout,
// stderr and whether it succeeded.
func (f *Fixture) Try(stdin, program string, args ...string) (stdout, stderr string, ok bool) {
	f.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = f.Dir, f.Env, strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	return out.String(), errs.String(), err == nil
}

// Run is Try for a program that has to succeed; it returns stdout.
func (f *Fixture) Run(stdin, program string, args ...string) string {
	f.t.Helper()
	stdout, stderr, ok := f.Try(stdin, program, args...)
	require.True(f.t, ok, "%s %v: %s", program, args, stderr)
	return stdout
}

// Pass runs pass.
func (f *Fixture) Pass(stdin string, args ...string) string {
	f.t.Helper()
	return f.Run(stdin, "pass", args...)
}

// Git runs git in the store.
func (f *Fixture) Git(args ...string) string {
	f.t.Helper()
	return strings.TrimSpace(f.Run("", "git", args...))
}

// Insert has pass write entries (path -> content, byte for byte) and pushes.
func (f *Fixture) Insert(entries map[string]string) {
	f.t.Helper()
	for path, content := range entries {
		f.Pass(content, "insert", "--multiline", "--force", path)
	}
	f.Git("push", "--quiet")
}

// Value is short for a secret of that text.
func Value(text string) secrets.Value { return secrets.NewValue([]byte(text)) }

// Key makes a further key in the fixture's keyring and returns its fingerprint.
// Extra arguments go to gpg (--faked-system-time); expire is gpg's ("never").
func (f *Fixture) Key(user, passphrase, expire string, extra ...string) string {
	f.t.Helper()
	args := append([]string{"--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase-fd", "0"}, extra...)
	f.Run(passphrase, "gpg", append(args, "--quick-generate-key", user, "future-default", "default", expire)...)
	for line := range strings.Lines(f.Run("", "gpg", "--batch", "--with-colons", "--list-keys", "="+user)) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			return fields[9]
		}
	}
	require.FailNow(f.t, "gpg lists no key")
	return ""
}

// HideRemote makes the store's remote unreachable until the returned function is
// called.
func (f *Fixture) HideRemote() (back func()) {
	f.t.Helper()
	require.NoError(f.t, os.Rename(f.Remote, f.Remote+".away"))
	return func() { require.NoError(f.t, os.Rename(f.Remote+".away", f.Remote)) }
}

// Clone makes a second checkout of the remote, as another operator has it, and
// returns a fixture for it with the same key.
func (f *Fixture) Clone() *Fixture {
	f.t.Helper()
	dir, err := os.MkdirTemp(f.Home, "clone")
	require.NoError(f.t, err)
	other := *f
	other.Dir = filepath.Join(dir, "store")
	f.Run("", "git", "clone", "--quiet", f.Remote, other.Dir)
	other.Env = append(f.Env[:len(f.Env):len(f.Env)], "PASSWORD_STORE_DIR="+other.Dir)
	other.Git("config", "user.name", "Other")
	other.Git("config", "user.email", "other@example.invalid")
	other.Store = other.Open(other.Options())
	return &other
}

// Clean requires that nothing is uncommitted in the store, hidden files
// included, and that no file of a write was left.
func (f *Fixture) Clean() {
	f.t.Helper()
	require.Empty(f.t, f.Git("status", "--porcelain", "--untracked-files=all"))
}
