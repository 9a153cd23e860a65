package sandbox_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	truth "github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// tamper is a change whose printed result is of no interest.
func tamper(s *sandbox.Sandbox, kind string, args ...string) error {
	_, err := s.Tamper(context.Background(), kind, args...)
	return err
}

const (
	clerkPath   = "verifieddit/clerk/secret-key"
	anotherKey  = "sk_live_0123456789abcdefANOTHER"
	projectPath = "cd projects/services/stripe-backend/infra\n"
)

// Every line that `sandbox tamper --help` prints is a kind with its arguments.
func TestTamperUsageIsComplete(t *testing.T) {
	s := world(t)
	lines := sandbox.TamperUsage()
	require.GreaterOrEqual(t, len(lines), 25)
	for _, line := range lines {
		takes, does, ok := strings.Cut(line, ": ")
		require.True(t, ok && does != "", line)
		words := strings.Fields(takes)
		tooMany := make([]string, len(words))
		err := tamper(s, words[0], tooMany...)
		require.ErrorContains(t, err, "takes "+strings.TrimPrefix(line, words[0]+" "), "its arguments are told")
	}
	require.ErrorContains(t, tamper(s, "nonsense"), "pass-edited")
}

// One world for all of it: what one part does the others do not see.
func TestTamper(t *testing.T) {
	s := open(t, folder(t))
	file := served(t, s)
	t.Run("pass", func(t *testing.T) { tamperPass(t, s, file) })
	t.Run("stacks", func(t *testing.T) { tamperStacks(t, s, file) })
	t.Run("journal", func(t *testing.T) { tamperJournal(t, s) })
	t.Run("services", func(t *testing.T) { tamperServices(t, s, file) })
}

// What somebody does to the pass store, seen by pass and git.
func tamperPass(t *testing.T, s *sandbox.Sandbox, file string) {
	ahead := `pass git fetch --quiet; pass git rev-list --left-right --count origin/main...main` + "\n"
	noted := "verifieddit/clerk/test-secret-key"
	was := shell(t, file, "pass show "+noted)
	require.Greater(t, strings.Count(was, "\n"), 2, "an entry with further lines")

	require.NoError(t, tamper(s, "pass-edited", noted, "sk_test_0123456789abcdef"))
	_, others, _ := strings.Cut(was, "\n")
	require.Equal(t, "sk_test_0123456789abcdef\n"+others, shell(t, file, "pass show "+noted), "the further lines stay")
	require.Equal(t, "0\t0\n", shell(t, file, ahead), "pushed")

	require.NoError(t, tamper(s, "pass-unpushed", clerkPath, anotherKey))
	require.Equal(t, anotherKey+"\n", firstLine(shell(t, file, "pass show "+clerkPath)))
	require.Equal(t, "0\t1\n", shell(t, file, ahead))
	shell(t, file, "pass git push --quiet")

	require.NoError(t, tamper(s, "pass-behind", clerkPath, "sk_live_0123456789abcdefELSEWHERE"))
	require.Equal(t, anotherKey+"\n", firstLine(shell(t, file, "pass show "+clerkPath)), "it is at the remote alone")
	require.Equal(t, "1\t0\n", shell(t, file, ahead))
	require.Equal(t, "sk_live_0123456789abcdefELSEWHERE\n", firstLine(shell(t, file, "pass git pull --quiet >/dev/null; pass show "+clerkPath)))
	left, err := filepath.Glob(filepath.Join(s.Dir(), "elsewhere-*"))
	require.NoError(t, err)
	require.Empty(t, left)

	require.NoError(t, tamper(s, "pass-entry-added", "verifieddit/paypal/secret-key", "pp_live_1"))
	require.Equal(t, "pp_live_1\n", shell(t, file, "pass show verifieddit/paypal/secret-key"))
	require.ErrorContains(t, tamper(s, "pass-entry-added", clerkPath, "x"), "there already")
	require.NoError(t, tamper(s, "pass-entry-removed", "aws/account-id"))
	require.Contains(t, shell(t, file, "pass show aws/account-id 2>&1 || true"), "is not in the password store")
	require.Equal(t, "0\t0\n", shell(t, file, ahead), "both pushed")
	require.ErrorContains(t, tamper(s, "pass-edited", "aws/account-id", "1"), "is not in the password store")

	require.NoError(t, tamper(s, "pass-key-expires", "5d"))
	for _, key := range strings.Fields(shell(t, file, `gpg --batch --with-colons --list-keys 2>/dev/null | awk -F: '/^(pub|sub)/ {print $7 - systime()}'`)) {
		require.Regexp(t, `^(432000|431[0-9]{3})$`, key, "primary key and subkey end in five days")
	}
	require.Equal(t, anotherKey[:8], shell(t, file, "pass show "+clerkPath)[:8], "it opens the store until then")
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line + "\n"
}

// What somebody does to the projects and their state, seen by the Pulumi CLI.
func tamperStacks(t *testing.T, s *sandbox.Sandbox, file string) {
	require.NoError(t, tamper(s, "config-edited", "stripe-backend", "clerk-secret-key", anotherKey))
	require.Equal(t, anotherKey+"\n", shell(t, file, projectPath+"pulumi config get clerk-secret-key"))
	require.Contains(t, shell(t, file, "cd projects && git status --porcelain"), "Pulumi.prod.yaml")
	require.ErrorContains(t, tamper(s, "config-edited", "stripe-backend", "clerk-secret-key", anotherKey), "already")
	require.NoError(t, tamper(s, "config-removed", "stripe-backend", "scaleway-access-key"))
	require.NotContains(t, shell(t, file, projectPath+"pulumi config"), "scaleway-access-key")
	require.ErrorContains(t, tamper(s, "config-removed", "stripe-backend", "scaleway-access-key"), "no config key")
	shell(t, file, "cd projects && git checkout --quiet .")

	require.NoError(t, tamper(s, "state-edited", "stripe-backend", "container", "secretEnvironmentVariables.CLERK_SECRET_KEY", anotherKey))
	require.Contains(t, shell(t, file, projectPath+"pulumi stack export --show-secrets"), anotherKey)
	raw, err := os.ReadFile(filepath.Join(s.Dir(), "state/.pulumi/stacks/stripe-backend/prod.json"))
	require.NoError(t, err)
	require.NotContains(t, string(raw), anotherKey, "it is encrypted again")
	require.Contains(t, shell(t, file, projectPath+"pulumi preview --diff"), "1 to update")
	require.NoError(t, tamper(s, "state-edited", "infra", "registry", "description", "Images of nobody"))
	require.Contains(t, shell(t, file, "cd projects/infra; pulumi preview --diff"), "Images of nobody")
	require.ErrorContains(t, tamper(s, "state-edited", "infra", "bucket", "a", "b"), "there are infra-prod, scaleway, registry")
	require.ErrorContains(t, tamper(s, "state-edited", "infra", "registry", "nothing", "b"), "no nothing in the state")
	require.ErrorContains(t, tamper(s, "state-edited", "verifieddit-badges", "r", "p", "v"), "no stack")

	require.NoError(t, tamper(s, "state-locked", "infra"))
	require.Contains(t, shell(t, file, "cd projects/infra; pulumi up --yes 2>&1 || true"), "colleague@another-machine (pid 4711)")
	require.NoError(t, tamper(s, "state-pending", "stripe-backend"))
	require.Contains(t, shell(t, file, projectPath+"pulumi up --yes --skip-preview 2>&1 || true"), "interrupted while updating")
}

// What somebody does to the journal, seen by who reads it.
func tamperJournal(t *testing.T, s *sandbox.Sandbox) {
	kept := journal.InDir(filepath.Join(s.Dir(), "state"))
	write := func(secret string, n int) {
		log, err := kept.Open(t.Context(), secret)
		require.NoError(t, err)
		for range n {
			require.NoError(t, log.Append(t.Context(), journal.Event{Rotation: "r", State: journal.Planned, Step: "test"}))
		}
	}
	read := func(secret string) ([]journal.Event, error) {
		log, err := kept.Open(t.Context(), secret)
		require.NoError(t, err)
		return log.Events(t.Context())
	}
	write("stripe", 4)
	require.NoError(t, tamper(s, "journal-truncated", "stripe"))
	events, err := read("stripe")
	require.NoError(t, err, "by itself it looks whole")
	require.Len(t, events, 3)
	require.NoError(t, tamper(s, "journal-altered", "stripe"))
	_, err = read("stripe")
	require.ErrorContains(t, err, "000003.json: it does not follow the event before it")
	require.NoError(t, tamper(s, "journal-lost", "stripe"))
	events, err = read("stripe")
	require.NoError(t, err)
	require.Empty(t, events)
	require.ErrorContains(t, tamper(s, "journal-truncated", "stripe"), "rotate it first")
	write("clerk", 1)
	require.ErrorContains(t, tamper(s, "journal-altered", "clerk"), "single event")
}

// What somebody does at the services, seen by their APIs and by the consumers.
func tamperServices(t *testing.T, s *sandbox.Sandbox, file string) {
	id, err := s.Tamper(t.Context(), "token-created", "cloudflare")
	require.NoError(t, err)
	list := `curl -sf -H "Authorization: Bearer $CF_TOKEN" "$CLOUDFLARE_API_BASE_URL/user/tokens"`
	require.Contains(t, shell(t, file, list), strings.TrimSpace(id))
	require.NoError(t, tamper(s, "expires", strings.TrimSpace(id), "36h"))
	require.Contains(t, shell(t, file, list), time.Now().Add(36*time.Hour).UTC().Format("2006-01-02T15"))
	require.ErrorContains(t, tamper(s, "expires", strings.TrimSpace(id), "soon"), "36h or 5d")
	_, err = s.Tamper(t.Context(), "token-created", "scaleway")
	require.NoError(t, err)
	require.Contains(t, shell(t, file, `curl -sf -H "X-Auth-Token: $SCW_SECRET_KEY" "$SCW_API_URL/iam/v1alpha1/api-keys?organization_id=$SCW_DEFAULT_ORGANIZATION_ID"`), `"total_count":2`)
	require.ErrorContains(t, tamper(s, "token-created", "sightengine"), "there are cloudflare, scaleway, stripe")

	endpoint, err := s.Tamper(t.Context(), "webhook-left", "https://old.verifieddit.com/stripe")
	require.NoError(t, err)
	endpoints := `curl -sf -H "Authorization: Bearer $(pass verifieddit/stripe/secret-key)" "$STRIPE_API_BASE/v1/webhook_endpoints"`
	require.Contains(t, shell(t, file, endpoints), "https://old.verifieddit.com/stripe")
	require.NoError(t, tamper(s, "revoked", strings.TrimSpace(endpoint)))
	require.NotContains(t, shell(t, file, endpoints), strings.TrimSpace(endpoint))
	require.NoError(t, tamper(s, "revived", strings.TrimSpace(endpoint)))
	require.Contains(t, shell(t, file, endpoints), strings.TrimSpace(endpoint), "the endpoint is back with its secret")

	require.NoError(t, tamper(s, "container-stopped", "stripe-backend"))
	use := s.ConsumerURL("stripe-backend") + "/use/stripe"
	require.Equal(t, http.StatusServiceUnavailable, get(t, s, use))
	require.Equal(t, http.StatusServiceUnavailable, get(t, s, s.ConsumerURL("stripe-backend")+"/.well-known/attest"), "also where it would prove its values")
	require.NoError(t, tamper(s, "container-secret", "stripe-backend", "DEBUG", "1"))
	require.Eventually(t, func() bool { return get(t, s, use) == http.StatusOK }, patience, tick, "the next revision serves")
	require.NoError(t, tamper(s, "container-no-secret", "stripe-backend", "STRIPE_SECRET_KEY"))
	require.Eventually(t, func() bool { return get(t, s, use) != http.StatusOK }, patience, tick)
	require.ErrorContains(t, tamper(s, "container-no-secret", "stripe-backend", "STRIPE_SECRET_KEY"), "no secret")
}

// The Actions secrets of all three kinds of place.
func TestTamperActionsSecrets(t *testing.T) {
	s := world(t)
	made, err := s.World().Issue(truth.Order{Service: truth.GitHub})
	require.NoError(t, err)
	token := made[0].Value
	env, err := s.EnvText()
	require.NoError(t, err)
	status := func(path string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, exported(t, env, "GITHUB_API_URL")+path, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := s.HTTP().Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	for place, path := range map[string]string{
		"sanmarcsoft/verifieddit":            "/repos/sanmarcsoft/verifieddit/actions/secrets/NPM_TOKEN",
		"sanmarcsoft/verifieddit:production": "/repos/sanmarcsoft/verifieddit/environments/production/secrets/NPM_TOKEN",
		"sanmarcsoft":                        "/orgs/sanmarcsoft/actions/secrets/NPM_TOKEN",
	} {
		require.Equal(t, http.StatusNotFound, status(path), place)
		require.NoError(t, tamper(s, "ci-secret", place, "NPM_TOKEN", "npm_1"))
		require.Equal(t, http.StatusOK, status(path), place)
		now, err := s.World().Truth()
		require.NoError(t, err)
		require.Equal(t, "npm_1", now.Repositories[place].Secrets["NPM_TOKEN"], "what a workflow would run with")
		require.NoError(t, tamper(s, "ci-no-secret", place, "NPM_TOKEN"))
		require.Equal(t, http.StatusNotFound, status(path), place)
	}
	require.ErrorContains(t, tamper(s, "ci-secret", "sanmarcsoft/nothing", "A", "b"), "there are sanmarcsoft, sanmarcsoft/verifieddit, sanmarcsoft/verifieddit:production")
	require.ErrorContains(t, tamper(s, "ci-no-secret", "sanmarcsoft", "A"), "no Actions secret A")
}
