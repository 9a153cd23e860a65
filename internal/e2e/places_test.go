//go:build slow

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

// changes counts the requests that change something at the paths that contain part.
func (w *sandboxed) changes(part string) map[string]int {
	out := map[string]int{}
	for _, r := range w.requests() {
		if r.Method != http.MethodGet && strings.Contains(r.Path, part) {
			out[r.Method]++
		}
	}
	return out
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

// TestLongDeclaredContainer: the first roll-out takes the container over, the second
// is an update of one name; one PATCH each, and nothing else of it changes.
func TestLongDeclaredContainer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.runsNow("stripe-backend")
	w.shop(old)
	catalog := w.placesCatalog(shopContainer)
	r := w.must("rotate", "--secret", "stripe", "--yes", "--catalog", catalog, "--json")
	require.Equal(t, map[string]string{"shop": "match"}, answersOf(t, r.stdout))
	first := w.runsNow("shop")
	require.NotEqual(t, old.key, first.key)
	require.NotEqual(t, old.webhook, first.webhook)
	require.Equal(t, first.key, w.pass("verifieddit/stripe/secret-key"))
	require.False(t, w.lives(old.key))
	require.True(t, w.lives(first.key))
	require.Equal(t, map[string]int{http.MethodPatch: 1}, w.changes("/containers/"))
	w.shopIsAsItWas()

	held := w.run("rotate", "--secret", "stripe", "--entry", "secret-key", "--yes", "--hold", "--catalog", catalog)
	require.Equal(t, 6, held.code, held.stderr)
	second := w.runsNow("shop")
	require.NotEqual(t, first.key, second.key)
	require.Equal(t, first.webhook, second.webhook)
	require.Equal(t, map[string]int{http.MethodPatch: 2}, w.changes("/containers/"))

	// Somebody deploys over it before the old value is retired.
	w.disturb("tamper", "container-secret", "shop", "STRIPE_SECRET_KEY", first.key)
	w.run("rotate", "--secret", "stripe", "--yes", "--catalog", catalog)
	require.Equal(t, second, w.runsNow("shop"))
	require.Equal(t, map[string]int{http.MethodPatch: 3}, w.changes("/containers/"))
	w.shopIsAsItWas()
	r = w.must("preview", "--stack", "places", "--catalog", catalog)
	require.NotContains(t, r.stdout, "update")
}

// TestLongDeclaredContainerThatFails: what does not come up is no success, the old
// value lives on, and the same command ends well once somebody mended it.
func TestLongDeclaredContainerThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.runsNow("stripe-backend")
	w.shop(old)
	catalog := w.placesCatalog(shopContainer)
	command := []string{"rotate", "--secret", "stripe", "--yes", "--catalog", catalog}

	// Not fit at plan time: nothing is issued.
	w.disturb("tamper", "container-error", "shop", "no such image")
	refused := w.run(command...)
	require.Equal(t, 1, refused.code, refused.stderr)
	require.Contains(t, refused.stderr, "shop")
	require.Contains(t, refused.stderr, "no such image")
	require.Empty(t, w.events("stripe"))
	w.disturb("tamper", "container-mended", "shop")

	w.disturb("tamper", "container-breaks", "shop", "exit status 3")
	failed := w.run(command...)
	require.Equal(t, 1, failed.code, failed.stderr)
	require.Contains(t, failed.stderr, "container shop")
	require.Contains(t, failed.stderr, "exit status 3")
	require.True(t, w.lives(old.key))
	require.Equal(t, old.key, w.pass("verifieddit/stripe/secret-key"), "not promoted")
	require.Equal(t, old, w.runsNow("shop"))

	w.disturb("tamper", "container-mended", "shop")
	w.must(command...)
	now := w.runsNow("shop")
	require.NotEqual(t, old.key, now.key)
	require.False(t, w.lives(old.key))
	require.Equal(t, now.key, w.pass("verifieddit/stripe/secret-key"))
	w.shopIsAsItWas()
}

const wholeNamespace = `      - {name: space, kind: namespace, stack: places, namespace: verifieddit, values: {SHARED_KEY: secret-key, SHARED_HOOK: webhook-secret}, probe: {kind: exact, by: hash}}
`

// TestLongDeclaredNamespace: all its containers run with what it gives them.
func TestLongDeclaredNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.runsNow("stripe-backend")
	values := map[string]string{"SHARED_KEY": old.key, "SHARED_HOOK": old.webhook, "FOREIGN": "not ours"}
	hashes, err := world.HashSecrets(values)
	require.NoError(t, err)
	w.shop(old)
	w.change(func(s *world.State) {
		s.Namespaces[0].Secrets, s.Namespaces[0].Hashes = values, hashes
		s.RollOutNamespace(s.Namespaces[0])
	})
	w.await("the namespace is rolled out", func() bool { return w.truth().Consumers["shop"].RunsWith["SHARED_KEY"] == old.key })
	catalog := w.placesCatalog(wholeNamespace)

	w.disturb("tamper", "container-breaks", "shop", "exit status 3")
	failed := w.run("rotate", "--secret", "stripe", "--yes", "--catalog", catalog)
	require.Equal(t, 1, failed.code, failed.stderr)
	require.Contains(t, failed.stderr, "container shop is in error (status error): exit status 3")
	require.True(t, w.lives(old.key))
	w.disturb("tamper", "container-mended", "shop")
	w.must("rotate", "--secret", "stripe", "--yes", "--catalog", catalog)
	for _, name := range []string{"shop", "stripe-backend"} {
		runs := w.truth().Consumers[name].RunsWith
		require.Equal(t, w.pass("verifieddit/stripe/secret-key"), runs["SHARED_KEY"], name)
		require.Equal(t, w.pass("verifieddit/stripe/webhook-secret"), runs["SHARED_HOOK"], name)
		require.Equal(t, "not ours", runs["FOREIGN"], name)
	}
	require.False(t, w.lives(old.key))
	require.Equal(t, map[string]int{http.MethodPatch: 2}, w.changes("/namespaces/"), "one for each up")
}
