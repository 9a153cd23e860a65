//go:build slow

package sandbox_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
)

// The same changes where the state and the journal lie on an S3 server.
func TestTamperOnS3(t *testing.T) {
	s := onS3(t)
	file := served(t, s)
	bucket := filepath.Join(s.Dir(), "s3", "buckets", sandbox.Bucket)
	require.NoError(t, tamper(s, "config-edited", "stripe-backend", "clerk-secret-key", anotherKey))
	require.NoError(t, tamper(s, "config-removed", "stripe-backend", "scaleway-access-key"))
	config := shell(t, file, projectPath+"pulumi config --show-secrets")
	require.Contains(t, config, anotherKey)
	require.NotContains(t, config, "scaleway-access-key")
	shell(t, file, "cd projects && git checkout --quiet .")
	require.NoError(t, tamper(s, "state-edited", "stripe-backend", "container", "secretEnvironmentVariables.CLERK_SECRET_KEY", anotherKey))
	require.Contains(t, shell(t, file, projectPath+"pulumi stack export --show-secrets"), anotherKey)
	require.NoError(t, tamper(s, "state-pending", "stripe-backend"))
	require.NoError(t, tamper(s, "state-locked", "infra"))
	require.Contains(t, shell(t, file, projectPath+"pulumi up --yes --skip-preview 2>&1 || true"), "interrupted while updating")
	require.Contains(t, shell(t, file, "cd projects/infra; pulumi up --yes 2>&1 || true"), "colleague@another-machine (pid 4711)")

	log, err := journal.InDir(bucket).Open(t.Context(), "stripe")
	require.NoError(t, err)
	for range 4 {
		require.NoError(t, log.Append(t.Context(), journal.Event{Rotation: "r", State: journal.Planned, Step: "test"}))
	}
	require.NoError(t, tamper(s, "journal-truncated", "stripe"))
	require.NoFileExists(t, filepath.Join(bucket, journal.Root, "stripe", "000004.json"))
	require.NoError(t, tamper(s, "journal-altered", "stripe"))
	_, err = log.Events(t.Context())
	require.ErrorContains(t, err, "000003.json: it does not follow the event before it")
	require.NoError(t, tamper(s, "journal-lost", "stripe"))
	require.ErrorContains(t, tamper(s, "journal-lost", "stripe"), "rotate it first")

	requests, err := s.Requests()
	require.NoError(t, err)
	require.Positive(t, strings.Count(string(requests), `"service":"s3","method":"DELETE"`), "through the server's own door")
	secret, _ := catalog(t).Secret("scaleway")
	c, _, err := s.World().Lookup("scaleway", string(held(t, s, secret)[0].Reveal()))
	require.NoError(t, err)
	require.NoError(t, tamper(s, "revoked", c.ID))
	require.ErrorContains(t, tamper(s, "state-locked", "infra"), "no living Scaleway key")
}
