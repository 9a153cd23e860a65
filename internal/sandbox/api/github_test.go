package api

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/box"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
)

// Environments and organizations hold secrets under keys of their own; what a
// PUT to an organization's leaves out is not kept.
func TestGitHubEnvironmentsAndOrganizations(t *testing.T) {
	r := newRig(t)
	made, err := r.world.Issue(world.Order{Service: world.GitHub})
	require.NoError(t, err)
	token := withBearer(made[0].Value)
	root := r.checked(r.api.GitHub(), "", spectest.GitHub)
	environment := root + "/repos/" + world.RepositoryName + "/environments/" + world.EnvironmentName + "/secrets"
	organization := root + "/orgs/" + world.OrganizationName + "/actions/secrets"
	seal := func(base, value, more string) string {
		key := ask(t, "GET", base+"/public-key", "", token)
		raw, err := base64.StdEncoding.DecodeString(key.text("key"))
		require.NoError(t, err)
		sealed, err := box.SealAnonymous(nil, []byte(value), (*[32]byte)(raw), rand.Reader)
		require.NoError(t, err)
		return `{"encrypted_value":"` + base64.StdEncoding.EncodeToString(sealed) + `","key_id":"` + key.text("key_id") + `"` + more + `}`
	}
	require.Equal(t, http.StatusCreated, ask(t, "PUT", environment+"/A", seal(environment, "one", ""), token).status)
	require.Equal(t, "A", ask(t, "GET", environment, "", token).text("secrets/0/name"))
	selected := `,"visibility":"selected","selected_repository_ids":[5]`
	require.Equal(t, http.StatusCreated, ask(t, "PUT", organization+"/A", seal(organization, "two", selected), token).status)
	require.Equal(t, "selected", ask(t, "GET", organization+"/A", "", token).text("visibility"))
	plain := r.serve(r.api.GitHub()) + "/orgs/" + world.OrganizationName + "/actions/secrets"
	require.Contains(t, ask(t, "GET", plain+"/A/repositories", "", token).raw, `"id":5`)
	require.Equal(t, http.StatusUnprocessableEntity, ask(t, "PUT", plain+"/A", seal(plain, "x", ""), token).status)
	require.Equal(t, http.StatusUnprocessableEntity, ask(t, "PUT", plain+"/A", seal(environment, "x", `,"visibility":"all"`), token).status, "another place's key")
	require.Equal(t, http.StatusNotFound, ask(t, "GET", strings.Replace(plain, world.OrganizationName, "other", 1)+"/public-key", "", token).status)
	truth, err := r.world.Truth()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"A": "one"}, truth.Repositories[world.RepositoryName+":"+world.EnvironmentName].Secrets)
	require.Equal(t, map[string]string{"A": "two"}, truth.Repositories[world.OrganizationName].Secrets)
	require.Empty(t, truth.Repositories[world.RepositoryName].Secrets)
}
