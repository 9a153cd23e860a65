package stacks_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks"
)

// Every declared stack of the shipped catalog has a program, and every copy
// that a stack holds has a key.
func TestTheShippedCatalogBuilds(t *testing.T) {
	cat, err := secrets.Embedded()
	require.NoError(t, err)
	declared := 0
	for _, s := range cat.Stacks {
		keys := stacks.Keys(cat, s.Name)
		require.NotEmpty(t, keys, s.Name)
		for key, ref := range keys {
			secret, ok := cat.Secret(ref.Secret)
			require.True(t, ok, key)
			_, ok = secret.Entry(ref.Entry)
			require.True(t, ok, key)
			require.Equal(t, s.Declared, ref.Worker != "", key)
		}
		if s.Declared {
			declared++
			_, err := stacks.Declared(cat, s.Name, account)
			require.NoError(t, err)
		}
	}
	require.Positive(t, declared)
	require.Contains(t, stacks.Keys(cat, "verifieddit-badges"), "sightengine-api-user")
	require.Contains(t, stacks.Keys(cat, "stripe-backend"), "stripe-webhook-secret")
}
