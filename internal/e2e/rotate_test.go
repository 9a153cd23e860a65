package e2e

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
)

const (
	stripeKey  = "verifieddit/stripe/secret-key"
	stripeHook = "verifieddit/stripe/webhook-secret"
	clerkKey   = "verifieddit/clerk/secret-key"
)

func unauthorized(r api.Request) bool { return r.Status == 401 && r.Service == "stripe" }

func TestStripeIsRotatedFromEndToEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, hook := w.pass(stripeKey), w.pass(stripeHook)
	clerk := w.pass(clerkKey)

	r := w.must("rotate", "--secret", "stripe", "--yes", "--json")

	newKey := w.swapped("stripe", stripeKey, key)
	newHook := w.swapped("stripe", stripeHook, hook)
	runs := map[string]string{"STRIPE_SECRET_KEY": newKey, "STRIPE_WEBHOOK_SECRET": newHook, "CLERK_SECRET_KEY": clerk}
	require.Equal(t, runs, w.truth().Containers["stripe-backend"].Secrets)
	require.Equal(t, runs, w.truth().Consumers["stripe-backend"].RunsWith)

	old := credential(t, w.truth(), key)
	done := w.settledFrom("stripe", old, unauthorized)

	rep := decode(t, r.stdout)
	require.Equal(t, "DONE", rep.State)
	require.Equal(t, done.Rotation, rep.Rotation)
	require.Equal(t, "stripe", rep.Secret)
	require.Equal(t, done.RevokedAt.Format("2006-01-02T15:04:05Z"), rep.Revoked.ConfirmedAt)
	require.Contains(t, rep.Revoked.Evidence, "stripe refuses the old secret-key")
	require.Contains(t, rep.Revoked.Evidence, "stated: old webhook-secret", "nobody can ask about a webhook secret")
	require.Equal(t, map[string]string{"stripe-backend": "updated"}, rep.results())
	require.Equal(t, 1, rep.Stacks[0].Changes["update"])
	require.Equal(t, map[string]string{"stripe-backend": "exact match"}, rep.answers())
	require.Empty(t, rep.Debts)
	require.Empty(t, rep.Next)
	require.Len(t, rep.Entries, 2)
	for i, path := range []string{stripeKey, stripeHook} {
		require.Equal(t, path, rep.Entries[i].Path)
		require.Regexp(t, `^[0-9a-f]{8}$`, rep.Entries[i].From)
		require.Regexp(t, `^[0-9a-f]{8}$`, rep.Entries[i].To)
		require.NotEqual(t, rep.Entries[i].From, rep.Entries[i].To)
	}
	w.storeIsInOrder("stripe", done.RevokedAt.Format("2006-01-02"))

	again := decode(t, w.must("rotate", "--secret", "stripe", "--yes", "--json").stdout)
	require.NotEqual(t, rep.Rotation, again.Rotation)
	require.Equal(t, rep.Entries[0].To, again.Entries[0].From)
	require.NotContains(t, []string{key, newKey}, w.swapped("stripe", stripeKey, newKey))
}

// storeIsInOrder: three commits tell the story, all is pushed, and no value
// waits or is kept any more.
func (w *sandboxed) storeIsInOrder(secret, date string) {
	w.t.Helper()
	log := w.passCommand("", "git", "log", "--format=%s").stdout
	lines := strings.Split(strings.TrimSpace(log), "\n")
	require.Regexp(w.t, `^Rotated `+secret+` on `+date+`: old .* is dead \(rotation `, lines[0])
	require.Regexp(w.t, `^Rotate `+secret+`: `, lines[1])
	require.Regexp(w.t, `^Stage new .* of `+secret+` `, lines[2])
	w.storeHoldsNoLeftovers()
}
