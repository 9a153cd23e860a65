package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

func TestFaultsComeAsOftenAsOrdered(t *testing.T) {
	r := newRig(t)
	base, token := r.cloudflare(), withBearer(r.pass["cloudflare/api-token"])
	require.NoError(t, r.world.AddFault(world.Fault{Service: world.Cloudflare, Method: "PATCH", Path: "*/secrets-bulk",
		Status: 429, RetryAfter: 3, Times: 2}))
	body := bulkBody("A", "b")
	require.Equal(t, http.StatusOK, ask(t, "PUT", base+r.script()+"/secrets", putBody("A", "b"), token).status, "another path")
	for range 2 {
		a := ask(t, "PATCH", base+r.script()+"/secrets-bulk", body, token)
		require.Equal(t, http.StatusTooManyRequests, a.status)
		require.Equal(t, "3", a.header.Get("Retry-After"))
		require.Equal(t, 10013, a.errorCode())
	}
	require.Len(t, r.worker().Versions, 2, "a fault does nothing")
	require.Equal(t, http.StatusOK, ask(t, "PATCH", base+r.script()+"/secrets-bulk", body, token).status)
	require.Empty(t, r.state().Faults)
}

func TestFaultsHaveTheServicesOwnForm(t *testing.T) {
	r := newRig(t)
	for _, x := range []struct {
		service, path string
		handler       http.Handler
		status        int
		code, member  string
		want          any
	}{
		{world.Cloudflare, "/client/v4/zones", r.api.Cloudflare(), 403, "10000", "errors/0/code", 10000.0},
		{world.Cloudflare, "/client/v4/zones", r.api.Cloudflare(), 500, "", "success", false},
		{world.Scaleway, keysBase, r.api.Scaleway(), 409, "", "type", "transient_state"},
		{world.Scaleway, keysBase, r.api.Scaleway(), 403, "quotas_exceeded", "type", "quotas_exceeded"},
		{"registry", "/v2/", r.api.Registry(), 503, "", "errors/0/code", "UNKNOWN"},
		{world.Stripe, "/v1/balance", r.api.Stripe(), 500, "", "error/type", "api_error"},
		{world.Stripe, "/v1/balance", r.api.Stripe(), 429, "", "error/code", "rate_limit"},
		{world.Clerk, "/v1/instance", r.api.Clerk(), 401, "", "errors/0/code", "authentication_invalid"},
		{world.Sightengine, "/1.0/check.json", r.api.Sightengine(), 429, "", "error/type", "usage_limit"},
		{world.GitHub, "/repos/a/b/actions/secrets", r.api.GitHub(), 500, "", "message", "Internal Server Error"},
	} {
		require.NoError(t, r.world.AddFault(world.Fault{Service: x.service, Path: x.path, Status: x.status, Code: x.code}))
		a := ask(t, "GET", r.serve(x.handler)+x.path, "")
		require.Equal(t, x.status, a.status, x.service)
		require.Equal(t, x.want, a.at(x.member), x.service)
	}
}

func TestFaultDropsBeforeAndAfterTheCommit(t *testing.T) {
	r := newRig(t)
	base, token := r.serve(r.api.Cloudflare())+cloudflareBase+r.script()+"/secrets-bulk", withBearer(r.pass["cloudflare/api-token"])
	bulk := func() (answer, error) { return try(t, "PATCH", base, bulkBody("A", "b"), token) }

	require.NoError(t, r.world.AddFault(world.Fault{Path: "*secrets-bulk", Drop: true}))
	_, err := bulk()
	require.Error(t, err)
	require.Len(t, r.worker().Versions, 1, "dropped before")
	require.Zero(t, r.lines()[0].Status)

	require.NoError(t, r.world.AddFault(world.Fault{Path: "*secrets-bulk", AfterCommit: true, Drop: true}))
	_, err = bulk()
	require.Error(t, err)
	require.Len(t, r.worker().Versions, 2, "dropped after")

	require.NoError(t, r.world.AddFault(world.Fault{Path: "*secrets-bulk", AfterCommit: true, Status: 502}))
	a, err := bulk()
	require.NoError(t, err)
	require.Equal(t, http.StatusBadGateway, a.status)
	require.Len(t, r.worker().Versions, 3, "an error though it was done")

	a, err = bulk()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.status)
}

func TestFaultDelay(t *testing.T) {
	r := newRig(t)
	base := r.serve(r.api.Stripe())
	require.NoError(t, r.world.AddFault(world.Fault{Service: world.Stripe, Delay: 3600000, Times: 1}))
	req, err := http.NewRequest("GET", base+"/v1/balance", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+r.pass["verifieddit/stripe/secret-key"])
	_, err = (&http.Client{Timeout: 200 * time.Millisecond}).Do(req)
	require.ErrorContains(t, err, "Client.Timeout")
	require.Equal(t, http.StatusOK, ask(t, "GET", base+"/v1/balance", "", r.stripeKey()).status)

	require.NoError(t, r.world.AddFault(world.Fault{Service: world.Stripe, Delay: 5}))
	begun := time.Now()
	require.Equal(t, http.StatusOK, ask(t, "GET", base+"/v1/balance", "", r.stripeKey()).status)
	require.GreaterOrEqual(t, time.Since(begun), 5*time.Millisecond)
}

// A credential that is dead is refused at every endpoint that takes it.
func TestDeadCredentialsAreRefusedEverywhere(t *testing.T) {
	r := newRig(t)
	s := r.state()
	account, worker := r.account(), r.script()
	v1c, v1n := v1()+"/containers", v1()+"/namespaces"
	paths := map[string][]string{
		world.Cloudflare: {"/client/v4/accounts", cloudflareBase + account, "/client/v4/zones",
			cloudflareBase + "/zones/" + s.Cloudflare.Zones[0].ID, "/client/v4/user/tokens/verify", "/client/v4/user/tokens",
			cloudflareBase + account + "/tokens", cloudflareBase + account + "/workers/scripts", cloudflareBase + worker + "/secrets",
			cloudflareBase + worker + "/versions", cloudflareBase + worker + "/deployments", cloudflareBase + worker + "/settings",
			cloudflareBase + worker + "/script-settings", "/client/v4/user", "/client/v4/memberships"},
		world.Scaleway: {keysBase, r.ownKeyPath(), "/iam/v1alpha1/applications", v1c, v1n, beta() + "/containers",
			beta() + "/namespaces", "/registry/v1/regions/fr-par/namespaces", "/registry/v1/regions/fr-par/images"},
		world.Stripe: {"/v1/balance", "/v1/account", "/v1/webhook_endpoints"},
		world.Clerk:  {"/v1/instance", "/v1/jwks"},
		world.GitHub: {"/repos/" + world.RepositoryName + "/actions/secrets", "/repos/" + world.RepositoryName + "/actions/secrets/public-key"},
	}
	servers := map[string]string{world.Cloudflare: r.serve(r.api.Cloudflare()), world.Scaleway: r.serve(r.api.Scaleway()),
		world.Stripe: r.serve(r.api.Stripe()), world.Clerk: r.serve(r.api.Clerk()), world.GitHub: r.serve(r.api.GitHub())}
	for service, all := range paths {
		made, err := r.world.Issue(world.Order{Service: service, Permissions: []string{"*"}})
		require.NoError(t, err)
		c := made[len(made)-1]
		if service == world.Stripe {
			c = made[0]
		}
		show := withBearer(c.Value)
		if service == world.Scaleway {
			show = withKey(c.Value)
		}
		alive := map[string]int{}
		for _, path := range all {
			alive[path] = ask(t, "GET", servers[service]+path, "", show).status
			require.Equal(t, http.StatusOK, alive[path], service+" "+path)
		}
		_, err = r.world.Revoke(c.ID)
		require.NoError(t, err)
		for _, path := range all {
			require.Equal(t, http.StatusUnauthorized, ask(t, "GET", servers[service]+path, "", show).status, service+" "+path)
		}
	}
}

func TestRevocationMayNeedTime(t *testing.T) {
	r := newRig(t)
	base := r.serve(r.api.Stripe())
	r.change(func(s *world.State) { s.Settings.RevokeDelay = 60000 })
	_, err := r.world.Revoke(r.find(world.Stripe, r.pass["verifieddit/stripe/secret-key"]).ID)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, ask(t, "GET", base+"/v1/balance", "", r.stripeKey()).status)
	r.later()
	require.Equal(t, http.StatusUnauthorized, ask(t, "GET", base+"/v1/balance", "", r.stripeKey()).status)
}
