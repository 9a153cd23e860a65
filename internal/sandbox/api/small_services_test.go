package api

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/box"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
)

func TestClerkKnowsInstanceAndKeys(t *testing.T) {
	r := newRig(t)
	base := r.checked(r.api.Clerk(), "/v1", spectest.Clerk) + "/v1"
	production, development := r.pass["verifieddit/clerk/secret-key"], r.pass["verifieddit/clerk/test-secret-key"]
	require.Regexp(t, `^sk_live_[A-Za-z0-9]{16,}$`, production)
	require.Regexp(t, `^sk_test_[A-Za-z0-9]{16,}$`, development)
	one := ask(t, "GET", base+"/instance", "", withBearer(production))
	two := ask(t, "GET", base+"/instance", "", withBearer(development))
	require.Equal(t, "production", one.text("environment_type"))
	require.Equal(t, "development", two.text("environment_type"))
	require.NotEqual(t, one.text("id"), two.text("id"))
	require.Equal(t, one.text("id"), ask(t, "GET", base+"/jwks", "", withBearer(production)).text("keys/0/kid"))

	host, err := base64.RawStdEncoding.DecodeString(strings.TrimPrefix(r.pass["verifieddit/clerk/publishable-key"], "pk_live_"))
	require.NoError(t, err)
	require.Regexp(t, `^[a-z.]+\.[a-z]+\$$`, string(host))

	second, err := r.world.Issue(world.Order{Service: world.Clerk})
	require.NoError(t, err)
	require.Equal(t, one.text("id"), ask(t, "GET", base+"/instance", "", withBearer(second[0].Value)).text("id"))
	require.Equal(t, http.StatusOK, ask(t, "GET", base+"/instance", "", withBearer(production)).status, "several keys at once")
}

func TestClerkRefusals(t *testing.T) {
	r := newRig(t)
	base := r.serve(r.api.Clerk()) + "/v1" // its description has no 401
	key := r.pass["verifieddit/clerk/secret-key"]
	require.Equal(t, "authorization_header_format_invalid", ask(t, "GET", base+"/instance", "").text("errors/0/code"))
	a := ask(t, "GET", base+"/instance", "", withBearer(flip(key)))
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Equal(t, "clerk_key_invalid", a.text("errors/0/code"))
	_, err := r.world.Revoke(r.find(world.Clerk, key).ID)
	require.NoError(t, err)
	require.Equal(t, "clerk_key_invalid", ask(t, "GET", base+"/jwks", "", withBearer(key)).text("errors/0/code"))
}

func TestSightengineChecksThePairFirst(t *testing.T) {
	r := newRig(t)
	base := r.serve(r.api.Sightengine()) + "/1.0/check.json"
	user, secret := r.pass["sightengine/api-user"], r.pass["sightengine/api-secret"]
	require.Regexp(t, `^[0-9]{10}$`, user)
	require.Regexp(t, `^[A-Za-z0-9]{32}$`, secret)
	pair := func(user, secret string) string {
		return url.Values{"models": {"nudity-2.1"}, "api_user": {user}, "api_secret": {secret}}.Encode()
	}
	for _, x := range []struct{ name, user, secret, kind string }{
		{"alive", user, secret, "media_error"},
		{"wrong secret", user, flip(secret), "argument_error"},
		{"wrong user", flip(user), secret, "argument_error"},
		{"nothing", "", "", "argument_error"},
		{"twice the user", user, user, "argument_error"},
	} {
		t.Run(x.name, func(t *testing.T) {
			byForm := ask(t, "POST", base, pair(x.user, x.secret))
			byQuery := ask(t, "GET", base+"?"+pair(x.user, x.secret), "")
			for _, a := range []answer{byForm, byQuery} {
				require.Equal(t, "failure", a.text("status"))
				require.Equal(t, x.kind, a.text("error/type"))
				require.EqualValues(t, 0, a.at("request/operations"), "costs nothing")
				if x.kind == "argument_error" {
					require.Equal(t, "Incorrect API user or API secret", a.text("error/message"))
				}
			}
		})
	}
	require.Equal(t, "success", ask(t, "POST", base, pair(user, secret)+"&url=https://example.com/a.png").text("status"))

	fresh, err := r.world.Issue(world.Order{Service: world.Sightengine})
	require.NoError(t, err)
	require.Equal(t, "argument_error", ask(t, "POST", base, pair(user, secret)).text("error/type"), "Regenerate kills at once")
	require.Equal(t, "argument_error", ask(t, "POST", base, pair(user, fresh[1].Value)).text("error/type"), "a torn pair")
	require.Equal(t, "media_error", ask(t, "POST", base, pair(fresh[0].Value, fresh[1].Value)).text("error/type"))
}

func TestSightengineTakesAMultipartForm(t *testing.T) {
	r := newRig(t)
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, value := range map[string]string{"models": "nudity-2.1", "media": "pixels",
		"api_user": r.pass["sightengine/api-user"], "api_secret": r.pass["sightengine/api-secret"]} {
		require.NoError(t, w.WriteField(name, value))
	}
	require.NoError(t, w.Close())
	a := ask(t, "POST", r.serve(r.api.Sightengine())+"/1.0/check.json", body.String(), withHeader("Content-Type", w.FormDataContentType()))
	require.Equal(t, "success", a.text("status"))
}

func TestGitHubSecrets(t *testing.T) {
	r := newRig(t)
	base := r.checked(r.api.GitHub(), "", spectest.GitHub) + "/repos/" + world.RepositoryName + "/actions/secrets"
	made, err := r.world.Issue(world.Order{Service: world.GitHub})
	require.NoError(t, err)
	token := withBearer(made[0].Value)
	key := ask(t, "GET", base+"/public-key", "", token)
	raw, err := base64.StdEncoding.DecodeString(key.text("key"))
	require.NoError(t, err)
	seal := func(value string) string {
		sealed, err := box.SealAnonymous(nil, []byte(value), (*[32]byte)(raw), rand.Reader)
		require.NoError(t, err)
		return `{"encrypted_value":"` + base64.StdEncoding.EncodeToString(sealed) + `","key_id":"` + key.text("key_id") + `"}`
	}
	require.Equal(t, http.StatusCreated, ask(t, "PUT", base+"/CLOUDFLARE_API_TOKEN", seal("one"), token).status)
	require.Equal(t, http.StatusNoContent, ask(t, "PUT", base+"/CLOUDFLARE_API_TOKEN", seal("two"), token).status)
	truth, err := r.world.Truth()
	require.NoError(t, err)
	require.Equal(t, "two", truth.Repositories[world.RepositoryName].Secrets["CLOUDFLARE_API_TOKEN"])
	require.Equal(t, "CLOUDFLARE_API_TOKEN", ask(t, "GET", base, "", token).text("secrets/0/name"))
	require.NotContains(t, ask(t, "GET", base+"/CLOUDFLARE_API_TOKEN", "", token).raw, "two")
	require.Equal(t, http.StatusNoContent, ask(t, "DELETE", base+"/CLOUDFLARE_API_TOKEN", "", token).status)

	plain := r.serve(r.api.GitHub()) + "/repos/" + world.RepositoryName + "/actions/secrets"
	require.Equal(t, http.StatusNotFound, ask(t, "GET", plain+"/CLOUDFLARE_API_TOKEN", "", token).status)
	require.Equal(t, http.StatusUnauthorized, ask(t, "GET", plain, "").status)
	require.Equal(t, http.StatusUnauthorized, ask(t, "GET", plain, "", withBearer(flip(made[0].Value))).status)
	require.Equal(t, http.StatusNotFound, ask(t, "GET", strings.Replace(plain, "verifieddit", "other", 1), "", token).status)
	for _, bad := range []string{`{"encrypted_value":"aGVsbG8=","key_id":"` + key.text("key_id") + `"}`,
		strings.Replace(seal("x"), key.text("key_id"), "1", 1)} {
		require.Equal(t, http.StatusUnprocessableEntity, ask(t, "PUT", plain+"/A", bad, token).status)
	}
}
