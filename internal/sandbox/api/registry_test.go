package api

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

const registryRepository = world.RegistryName + "/" + world.ImageName

// The real client logs in and lists; the key decides.
func TestRegistryWithARealClient(t *testing.T) {
	r := newRig(t)
	host := strings.TrimPrefix(r.serve(r.api.Registry()), "http://")
	repo, err := name.NewRepository(host+"/"+registryRepository, name.Insecure)
	require.NoError(t, err)
	login := func(password string) ([]string, error) {
		return remote.List(repo, remote.WithAuth(&authn.Basic{Username: "nologin", Password: password}))
	}
	tags, err := login(r.pass["sanmarcsoft/scaleway/api-secret"])
	require.NoError(t, err)
	require.Equal(t, []string{"latest", "v1.4.1", "v1.4.2"}, tags)

	_, err = login(world.NewUUID())
	require.ErrorContains(t, err, "404", "a wrong key is answered 404 at the token step")
	_, err = login("")
	require.Error(t, err, "the image is private")
	_, err = r.world.Revoke(r.find(world.Scaleway, r.pass["sanmarcsoft/scaleway/api-secret"]).ID)
	require.NoError(t, err)
	_, err = login(r.pass["sanmarcsoft/scaleway/api-secret"])
	require.ErrorContains(t, err, "404")
}

func registryToken(t *testing.T, base, key, scope string) answer {
	t.Helper()
	return ask(t, "GET", base+"/registry-internal/v1/regions/fr-par/tokens?service=registry&scope="+scope, "",
		func(r *http.Request) {
			if key != "" {
				r.SetBasicAuth("nologin", key)
			}
		})
}

func TestRegistryChallengeNamesItsOwnHost(t *testing.T) {
	r := newRig(t)
	for _, server := range []*httptest.Server{httptest.NewServer(r.api.Registry()), httptest.NewTLSServer(r.api.Registry())} {
		t.Cleanup(server.Close)
		res, err := server.Client().Get(server.URL + "/v2/")
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusUnauthorized, res.StatusCode)
		realm := regexp.MustCompile(`realm="([^"]+)",service="registry"`).FindStringSubmatch(res.Header.Get("Www-Authenticate"))
		require.Len(t, realm, 2)
		require.True(t, strings.HasPrefix(realm[1], server.URL+"/registry-internal/"))
	}
}

func TestRegistryTokens(t *testing.T) {
	r := newRig(t)
	base := r.serve(r.api.Registry())
	key := r.pass["sanmarcsoft/scaleway/api-secret"]
	scope := "repository:" + registryRepository + ":pull,push"
	list := base + "/v2/" + registryRepository + "/tags/list"

	token := registryToken(t, base, key, scope).text("token")
	require.NotContains(t, token, key)
	require.Equal(t, registryRepository, ask(t, "GET", list, "", withBearer(token)).text("name"))
	require.Equal(t, http.StatusOK, ask(t, "GET", base+"/v2/", "", withBearer(token)).status)

	for what, other := range map[string]string{
		"changed":          flip(token),
		"for another":      registryToken(t, base, key, "repository:sanmarcsoft/other:pull").text("token"),
		"anonymous":        registryToken(t, base, "", scope).text("token"),
		"without a scope":  registryToken(t, base, key, "").text("token"),
		"a key, not token": key,
	} {
		require.Equal(t, http.StatusUnauthorized, ask(t, "GET", list, "", withBearer(other)).status, what)
	}
	missing := registryToken(t, base, key, "repository:sanmarcsoft/nothing:pull").text("token")
	require.Equal(t, http.StatusNotFound, ask(t, "GET", base+"/v2/sanmarcsoft/nothing/tags/list", "", withBearer(missing)).status)

	r.change(func(s *world.State) { s.Images[0].Visibility = "public" })
	anonymous := registryToken(t, base, "", scope).text("token")
	require.Equal(t, http.StatusOK, ask(t, "GET", list, "", withBearer(anonymous)).status, "a public image proves nothing")
	r.change(func(s *world.State) { s.Images[0].Visibility = "private" })

	r.later()
	require.Equal(t, http.StatusUnauthorized, ask(t, "GET", list, "", withBearer(token)).status, "its time is over")
	token = registryToken(t, base, key, scope).text("token")
	_, err := r.world.Revoke(r.find(world.Scaleway, key).ID)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, ask(t, "GET", list, "", withBearer(token)).status, "it dies with its key")
}

func TestRegistryTokenEndpointIsAtTheAPIToo(t *testing.T) {
	r := newRig(t)
	base := r.serve(r.api.Scaleway())
	require.Equal(t, http.StatusOK, registryToken(t, base, r.pass["sanmarcsoft/scaleway/api-secret"], "").status)
	wrong := registryToken(t, base, world.NewUUID(), "")
	require.Equal(t, http.StatusNotFound, wrong.status)

	id := r.find(world.Scaleway, r.pass["sanmarcsoft/scaleway/api-secret"]).ID
	require.NoError(t, r.world.Tamper("permission-removed", id, registryAccess))
	less := registryToken(t, base, r.pass["sanmarcsoft/scaleway/api-secret"], "repository:"+registryRepository+":pull")
	require.Equal(t, http.StatusOK, less.status, "a key without the right is alive")
	list := r.serve(r.api.Registry()) + "/v2/" + registryRepository + "/tags/list"
	require.Equal(t, http.StatusUnauthorized, ask(t, "GET", list, "", withBearer(less.text("token"))).status)
}
