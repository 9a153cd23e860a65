package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// placesCatalog is the embedded catalog with these consumers of stripe, in the
// declared stack "places".
func (w *sandboxed) placesCatalog(consumers string) string {
	w.t.Helper()
	file := w.stripeCatalog(consumers)
	raw, err := os.ReadFile(file)
	require.NoError(w.t, err)
	text := strings.Replace(string(raw), "\nstacks:\n", "\nstacks:\n  - {name: places, declared: true}\n", 1)
	require.NotEqual(w.t, string(raw), text)
	require.NoError(w.t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

const shopContainer = `      - {name: shop, kind: container, stack: places, container: shop, namespace: verifieddit, values: {STRIPE_SECRET_KEY: secret-key, STRIPE_WEBHOOK_SECRET: webhook-secret}, probe: {kind: exact, by: hash}}
`

// shop adds a container that somebody deployed by hand, with a secret variable
// that the catalog does not know.
func (w *sandboxed) shop(p pair) {
	w.t.Helper()
	values := map[string]string{"STRIPE_SECRET_KEY": p.key, "STRIPE_WEBHOOK_SECRET": p.webhook, "FOREIGN": "not ours"}
	hashes, err := world.HashSecrets(values)
	require.NoError(w.t, err)
	w.change(func(s *world.State) {
		c := s.NewContainer(s.Namespaces[0], "shop")
		c.Secrets, c.Hashes, c.Environment = values, hashes, map[string]string{"PLAIN": "as it was"}
		c.Spec = map[string]any{"image": "rg.example/shop:v1", "min_scale": 2.0}
		s.RollOut(c)
	})
	w.await("the shop runs", func() bool { return w.runsNow("shop") == p })
}

// writes counts the requests that change something at the paths that contain part.
func (w *sandboxed) writes(part string) map[string]int {
	out := map[string]int{}
	for _, r := range w.requests() {
		if r.Method != http.MethodGet && strings.Contains(r.Path, part) {
			out[r.Method]++
		}
	}
	return out
}

func TestDeclaredContainer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.runsNow("stripe-backend")
	w.shop(old)
	catalog := w.placesCatalog(shopContainer)
	r := w.must("rotate", "--secret", "stripe", "--yes", "--catalog", catalog, "--json")
	require.Equal(t, map[string]string{"shop": "match"}, answersOf(t, r.stdout))
	now := w.runsNow("shop")
	require.NotEqual(t, old.key, now.key)
	require.NotEqual(t, old.webhook, now.webhook)
	require.Equal(t, now.key, w.pass("verifieddit/stripe/secret-key"))
	require.False(t, w.lives(old.key))
	require.True(t, w.lives(now.key))
	require.Equal(t, map[string]int{http.MethodPatch: 1}, w.writes("/containers/"))
	w.shopIsAsItWas()
}

func (w *sandboxed) shopIsAsItWas() {
	w.t.Helper()
	w.change(func(s *world.State) {
		c, _ := s.Container("shop")
		require.Equal(w.t, "not ours", c.Secrets["FOREIGN"])
		require.Len(w.t, c.Secrets, 3)
		require.Equal(w.t, map[string]string{"PLAIN": "as it was"}, c.Environment)
		require.Equal(w.t, map[string]any{"image": "rg.example/shop:v1", "min_scale": 2.0}, c.Spec)
		require.Len(w.t, s.Containers, 2)
	})
}
