package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/alexedwards/argon2id"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

func v1() string { return strings.Replace(containersV1, "{region}", "fr-par", 1) }

func beta() string { return strings.Replace(containersBeta, "{region}", "fr-par", 1) }

func (r *rig) container() *world.Container {
	c, found := r.state().Container(world.ContainerName)
	require.True(r.t, found)
	return c
}

// later moves the world's clock by an hour: every delay is over.
func (r *rig) later() {
	r.change(func(s *world.State) { s.Settings.ClockOffset += 3600000 })
}

func TestContainerHashesProveTheValue(t *testing.T) {
	r := newRig(t)
	a := ask(t, "GET", r.scaleway()+v1()+"/containers/"+r.container().ID, "", r.scwKey())
	require.Equal(t, "ready", a.text("status"))
	hash := a.text("secret_environment_variables/STRIPE_SECRET_KEY")
	match, err := argon2id.ComparePasswordAndHash(r.pass["verifieddit/stripe/secret-key"], hash)
	require.NoError(t, err)
	require.True(t, match)
	match, err = argon2id.ComparePasswordAndHash("something else", hash)
	require.NoError(t, err)
	require.False(t, match)
	require.NotContains(t, a.raw, r.pass["verifieddit/stripe/secret-key"])
	again := ask(t, "GET", r.scaleway()+v1()+"/containers/"+r.container().ID, "", r.scwKey())
	require.Equal(t, hash, again.text("secret_environment_variables/STRIPE_SECRET_KEY"), "hashed once, at the write")
}

func TestContainerPatchV1DropsWhatItDoesNotName(t *testing.T) {
	for _, x := range []struct {
		name, secrets string
		want          map[string]string
	}{
		{"kept by empty strings", `{"STRIPE_SECRET_KEY":"new","STRIPE_WEBHOOK_SECRET":"","CLERK_SECRET_KEY":""}`,
			map[string]string{"STRIPE_SECRET_KEY": "new", "STRIPE_WEBHOOK_SECRET": "old", "CLERK_SECRET_KEY": "old"}},
		{"the trap", `{"STRIPE_SECRET_KEY":"new"}`, map[string]string{"STRIPE_SECRET_KEY": "new"}},
		{"emptied", `{}`, map[string]string{}},
		{"not named at all", `null`,
			map[string]string{"STRIPE_SECRET_KEY": "old", "STRIPE_WEBHOOK_SECRET": "old", "CLERK_SECRET_KEY": "old"}},
		{"kept, but never there", `{"NEW":"","STRIPE_SECRET_KEY":""}`, map[string]string{"STRIPE_SECRET_KEY": "old"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := newRig(t)
			before := r.container()
			a := ask(t, "PATCH", r.scaleway()+v1()+"/containers/"+before.ID,
				`{"secret_environment_variables":`+x.secrets+`,"description":"changed"}`, r.scwKey())
			require.Equal(t, http.StatusOK, a.status)
			require.Equal(t, "updating", a.text("status"))
			require.Equal(t, "changed", a.text("description"))
			after := r.container()
			require.Len(t, after.Secrets, len(x.want))
			require.Len(t, after.Hashes, len(x.want))
			for name, kind := range x.want {
				if kind == "old" {
					require.Equal(t, before.Secrets[name], after.Secrets[name])
					require.Equal(t, before.Hashes[name], after.Hashes[name])
				} else {
					require.Equal(t, kind, after.Secrets[name])
					require.NotEqual(t, before.Hashes[name], after.Hashes[name])
				}
			}
		})
	}
}

func TestContainerPatchBetaKeepsWhatItDoesNotName(t *testing.T) {
	r := newRig(t)
	url := r.scaleway() + beta() + "/containers/" + r.container().ID
	a := ask(t, "PATCH", url, `{"secret_environment_variables":[{"key":"STRIPE_SECRET_KEY","value":"new"},{"key":"CLERK_SECRET_KEY"}]}`, r.scwKey())
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "pending", a.text("status"))
	got := r.container().Secrets
	require.Equal(t, map[string]string{"STRIPE_SECRET_KEY": "new",
		"STRIPE_WEBHOOK_SECRET": r.pass["verifieddit/stripe/webhook-secret"]}, got)

	revisions := len(r.container().Revisions)
	ask(t, "PATCH", url, `{"redeploy":false,"secret_environment_variables":[{"key":"STRIPE_SECRET_KEY","value":"newer"}]}`, r.scwKey())
	require.Len(t, r.container().Revisions, revisions, "redeploy:false rolls nothing out")
	ask(t, "POST", url+"/deploy", "{}", r.scwKey())
	r.later()
	runs, err := r.world.ContainerRuns(world.ContainerName, r.state().Now())
	require.NoError(t, err)
	require.Equal(t, "newer", runs["STRIPE_SECRET_KEY"])
	shown := ask(t, "GET", url, "", r.scwKey())
	require.Equal(t, "STRIPE_SECRET_KEY", shown.text("secret_environment_variables/0/key"))
	require.True(t, strings.HasPrefix(shown.text("secret_environment_variables/0/hashed_value"), "$argon2id$"))
	require.Len(t, ask(t, "GET", r.scaleway()+beta()+"/containers", "", r.scwKey()).at("containers"), 1)
}

func TestContainerSettlesAfterItsDelay(t *testing.T) {
	r := newRig(t)
	r.change(func(s *world.State) { s.Settings.ContainerDelay = 60000 })
	url := r.scaleway() + v1() + "/containers/" + r.container().ID
	old := r.container().Secrets["CLERK_SECRET_KEY"]
	ask(t, "PATCH", url, `{"secret_environment_variables":{"STRIPE_SECRET_KEY":"","STRIPE_WEBHOOK_SECRET":"","CLERK_SECRET_KEY":"new"}}`, r.scwKey())
	s := r.state()
	require.Equal(t, old, s.ContainerRuns(world.ContainerName, s.Now())["CLERK_SECRET_KEY"])
	require.Equal(t, "updating", ask(t, "GET", url, "", r.scwKey()).text("status"))
	r.later()
	s = r.state()
	require.Equal(t, "new", s.ContainerRuns(world.ContainerName, s.Now())["CLERK_SECRET_KEY"])
	require.Equal(t, "ready", ask(t, "GET", url, "", r.scwKey()).text("status"))
}

func TestBrokenContainerIsGreenAtThePatchAndKeepsTheOldValue(t *testing.T) {
	r := newRig(t)
	url := r.scaleway() + v1() + "/containers/" + r.container().ID
	old := r.container().Secrets["CLERK_SECRET_KEY"]
	require.NoError(t, r.world.Tamper("container-error", world.ContainerName, "image not found"))
	a := ask(t, "PATCH", url, `{"secret_environment_variables":{"CLERK_SECRET_KEY":"new"}}`, r.scwKey())
	require.Equal(t, http.StatusOK, a.status)
	r.later()
	a = ask(t, "GET", url, "", r.scwKey())
	require.Equal(t, "error", a.text("status"))
	require.Equal(t, "image not found", a.text("error_message"))
	s := r.state()
	require.Equal(t, old, s.ContainerRuns(world.ContainerName, s.Now())["CLERK_SECRET_KEY"])
	require.NoError(t, r.world.Tamper("container-mended", world.ContainerName))
	s = r.state()
	require.Equal(t, "new", s.ContainerRuns(world.ContainerName, s.Now())["CLERK_SECRET_KEY"])
}

func TestContainerLifeBothVersions(t *testing.T) {
	for _, x := range []struct{ name, base, secrets, image, first string }{
		{"v1", v1(), `{"A":"1"}`, "image", "creating"},
		{"v1beta1", beta(), `[{"key":"A","value":"1"}]`, "registry_image", "created"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := newRig(t)
			base := r.scaleway() + x.base
			n := ask(t, "POST", base+"/namespaces", `{"name":"more","project_id":"`+r.state().Scaleway.ProjectID+`"}`, r.scwKey())
			require.Equal(t, http.StatusOK, n.status)
			body := `{"namespace_id":"` + n.text("id") + `","name":"app","` + x.image + `":"nginx","min_scale":1,"secret_environment_variables":` + x.secrets + `}`
			made := ask(t, "POST", base+"/containers", body, r.scwKey())
			require.Equal(t, http.StatusOK, made.status)
			require.Equal(t, x.first, made.text("status"))
			require.Equal(t, "nginx", made.text(x.image))
			require.EqualValues(t, 1, made.at("min_scale"))
			require.Equal(t, http.StatusConflict, ask(t, "POST", base+"/containers", body, r.scwKey()).status)
			require.Len(t, ask(t, "GET", base+"/containers?namespace_id="+n.text("id"), "", r.scwKey()).at("containers"), 1)
			require.Equal(t, http.StatusPreconditionFailed, ask(t, "DELETE", base+"/namespaces/"+n.text("id"), "", r.scwKey()).status)

			one := base + "/containers/" + made.text("id")
			require.Equal(t, "deleting", ask(t, "DELETE", one, "", r.scwKey()).text("status"))
			gone := ask(t, "GET", one, "", r.scwKey())
			require.Equal(t, http.StatusNotFound, gone.status)
			require.Equal(t, "container", gone.text("resource"))
			require.Equal(t, made.text("id"), gone.text("resource_id"))
			require.Equal(t, "deleting", ask(t, "DELETE", base+"/namespaces/"+n.text("id"), "", r.scwKey()).text("status"))
			require.Equal(t, http.StatusNotFound, ask(t, "GET", base+"/namespaces/"+n.text("id"), "", r.scwKey()).status)
		})
	}
}

func TestNamespaceSecretsReachItsContainers(t *testing.T) {
	r := newRig(t)
	r.change(func(s *world.State) { s.Settings.ContainerDelay = 0 })
	for _, x := range []struct{ base, set, unset string }{
		{v1(), `{"SHARED":"1","STRIPE_SECRET_KEY":"lower"}`, `{}`},
		{beta(), `[{"key":"SHARED","value":"1"}]`, `[{"key":"SHARED"}]`},
	} {
		url := r.scaleway() + x.base + "/namespaces/" + r.container().NamespaceID
		require.Equal(t, 200, ask(t, "PATCH", url, `{"secret_environment_variables":`+x.set+`}`, r.scwKey()).status)
		s := r.state()
		runs := s.ContainerRuns(world.ContainerName, s.Now())
		require.Equal(t, "1", runs["SHARED"])
		require.Equal(t, r.pass["verifieddit/stripe/secret-key"], runs["STRIPE_SECRET_KEY"], "the container's own comes first")
		require.Equal(t, 200, ask(t, "PATCH", url, `{"secret_environment_variables":`+x.unset+`}`, r.scwKey()).status)
		s = r.state()
		require.NotContains(t, s.ContainerRuns(world.ContainerName, s.Now()), "SHARED")
	}
	require.Len(t, ask(t, "GET", r.scaleway()+v1()+"/namespaces?name=verifieddit", "", r.scwKey()).at("namespaces"), 1)
}

func TestContainerLimits(t *testing.T) {
	r := newRig(t)
	url := r.scaleway() + v1() + "/containers/" + r.container().ID
	for size, status := range map[int]int{999: 200, 1000: 200, 1001: 400} {
		body := `{"secret_environment_variables":{"A":"` + strings.Repeat("x", size) + `"}}`
		require.Equal(t, status, ask(t, "PATCH", url, body, r.scwKey()).status, "%d characters", size)
	}
	long := ask(t, "PATCH", url, `{"secret_environment_variables":{"`+strings.Repeat("K", 101)+`":"x"}}`, r.scwKey())
	require.Equal(t, "invalid_arguments", long.text("type"))

	id := r.find(world.Scaleway, r.pass["sanmarcsoft/scaleway/api-secret"]).ID
	require.NoError(t, r.world.Tamper("permission-removed", id, containersAccess))
	require.Equal(t, http.StatusForbidden, ask(t, "GET", url, "", r.scwKey()).status)
}
