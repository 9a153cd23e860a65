package world

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What `wrangler rollback` does: the secrets of before serve again, and the next
// write is refused, since the newest version is not deployed.
func TestRollingCodeBackBringsOldSecretsBack(t *testing.T) {
	w, pass := seeded(t)
	old := pass["verifieddit/clerk/secret-key"]
	require.ErrorContains(t, w.Tamper("code-rolled-back", WorkerName), "no other version")
	require.NoError(t, w.Tamper("worker-secret", WorkerName, "CLERK_SECRET_KEY", "new"))
	runs := func() string {
		s := snapshot(t, w)
		return s.WorkerRuns(WorkerName, s.Now().Add(time.Minute))["CLERK_SECRET_KEY"]
	}
	require.Equal(t, "new", runs())
	require.NoError(t, w.Tamper("code-rolled-back", WorkerName))
	require.Equal(t, old, runs())
	require.ErrorIs(t, w.Tamper("worker-secret", WorkerName, "CLERK_SECRET_KEY", "newer"), ErrNotDeployed)
	require.NoError(t, w.Tamper("code-rolled-back", WorkerName), "back from the rollback")
	require.Equal(t, "new", runs())
	require.ErrorIs(t, w.Tamper("code-rolled-back", "nobody"), ErrNoWorker)
}

func TestRevivedCredentialsWorkAgain(t *testing.T) {
	w, pass := seeded(t)
	for service, path := range map[string]string{Cloudflare: "cloudflare/api-token", Scaleway: "sanmarcsoft/scaleway/api-secret"} {
		for _, end := range []string{"revoked", "disabled", "expired"} {
			c, _, err := w.Lookup(service, pass[path])
			require.NoError(t, err)
			standing := func() Standing {
				s := snapshot(t, w)
				c, _ := s.Find(service, pass[path])
				return c.Standing(s.Now())
			}
			require.NoError(t, w.Tamper(end, c.ID))
			require.NotEqual(t, Alive, standing(), end)
			require.NoError(t, w.Tamper("revived", c.ID))
			require.Equal(t, Alive, standing(), end)
		}
	}
	require.ErrorContains(t, w.Tamper("revived", "nobody"), "no credential")
}

func TestSpans(t *testing.T) {
	for text, want := range map[string]time.Duration{"36h": 36 * time.Hour, "5d": 120 * time.Hour, "90s": 90 * time.Second} {
		got, err := Span(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "d", "-1h", "0d", "1.5d", "tomorrow"} {
		_, err := Span(text)
		require.Error(t, err, text)
	}
}
