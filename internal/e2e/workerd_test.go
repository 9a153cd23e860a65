//go:build slow

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
)

// workerdVersion is Cloudflare's runtime of Workers, as npm has it.
const workerdVersion = "1.20261117.1"

// workerd is npm's, installed once into the user's cache.
func workerd(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(shared.cache, "secret-rotation-e2e", "workerd-"+workerdVersion)
	program := filepath.Join(dir, "node_modules", ".bin", "workerd")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	require.NoError(t, os.MkdirAll(dir, 0o700))
	// In the caller's own environment: it says how npm reaches its registry.
	out, err := exec.Command("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", dir, "workerd@"+workerdVersion).CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// worker is the example Worker in the real runtime.
type worker struct {
	t   *testing.T
	url string
}

const workerConfig = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .example)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const example :Workerd.Worker = (
  modules = [
    (name = "worker.mjs", esModule = embed "worker.mjs"),
    (name = "attest.mjs", esModule = embed "attest.mjs"),
  ],
  bindings = [BINDINGS],
  compatibilityDate = "2026-11-01",
);
`

// runWorker starts the Worker with these secrets.
func runWorker(t *testing.T, environ map[string]string) worker {
	t.Helper()
	program, dir := workerd(t), t.TempDir()
	var bindings []string
	cmd := exec.Command(program, "serve", "--control-fd=3", filepath.Join(dir, "config.capnp"))
	for name, value := range environ {
		bindings = append(bindings, fmt.Sprintf("(name = %q, fromEnvironment = %q)", name, name))
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	config := strings.Replace(workerConfig, "BINDINGS", strings.Join(bindings, ", "), 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.capnp"), []byte(config), 0o600))
	for _, module := range []string{"worker.mjs", "attest.mjs"} {
		require.NoError(t, copyFile(filepath.Join("../../examples/attest", module), filepath.Join(dir, module), 0o600))
	}
	control, write, err := os.Pipe()
	require.NoError(t, err)
	var stderr strings.Builder
	cmd.ExtraFiles, cmd.Stderr, cmd.SysProcAttr = []*os.File{write}, &stderr, &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		_ = control.Close()
	})
	require.NoError(t, write.Close())
	line, err := bufio.NewReader(control).ReadBytes('\n')
	require.NoError(t, err, "it did not start: %s", stderr.String())
	var event struct {
		Event string
		Port  int
	}
	require.NoError(t, json.Unmarshal(line, &event))
	require.Equal(t, "listen", event.Event)
	return worker{t: t, url: "http://127.0.0.1:" + strconv.Itoa(event.Port)}
}

// ask is what the program itself does to a consumer.
func (w worker) ask(name string, at time.Time, texts ...string) error {
	w.t.Helper()
	req, pending := w.question(name, at, texts...)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	return pending.Verify(resp)
}

func (w worker) question(name string, at time.Time, texts ...string) (*http.Request, attest.Pending) {
	w.t.Helper()
	var values []secrets.Value
	for _, text := range texts {
		values = append(values, secrets.NewValue([]byte(text)))
	}
	req, pending, err := attest.NewRequest(w.t.Context(), w.url+attest.Path, name, attest.Key(values...), at)
	require.NoError(w.t, err)
	return req, pending
}

// seen is all that whoever sends the request sees.
func (w worker) seen(req *http.Request) string {
	w.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	resp.Header.Del("Date")
	return fmt.Sprint(resp.StatusCode, resp.Header, string(body))
}

func exampleWorker(t *testing.T) worker {
	t.Helper()
	return runWorker(t, map[string]string{"CLERK_SECRET_KEY": "sk_live_schlüssel", "SIGHTENGINE_API_USER": "1234567", "SIGHTENGINE_API_SECRET": "abcdef"})
}

func TestWorkerdProvesWhatItRunsWith(t *testing.T) {
	t.Parallel()
	w, now := exampleWorker(t), time.Now()
	require.NoError(t, w.ask("clerk", now, "sk_live_schlüssel"))
	require.NoError(t, w.ask("sightengine", now, "1234567", "abcdef"))
	for name, other := range map[string][]string{
		"another value": {"1234567", "abcdeg"}, "exchanged": {"abcdef", "1234567"}, "half, user": {"1234567"}, "half, secret": {"abcdef"},
		"joined": {"1234567abcdef"}, "a shifted border": {"1234567a", "bcdef"}, "with an empty one": {"1234567", "abcdef", ""}, "nothing": {},
	} {
		require.ErrorIs(t, w.ask("sightengine", now, other...), attest.ErrRefused, name)
	}
	for _, name := range []string{"stripe", "constructor"} { // the second one is in every object
		require.ErrorIs(t, w.ask(name, now, "1234567", "abcdef"), attest.ErrRefused, name)
		require.ErrorIs(t, w.ask(name, now), attest.ErrRefused, name)
	}
	resp, err := http.Get(w.url + "/")
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "hello from the Worker\n", string(body), "the rest of the Worker")
	require.NoError(t, resp.Body.Close())
}

func TestWorkerdWithoutItsSecretsProvesNothing(t *testing.T) {
	t.Parallel()
	w, now := runWorker(t, map[string]string{"SIGHTENGINE_API_USER": "", "SIGHTENGINE_API_SECRET": "abcdef"}), time.Now()
	require.ErrorIs(t, w.ask("clerk", now), attest.ErrRefused)
	require.ErrorIs(t, w.ask("clerk", now, ""), attest.ErrRefused)
	require.ErrorIs(t, w.ask("clerk", now, "undefined"), attest.ErrRefused)
	require.ErrorIs(t, w.ask("sightengine", now, "", "abcdef"), attest.ErrRefused)
	require.ErrorIs(t, w.ask("sightengine", now, "abcdef"), attest.ErrRefused)
}

func TestWorkerdLooksAtTheTime(t *testing.T) {
	t.Parallel()
	w := exampleWorker(t)
	for age, fresh := range map[time.Duration]bool{
		0: true, attest.MaxAge - 20*time.Second: true, -attest.MaxAge + 20*time.Second: true,
		attest.MaxAge + 2*time.Second: false, -attest.MaxAge - 20*time.Second: false, 24 * time.Hour: false, -24 * time.Hour: false,
	} {
		err := w.ask("clerk", time.Now().Add(-age), "sk_live_schlüssel")
		require.Equal(t, fresh, err == nil, "%s: %v", age, err)
	}
}

// TestWorkerdRefusesEverythingElseAlike: a stranger learns nothing, not even why.
func TestWorkerdRefusesEverythingElseAlike(t *testing.T) {
	t.Parallel()
	w := exampleWorker(t)
	good, pending := w.question("clerk", time.Now(), "sk_live_schlüssel")
	address, mac := good.URL.Query(), good.Header.Get(attest.Header)
	request := func(method string, query url.Values, mac string) *http.Request {
		req, err := http.NewRequest(method, w.url+attest.Path+"?"+query.Encode(), nil)
		require.NoError(t, err)
		req.Header.Set(attest.Header, mac)
		return req
	}
	stranger, err := http.NewRequest(http.MethodGet, w.url+attest.Path, nil)
	require.NoError(t, err)
	want := w.seen(stranger)
	require.Contains(t, want, "404")
	require.Contains(t, want, "no-store")
	with := func(key, value string) url.Values {
		out := url.Values{}
		for k := range address {
			out.Set(k, address.Get(k))
		}
		out.Set(key, value)
		return out
	}
	nonce, sent := address.Get("nonce"), address.Get("time")
	for name, query := range map[string]url.Values{
		"replayed with another nonce": with("nonce", nonce[1:]+"0"), "a shorter nonce": with("nonce", "00"), "another spelling": with("nonce", strings.ToUpper(nonce[:31])+"A"),
		"for another secret": with("name", "sightengine"), "a name with NUL": with("name", "clerk\x00"), "no name": with("name", ""),
		"with another time": with("time", sent+"0"), "a time in words": with("time", "now"), "a signed time": with("time", "+"+sent), "no time": with("time", ""), "a time beyond all": with("time", strings.Repeat("9", 400)),
	} {
		require.Equal(t, want, w.seen(request(http.MethodGet, query, mac)), name)
	}
	other := "0"
	if strings.HasSuffix(mac, other) {
		other = "1"
	}
	for _, wrong := range []string{"", "00", mac[:63] + other, mac + "00", strings.ToUpper(mac), strings.Repeat("z", 64)} {
		require.Equal(t, want, w.seen(request(http.MethodGet, address, wrong)), wrong)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch} {
		require.Equal(t, want, w.seen(request(method, address, mac)), method)
	}
	head := w.seen(request(http.MethodHead, address, mac))
	require.Contains(t, head, "404")
	require.NotContains(t, head, "json")

	// The request itself was good. A repetition gets the very same answer.
	first := w.seen(good.Clone(t.Context()))
	require.Contains(t, first, "200")
	require.Equal(t, first, w.seen(good.Clone(t.Context())))
	resp, err := http.DefaultClient.Do(good)
	require.NoError(t, err)
	require.NoError(t, pending.Verify(resp))
	_, another := w.question("clerk", time.Now(), "sk_live_schlüssel")
	recorded := &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(first[strings.Index(first, "{\"name"):]))}
	require.ErrorIs(t, another.Verify(recorded), attest.ErrForged, "and it is no answer to another question")
}
