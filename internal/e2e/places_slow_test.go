//go:build slow

package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// TestPlacesContainerGoesBack from a value that it does not come up with.
func TestLongPlacesContainerGoesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.runsNow("stripe-backend")
	w.shop(old)
	catalog := w.placesCatalog(shopContainer)
	w.disturb("tamper", "container-breaks", "shop", "exit status 3")
	require.Equal(t, 1, w.run("rotate", "--secret", "stripe", "--yes", "--catalog", catalog).code)
	w.disturb("tamper", "container-mends", "shop")
	w.must("rollback", "--secret", "stripe", "--yes", "--catalog", catalog)
	require.Equal(t, old, w.runsNow("shop"))
	require.True(t, w.lives(old.key))
	require.Equal(t, old.key, w.pass("verifieddit/stripe/secret-key"))
	w.shopIsAsItWas()
}

// TestLongPlacesActionsRefused: what GitHub would refuse is found before anything
// is issued, and a token that may not write changes nothing that is in use.
func TestLongPlacesActionsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.runsNow("stripe-backend")
	catalog := w.actions(old)
	command := []string{"rotate", "--secret", "stripe", "--yes", "--catalog", catalog}
	var shared world.RepositorySecret
	w.change(func(s *world.State) {
		o := s.Organizations[world.OrganizationName]
		shared = o.Secrets["STRIPE_SECRET_KEY"]
		delete(o.Secrets, "STRIPE_SECRET_KEY")
	})
	refused := w.run(command...)
	require.NotZero(t, refused.code)
	require.Contains(t, refused.stderr, "organization sanmarcsoft")
	require.Contains(t, refused.stderr, "STRIPE_SECRET_KEY")
	require.Empty(t, w.events("stripe"), "nothing was begun")
	w.change(func(s *world.State) {
		s.Organizations[world.OrganizationName].Secrets["STRIPE_SECRET_KEY"] = shared
		for _, c := range s.Credentials {
			if c.Service == world.GitHub {
				c.Permissions = []string{"Secrets Read"}
			}
		}
	})
	failed := w.run(command...)
	require.Equal(t, 1, failed.code, failed.stderr)
	require.Contains(t, failed.stderr, "the token may not do this")
	require.True(t, w.lives(old.key))
	require.Equal(t, old.key, w.pass("verifieddit/stripe/secret-key"), "not promoted")
	require.Equal(t, old.key, w.truth().Repositories[world.RepositoryName].Secrets["STRIPE_SECRET_KEY"])
	w.change(func(s *world.State) {
		for _, c := range s.Credentials {
			if c.Service == world.GitHub {
				c.Permissions = []string{"Secrets Read", "Secrets Write"}
			}
		}
	})
	w.must(command...)
	require.False(t, w.lives(old.key))
	require.Equal(t, w.pass("verifieddit/stripe/secret-key"), w.truth().Repositories[world.RepositoryName].Secrets["STRIPE_SECRET_KEY"])
}
