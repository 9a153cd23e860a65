package sandbox_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	truth "github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const (
	patience = 20 * time.Second
	tick     = 20 * time.Millisecond
)

func TestIssueAndRetireEverySecret(t *testing.T) {
	s := open(t, folder(t))
	for _, secret := range catalog(t).Secrets {
		t.Run(secret.Name, func(t *testing.T) {
			old := map[string]secrets.Value{}
			for i, v := range held(t, s, secret) {
				old[secret.Entries[i].Name()] = v
			}
			made, err := s.Issue(t.Context(), secret)
			require.NoError(t, err)
			require.Len(t, made, len(secret.Entries))
			alive := func(values map[string]secrets.Value) bool {
				var all bool
				require.NoError(t, s.World().Read(func(state *truth.State) {
					all = true
					for _, v := range values {
						c, found := state.Find(secret.Service, string(v.Reveal()))
						all = all && found && c.Standing(state.Now()) == truth.Alive
					}
				}))
				return all
			}
			for _, e := range secret.Entries {
				require.NoError(t, e.Check(made[e.Name()]))
				require.False(t, made[e.Name()].Equal(old[e.Name()]))
			}
			require.True(t, alive(made))
			require.Equal(t, !secret.Dashboard.KillsOld, alive(old), "the old one")
			for range 2 { // retiring what is dead already is fine
				require.NoError(t, s.Retire(t.Context(), secret, old))
			}
			require.False(t, alive(old))
			require.True(t, alive(made))
		})
	}
}

func TestSecondWebhookEndpointHasItsOwnSecret(t *testing.T) {
	s := world(t)
	secret, _ := catalog(t).Secret("stripe")
	count := func() (n int) {
		require.NoError(t, s.World().Read(func(state *truth.State) { n = len(state.Webhooks) }))
		return n
	}
	before := count()
	made, err := s.Issue(t.Context(), secret)
	require.NoError(t, err)
	require.Equal(t, before+1, count())
	require.NoError(t, s.Retire(t.Context(), secret, made))
	require.Equal(t, before, count())
}

func TestRetiringWhatWasNeverIssuedIsAnError(t *testing.T) {
	s := world(t)
	secret, _ := catalog(t).Secret("clerk")
	err := s.Retire(t.Context(), secret, map[string]secrets.Value{"secret-key": secrets.NewValue([]byte("sk_live_nobody"))})
	require.ErrorContains(t, err, "clerk")
	require.NotContains(t, err.Error(), "sk_live_nobody")
}

func TestRollPrintsEntriesAndStoresNothing(t *testing.T) {
	s := world(t)
	secret, _ := catalog(t).Secret("clerk-test")
	before := held(t, s, secret)
	out, err := s.Roll(t.Context(), secret)
	require.NoError(t, err)
	var got map[string]string
	require.NoError(t, json.Unmarshal(out, &got))
	require.Len(t, got, 1)
	require.Contains(t, got["test-secret-key"], "sk_test_")
	require.True(t, held(t, s, secret)[0].Equal(before[0]), "pass still holds the old one")
}
