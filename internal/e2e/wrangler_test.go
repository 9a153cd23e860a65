//go:build slow

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// wranglerVersion is the newest whose commands were tried against the world.
const wranglerVersion = "4.86.0"

// wrangler is npm's, installed once into the user's cache.
func (w *sandboxed) wrangler() string {
	w.t.Helper()
	dir := filepath.Join(shared.cache, "secret-rotation-e2e", "wrangler-"+wranglerVersion)
	program := filepath.Join(dir, "node_modules", ".bin", "wrangler")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	require.NoError(w.t, os.MkdirAll(dir, 0o700))
	// In the caller's own environment: it says how npm reaches its registry.
	out, err := exec.Command("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", dir, "wrangler@"+wranglerVersion).CombinedOutput()
	require.NoError(w.t, err, string(out))
	return program
}

// A real client of Cloudflare's, over the world's own addresses.
func TestWranglerListsTheSecrets(t *testing.T) {
	w := emptyWorld(t)
	program := w.wrangler()
	env := w.serve()
	list := func() []string {
		r := w.sourced(env, "export WRANGLER_SEND_METRICS=false CI=1\ncd \"$HOME\"\n'"+program+"' secret list --name verifieddit-badges")
		require.Zero(t, r.code, r.stdout+r.stderr)
		var found []struct{ Name, Type string }
		require.NoError(t, json.Unmarshal([]byte(r.stdout), &found), r.stdout)
		var names []string
		for _, s := range found {
			require.Equal(t, "secret_text", s.Type)
			names = append(names, s.Name)
		}
		return names
	}
	require.ElementsMatch(t, []string{"CLERK_SECRET_KEY", "SIGHTENGINE_API_USER", "SIGHTENGINE_API_SECRET"}, list())

	// wrangler writes, and the program sees that it is not the promoted value.
	r := w.sourced(env, "export WRANGLER_SEND_METRICS=false CI=1\ncd \"$HOME\"\nprintf %s sk_live_somebodyelses0000 | '"+program+"' secret put CLERK_SECRET_KEY --name verifieddit-badges")
	require.Zero(t, r.code, r.stdout+r.stderr)
	require.Len(t, list(), 3)
	require.NotZero(t, w.run("verify", "--secret", "clerk").code)
	for _, request := range w.requests() {
		require.False(t, request.Unplanned, "%s %s", request.Method, request.Path)
	}
}
