package cloudflare_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

// planned is a client of a server that expects these requests after a token
// was verified.
func planned(t *testing.T, plan ...servicestest.Exchange) *cloudflare.Client {
	t.Helper()
	server := servicestest.New(t, append(plan, bearer(olderToken, userDoor, 401, refused(1000, "Invalid API Token")),
		bearer(olderToken, accountDoor, 200, verified("active")))...)
	return cloudflare.New(cloudflare.Config{
		BaseURL: server.URL + prefix, HTTP: server.Client(prefix, spectest.Cloudflare), Limits: servicestest.Quick(), Account: account,
	})
}

const (
	tokensPath = prefix + "/accounts/" + account + "/tokens"
	group      = `{"id":"e086da7e2179491d91ee5f35b3ca210a","name":"Workers Scripts Write","meta":{"key":"k","value":"v"}}`
	nested     = `{"com.cloudflare.api.account.` + account + `":{"com.cloudflare.api.account.zone.*":"*"}}`
)

// What this client does not know of a token must not be missing in its copy.
func TestIssueKeepsWhatItDoesNotKnow(t *testing.T) {
	present := `{"id":"` + tokenID + `","name":"n","status":"active","expires_on":"2030-01-01T00:00:00Z","not_before":null,
"policies":[{"id":"f267e341f3dd4697bd3b9f71dd96247f","effect":"deny","later":{"than":1},"resources":` + nested + `,"permission_groups":[` + group + `]}]}`
	made := strings.Replace(present, `"n"`, `"`+label+`","value":"`+accountToken+`"`, 1)
	client := planned(t, bearer(olderToken, tokensPath+"/"+tokenID, 200, ok(present)), servicestest.Exchange{
		Method: "POST", Path: tokensPath, Answer: ok(made), Body: func(t *testing.T, body []byte) {
			require.JSONEq(t, `{"name":"`+label+`","policies":[{"effect":"deny","later":{"than":1},"resources":`+nested+`,
"permission_groups":[{"id":"e086da7e2179491d91ee5f35b3ca210a","meta":{"key":"k","value":"v"}}]}]}`, string(body))
		},
	})
	out, err := client.Issue(t.Context(), credential(olderToken), services.Order{Label: label})
	require.NoError(t, err)
	require.True(t, out.Values["api-token"].Equal(credential(accountToken)["api-token"]))
}

func TestIssueAnswerWithoutAToken(t *testing.T) {
	present := fmt.Sprintf(policies, "allow", "Workers Scripts Write")
	for _, answer := range []string{present, `{"id":"x","value":"` + accountToken + `"}`, `null`, `[]`} {
		server := servicestest.New(t, bearer(userToken, userDoor, 200, verified("active")),
			bearer(userToken, prefix+"/user/tokens/"+tokenID, 200, ok(present)),
			servicestest.Exchange{Method: "POST", Path: prefix + "/user/tokens", Answer: ok(answer)})
		client := cloudflare.New(cloudflare.Config{BaseURL: server.URL + prefix, Limits: servicestest.Quick()})
		_, err := client.Issue(t.Context(), credential(userToken), services.Order{Label: label})
		require.Equal(t, services.Outage, services.KindOf(err), "whether one was made is open")
	}
}

func TestIssueWithAPolicyThatMayNotBeGivenOn(t *testing.T) {
	for status, code := range map[int]int{400: 1001, 422: 424242} {
		_, err := planned(t, bearer(olderToken, tokensPath+"/"+tokenID, 200, ok(fmt.Sprintf(policies, "allow", "Zone Write"))),
			servicestest.Exchange{Method: "POST", Path: tokensPath, Status: status, Answer: refused(code, "Failed common permission check")},
			bearer(olderToken, tokensPath, 200, ok(`[]`)),
		).Issue(t.Context(), credential(olderToken), services.Order{Label: label})
		require.Equal(t, services.Rejected, services.KindOf(err))
		require.ErrorContains(t, err, "give its own policies on")
	}
}

func TestReadyWhereAPolicyTakesItAway(t *testing.T) {
	own := strings.Replace(fmt.Sprintf(policies, "allow", "Account API Tokens Write"), `"policies":[`,
		`"policies":[{"id":"a","effect":"deny","resources":{"x":"*"},"permission_groups":[{"id":"b","name":"Account API Tokens Write"}]},`, 1)
	err := planned(t, bearer(olderToken, tokensPath+"/"+tokenID, 200, ok(own))).Ready(t.Context(), credential(olderToken))
	require.Equal(t, services.Permission, services.KindOf(err))
}

// Only an answer that is about the token may count as its death. zone is just
// another id.
func TestDeleteThatWentNowhere(t *testing.T) {
	for name, x := range map[string]struct {
		status, code int
		kind         services.Kind
	}{
		"wrong address":   {404, 7003, services.NotFound},
		"wrong method":    {405, 7001, services.NotFound},
		"not permitted":   {403, 10000, services.Permission},
		"not permitted 2": {401, 10000, services.Permission},
		"unknown code":    {400, 424242, services.Rejected},
	} {
		t.Run(name, func(t *testing.T) {
			err := planned(t, servicestest.Exchange{
				Method: "DELETE", Path: tokensPath + "/" + zone, Status: x.status, Answer: refused(x.code, "m"),
			}).Delete(t.Context(), credential(olderToken), zone)
			require.Equal(t, x.kind, services.KindOf(err))
		})
	}
	for _, x := range []struct {
		status int
		answer string
		kind   services.Kind
	}{
		{404, refused(1003, "m"), ""},
		{200, ok(`{"id":"` + zone + `"}`), ""},
		{200, ok(`null`), ""},
		{200, ok(`{"id":"` + tokenID + `"}`), services.Outage},
	} {
		err := planned(t, servicestest.Exchange{
			Method: "DELETE", Path: tokensPath + "/" + zone, Status: x.status, Answer: x.answer,
		}).Delete(t.Context(), credential(olderToken), zone)
		require.Equal(t, x.kind, services.KindOf(err))
	}
}

// A token that moved to a page already read would be missed.
func TestListThatChangesMeanwhile(t *testing.T) {
	page := func(total int, ids ...string) servicestest.Exchange {
		var records []string
		for _, id := range ids {
			records = append(records, `{"id":"`+id+`","name":"`+label+`","status":"active"}`)
		}
		return bearer(olderToken, tokensPath, 200, fmt.Sprintf(`{"result":[%s],"success":true,"errors":[],"messages":[],
"result_info":{"page":1,"per_page":2,"count":2,"total_count":%d}}`, strings.Join(records, ","), total))
	}
	_, err := planned(t, page(3, tokenID, "b"), page(3)).Labelled(t.Context(), credential(olderToken), label)
	require.Equal(t, services.Outage, services.KindOf(err))
	found, err := planned(t, page(3, tokenID, "b"), page(3, "b", "c")).Labelled(t.Context(), credential(olderToken), label)
	require.NoError(t, err)
	require.Len(t, found, 3)
	_, err = planned(t, page(1, "b")).Labelled(t.Context(), credential(olderToken), label)
	require.Equal(t, services.Outage, services.KindOf(err), "without the token that asks")
	bare := bearer(olderToken, tokensPath, 200, ok(`[{"id":"`+tokenID+`","name":"`+label+`","status":"active"}]`))
	found, err = planned(t, bare, bearer(olderToken, tokensPath, 200, ok(`[]`))).Labelled(t.Context(), credential(olderToken), label)
	require.NoError(t, err)
	require.Len(t, found, 1)
}

func TestIssuerRefusesWithoutAsking(t *testing.T) {
	client := cloudflare.New(cloudflare.Config{BaseURL: "http://127.0.0.1:1", Limits: servicestest.Quick()})
	for _, id := range []string{"", "../../zones", tokenID + "/value", strings.ToUpper(tokenID)} {
		for _, f := range []func() error{
			func() error { return client.Delete(t.Context(), credential(userToken), id) },
			func() error { return client.Disable(t.Context(), credential(userToken), id) },
			func() error { return client.Enable(t.Context(), credential(userToken), id) },
		} {
			require.Equal(t, services.Rejected, services.KindOf(f()))
		}
	}
	for _, name := range []string{"", strings.Repeat("x", 121)} {
		_, err := client.Issue(t.Context(), credential(userToken), services.Order{Label: name})
		require.Equal(t, services.Rejected, services.KindOf(err))
	}
	err := client.Ready(t.Context(), services.Credential{})
	require.Equal(t, services.Rejected, services.KindOf(err))
}

// A token that is refused, but not called invalid, may be another account's.
func TestIdentifyRefusedIsNotDead(t *testing.T) {
	for code, kind := range map[int]services.Kind{10000: services.Permission, 1000: services.Auth} {
		server := servicestest.New(t, bearer(accountToken, accountDoor, 401, refused(code, "m")))
		client := cloudflare.New(cloudflare.Config{BaseURL: server.URL + prefix, Limits: servicestest.Quick(), Account: account})
		_, err := client.Identify(t.Context(), credential(accountToken))
		require.Equal(t, kind, services.KindOf(err))
	}
}

func TestIdentifyAnswerAboutAnotherToken(t *testing.T) {
	other := strings.ReplaceAll(fmt.Sprintf(policies, "allow", "Zone Read"), tokenID, zone)
	_, err := planned(t, bearer(olderToken, tokensPath+"/"+tokenID, 200, ok(other))).Identify(t.Context(), credential(olderToken))
	require.Equal(t, services.Outage, services.KindOf(err))
}

// 200 alone does not say that the token is out of force, or which one.
func TestDisableThatDidNothing(t *testing.T) {
	is := fmt.Sprintf(policies, "allow", "Workers Scripts Write")
	off := strings.Replace(is, "active", "disabled", 1)
	for after, kind := range map[string]services.Kind{
		is: services.Outage, strings.ReplaceAll(off, tokenID, zone): services.Outage, `null`: services.Outage, off: "",
	} {
		server := servicestest.New(t, bearer(userToken, userDoor, 200, verified("active")),
			bearer(userToken, prefix+"/user/tokens/"+tokenID, 200, ok(is)),
			servicestest.Exchange{Method: "PUT", Path: prefix + "/user/tokens/" + tokenID, Answer: ok(after)})
		client := cloudflare.New(cloudflare.Config{BaseURL: server.URL + prefix, Limits: servicestest.Quick()})
		require.Equal(t, kind, services.KindOf(client.Disable(t.Context(), credential(userToken), tokenID)))
	}
}
