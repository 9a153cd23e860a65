package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// everything asks every service once with the credential, wherever a client may
// put it, also where it does not belong.
func (r *rig) everything(t *testing.T) {
	user := withHeader("User-Agent", "secret-rotation/1.0 run/7c1e")
	p := r.pass
	cf := r.serve(r.api.Cloudflare()) + cloudflareBase
	ask(t, "GET", cf+"/user/tokens/verify", "", withBearer(p["cloudflare/api-token"]), user)
	ask(t, "PUT", cf+r.script()+"/secrets", putBody("A", "canary-value"), withBearer(p["cloudflare/api-token"]), user)
	ask(t, "DELETE", cf+r.script()+"/secrets/"+p["verifieddit/clerk/secret-key"], "", withBearer(p["cloudflare/api-token"]), user)
	ask(t, "GET", cf+"/accounts/"+p["cloudflare/api-token"], "", withBearer(p["cloudflare/api-token"]), user)
	scw := r.serve(r.api.Scaleway())
	ask(t, "GET", scw+r.ownKeyPath(), "", r.scwKey(), user)
	ask(t, "GET", scw+keysBase+"/SCWUNKNOWNUNKNOWNUN1", "", r.scwKey(), user)
	ask(t, "GET", scw+keysBase+"?access_key="+p["sanmarcsoft/scaleway/access-key"], "", r.scwKey(), user)
	registryToken(t, scw, p["sanmarcsoft/scaleway/api-secret"], "")
	stripeBase := r.serve(r.api.Stripe())
	ask(t, "GET", stripeBase+"/v1/balance", "", r.stripeKey(), user)
	ask(t, "GET", stripeBase+"/v1/"+p["verifieddit/stripe/secret-key"], "", r.stripeKey(), user)
	ask(t, "GET", r.serve(r.api.Clerk())+"/v1/instance", "", withBearer(p["verifieddit/clerk/secret-key"]), user)
	ask(t, "GET", r.serve(r.api.Sightengine())+"/1.0/check.json?api_user="+p["sightengine/api-user"]+"&api_secret="+p["sightengine/api-secret"], "", user)
	ask(t, "GET", r.serve(r.api.GitHub())+"/repos/"+world.RepositoryName+"/actions/secrets/public-key", "", user)
}

func TestRequestLogHoldsNoValue(t *testing.T) {
	r := newRig(t)
	r.everything(t)
	content := r.log()
	for _, c := range r.state().Credentials {
		require.NotContains(t, content, c.Value, "%s %s", c.Service, c.Entry)
	}
	for _, fragment := range []string{"canary-value", "SCWUNKNOWN", "?", "sk_live_", "whsec_"} {
		require.NotContains(t, content, fragment)
	}
}

func TestRequestLogSaysWhoAskedWhat(t *testing.T) {
	r := newRig(t)
	r.everything(t)
	lines := r.lines()
	require.Len(t, lines, 13)
	token := r.find(world.Cloudflare, r.pass["cloudflare/api-token"])
	require.Equal(t, token.ID, lines[0].CredentialID)
	require.Equal(t, "7c1e", lines[0].RunID)
	require.Equal(t, "GET", lines[0].Method)
	require.Equal(t, "/client/v4/user/tokens/verify", lines[0].Path)
	require.Equal(t, http.StatusOK, lines[0].Status)
	require.Equal(t, world.Cloudflare, lines[0].Service)
	require.False(t, lines[0].Time.IsZero())
	require.Contains(t, lines[2].Path, r.find(world.Clerk, r.pass["verifieddit/clerk/secret-key"]).ID, "a value in a path is named by its id")
	require.Contains(t, lines[4].Path, r.find(world.Scaleway, r.pass["sanmarcsoft/scaleway/access-key"]).ID)
	require.Contains(t, lines[5].Path, "[masked]")
	require.Equal(t, "registry", lines[7].Service)
	require.True(t, lines[9].Unplanned)
	require.Empty(t, lines[12].CredentialID)
	require.Equal(t, "7c1e", lines[12].RunID)
}

func TestRequestLogShape(t *testing.T) {
	r := newRig(t)
	ask(t, "GET", r.serve(r.api.Stripe())+"/v1/balance", "")
	var line map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.log()), &line))
	keys := []string{}
	for k := range line {
		keys = append(keys, k)
	}
	require.ElementsMatch(t, []string{"time", "service", "method", "path", "status", "credential_id", "run_id"}, keys)
}

func TestUnplannedPathsHaveTheServicesOwn404(t *testing.T) {
	r := newRig(t)
	for _, x := range []struct {
		service, method, path string
		handler               http.Handler
		status                int
		member                string
		want                  any
	}{
		{"cloudflare", "GET", "/client/v4/nope", r.api.Cloudflare(), 404, "errors/0/code", 7003.0},
		{"cloudflare", "POST", "/client/v4/zones", r.api.Cloudflare(), 405, "errors/0/code", 7001.0},
		{"cloudflare", "GET", "/", r.api.Cloudflare(), 404, "errors/0/code", 7003.0},
		{"scaleway", "GET", "/nope/v1", r.api.Scaleway(), 404, "type", "not_found"},
		{"registry", "GET", "/v2/a/b/manifests/latest", r.api.Registry(), 404, "errors/0/code", "UNSUPPORTED"},
		{"stripe", "GET", "/v1/customers", r.api.Stripe(), 404, "error/type", "invalid_request_error"},
		{"clerk", "GET", "/v1/users", r.api.Clerk(), 404, "errors/0/code", "resource_not_found"},
		{"sightengine", "GET", "/1.0/nope.json", r.api.Sightengine(), 404, "status", "failure"},
		{"github", "GET", "/users/x", r.api.GitHub(), 404, "message", "Not Found"},
	} {
		t.Run(x.service+x.path, func(t *testing.T) {
			a := ask(t, x.method, r.serve(x.handler)+x.path, "")
			require.Equal(t, x.status, a.status)
			require.Equal(t, x.want, a.at(x.member))
			lines := r.lines()
			last := lines[len(lines)-1]
			require.True(t, last.Unplanned)
			require.Equal(t, x.service, last.Service)
			require.Equal(t, x.path, last.Path)
		})
	}
}

type counting struct {
	mu     sync.Mutex
	writes [][]byte
}

func (c *counting) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = append(c.writes, bytes.Clone(p))
	return len(p), nil
}

func TestRequestLogIsOneWritePerLine(t *testing.T) {
	r := newRig(t)
	var log counting
	base := r.serve(New(r.world, Options{Log: &log}).Stripe())
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { ask(t, "GET", base+"/v1/balance", "", r.stripeKey()) })
	}
	all.Wait()
	require.Len(t, log.writes, 20)
	for _, w := range log.writes {
		require.True(t, json.Valid(w))
		require.Equal(t, 1, strings.Count(string(w), "\n"))
	}
}

func TestLastUseIsRecorded(t *testing.T) {
	r := newRig(t)
	key := r.pass["verifieddit/stripe/secret-key"]
	require.Nil(t, r.find(world.Stripe, key).LastUsed)
	base := r.serve(r.api.Stripe())
	ask(t, "GET", base+"/v1/balance", "", withBearer(key))
	require.NotNil(t, r.find(world.Stripe, key).LastUsed)
	_, err := r.world.Revoke(r.find(world.Stripe, key).ID)
	require.NoError(t, err)
	before := *r.find(world.Stripe, key).LastUsed
	r.later()
	ask(t, "GET", base+"/v1/balance", "", withBearer(key))
	require.Equal(t, before, *r.find(world.Stripe, key).LastUsed, "a refused use is none")
}
