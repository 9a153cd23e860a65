// Package e2e tests the real binary in real sandboxes: real pass, gpg, git and
// Pulumi CLI. What counts is the far end: the sandbox's own record, the log of
// API requests, what `pass show` prints and what the consumers run with.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
)

// bench is what all tests of one run share; TestMain fills it.
type bench struct {
	// binary is the program under test, scratch the run's own folder.
	binary, scratch string
	// cache is the user's cache folder, where production keeps the CLI.
	cache string
	cli   *engine.CLI
	// template makes the world that the tests' worlds are copies of.
	template func() (string, error)
}

// shared is set once, before any test runs.
var shared bench

func TestMain(m *testing.M) {
	flag.Parse()
	// More worlds at once than cores only make each of them slow.
	if parallel := flag.Lookup("test.parallel"); parallel != nil && runtime.GOMAXPROCS(0) > 2 {
		_ = flag.Set("test.parallel", "2")
	}
	made, err := setUp(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "preparing the tests of the binary:", err)
		os.Exit(1)
	}
	shared = made
	code := m.Run()
	endAgents(shared.scratch)
	_ = os.RemoveAll(shared.scratch)
	os.Exit(code)
}

func setUp(ctx context.Context) (b bench, err error) {
	if b.cache, err = os.UserCacheDir(); err != nil {
		return b, err
	}
	// As production does: found, or provided with visible progress.
	setup := engine.Setup{Progress: func(line string) { fmt.Fprintln(os.Stderr, line) }}
	if b.cli, err = setup.Ensure(ctx); err != nil {
		return b, err
	}
	if b.scratch, err = shortDir(); err != nil {
		return b, err
	}
	b.binary = filepath.Join(b.scratch, "secret-rotation")
	b.template = sync.OnceValues(func() (string, error) { return b.makeTemplate(ctx) })
	return b, b.build(ctx)
}

// readSources opens what the program under test is made of. It is built by go
// build, which the test cache does not see; the files that a test opens it does
// see, and a change of one is a change of these tests. (To import the program is
// not enough: the linker leaves out what is not called. Nor does TestMain count.)
var readSources = sync.OnceValue(func() error {
	return filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() != ".." && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.IsDir() || d.Type()&os.ModeSymlink != 0:
			return nil
		}
		switch filepath.Ext(path) {
		case ".go", ".yaml", ".json", ".mod", ".sum":
			_, err = os.ReadFile(path)
		}
		return err
	})
})

// build links the program only if it changed: the result of the last run is
// kept, under a lock, and the tests run a copy of it.
func (b bench) build(ctx context.Context) error {
	kept := filepath.Join(b.cache, "secret-rotation-e2e")
	if err := os.MkdirAll(kept, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(kept, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	program := filepath.Join(kept, "secret-rotation")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "../..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the program: %w\n%s", err, out)
	}
	if os.Link(program, b.binary) == nil {
		return nil
	}
	return copyFile(program, b.binary, 0o700)
}

// shortDir is a folder whose name leaves room for the sockets of gpg-agent,
// whose paths may have 107 bytes.
func shortDir() (string, error) {
	root := os.TempDir()
	if len(root) > 40 {
		root = "/tmp"
	}
	return os.MkdirTemp(root, "sr")
}

// folder is a short folder that goes with the test, and every gpg-agent in it.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := shortDir()
	require.NoError(t, err)
	t.Cleanup(func() {
		endAgents(dir)
		require.NoError(t, os.RemoveAll(dir))
	})
	return dir
}

// endAgents ends the agents of every gnupg folder below dir.
func endAgents(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "gnupg" {
			_ = exec.Command("gpgconf", "--homedir", path, "--kill", "gpg-agent").Run()
			return filepath.SkipDir
		}
		return nil
	})
}

// environ is the environment of the program: nothing of the caller's but where
// programs are and where the Pulumi CLI is kept. HOME and TMPDIR are the test's.
func (b bench) environ(home, tmp string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + tmp,
		"XDG_CACHE_HOME=" + b.cache, "LANG=C.UTF-8", "TERM=dumb",
	}
}

// tail is the end of an output, for messages.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
