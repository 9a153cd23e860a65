//go:build slow

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
)

// officialCatalog is the catalog with the registry's plugin for the Worker.
func (w *sandboxed) officialCatalog() string {
	w.t.Helper()
	raw, err := os.ReadFile("../../secrets/catalog.yaml")
	require.NoError(w.t, err)
	changed := strings.Replace(string(raw), "providers: hosted", "providers: official", 1)
	require.NotEqual(w.t, string(raw), changed)
	file := filepath.Join(w.root, "official.yaml")
	require.NoError(w.t, os.WriteFile(file, []byte(changed), 0o600))
	return file
}

// withoutPlugins is the world with a cache that has the CLI, and no plugin, and
// with no network to get one.
func (w *sandboxed) withoutPlugins() *sandboxed {
	w.t.Helper()
	own := filepath.Join(w.root, "cache", "secret-rotation")
	require.NoError(w.t, os.MkdirAll(own, 0o700))
	name := "pulumi-" + engine.Version()
	require.NoError(w.t, os.Symlink(filepath.Join(shared.cache, "secret-rotation", name), filepath.Join(own, name)))
	return w.with("XDG_CACHE_HOME="+filepath.Dir(own), "HTTPS_PROXY=http://127.0.0.1:9")
}

// withStandIn is that world with a plugin on PATH that asks for what the
// registry's asks for.
func (w *sandboxed) withStandIn() *sandboxed {
	w.t.Helper()
	dir := filepath.Join(w.root, "plugins")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(dir, "pulumi-resource-cloudflare"), "./standin")
	out, err := build.CombinedOutput()
	require.NoError(w.t, err, string(out))
	return w.withoutPlugins().with("PATH=" + dir + string(filepath.ListSeparator) + os.Getenv("PATH"))
}

// written lists what was asked of the Worker's secrets since the request of that
// number, and that nothing was ever deleted there.
func (w *sandboxed) written(since int) []string {
	w.t.Helper()
	var out []string
	for _, r := range w.requests()[since:] {
		_, below, ours := strings.Cut(r.Path, "/workers/scripts/"+badges+"/")
		require.False(w.t, ours && r.Method == "DELETE", "%s %s", r.Method, r.Path)
		if ours && (r.Method == "PUT" || r.Method == "PATCH") {
			out = append(out, r.Method+" "+below)
		}
	}
	return out
}

func TestLongOfficialPluginThatCannotBeHad(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withoutPlugins()
	w.refused(refusal{1, []string{"verifieddit-badges", "pulumi-resource-cloudflare 5.49.1", "not installed"}, "providers: hosted"},
		"", "rotate", "--secret", "sightengine", "--yes", "--catalog", w.officialCatalog())
}

// What it would destroy, or write without need, is left to the provider that
// this process serves; and the stack sees no difference between the two.
func TestLongOfficialPlugin(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withStandIn()
	official := w.officialCatalog()
	rotate := func(secret string, more ...string) (writes []string) {
		t.Helper()
		since := len(w.requests())
		w.must(append([]string{"rotate", "--secret", secret, "--yes"}, more...)...)
		runs := w.truth().Workers[badges]
		require.Equal(t, w.pass(clerkKey), w.truth().Consumers[badges].RunsWith["CLERK_SECRET_KEY"])
		require.Equal(t, w.pass("sightengine/api-user"), w.truth().Consumers[badges].RunsWith["SIGHTENGINE_API_USER"])
		require.Equal(t, w.pass("sightengine/api-secret"), w.truth().Consumers[badges].RunsWith["SIGHTENGINE_API_SECRET"])
		require.NotEmpty(t, runs.Versions)
		return w.written(since)
	}
	unchanged := func() {
		t.Helper()
		for _, catalog := range [][]string{nil, {"--catalog", official}} {
			r := w.must(append([]string{"preview", "--stack", badges, "--json"}, catalog...)...)
			var shown struct {
				Stacks []struct {
					Changes []struct{ Op, Type string }
				}
			}
			require.NoError(t, json.Unmarshal([]byte(r.stdout), &shown))
			for _, c := range shown.Stacks[0].Changes {
				// The plugin fills in settings of its own.
				require.Equal(t, "update pulumi:providers:cloudflare", c.Op+" "+c.Type, "another provider is no change")
			}
		}
	}

	require.Equal(t, []string{"PATCH secrets-bulk"}, rotate("clerk", "--catalog", official), "taken over before the plugin is let in")
	unchanged()
	require.Equal(t, []string{"PUT secrets"}, rotate("clerk", "--catalog", official))
	unchanged()
	require.Equal(t, []string{"PUT secrets", "PUT secrets"}, rotate("sightengine", "--catalog", official))
	require.Equal(t, []string{"PATCH secrets-bulk"}, rotate("sightengine"))
	unchanged()
	require.Equal(t, []string{"PUT secrets"}, rotate("clerk", "--catalog", official))

	// A state that somebody else's program has left: the flag is missing.
	w.editState(func(r map[string]any) []map[string]any {
		delete(r, "retainOnDelete")
		return []map[string]any{r}
	})
	require.Equal(t, []string{"PATCH secrets-bulk"}, rotate("clerk", "--catalog", official), "the plugin would delete what it has written")
	require.Equal(t, []string{"PUT secrets"}, rotate("clerk", "--catalog", official))

	// What a plugin that was cut off has left: dropped where nothing is sent.
	w.editState(func(r map[string]any) []map[string]any { return []map[string]any{r, with(r, "delete", true)} })
	require.Equal(t, []string{"PUT secrets"}, rotate("clerk", "--catalog", official))
	w.editState(func(r map[string]any) []map[string]any {
		return []map[string]any{r, with(with(r, "delete", true), "retainOnDelete", false)}
	})
	w.refused(refusal{1, []string{"verifieddit-badges", "pending deletion"}, "providers: hosted"},
		"", "rotate", "--secret", "clerk", "--yes", "--catalog", official)
	require.Equal(t, []string{"PATCH secrets-bulk"}, rotate("clerk"), "the provider that is served here deletes nothing")
	require.Equal(t, []string{"PUT secrets"}, rotate("clerk", "--catalog", official))
}

func with(r map[string]any, key string, value any) map[string]any {
	out := map[string]any{}
	for k, v := range r {
		out[k] = v
	}
	out[key] = value
	return out
}

// editState puts others in the place of the state's CLERK_SECRET_KEY.
func (w *sandboxed) editState(edit func(map[string]any) []map[string]any) {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "state", ".pulumi", "stacks", "secret-rotation", badges+".json"))
	require.NoError(w.t, err)
	require.Len(w.t, files, 1)
	raw, err := os.ReadFile(files[0])
	require.NoError(w.t, err)
	var state map[string]any
	require.NoError(w.t, json.Unmarshal(raw, &state))
	latest := state["checkpoint"].(map[string]any)["latest"].(map[string]any)
	var resources []any
	edited := 0
	for _, r := range latest["resources"].([]any) {
		r := r.(map[string]any)
		if !strings.HasSuffix(r["urn"].(string), "::"+badges+"/CLERK_SECRET_KEY") {
			resources = append(resources, r)
			continue
		}
		edited++
		for _, other := range edit(r) {
			resources = append(resources, other)
		}
	}
	require.Equal(w.t, 1, edited)
	latest["resources"] = resources
	raw, err = json.Marshal(state)
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(files[0], raw, 0o600))
}
