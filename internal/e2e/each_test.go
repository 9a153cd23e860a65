package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
)

const (
	badges    = "verifieddit-badges"
	payments  = "stripe-backend"
	cfToken   = "cloudflare/api-token"
	scwAccess = "sanmarcsoft/scaleway/access-key"
	scwSecret = "sanmarcsoft/scaleway/api-secret"
	seUser    = "sightengine/api-user"
	seSecret  = "sightengine/api-secret"
)

func TestTenSightengineRotationsNeverTearThePair(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 10 {
		user, secret := w.pass(seUser), w.pass(seSecret)
		versions, seen := len(w.truth().Workers[badges].Versions), len(w.requests())
		w.must("rotate", "--secret", "sightengine", "--yes")

		writes := changing(w.requests()[seen:], "cloudflare")
		require.Len(t, writes, 1, "one write to Cloudflare")
		require.Equal(t, "PATCH", writes[0].Method)
		require.True(t, strings.HasSuffix(writes[0].Path, "/workers/scripts/"+badges+"/secrets-bulk"), writes[0].Path)
		require.Equal(t, 200, writes[0].Status)
		require.Len(t, w.truth().Workers[badges].Versions, versions+1, "one new version")
		newUser, newSecret := w.swapped("sightengine", seUser, user), w.swapped("sightengine", seSecret, secret)
		runs := w.truth().Consumers[badges].RunsWith
		require.Equal(t, []string{newUser, newSecret}, []string{runs["SIGHTENGINE_API_USER"], runs["SIGHTENGINE_API_SECRET"]})
	}
	truth := w.truth()
	clerk := w.pass(clerkKey)
	pair := map[string]string{}
	for _, c := range truth.Credentials {
		if c.Service == "sightengine" {
			pair[c.Value], _, _ = strings.Cut(c.ID, "-api-")
		}
	}
	for i, v := range truth.Workers[badges].Versions {
		require.Equal(t, []string{"CLERK_SECRET_KEY", "SIGHTENGINE_API_SECRET", "SIGHTENGINE_API_USER"}, sorted(v.Secrets), "version %d", i)
		require.Equal(t, clerk, v.Secrets["CLERK_SECRET_KEY"])
		require.NotEmpty(t, pair[v.Secrets["SIGHTENGINE_API_USER"]])
		require.Equal(t, pair[v.Secrets["SIGHTENGINE_API_USER"]], pair[v.Secrets["SIGHTENGINE_API_SECRET"]], "version %d holds half a pair", i)
	}
	require.False(t, slices.ContainsFunc(w.requests(), func(r api.Request) bool { return r.Method == "DELETE" }))
}

func TestClerkReachesBothConsumers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.pass(clerkKey)
	rep := decode(t, w.must("rotate", "--secret", "clerk", "--yes", "--json").stdout)
	require.Equal(t, map[string]string{badges: "exact match", payments: "exact match"}, rep.answers())
	require.Equal(t, map[string]string{badges: "updated", payments: "updated"}, rep.results())
	now := w.swapped("clerk", clerkKey, old)
	for _, name := range []string{badges, payments} {
		require.Equal(t, now, w.truth().Consumers[name].RunsWith["CLERK_SECRET_KEY"], name)
	}
	w.settledFrom("clerk", credential(t, w.truth(), old), func(r api.Request) bool { return r.Status == 401 })

	verified := decode(t, w.must("verify", "--secret", "clerk", "--json").stdout)
	require.Equal(t, rep.answers(), verified.answers())
	// One consumer that runs with another value is seen, and only that one.
	w.must("sandbox", "tamper", "worker-secret", badges, "CLERK_SECRET_KEY", "sk_live_somebodyelses0000")
	w.await("the Worker runs with it", func() bool {
		return w.truth().Consumers[badges].RunsWith["CLERK_SECRET_KEY"] != now
	})
	r := w.run("verify", "--secret", "clerk", "--json")
	require.NotZero(t, r.code)
	answers := decode(t, r.stdout).answers()
	require.NotEqual(t, "exact match", answers[badges])
	require.Equal(t, "exact match", answers[payments])
}

func TestCloudflareTouchesNoStack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, before := w.pass(cfToken), w.ups()
	rep := decode(t, w.must("rotate", "--secret", "cloudflare", "--yes", "--json").stdout)
	require.Equal(t, "DONE", rep.State)
	require.Empty(t, rep.Stacks)
	require.Equal(t, map[string]string{"readers-of-pass": "configured match"}, rep.answers())
	require.Equal(t, before, w.ups())
	w.swapped("cloudflare", cfToken, old)
	retired := credential(t, w.truth(), old)
	var changed []string
	for _, r := range changing(w.requests(), "cloudflare") {
		changed = append(changed, r.Method+" "+strings.TrimPrefix(r.Path, "/client/v4"))
	}
	at := "/user/tokens/" + retired.ID
	require.Equal(t, []string{"POST /user/tokens", "PUT " + at, "DELETE " + at}, changed, "made, disabled and deleted, and no Worker was touched")
	w.settledFrom("cloudflare", retired, func(r api.Request) bool { return r.Status == 401 || r.Status == 403 || r.Status == 400 })
	// The new one is what the next rotation writes with.
	w.must("rotate", "--secret", "sightengine", "--yes")
}

func TestScalewayReachesBothStacksAndTheRegistry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	access, secret, before := w.pass(scwAccess), w.pass(scwSecret), w.ups()
	rep := decode(t, w.must("rotate", "--secret", "scaleway", "--yes", "--json").stdout)
	require.Equal(t, map[string]string{"infra": "updated", payments: "updated"}, rep.results())
	require.Equal(t, map[string]string{"infra": "configured match", payments: "configured match", "registry": "works match"}, rep.answers())
	require.Equal(t, map[string]int{"infra": before["infra"] + 1, payments: before[payments] + 1}, w.ups())
	w.swapped("scaleway", scwAccess, access)
	newID := credential(t, w.truth(), w.swapped("scaleway", scwSecret, secret)).ID
	tags := func(id string) []api.Request {
		return slices.DeleteFunc(w.requests(), func(r api.Request) bool {
			return r.CredentialID != id || r.Service != "registry" || !strings.HasSuffix(r.Path, "/tags/list") || r.Status != 200
		})
	}
	require.NotEmpty(t, tags(newID), "the registry was not asked with the new key")
	last := slices.MaxFunc(tags(newID), func(a, b api.Request) int { return a.Time.Compare(b.Time) })
	require.True(t, last.Time.After(*credential(t, w.truth(), secret).RevokedAt), "the new key was not tried after the death of the old one")
}

func TestAllSharesOneUpPerStack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := map[string]string{cfToken: "cloudflare", scwAccess: "scaleway", scwSecret: "scaleway", clerkKey: "clerk",
		stripeKey: "stripe", stripeHook: "stripe", seUser: "sightengine", seSecret: "sightengine"}
	values, before := map[string]string{}, w.ups()
	for path := range old {
		values[path] = w.pass(path)
	}
	reports := decodeAll(t, w.must("rotate", "--all", "--yes", "--json").stdout)
	var names []string
	for _, r := range reports {
		require.Equal(t, "DONE", r.State, r.Secret)
		names = append(names, r.Secret)
	}
	require.ElementsMatch(t, []string{"cloudflare", "scaleway", "clerk", "stripe", "sightengine"}, names)
	require.Equal(t, map[string]int{"infra": before["infra"] + 1, payments: before[payments] + 1, badges: 1}, w.ups())
	for path, service := range old {
		w.swapped(service, path, values[path])
	}
	var writes []api.Request
	for _, r := range changing(w.requests(), "cloudflare") {
		if strings.Contains(r.Path, "/workers/") {
			writes = append(writes, r)
		}
	}
	require.Len(t, writes, 1)
	require.Equal(t, "sk_test_", w.pass("verifieddit/clerk/test-secret-key")[:8], "a secret without consumers is rotated only by name")
	require.Empty(t, w.events("clerk-test"))
}

// ups counts the updates in Pulumi's own history, by project.
func (w *sandboxed) ups() map[string]int {
	w.t.Helper()
	out := map[string]int{}
	files, err := filepath.Glob(filepath.Join(w.dir, "state", ".pulumi", "history", "*", "*", "*.history.json"))
	require.NoError(w.t, err)
	for _, file := range files {
		parts := strings.Split(file, string(os.PathSeparator))
		project, stack := parts[len(parts)-3], parts[len(parts)-2]
		if project == "secret-rotation" {
			project = stack
		}
		out[project]++
	}
	return out
}
