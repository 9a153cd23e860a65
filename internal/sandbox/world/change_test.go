package world

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func edit(t *testing.T, w *World, e Edit) {
	t.Helper()
	require.NoError(t, w.Update(func(s *State) error {
		_, err := s.EditSecrets(WorkerName, e)
		return err
	}))
}

func TestWorkerRunsTheOldVersionUntilTheDelayIsOver(t *testing.T) {
	w, pass := seeded(t)
	old := pass["verifieddit/clerk/secret-key"]
	edit(t, w, Edit{Set: map[string]string{"CLERK_SECRET_KEY": "new"}, TriggeredBy: "secret"})
	s := snapshot(t, w)
	d := s.Workers[WorkerName].Deployments[1]
	delay := s.Settings.WorkerDelay.Duration()
	require.Equal(t, 150*time.Millisecond, delay)
	require.Equal(t, old, s.WorkerRuns(WorkerName, d.CreatedAt)["CLERK_SECRET_KEY"])
	require.Equal(t, old, s.WorkerRuns(WorkerName, d.CreatedAt.Add(delay-1))["CLERK_SECRET_KEY"])
	require.Equal(t, "new", s.WorkerRuns(WorkerName, d.CreatedAt.Add(delay))["CLERK_SECRET_KEY"])
	require.Nil(t, s.WorkerRuns("nobody", s.Now()))
	runs, err := w.WorkerRuns(WorkerName, d.CreatedAt.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, "new", runs["CLERK_SECRET_KEY"])
}

func TestContainerRunsTheOldRevisionUntilTheDelayIsOver(t *testing.T) {
	w, pass := seeded(t)
	require.NoError(t, w.Tamper("container-secret", ContainerName, "CLERK_SECRET_KEY", "new"))
	s := snapshot(t, w)
	at := s.Containers[0].Revisions[1].At
	require.Equal(t, pass["verifieddit/clerk/secret-key"], s.ContainerRuns(ContainerName, at.Add(200*time.Millisecond-1))["CLERK_SECRET_KEY"])
	require.Equal(t, "new", s.ContainerRuns(ContainerName, at.Add(200*time.Millisecond))["CLERK_SECRET_KEY"])
	require.Equal(t, "updating", s.Containers[0].Status(at))
	require.Equal(t, "ready", s.Containers[0].Status(at.Add(time.Second)))
}

func TestSplitDeploymentServesTheLargerShare(t *testing.T) {
	w, _ := seeded(t)
	edit(t, w, Edit{Set: map[string]string{"A": "new"}, KeepBack: true})
	for _, share := range []float64{10, 90} {
		require.NoError(t, w.Update(func(s *State) error {
			v := s.Workers[WorkerName].Versions
			_, err := s.Deploy(WorkerName, "", []Share{{v[0].ID, 100 - share}, {v[1].ID, share}}, false)
			return err
		}))
		s := snapshot(t, w)
		_, has := s.WorkerRuns(WorkerName, s.Now().Add(time.Hour))["A"]
		require.Equal(t, share > 50, has)
		require.False(t, s.Workers[WorkerName].LatestServes())
	}
}

func TestIssueCopiesThePredecessorAndLeavesItAlive(t *testing.T) {
	w, pass := seeded(t)
	for service, path := range map[string]string{Cloudflare: "cloudflare/api-token", Scaleway: "sanmarcsoft/scaleway/api-secret",
		Stripe: "verifieddit/stripe/secret-key", Clerk: "verifieddit/clerk/secret-key"} {
		old, _, err := w.Lookup(service, pass[path])
		require.NoError(t, err)
		made, err := w.Issue(Order{Service: service})
		require.NoError(t, err)
		var fresh Credential
		for _, c := range made {
			if c.Entry == old.Entry {
				fresh = c
			}
		}
		require.NotEqual(t, old.Value, fresh.Value)
		require.NotEqual(t, old.ID, fresh.ID)
		require.Equal(t, []any{old.Permissions, old.Kind, old.Account, old.Owner, old.Mode},
			[]any{fresh.Permissions, fresh.Kind, fresh.Account, fresh.Owner, fresh.Mode}, service)
		now, _, err := w.Lookup(service, old.Value)
		require.NoError(t, err)
		require.Equal(t, Alive, now.Standing(time.Now()), service)
	}
	s := snapshot(t, w)
	require.Len(t, s.Webhooks, 2)
	require.Equal(t, s.Webhooks[0].URL, s.Webhooks[1].URL)
	_, err := w.Issue(Order{Service: "nobody"})
	require.Error(t, err)
	_, err = w.Issue(Order{Service: Stripe, Entries: []string{"nothing"}})
	require.Error(t, err)
}

func TestPairsDieTogether(t *testing.T) {
	w, pass := seeded(t)
	access, _, err := w.Lookup(Scaleway, pass["sanmarcsoft/scaleway/access-key"])
	require.NoError(t, err)
	ended, err := w.Revoke(access.ID)
	require.NoError(t, err)
	require.True(t, ended)
	secret, _, err := w.Lookup(Scaleway, pass["sanmarcsoft/scaleway/api-secret"])
	require.NoError(t, err)
	require.Equal(t, Revoked, secret.Standing(time.Now()))
	first := *secret.Revoked
	ended, err = w.Revoke(access.ID)
	require.NoError(t, err)
	require.False(t, ended, "the second time there is nothing left")
	secret, _, err = w.Lookup(Scaleway, secret.Value)
	require.NoError(t, err)
	require.Equal(t, first, *secret.Revoked, "the date stays")

	made, err := w.Issue(Order{Service: Sightengine})
	require.NoError(t, err)
	require.Len(t, made, 2)
	require.Equal(t, made[0].Group, made[1].Group)
	for _, path := range []string{"sightengine/api-user", "sightengine/api-secret"} {
		old, _, err := w.Lookup(Sightengine, pass[path])
		require.NoError(t, err)
		require.Equal(t, Revoked, old.Standing(time.Now()), "Regenerate kills at once")
	}
}

func TestRevokingAWebhookSecretTakesItsEndpoint(t *testing.T) {
	w, pass := seeded(t)
	c, _, err := w.Lookup(Stripe, pass["verifieddit/stripe/webhook-secret"])
	require.NoError(t, err)
	_, err = w.Revoke(c.ID)
	require.NoError(t, err)
	require.Empty(t, snapshot(t, w).Webhooks)
}

func TestTamper(t *testing.T) {
	w, pass := seeded(t)
	token, _, err := w.Lookup(Cloudflare, pass["cloudflare/api-token"])
	require.NoError(t, err)
	worker := func() *Worker { return snapshot(t, w).Workers[WorkerName] }

	require.NoError(t, w.Tamper("worker-secret", WorkerName, "CLERK_SECRET_KEY", "other"))
	require.Equal(t, "other", worker().Deployed().Secrets["CLERK_SECRET_KEY"])
	require.NoError(t, w.Tamper("worker-no-secret", WorkerName, "CLERK_SECRET_KEY"))
	require.NotContains(t, worker().Deployed().Secrets, "CLERK_SECRET_KEY")
	require.ErrorIs(t, w.Tamper("worker-no-secret", WorkerName, "CLERK_SECRET_KEY"), ErrNoSecret)
	require.NoError(t, w.Tamper("worker-upload", WorkerName))
	require.Empty(t, worker().Deployed().Secrets)
	require.NoError(t, w.Tamper("worker-undeployed", WorkerName))
	require.False(t, worker().LatestServes())
	require.ErrorIs(t, w.Tamper("worker-secret", WorkerName, "A", "b"), ErrNotDeployed)
	require.NoError(t, w.Tamper("worker-removed", WorkerName))
	require.Nil(t, worker())
	require.ErrorIs(t, w.Tamper("worker-removed", WorkerName), ErrNoWorker)

	require.NoError(t, w.Tamper("permission-removed", token.ID, "Zone Read"))
	require.ErrorContains(t, w.Tamper("permission-removed", token.ID, "Zone Read"), "Zone Read")
	require.NoError(t, w.Tamper("revoked", token.ID))
	token, _, err = w.Lookup(Cloudflare, token.Value)
	require.NoError(t, err)
	require.Equal(t, Revoked, token.Standing(time.Now()))

	require.ErrorContains(t, w.Tamper("nonsense"), "worker-removed", "the kinds are named")
	require.ErrorContains(t, w.Tamper("worker-secret", WorkerName), "NAME VALUE")
	require.ErrorContains(t, w.Tamper("revoked", "nobody"), "nobody")
	for _, line := range TamperUsage() {
		require.True(t, strings.Contains(line, ": "), line)
	}
}

func TestFaultsAreCheckedAndCounted(t *testing.T) {
	w, _ := seeded(t)
	require.Error(t, w.AddFault(Fault{Service: Stripe}), "would do nothing")
	require.Error(t, w.AddFault(Fault{Status: 200}))
	require.NoError(t, w.AddFault(Fault{Service: Stripe, Method: "get", Path: "/v1/*", Status: 500, Times: 2}))
	require.NoError(t, w.AddFault(Fault{Status: 503, Times: -1}))
	for _, want := range []int{500, 500, 503, 503} {
		f, err := w.TakeFault(Stripe, "GET", "/v1/balance")
		require.NoError(t, err)
		require.Equal(t, want, f.Status)
	}
	f, err := w.TakeFault(Clerk, "GET", "/v1/instance")
	require.NoError(t, err)
	require.Equal(t, 503, f.Status)
	require.NoError(t, w.ClearFaults())
	f, err = w.TakeFault(Clerk, "GET", "/v1/instance")
	require.NoError(t, err)
	require.Nil(t, f)
	require.False(t, Fault{Path: "/v1/*"}.Fits(Stripe, "GET", "/v2/x"))
	require.False(t, Fault{Path: "/v1/a.c"}.Fits(Stripe, "GET", "/v1/abc"), "only * is special")
}
