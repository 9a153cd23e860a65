//go:build slow

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// sharedCatalog is placesCatalog in which the shop holds clerk's key too.
func (w *sandboxed) sharedCatalog() string {
	w.t.Helper()
	raw, err := os.ReadFile(w.placesCatalog(shopContainer))
	require.NoError(w.t, err)
	head, own, found := strings.Cut(string(raw), "  - name: clerk\n")
	require.True(w.t, found)
	own = strings.Replace(own, "    consumers:\n", "    consumers:\n      - {name: shop, kind: container, stack: places, container: shop, namespace: verifieddit, values: {CLERK_SECRET_KEY: secret-key}, probe: {kind: exact, by: hash}}\n", 1)
	file := filepath.Join(w.root, "shared.yaml")
	require.NoError(w.t, os.WriteFile(file, []byte(head+"  - name: clerk\n"+own), 0o600))
	return file
}

// shopSecrets are the variables that the shop holds.
func (w *sandboxed) shopSecrets() (out map[string]string) {
	w.t.Helper()
	w.change(func(s *world.State) {
		c, _ := s.Container("shop")
		out = c.Secrets
	})
	return out
}

// withClerk gives the shop clerk's key, by hand.
func (w *sandboxed) withClerk(key string) {
	w.t.Helper()
	w.disturb("tamper", "container-secret", "shop", "CLERK_SECRET_KEY", key)
}

// TestLongSharedContainer: a name that the catalog gives to a container later, and
// that nobody rotates, is taken over with the value that the container has.
func TestLongSharedContainer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clerk := w.pass(clerkKey)
	w.shop(w.runsNow("stripe-backend"))
	w.withClerk(clerk)
	w.must("rotate", "--secret", "stripe", "--yes", "--catalog", w.placesCatalog(shopContainer))
	shared := w.sharedCatalog()

	written := w.changes("/containers/")
	r := w.must("adopt", "--secret", "clerk", "--yes", "--json", "--catalog", shared)
	require.Equal(t, "match", answersOf(t, r.stdout)["shop"])
	require.Equal(t, written, w.changes("/containers/"), "an adoption writes nothing")
	w.must("rotate", "--secret", "clerk", "--yes", "--catalog", shared)
	require.Equal(t, w.pass(clerkKey), w.shopSecrets()["CLERK_SECRET_KEY"])
	require.False(t, w.lives(clerk))
}

func TestLongSharedContainerKeepsWhatNobodyRotates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clerk := w.pass(clerkKey)
	w.shop(w.runsNow("stripe-backend"))
	w.withClerk(clerk)
	w.must("rotate", "--secret", "stripe", "--yes", "--catalog", w.placesCatalog(shopContainer))

	// Somebody prepares a value in pass that no consumer has ever had.
	w.insert(clerkKey, "sk_live_"+strings.Repeat("Nev3r", 8))
	w.shell("pass git push -q")
	w.must("rotate", "--secret", "stripe", "--yes", "--catalog", w.sharedCatalog())
	require.Equal(t, clerk, w.shopSecrets()["CLERK_SECRET_KEY"])
	require.Equal(t, w.pass(stripeKey), w.shopSecrets()["STRIPE_SECRET_KEY"])
	require.Equal(t, "not ours", w.shopSecrets()["FOREIGN"])
	require.Equal(t, 2, w.changes("/containers/")[http.MethodPatch])
}
