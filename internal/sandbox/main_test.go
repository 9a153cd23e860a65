package sandbox_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// The test binary is also the other process of tests that need one.
const (
	roleVariable = "SANDBOX_TEST_ROLE"
	dirVariable  = "SANDBOX_TEST_DIR"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role, os.Getenv(dirVariable)))
	}
	code := m.Run()
	_ = os.RemoveAll(pulumiHome())
	if dir := sharedDir(); dir != "" {
		_ = sandbox.Reset(context.Background(), dir)
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// play is what the other process does: it opens the world and serves it until
// it is told to stop.
func play(role, dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cli, err := findCLI()
	if err == nil {
		var s *sandbox.Sandbox
		if s, err = sandbox.Open(ctx, sandbox.Options{Dir: dir, CLI: cli, Progress: say}); err == nil {
			if role == "serve" {
				err = s.Serve(ctx, func(string) { say("ready") })
			}
			_ = s.Close()
		}
	}
	_ = os.RemoveAll(pulumiHome())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func say(line string) { fmt.Println(line) }

// findCLI takes the CLI that is installed, one on PATH, or provides it.
func findCLI() (*engine.CLI, error) {
	setup := engine.Setup{}
	if cli, err := setup.Find(context.Background()); err == nil {
		return cli, nil
	}
	path, noCLI := exec.LookPath("pulumi")
	language, noLanguage := exec.LookPath("pulumi-language-yaml")
	if noCLI != nil || noLanguage != nil {
		return setup.Ensure(context.Background())
	}
	return &engine.CLI{Path: path, Version: engine.Version(), LanguageDir: filepath.Dir(language),
		Home: pulumiHome()}, nil
}

func pulumiHome() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("sandbox-test-pulumi-home-%d", os.Getpid()))
}

// shared is one world for all tests that leave it in order.
var shared = sync.OnceValues(func() (*sandbox.Sandbox, error) {
	cli, err := findCLI()
	if err != nil {
		return nil, err
	}
	return sandbox.Open(context.Background(), sandbox.Options{Dir: sharedFolder(), CLI: cli})
})

var sharedFolder = sync.OnceValue(func() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("sandbox-test-%d", os.Getpid()))
})

func sharedDir() string {
	if _, err := os.Stat(sharedFolder()); err != nil {
		return ""
	}
	s, err := shared()
	if err == nil {
		_ = s.Close()
	}
	return sharedFolder()
}

func world(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	s, err := shared()
	require.NoError(t, err)
	return s
}

func cli(t *testing.T) *engine.CLI {
	t.Helper()
	found, err := findCLI()
	require.NoError(t, err)
	return found
}

func open(t *testing.T, dir string) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.Open(t.Context(), sandbox.Options{Dir: dir, CLI: cli(t)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// folder is a world's folder whose agent is ended with the test.
func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "world")
	t.Cleanup(func() { _ = sandbox.Reset(context.Background(), dir) })
	return dir
}

func catalog(t *testing.T) *secrets.Catalog {
	t.Helper()
	c, err := secrets.Embedded()
	require.NoError(t, err)
	return c
}

func passOf(t *testing.T, s *sandbox.Sandbox) *store.Store {
	t.Helper()
	opened, err := store.Open(t.Context(), s.StoreOptions())
	require.NoError(t, err)
	return opened
}

// held is what pass holds for a secret, in the order of its entries.
func held(t *testing.T, s *sandbox.Sandbox, secret secrets.Secret) []secrets.Value {
	t.Helper()
	opened := passOf(t, s)
	var out []secrets.Value
	for _, e := range secret.Entries {
		entry, err := opened.Read(t.Context(), e.Path)
		require.NoError(t, err)
		v, err := entry.Secret(e.Read)
		require.NoError(t, err)
		out = append(out, v)
	}
	return out
}
