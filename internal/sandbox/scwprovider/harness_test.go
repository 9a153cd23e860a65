package scwprovider_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/toolchain"
	"github.com/sanmarcsoft/secret-rotation/examples"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/scwprovider"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

const backend = "services/stripe-backend/infra"

// request is one call that the provider made.
type request struct {
	method, path, key string
	body              map[string]any
}

// bench is the example projects, the real CLI, the provider and Scaleway's API
// over a world, with a record of what went over the wire.
type bench struct {
	*testing.T
	world    *world.World
	pass     map[string]string
	dir      string
	path     string
	provider *scwprovider.Server

	mu  sync.Mutex
	log []request
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, dir: t.TempDir()}
	var err error
	b.world, err = world.Open(filepath.Join(b.dir, "world"))
	require.NoError(t, err)
	b.pass, err = b.world.Seed()
	require.NoError(t, err)
	require.NoError(t, b.world.Update(func(s *world.State) error {
		s.Containers, s.Namespaces, s.Registries = nil, nil, nil
		s.Settings.ContainerDelay = 20
		return nil
	}))
	server := httptest.NewServer(b.record(api.New(b.world, api.Options{Log: io.Discard}).Scaleway()))
	t.Cleanup(server.Close)
	b.provider, err = scwprovider.Serve(context.Background(), scwprovider.Config{API: server.URL})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.provider.Close()) })
	return b
}

// withProjects copies the examples and finds the CLI.
func (b *bench) withProjects() *bench {
	b.Helper()
	require.NoError(b, os.CopyFS(filepath.Join(b.dir, "projects"), examples.Projects))
	require.NoError(b, os.Mkdir(filepath.Join(b.dir, "state"), 0o700))
	require.NoError(b, os.WriteFile(filepath.Join(b.dir, "phrase"), []byte("correct horse"), 0o600))
	b.path = searchPath(b)
	return b
}

// searchPath has the CLI and the YAML language plugin: installed, on the
// caller's PATH, or provided now.
func searchPath(t testing.TB) string {
	t.Helper()
	cli, err := toolchain.Setup{}.Find(context.Background())
	if err != nil {
		_, noCLI := exec.LookPath("pulumi")
		_, noLanguage := exec.LookPath("pulumi-language-yaml")
		if noCLI == nil && noLanguage == nil {
			return os.Getenv("PATH")
		}
		cli, err = toolchain.Setup{}.Ensure(context.Background())
		require.NoError(t, err)
	}
	return filepath.Dir(cli.Path) + ":" + cli.LanguageDir + ":" + os.Getenv("PATH")
}

func (b *bench) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(raw))
		entry := request{method: r.Method, path: r.URL.Path, key: r.Header.Get("X-Auth-Token")}
		_ = json.Unmarshal(raw, &entry.body)
		b.mu.Lock()
		b.log = append(b.log, entry)
		b.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// wrote returns the requests that change something, and forgets them.
func (b *bench) wrote() []request {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []request
	for _, r := range b.log {
		if r.method != http.MethodGet {
			out = append(out, r)
		}
	}
	b.log = nil
	return out
}

func (b *bench) try(project string, stdin string, args ...string) (string, error) {
	cmd := exec.Command(b.find("pulumi"), append(args, "--non-interactive")...)
	cmd.Dir = filepath.Join(b.dir, "projects", project)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = []string{"PATH=" + b.path, "HOME=" + b.dir, "PULUMI_HOME=" + filepath.Join(b.dir, "home"),
		"PULUMI_BACKEND_URL=file://" + filepath.Join(b.dir, "state"),
		"PULUMI_CONFIG_PASSPHRASE_FILE=" + filepath.Join(b.dir, "phrase"),
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true", "PULUMI_SKIP_UPDATE_CHECK=true",
		"PULUMI_DEBUG_PROVIDERS=scaleway:" + strconv.Itoa(b.provider.Port())}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (b *bench) find(program string) string {
	for _, dir := range filepath.SplitList(b.path) {
		if file := filepath.Join(dir, program); dir != "" {
			if info, err := os.Stat(file); err == nil && !info.IsDir() {
				return file
			}
		}
	}
	b.Fatalf("no %s on the search path", program)
	return ""
}

func (b *bench) pulumi(project string, args ...string) string {
	b.Helper()
	out, err := b.try(project, "", args...)
	require.NoError(b, err, out)
	return out
}

func (b *bench) set(project, key, value string) {
	b.Helper()
	out, err := b.try(project, value, "config", "set", "--secret", "--raw", key)
	require.NoError(b, err, out)
}

func (b *bench) upBackend() string { return b.pulumi(backend, "up", "--yes", "--skip-preview") }

// rollOut makes the stack of stripe-backend as a person would.
func (b *bench) rollOut() {
	b.Helper()
	b.pulumi(backend, "stack", "init", "prod")
	for key, path := range map[string]string{
		"scaleway-access-key": "sanmarcsoft/scaleway/access-key", "scaleway-secret-key": "sanmarcsoft/scaleway/api-secret",
		"stripe-secret-key": "verifieddit/stripe/secret-key", "stripe-webhook-secret": "verifieddit/stripe/webhook-secret",
		"clerk-secret-key": "verifieddit/clerk/secret-key",
	} {
		b.set(backend, key, b.pass[path])
	}
	b.upBackend()
}

// runs waits until the container is ready and tells what it runs with.
func (b *bench) runs() map[string]string {
	b.Helper()
	var got map[string]string
	require.NoError(b, b.world.Read(func(s *world.State) { got = s.ContainerRuns(world.ContainerName, s.Now()) }))
	return got
}
