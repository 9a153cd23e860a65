package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// The ids of permission groups as the emulator has them.
const (
	workersWrite  = `{"id":"e086da7e2179491d91ee5f35b3ca210a"}`
	settingsWrite = `{"id":"1af1fa2adc104452b74a9a3364202f20"}`
	zoneRead      = `{"id":"c8fed203ed3043cba015a93ad1616f1f"}`
)

func policyJSON(effect, resources string, groups ...string) string {
	return `{"effect":"` + effect + `","resources":` + resources + `,"permission_groups":[` + strings.Join(groups, ",") + `]}`
}

// makeToken orders a user token from the company's own and returns its answer.
func (r *rig) makeToken(base, rest string, policies ...string) answer {
	return ask(r.t, "POST", base+"/user/tokens", `{"name":"made"`+rest+`,"policies":[`+strings.Join(policies, ",")+`]}`,
		withBearer(r.pass["cloudflare/api-token"]))
}

func TestCloudflareTokenMayWhatItsPoliciesSay(t *testing.T) {
	r := newRig(t)
	base := r.cloudflare()
	account, first, second := r.pass["cloudflare/account-id"], r.pass["cloudflare/zones/sanmarcsoft-com"], r.pass["cloudflare/zones/verifieddit-com"]
	own := `{"` + scopeAccount + `.` + account + `":"*"}`
	zone := func(id string) string { return `{"` + scopeZone + `.` + id + `":"*"}` }
	nested := func(of, inner string) string {
		return `{"` + scopeAccount + `.` + of + `":{"` + scopeZone + `.` + inner + `":"*"}}`
	}
	other := "0123456789abcdef0123456789abcdef"
	scripts := r.account() + "/workers/scripts"
	for name, x := range map[string]struct {
		policies []string
		may      []string // of the paths below
	}{
		"account":               {[]string{policyJSON("allow", own, workersWrite)}, []string{scripts}},
		"another account":       {[]string{policyJSON("allow", `{"`+scopeAccount+`.`+other+`":"*"}`, workersWrite)}, nil},
		"all accounts":          {[]string{policyJSON("allow", `{"`+scopeAccount+`.*":"*"}`, settingsWrite)}, []string{r.account()}},
		"one zone":              {[]string{policyJSON("allow", zone(first), zoneRead)}, []string{"/zones/" + first, "/zones"}},
		"all zones":             {[]string{policyJSON("allow", zone("*"), zoneRead)}, []string{"/zones/" + first, "/zones/" + second, "/zones"}},
		"zones of the account":  {[]string{policyJSON("allow", nested(account, "*"), zoneRead)}, []string{"/zones/" + first, "/zones/" + second, "/zones"}},
		"a zone of the account": {[]string{policyJSON("allow", nested(account, second), zoneRead)}, []string{"/zones/" + second, "/zones"}},
		"zones of another":      {[]string{policyJSON("allow", nested(other, "*"), zoneRead)}, nil},
		"zone right on account": {[]string{policyJSON("allow", own, zoneRead)}, nil},
		"but one zone": {[]string{policyJSON("allow", zone("*"), zoneRead), policyJSON("deny", zone(first), zoneRead)},
			[]string{"/zones/" + second}},
		"denied alone": {[]string{policyJSON("deny", own, workersWrite)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			value := r.makeToken(base, "", x.policies...).text("result/value")
			require.Equal(t, name == "denied alone", len(r.find(world.Cloudflare, value).Permissions) == 0)
			for _, path := range []string{scripts, r.account(), "/zones/" + first, "/zones/" + second} {
				want := http.StatusForbidden
				for _, allowed := range x.may {
					if allowed == path {
						want = http.StatusOK
					}
				}
				require.Equal(t, want, ask(t, "GET", base+path, "", withBearer(value)).status, path)
			}
		})
	}
}

func TestCloudflareTokenIsShownAsItIs(t *testing.T) {
	r := newRig(t)
	base, token := r.cloudflare(), r.pass["cloudflare/api-token"]
	id := r.find(world.Cloudflare, token).ID
	names := func() map[string][]string {
		var view struct {
			Result struct {
				Policies []struct {
					Groups    []struct{ Name string } `json:"permission_groups"`
					Resources map[string]any
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(ask(t, "GET", base+"/user/tokens/"+id, "", withBearer(token)).raw), &view))
		out := map[string][]string{}
		for _, p := range view.Result.Policies {
			for name := range p.Resources {
				scope, _ := resource(name)
				out[scope] = nil
				for _, g := range p.Groups {
					out[scope] = append(out[scope], g.Name)
				}
			}
		}
		return out
	}
	require.Equal(t, map[string][]string{
		scopeAccount: {"Workers Scripts Write", "Account Settings Read"}, scopeZone: {"Zone Read", "DNS Write"},
		scopeUser: {"API Tokens Write", "User Details Read", "Memberships Read"},
	}, names())
	require.NoError(t, r.world.Tamper("permission-removed", id, "Workers Scripts Write"))
	require.Equal(t, []string{"Account Settings Read"}, names()[scopeAccount])

	made := r.makeToken(base, "", policyJSON("allow", `{"`+scopeZone+`.*":"*"}`, zoneRead)).text("result/id")
	require.NoError(t, r.world.Tamper("permission-removed", made, "Zone Read"))
	require.Empty(t, ask(t, "GET", base+"/user/tokens/"+made, "", withBearer(token)).at("result/policies"))
}

func TestCloudflareTokenHasItsTimesAndPlaces(t *testing.T) {
	r := newRig(t)
	base := r.cloudflare()
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	all := policyJSON("allow", `{"`+scopeZone+`.*":"*"}`, zoneRead)
	zones := func(value string) answer { return ask(t, "GET", base+"/zones", "", withBearer(value)) }

	later := r.makeToken(base, `,"not_before":"`+at(time.Hour)+`","expires_on":"`+at(2*time.Hour)+`"`, all)
	value := later.text("result/value")
	require.Equal(t, http.StatusUnauthorized, zones(value).status, "not yet")
	r.change(func(s *world.State) { s.Settings.ClockOffset = world.Millis((90 * time.Minute).Milliseconds()) })
	require.Equal(t, http.StatusOK, zones(value).status)
	r.change(func(s *world.State) { s.Settings.ClockOffset = world.Millis((3 * time.Hour).Milliseconds()) })
	require.Equal(t, http.StatusUnauthorized, zones(value).status, "no more")
	free := r.serve(r.api.Cloudflare()) + cloudflareBase // the description has no code 400
	require.Equal(t, http.StatusBadRequest, r.makeToken(free, `,"expires_on":"`+at(time.Hour)+`"`, all).status, "over before it began")
	r.change(func(s *world.State) { s.Settings.ClockOffset = 0 })

	for _, x := range []struct {
		condition string
		here      bool
	}{
		{`{"request_ip":{"in":["127.0.0.0/8"]}}`, true},
		{`{"request_ip":{"in":["203.0.113.7"]}}`, false},
		{`{"request_ip":{"not_in":["127.0.0.1"]}}`, false},
		{`{"request_ip":{"in":["127.0.0.1"],"not_in":["127.0.0.0/8"]}}`, false},
		{`{}`, true},
	} {
		made := r.makeToken(base, `,"condition":`+x.condition, all)
		got := zones(made.text("result/value"))
		if x.here {
			require.Equal(t, http.StatusOK, got.status, x.condition)
			continue
		}
		require.Equal(t, http.StatusForbidden, got.status, x.condition)
		require.Equal(t, 9109, got.errorCode())
		require.NotNil(t, made.at("result/condition/request_ip"))
	}
	require.Equal(t, http.StatusBadRequest, r.makeToken(free, `,"condition":{"request_ip":{"in":["nowhere"]}}`, all).status)
}

func TestCloudflareTokenGivesOnOneZoneOnlyWhatItHas(t *testing.T) {
	r := newRig(t)
	base := r.cloudflare()
	const zoneWrite = `{"id":"e6d2666161e84845a636613608cee8d5"}`
	one, all := `{"`+scopeZone+`.`+r.pass["cloudflare/zones/sanmarcsoft-com"]+`":"*"}`, `{"`+scopeZone+`.*":"*"}`
	refused := r.makeToken(base, "", policyJSON("allow", one, zoneWrite))
	require.Equal(t, http.StatusBadRequest, refused.status)
	require.Equal(t, 1001, refused.errorCode())
	require.Equal(t, http.StatusOK, r.makeToken(base, "", policyJSON("allow", one, zoneRead)).status)
	require.Equal(t, http.StatusOK, r.makeToken(base, "", policyJSON("allow", all, zoneWrite)).status)
}

func TestCloudflareLastUseShows(t *testing.T) {
	r := newRig(t)
	base, token := r.cloudflare(), withBearer(r.pass["cloudflare/api-token"])
	made := r.makeToken(base, "", policyJSON("allow", `{"`+scopeZone+`.*":"*"}`, zoneRead))
	self := base + "/user/tokens/" + made.text("result/id")
	require.Nil(t, ask(t, "GET", self, "", token).at("result/last_used_on"))
	require.Equal(t, http.StatusOK, ask(t, "GET", base+"/zones", "", withBearer(made.text("result/value"))).status)
	require.NotNil(t, ask(t, "GET", self, "", token).at("result/last_used_on"))
}
