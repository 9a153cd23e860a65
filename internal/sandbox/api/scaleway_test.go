package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

func (r *rig) scwKey() option { return withKey(r.pass["sanmarcsoft/scaleway/api-secret"]) }

func (r *rig) ownKeyPath() string { return keysBase + "/" + r.pass["sanmarcsoft/scaleway/access-key"] }

func TestScalewayKeyReadsItself(t *testing.T) {
	r := newRig(t)
	base := r.scaleway()
	require.Regexp(t, `^SCW[A-Z0-9]{17}$`, r.pass["sanmarcsoft/scaleway/access-key"])
	require.Regexp(t, uuidShape, r.pass["sanmarcsoft/scaleway/api-secret"])
	a := ask(t, "GET", base+r.ownKeyPath(), "", r.scwKey())
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, r.pass["sanmarcsoft/scaleway/access-key"], a.text("access_key"))
	require.Nil(t, a.at("secret_key"), "shown once only")
	require.Equal(t, r.state().Scaleway.ApplicationID, a.text("application_id"))
	require.Equal(t, r.state().Scaleway.ProjectID, a.text("default_project_id"))

	id := r.find(world.Scaleway, r.pass["sanmarcsoft/scaleway/api-secret"]).ID
	require.NoError(t, r.world.Tamper("permission-removed", id, iamManager))
	require.Equal(t, http.StatusOK, ask(t, "GET", base+r.ownKeyPath(), "", r.scwKey()).status)
	a = ask(t, "GET", base+keysBase, "", r.scwKey())
	require.Equal(t, http.StatusForbidden, a.status)
	require.Equal(t, "permissions_denied", a.text("type"))
	require.Equal(t, "read", a.text("details/0/action"))
	a = ask(t, "GET", base+keysBase+"/SCWAAAAAAAAAAAAAAAAA", "", r.scwKey())
	require.Equal(t, http.StatusForbidden, a.status, "whether another key exists is not told")
}

func TestScalewayDeniesDeadKeys(t *testing.T) {
	r := newRig(t)
	base := r.scaleway()
	made, err := r.world.Issue(world.Order{Service: world.Scaleway})
	require.NoError(t, err)
	require.NoError(t, r.world.Tamper("expired", made[1].ID))
	gone, err := r.world.Issue(world.Order{Service: world.Scaleway})
	require.NoError(t, err)
	_, err = r.world.Revoke(gone[0].ID) // by its access key's id: the pair dies whole
	require.NoError(t, err)
	for name, x := range map[string][2]string{
		"unknown":            {world.NewUUID(), "not_found"},
		"revoked":            {gone[1].Value, "not_found"},
		"expired":            {made[1].Value, "expired"},
		"not a UUID":         {"hello", "invalid_argument"},
		"the access key":     {r.pass["sanmarcsoft/scaleway/access-key"], "invalid_argument"},
		"nothing but spaces": {" ", "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask(t, "GET", base+r.ownKeyPath(), "", withKey(x[0]))
			require.Equal(t, http.StatusUnauthorized, a.status)
			require.Equal(t, "denied_authentication", a.text("type"))
			require.Equal(t, x[1], a.text("reason"))
		})
	}
}

func TestScalewayKeysAreMadeChangedAndDeleted(t *testing.T) {
	r := newRig(t)
	base := r.scaleway()
	app := r.state().Scaleway.ApplicationID
	made := ask(t, "POST", base+keysBase, `{"application_id":"`+app+`","description":"rot/scaleway/1"}`, r.scwKey())
	require.Equal(t, http.StatusOK, made.status)
	access, secret := made.text("access_key"), made.text("secret_key")
	self := base + keysBase + "/" + access
	require.Equal(t, "rot/scaleway/1", ask(t, "GET", self, "", withKey(secret)).text("description"))
	require.EqualValues(t, 2, ask(t, "GET", base+keysBase+"?page_size=1", "", r.scwKey()).at("total_count"))
	require.Len(t, ask(t, "GET", base+keysBase+"?page=2&page_size=1", "", r.scwKey()).at("api_keys"), 1)
	first := ask(t, "GET", base+keysBase+"?order_by=created_at_asc", "", r.scwKey()).text("api_keys/0/access_key")
	last := ask(t, "GET", base+keysBase+"?order_by=created_at_desc", "", r.scwKey()).text("api_keys/0/access_key")
	require.Equal(t, []string{r.pass["sanmarcsoft/scaleway/access-key"], access}, []string{first, last})
	filtered := ask(t, "GET", base+keysBase+"?description=rot/&bearer_id="+app, "", r.scwKey())
	require.Equal(t, access, filtered.text("api_keys/0/access_key"))
	require.EqualValues(t, 1, filtered.at("total_count"))

	require.Equal(t, http.StatusOK, ask(t, "PATCH", self, `{"expires_at":"2020-01-01T00:00:00Z"}`, r.scwKey()).status)
	require.Equal(t, "expired", ask(t, "GET", self, "", withKey(secret)).text("reason"), "an expiry is a soft revoke")
	require.Equal(t, http.StatusNoContent, ask(t, "DELETE", self, "", r.scwKey()).status)
	require.Equal(t, http.StatusNotFound, ask(t, "DELETE", self, "", r.scwKey()).status)
	require.Equal(t, "not_found", ask(t, "GET", self, "", withKey(secret)).text("reason"))
	require.NotNil(t, ptr(r.find(world.Scaleway, access)).Revoked)

	require.Equal(t, http.StatusNoContent, ask(t, "DELETE", base+r.ownKeyPath(), "", r.scwKey()).status)
	require.Equal(t, http.StatusUnauthorized, ask(t, "GET", base+r.ownKeyPath(), "", r.scwKey()).status)
}

func TestScalewayKeyOrderIsChecked(t *testing.T) {
	r := newRig(t)
	base := r.scaleway()
	app := r.state().Scaleway.ApplicationID
	for name, x := range map[string]struct {
		body   string
		status int
	}{
		"no bearer":       {`{"description":"x"}`, 400},
		"two bearers":     {`{"application_id":"` + app + `","user_id":"` + app + `"}`, 400},
		"unknown bearer":  {`{"application_id":"` + world.NewUUID() + `"}`, 404},
		"unknown project": {`{"application_id":"` + app + `","default_project_id":"` + world.NewUUID() + `"}`, 404},
		"long text":       {`{"application_id":"` + app + `","description":"` + strings.Repeat("x", 201) + `"}`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, x.status, ask(t, "POST", base+keysBase, x.body, r.scwKey()).status)
			require.Len(t, accessKeys(r.state()), 1)
		})
	}
	apps := ask(t, "GET", base+"/iam/v1alpha1/applications", "", r.scwKey())
	require.Equal(t, app, apps.text("applications/0/id"))
	require.Equal(t, app, ask(t, "GET", base+"/iam/v1alpha1/applications/"+app, "", r.scwKey()).text("id"))
}

func TestScalewayRegistryManagement(t *testing.T) {
	r := newRig(t)
	base := r.scaleway()
	namespaces := base + "/registry/v1/regions/fr-par/namespaces"
	listed := ask(t, "GET", namespaces+"?name=sanmarcsoft", "", r.scwKey())
	require.Equal(t, "rg.fr-par.scw.cloud/sanmarcsoft", listed.text("namespaces/0/endpoint"))
	images := ask(t, "GET", base+"/registry/v1/regions/fr-par/images", "", r.scwKey())
	require.Equal(t, "private", images.text("images/0/visibility"))
	image := base + "/registry/v1/regions/fr-par/images/" + images.text("images/0/id")
	require.Equal(t, world.ImageName, ask(t, "GET", image, "", r.scwKey()).text("name"))
	require.EqualValues(t, 3, ask(t, "GET", image+"/tags", "", r.scwKey()).at("total_count"))
	elsewhere := ask(t, "GET", base+"/registry/v1/regions/nl-ams/images", "", r.scwKey())
	require.EqualValues(t, 0, elsewhere.at("total_count"))

	made := ask(t, "POST", namespaces, `{"name":"more","is_public":false}`, r.scwKey())
	require.Equal(t, http.StatusOK, made.status)
	require.Equal(t, http.StatusConflict, ask(t, "POST", namespaces, `{"name":"more"}`, r.scwKey()).status)
	one := namespaces + "/" + made.text("id")
	require.Equal(t, "new", ask(t, "PATCH", one, `{"description":"new"}`, r.scwKey()).text("description"))
	require.Equal(t, "more", ask(t, "GET", one, "", r.scwKey()).text("name"))
	require.Equal(t, "deleting", ask(t, "DELETE", one, "", r.scwKey()).text("status"))
	gone := ask(t, "GET", one, "", r.scwKey())
	require.Equal(t, http.StatusNotFound, gone.status)
	require.Equal(t, "namespace", gone.text("resource"))
}
