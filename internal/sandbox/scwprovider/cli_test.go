package scwprovider_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// One stack goes through its life: every step is the real CLI against the real
// provider and the sandbox's API, and builds on the one before.
func TestLifeOfAStack(t *testing.T) {
	b := newBench(t).withProjects()
	b.rollOut()
	require.Equal(t, b.pass["verifieddit/stripe/secret-key"], b.runs()["STRIPE_SECRET_KEY"])
	b.pulumi(backend, "preview", "--expect-no-changes")
	b.wrote()
	for _, step := range []func(){b.secretChanges, b.providerKeyChanges, b.driftIsMended, b.tooLong, b.brokenContainer, b.deadKey} {
		step()
	}
}

func (b *bench) secretChanges() {
	b.set(backend, "clerk-secret-key", "sk_live_second")
	preview := b.pulumi(backend, "preview", "--diff")
	require.Contains(b, preview, "~ secretEnvironmentVariables: [secret] => [secret]")
	require.Contains(b, preview, "~ 1 to update\n    3 unchanged")
	require.Empty(b, b.wrote(), "a preview changes nothing")
	b.upBackend()
	wrote := b.wrote()
	require.Len(b, wrote, 1)
	require.Equal(b, http.MethodPatch, wrote[0].method)
	require.Equal(b, map[string]any{"secret_environment_variables": map[string]any{
		"CLERK_SECRET_KEY": "sk_live_second", "STRIPE_SECRET_KEY": "", "STRIPE_WEBHOOK_SECRET": ""}}, wrote[0].body,
		"only what changed, kept keys empty: v1 drops what is not named")
	require.Equal(b, map[string]string{"CLERK_SECRET_KEY": "sk_live_second",
		"STRIPE_SECRET_KEY":     b.pass["verifieddit/stripe/secret-key"],
		"STRIPE_WEBHOOK_SECRET": b.pass["verifieddit/stripe/webhook-secret"]}, b.runs())
}

// providerKeyChanges: a new key is an update of the provider and replaces no
// resource; from then on the new key is used.
func (b *bench) providerKeyChanges() {
	made, err := b.world.Issue(world.Order{Service: world.Scaleway})
	require.NoError(b, err)
	fresh := made[1].Value
	b.set(backend, "scaleway-secret-key", fresh)
	require.Contains(b, b.upBackend(), "~ 1 updated\n    3 unchanged")
	require.Empty(b, b.wrote())
	b.revoke(b.pass["sanmarcsoft/scaleway/api-secret"])
	b.pass["sanmarcsoft/scaleway/api-secret"] = fresh
	b.set(backend, "stripe-secret-key", "sk_live_third")
	b.upBackend()
	wrote := b.wrote()
	require.Len(b, wrote, 1)
	require.Equal(b, fresh, wrote[0].key)
}

func (b *bench) revoke(value string) {
	b.Helper()
	c, found, err := b.world.Lookup(world.Scaleway, value)
	require.NoError(b, err)
	require.True(b, found)
	_, err = b.world.Revoke(c.ID)
	require.NoError(b, err)
}

// driftIsMended: the service gives hashes back, so a value changed behind our
// back is seen by refresh and put right by up.
func (b *bench) driftIsMended() {
	require.NoError(b, b.world.Tamper("container-secret", world.ContainerName, "STRIPE_SECRET_KEY", "sk_live_foreign"))
	b.pulumi(backend, "refresh", "--yes", "--skip-preview")
	b.upBackend()
	require.Equal(b, "sk_live_third", b.runs()["STRIPE_SECRET_KEY"])
	require.Equal(b, "sk_live_second", b.runs()["CLERK_SECRET_KEY"])
}

// tooLong: the limit is found in the preview, where nothing has happened yet.
func (b *bench) tooLong() {
	long := strings.Repeat("x", 1001)
	b.set(backend, "stripe-secret-key", long)
	out, err := b.try(backend, "", "preview")
	require.Error(b, err)
	require.Contains(b, out, "STRIPE_SECRET_KEY")
	require.Contains(b, out, "1001")
	require.NotContains(b, out, "xxxxxxxxxx")
	b.set(backend, "stripe-secret-key", long[1:])
	b.upBackend()
	require.Equal(b, long[1:], b.runs()["STRIPE_SECRET_KEY"])
}

// brokenContainer: as with the official plugin, up is green, a warning says
// that the container is not, and the old revision serves on.
func (b *bench) brokenContainer() {
	require.NoError(b, b.world.Tamper("container-error", world.ContainerName, "exit status 1"))
	b.set(backend, "clerk-secret-key", "sk_live_third")
	out := b.upBackend()
	require.Contains(b, out, "warning")
	require.Contains(b, out, "exit status 1")
	require.Equal(b, "sk_live_second", b.runs()["CLERK_SECRET_KEY"])
	require.NoError(b, b.world.Tamper("container-mended", world.ContainerName))
}

func (b *bench) deadKey() {
	key := b.pass["sanmarcsoft/scaleway/api-secret"]
	b.revoke(key)
	b.set(backend, "clerk-secret-key", "sk_live_fourth")
	out, err := b.try(backend, "", "up", "--yes", "--skip-preview")
	require.Error(b, err)
	require.Contains(b, out, "denied_authentication")
	require.NotContains(b, out, key)
}
