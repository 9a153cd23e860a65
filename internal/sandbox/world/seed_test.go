package world

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// catalogPaths are the paths and patterns of the embedded catalog.
func catalogPaths(t *testing.T) map[string]string {
	t.Helper()
	c, err := secrets.Embedded()
	require.NoError(t, err)
	out := map[string]string{}
	for _, i := range c.Identifiers {
		out[i.Path] = i.Pattern
	}
	for _, s := range c.Secrets {
		for _, e := range s.Entries {
			out[e.Path] = e.Pattern
		}
	}
	return out
}

func TestSeedFillsTheWholeCatalog(t *testing.T) {
	_, pass := seeded(t)
	want := catalogPaths(t)
	require.Len(t, pass, len(want))
	for path, pattern := range want {
		require.Contains(t, pass, path)
		require.NotEmpty(t, pass[path], path)
		if pattern != "" {
			require.Regexp(t, regexp.MustCompile("^("+pattern+")$"), pass[path], path)
		}
	}
}

func TestSeedIsRolledOutAndAlive(t *testing.T) {
	w, pass := seeded(t)
	s := snapshot(t, w)
	require.Equal(t, map[string]string{"CLERK_SECRET_KEY": pass["verifieddit/clerk/secret-key"],
		"SIGHTENGINE_API_USER":   pass["sightengine/api-user"],
		"SIGHTENGINE_API_SECRET": pass["sightengine/api-secret"]}, s.WorkerRuns(WorkerName, s.Now()))
	require.Equal(t, map[string]string{"STRIPE_SECRET_KEY": pass["verifieddit/stripe/secret-key"],
		"STRIPE_WEBHOOK_SECRET": pass["verifieddit/stripe/webhook-secret"],
		"CLERK_SECRET_KEY":      pass["verifieddit/clerk/secret-key"]}, s.ContainerRuns(ContainerName, s.Now()))
	require.True(t, s.Workers[WorkerName].LatestServes())
	require.Equal(t, "ready", s.Containers[0].Status(s.Now()))
	require.Len(t, s.Webhooks, 1)
	require.Len(t, s.Cloudflare.Zones, 3)
	for _, c := range s.Credentials {
		require.Equal(t, Alive, c.Standing(s.Now()), c.Service)
		require.Less(t, s.Now().Sub(c.IssuedAt), 90*24*time.Hour)
	}
}

func TestWorldsShareNothing(t *testing.T) {
	_, one := seeded(t)
	_, two := seeded(t)
	for path, value := range one {
		if path != "verifieddit/clerk/publishable-key" { // made from the host alone
			require.NotEqual(t, value, two[path], path)
		}
	}
}

func TestTruthHasExactlyTheMembersOfTheDesign(t *testing.T) {
	w, pass := seeded(t)
	truth, err := w.Truth()
	require.NoError(t, err)
	raw, err := json.Marshal(truth)
	require.NoError(t, err)
	var v map[string]any
	require.NoError(t, json.Unmarshal(raw, &v))
	requireKeys(t, v, "credentials", "workers", "containers", "consumers", "repositories")
	requireKeys(t, v["credentials"].([]any)[0], "service", "id", "entry", "value", "alive", "issued_at", "revoked_at")
	worker := v["workers"].(map[string]any)[WorkerName]
	requireKeys(t, worker, "deployed", "versions")
	version := worker.(map[string]any)["versions"].([]any)[0]
	requireKeys(t, version, "id", "triggered_by", "secrets")
	require.Equal(t, version.(map[string]any)["id"], worker.(map[string]any)["deployed"])
	requireKeys(t, v["containers"].(map[string]any)[ContainerName], "secrets")
	requireKeys(t, v["consumers"], ContainerName, WorkerName)
	requireKeys(t, v["consumers"].(map[string]any)[WorkerName], "runs_with")
	requireKeys(t, v["repositories"].(map[string]any)[RepositoryName], "secrets")

	values := map[string]bool{}
	for _, c := range truth.Credentials {
		require.True(t, c.Alive)
		require.Nil(t, c.RevokedAt)
		values[c.Value] = true
	}
	require.Len(t, values, 9)
	require.True(t, values[pass["cloudflare/api-token"]])

	_, err = w.Revoke(truth.Credentials[0].ID)
	require.NoError(t, err)
	truth, err = w.Truth()
	require.NoError(t, err)
	require.False(t, truth.Credentials[0].Alive)
	require.NotNil(t, truth.Credentials[0].RevokedAt)
}

func requireKeys(t *testing.T, v any, want ...string) {
	t.Helper()
	keys := []string{}
	for k := range v.(map[string]any) {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	slices.Sort(want)
	require.Equal(t, want, keys)
}
