package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

func TestCloudflareReadsAccountAndZones(t *testing.T) {
	r := newRig(t)
	base, token := r.cloudflare(), withBearer(r.pass["cloudflare/api-token"])

	require.Equal(t, r.pass["cloudflare/account-id"], ask(t, "GET", base+r.account(), "", token).text("result/id"))
	for name, path := range map[string]string{"sanmarcsoft.com": "sanmarcsoft-com",
		"verifieddit.com": "verifieddit-com", "matthewstevens.org": "matthewstevens-org"} {
		id := r.pass["cloudflare/zones/"+path]
		require.Equal(t, name, ask(t, "GET", base+"/zones/"+id, "", token).text("result/name"))
	}
	require.Len(t, ask(t, "GET", base+"/zones", "", token).at("result"), 3)
	require.Len(t, ask(t, "GET", base+"/zones?name=verifieddit.com", "", token).at("result"), 1)
	require.Equal(t, http.StatusNotFound, ask(t, "GET", base+"/zones/0123456789abcdef0123456789abcdef", "", token).status)
}

func TestCloudflareVerifyHasADoorPerKind(t *testing.T) {
	r := newRig(t)
	base := r.cloudflare()
	user := r.pass["cloudflare/api-token"]
	made, err := r.world.Issue(world.Order{Service: world.Cloudflare, Kind: world.KindAccount})
	require.NoError(t, err)
	account := made[0].Value
	require.Regexp(t, `^cfut_[A-Za-z0-9]{40}[0-9a-f]{8}$`, user)
	require.Regexp(t, `^cfat_[A-Za-z0-9]{40}[0-9a-f]{8}$`, account)

	for _, x := range []struct {
		name, path, token string
		status, code      int
	}{
		{"user token, user door", "/user/tokens/verify", user, 200, 0},
		{"account token, account door", r.account() + "/tokens/verify", account, 200, 0},
		{"account token, user door", "/user/tokens/verify", account, 401, 1000},
		{"user token, account door", r.account() + "/tokens/verify", user, 401, 1000},
		{"unknown", "/user/tokens/verify", flip(user), 401, 1000},
		{"misshapen", "/user/tokens/verify", "short", 400, 6003},
	} {
		t.Run(x.name, func(t *testing.T) {
			a := ask(t, "GET", base+x.path, "", withBearer(x.token))
			require.Equal(t, x.status, a.status)
			if x.code != 0 {
				require.Equal(t, x.code, a.errorCode())
				return
			}
			require.Equal(t, "active", a.text("result/status"))
			require.Equal(t, r.find(world.Cloudflare, x.token).ID, a.text("result/id"))
		})
	}
	missing := ask(t, "GET", base+"/user/tokens/verify", "")
	require.Equal(t, 1001, missing.errorCode())
	misshapen := ask(t, "GET", base+"/zones", "", withBearer("short"))
	require.EqualValues(t, 6111, misshapen.at("errors/0/error_chain/0/code"))
}

// flip changes the last character, so that the shape stays right.
func flip(value string) string {
	last := "0"
	if strings.HasSuffix(value, "0") {
		last = "1"
	}
	return value[:len(value)-1] + last
}

func TestCloudflareExpiredAndDisabledShowInVerifyAndNowhereElse(t *testing.T) {
	r := newRig(t)
	base, token := r.cloudflare(), r.pass["cloudflare/api-token"]
	for kind, status := range map[string]string{"expired": "expired", "disabled": "disabled"} {
		made, err := r.world.Issue(world.Order{Service: world.Cloudflare})
		require.NoError(t, err)
		require.NoError(t, r.world.Tamper(kind, made[0].ID))
		a := ask(t, "GET", base+"/user/tokens/verify", "", withBearer(made[0].Value))
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, status, a.text("result/status"))
		require.Equal(t, 10000, ask(t, "GET", base+"/zones", "", withBearer(made[0].Value)).errorCode())
	}
	require.Equal(t, http.StatusOK, ask(t, "GET", base+"/zones", "", withBearer(token)).status)
}

func TestCloudflarePermissionIsAsked(t *testing.T) {
	r := newRig(t)
	base, token := r.cloudflare(), r.pass["cloudflare/api-token"]
	id := r.find(world.Cloudflare, token).ID
	body := `{"name":"CLERK_SECRET_KEY","text":"x","type":"secret_text"}`

	require.Equal(t, http.StatusOK, ask(t, "POST", base+"/user/tokens", tokenBody("second"), withBearer(token)).status)
	require.NoError(t, r.world.Tamper("permission-removed", id, "API Tokens Write"))
	require.Equal(t, http.StatusForbidden, ask(t, "POST", base+"/user/tokens", tokenBody("third"), withBearer(token)).status)
	require.NoError(t, r.world.Tamper("permission-removed", id, "Workers Scripts Write"))
	a := ask(t, "PUT", base+r.script()+"/secrets", body, withBearer(token))
	require.Equal(t, http.StatusForbidden, a.status)
	require.Equal(t, 10000, a.errorCode())
	require.Equal(t, "active", ask(t, "GET", base+"/user/tokens/verify", "", withBearer(token)).text("result/status"))
	require.Len(t, r.state().Workers[world.WorkerName].Versions, 1)

	other := ask(t, "GET", base+"/accounts/0123456789abcdef0123456789abcdef", "", withBearer(token))
	require.Equal(t, 10000, other.errorCode())
}

func tokenBody(name string) string {
	return `{"name":"` + name + `","policies":[{"effect":"allow","permission_groups":[{"id":"e086da7e2179491d91ee5f35b3ca210a"}],` +
		`"resources":{"com.cloudflare.api.account.0123456789abcdef0123456789abcdef":"*"}}]}`
}

func TestCloudflareTokensAreMadeRolledAndDeleted(t *testing.T) {
	for _, x := range []struct{ kind, prefix, base, verify string }{
		{world.KindUser, "cfut_", "/user/tokens", "/user/tokens/verify"},
		{world.KindAccount, "cfat_", "ACCOUNT/tokens", "ACCOUNT/tokens/verify"},
	} {
		t.Run(x.kind, func(t *testing.T) {
			r := newRig(t)
			base := r.cloudflare()
			path := strings.Replace(x.base, "ACCOUNT", r.account(), 1)
			verify := base + strings.Replace(x.verify, "ACCOUNT", r.account(), 1)
			maker, err := r.world.Issue(world.Order{Service: world.Cloudflare, Kind: x.kind, Permissions: []string{"*"}})
			require.NoError(t, err)
			as := withBearer(maker[0].Value)

			made := ask(t, "POST", base+path, tokenBody("rotated"), as)
			require.Equal(t, http.StatusOK, made.status)
			id, value := made.text("result/id"), made.text("result/value")
			require.True(t, strings.HasPrefix(value, x.prefix))
			require.Equal(t, id, ask(t, "GET", verify, "", withBearer(value)).text("result/id"))
			require.True(t, ptr(r.find(world.Cloudflare, value)).May("Workers Scripts Write"))
			require.False(t, ptr(r.find(world.Cloudflare, value)).May("Zone Read"))

			shown := ask(t, "GET", base+path+"/"+id, "", as)
			require.Equal(t, "rotated", shown.text("result/name"))
			require.NotContains(t, shown.raw+ask(t, "GET", base+path, "", as).raw, value)

			off := strings.Replace(tokenBody("rotated"), `{"name"`, `{"status":"disabled","name"`, 1)
			require.Equal(t, http.StatusOK, ask(t, "PUT", base+path+"/"+id, off, as).status)
			require.Equal(t, "disabled", ask(t, "GET", verify, "", withBearer(value)).text("result/status"))
			require.Equal(t, http.StatusOK, ask(t, "PUT", base+path+"/"+id, tokenBody("rotated"), as).status)

			r.change(func(s *world.State) { s.Settings.RevokeDelay = 60000 })
			rolled := ask(t, "PUT", base+path+"/"+id+"/value", "{}", as).text("result")
			require.NotEqual(t, value, rolled)
			require.Equal(t, 1000, ask(t, "GET", verify, "", withBearer(value)).errorCode(), "roll kills at once")
			require.Equal(t, id, ask(t, "GET", verify, "", withBearer(rolled)).text("result/id"))

			r.change(func(s *world.State) { s.Settings.RevokeDelay = 0 })
			require.Equal(t, id, ask(t, "DELETE", base+path+"/"+id, "{}", as).text("result/id"))
			require.Equal(t, 1000, ask(t, "GET", verify, "", withBearer(rolled)).errorCode())
			require.Equal(t, http.StatusNotFound, ask(t, "DELETE", base+path+"/"+id, "{}", as).status)
			groups := ask(t, "GET", base+path+"/permission_groups?name=Workers%20Scripts%20Write", "", as)
			require.Equal(t, "e086da7e2179491d91ee5f35b3ca210a", groups.text("result/0/id"))
		})
	}
}

func ptr[T any](v T) *T { return &v }

func TestCloudflareTokenOrderIsChecked(t *testing.T) {
	r := newRig(t)
	base := r.serve(r.api.Cloudflare()) + cloudflareBase // the orders do not fit the description
	maker, err := r.world.Issue(world.Order{Service: world.Cloudflare, Permissions: []string{"*"}})
	require.NoError(t, err)
	for name, body := range map[string]string{
		"no name":       strings.Replace(tokenBody(""), "", "", 1),
		"long name":     tokenBody(strings.Repeat("n", 121)),
		"no policies":   `{"name":"x"}`,
		"unknown group": strings.Replace(tokenBody("x"), "e086da7e", "00000000", 1),
		"not JSON":      `{"name":`,
	} {
		t.Run(name, func(t *testing.T) {
			a := ask(t, "POST", base+"/user/tokens", body, withBearer(maker[0].Value))
			require.Equal(t, http.StatusBadRequest, a.status)
			require.Equal(t, 400, a.errorCode())
		})
	}
}

func TestCloudflareTokenQuota(t *testing.T) {
	r := newRig(t)
	base := r.cloudflare()
	var maker world.Credential
	for range 49 { // with the company's own that is 50
		made, err := r.world.Issue(world.Order{Service: world.Cloudflare, Permissions: []string{"*"}})
		require.NoError(t, err)
		maker = made[0]
	}
	a := ask(t, "POST", base+"/user/tokens", tokenBody("one too many"), withBearer(maker.Value))
	require.Equal(t, http.StatusBadRequest, a.status)
}

func TestCloudflareNewTokenMayNeedTime(t *testing.T) {
	r := newRig(t)
	base := r.cloudflare()
	r.change(func(s *world.State) { s.Settings.IssueDelay = world.Millis(time.Hour.Milliseconds()) })
	made, err := r.world.Issue(world.Order{Service: world.Cloudflare})
	require.NoError(t, err)
	require.Equal(t, 1000, ask(t, "GET", base+"/user/tokens/verify", "", withBearer(made[0].Value)).errorCode())
	r.change(func(s *world.State) { s.Settings.ClockOffset = world.Millis(2 * time.Hour.Milliseconds()) })
	require.Equal(t, http.StatusOK, ask(t, "GET", base+"/user/tokens/verify", "", withBearer(made[0].Value)).status)
}
