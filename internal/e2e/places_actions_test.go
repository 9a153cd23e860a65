//go:build slow

package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

const actionsConsumers = `      - {name: ci, kind: actions, stack: places, repository: sanmarcsoft/verifieddit, values: {STRIPE_SECRET_KEY: secret-key, STRIPE_WEBHOOK_SECRET: webhook-secret}, probe: {kind: present, by: updated}}
      - {name: ci-production, kind: actions, stack: places, repository: sanmarcsoft/verifieddit, environment: production, values: {STRIPE_SECRET_KEY: secret-key}, probe: {kind: present, by: updated}}
      - {name: ci-all, kind: actions, stack: places, organization: sanmarcsoft, values: {STRIPE_SECRET_KEY: secret-key}, probe: {kind: present, by: updated}}
`

// actions is a world whose three places at GitHub were given stripe's keys by
// hand, and the catalog for it.
func (w *sandboxed) actions(old pair) (catalog string) {
	w.t.Helper()
	opened, err := world.Open(w.dir)
	require.NoError(w.t, err)
	made, err := opened.Issue(world.Order{Service: world.GitHub})
	require.NoError(w.t, err)
	w.insert("sanmarcsoft/github/token", made[0].Value)
	long := time.Now().Add(-time.Hour).UTC()
	w.change(func(s *world.State) {
		at := func(v string) world.RepositorySecret {
			return world.RepositorySecret{Value: v, CreatedAt: long, UpdatedAt: long}
		}
		r := s.GitHub[world.RepositoryName]
		r.Secrets = map[string]world.RepositorySecret{"STRIPE_SECRET_KEY": at(old.key), "STRIPE_WEBHOOK_SECRET": at(old.webhook), "FOREIGN": at("not ours")}
		r.Environments[world.EnvironmentName].Secrets["STRIPE_SECRET_KEY"] = at(old.key)
		shared := at(old.key)
		shared.Visibility, shared.Selected = "selected", []int64{r.ID, 7}
		s.Organizations[world.OrganizationName].Secrets["STRIPE_SECRET_KEY"] = shared
	})
	file := w.placesCatalog(actionsConsumers)
	raw, err := os.ReadFile(file)
	require.NoError(w.t, err)
	text := strings.Replace(string(raw), "\nservices:\n", "\nservices:\n  github: {api: 'https://api.github.com', token: sanmarcsoft/github/token}\n", 1)
	text = strings.Replace(text, "\nsecrets:\n", "\nsecrets:\n  - {name: github, service: manual, entries: [{path: sanmarcsoft/github/token}]}\n", 1)
	require.NoError(w.t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// TestLongDeclaredActions: every place at GitHub gets the new value, who may use an
// organization's secret stays, and nothing else is touched.
func TestLongDeclaredActions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.runsNow("stripe-backend")
	catalog := w.actions(old)
	r := w.must("rotate", "--secret", "stripe", "--yes", "--catalog", catalog, "--json")
	require.Equal(t, map[string]string{"ci": "present", "ci-production": "present", "ci-all": "present"}, answersOf(t, r.stdout))
	require.False(t, w.lives(old.key))
	key, hook := w.pass("verifieddit/stripe/secret-key"), w.pass("verifieddit/stripe/webhook-secret")
	require.NotEqual(t, old.key, key)
	truth := w.truth()
	require.Equal(t, map[string]string{"STRIPE_SECRET_KEY": key, "STRIPE_WEBHOOK_SECRET": hook, "FOREIGN": "not ours"}, truth.Repositories[world.RepositoryName].Secrets)
	require.Equal(t, map[string]string{"STRIPE_SECRET_KEY": key}, truth.Repositories[world.RepositoryName+":"+world.EnvironmentName].Secrets)
	require.Equal(t, map[string]string{"STRIPE_SECRET_KEY": key}, truth.Repositories[world.OrganizationName].Secrets)
	require.Equal(t, map[string]int{http.MethodPut: 4}, w.changes("/secrets/"))
	w.change(func(s *world.State) {
		shared := s.Organizations[world.OrganizationName].Secrets["STRIPE_SECRET_KEY"]
		require.Equal(t, "selected", shared.Visibility)
		require.Equal(t, []int64{s.GitHub[world.RepositoryName].ID, 7}, shared.Selected)
	})
	for _, e := range w.events("stripe") {
		for _, a := range e.Answers {
			require.NotEqual(t, "match", a.Answer, "a date proves no value")
		}
	}

	// What was set before our write is not ours; what cannot be read is not fine.
	w.change(func(s *world.State) {
		r := s.GitHub[world.RepositoryName]
		secret := r.Secrets["STRIPE_SECRET_KEY"]
		secret.UpdatedAt = secret.UpdatedAt.Add(-time.Hour)
		r.Secrets["STRIPE_SECRET_KEY"] = secret
		delete(r.Environments, world.EnvironmentName)
	})
	seen := w.run("verify", "--secret", "stripe", "--catalog", catalog, "--json")
	require.NotZero(t, seen.code)
	require.Equal(t, map[string]string{"ci": "differs", "ci-production": "unreachable", "ci-all": "present"}, answersOf(t, seen.stdout))
}

// TestLongActionsAreAdopted: an adoption sets nothing there, and is no write that
// GitHub's date could be compared with.
func TestLongActionsAreAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	catalog := w.actions(w.runsNow("stripe-backend"))
	r := w.must("adopt", "--secret", "stripe", "--yes", "--json", "--catalog", catalog)
	require.Equal(t, map[string]string{"ci": "present", "ci-production": "present", "ci-all": "present"}, answersOf(t, r.stdout))
	require.Empty(t, w.changes("/secrets/"))
	require.Contains(t, w.must("adopt", "--secret", "stripe", "--yes", "--catalog", catalog).stderr, "nothing to do")
	require.Contains(t, w.must("verify", "--secret", "stripe", "--catalog", catalog).stderr, "of 3 more only the name is known")

	// Who may use an organization's secret is not chosen here.
	w.change(func(s *world.State) { delete(s.Organizations[world.OrganizationName].Secrets, "STRIPE_SECRET_KEY") })
	gone := w.run("adopt", "--secret", "stripe", "--yes", "--roll", "--catalog", catalog)
	require.Equal(t, 1, gone.code, gone.stderr)
	require.Contains(t, gone.stderr, "create it there")
	require.Empty(t, w.changes("/secrets/"))
}
