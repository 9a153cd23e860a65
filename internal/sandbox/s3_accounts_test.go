package sandbox

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// Accounts are the pairs that live; either half's end is the pair's.
func TestAccountsAreTheLivingKeys(t *testing.T) {
	w, err := world.Open(t.TempDir())
	require.NoError(t, err)
	_, err = w.Seed()
	require.NoError(t, err)
	past, future := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	ends := []func(access, secret *world.Credential){
		func(*world.Credential, *world.Credential) {},
		func(access, _ *world.Credential) { access.Disabled = true },
		func(_, secret *world.Credential) { secret.Disabled = true },
		func(access, _ *world.Credential) { access.Expires = &past },
		func(access, _ *world.Credential) { access.Expires = &future },
		func(_, secret *world.Credential) { secret.RefusedFrom = &past },
		func(access, _ *world.Credential) { access.NotBefore = future },
		func(access, _ *world.Credential) { access.Group = "" },
		func(access, _ *world.Credential) { access.Permissions = []string{"IAMManager"} },
	}
	roles := []string{"admin", "", "", "", "admin", "", "", "", "user"}
	require.NoError(t, w.Update(func(s *world.State) error {
		for i, end := range ends {
			pair, err := s.Issue(world.Order{Service: world.Scaleway})
			require.NoError(t, err)
			end(pair[0], pair[1])
			got, there := accounts(s)[pair[0].Value]
			require.Equal(t, roles[i] != "", there, "case %d", i)
			require.Equal(t, roles[i], got.Role, "case %d", i)
			if there {
				require.Equal(t, pair[1].Value, got.Secret)
			}
			// The next key takes after the newest one.
			pair[0].Permissions = []string{"*"}
		}
		return nil
	}))
}
