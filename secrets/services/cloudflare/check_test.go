package cloudflare_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

const (
	prefix       = "/client/v4"
	account      = "023e105f4ecef8ad9ca31a8372d0c353"
	zone         = "353c00d0372d8a139cad8fece4f501e3"
	tokenID      = "ed17574386854bf78a67040be0a770b0"
	userToken    = "cfut_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN01234567"
	accountToken = "cfat_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN01234567"
	olderToken   = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL_-"

	userDoor    = prefix + "/user/tokens/verify"
	accountDoor = prefix + "/accounts/" + account + "/tokens/verify"
)

func credential(token string) services.Credential {
	return services.Credential{"api-token": secrets.NewValue([]byte(token))}
}

func ok(result string) string {
	return `{"result":` + result + `,"success":true,"errors":[],"messages":[]}`
}

func refused(code int, message string) string {
	return fmt.Sprintf(`{"result":null,"success":false,"errors":[{"code":%d,"message":%q}],"messages":[]}`, code, message)
}

func verified(status string) string {
	return ok(`{"id":"` + tokenID + `","status":"` + status + `"}`)
}

const policies = `{"id":"` + tokenID + `","name":"n","status":"active","policies":[{"id":"f267e341f3dd4697bd3b9f71dd96247f","effect":%q,` +
	`"resources":{"com.cloudflare.api.account.` + account + `":"*"},"permission_groups":[{"id":"e086da7e2179491d91ee5f35b3ca210a","name":%q}]}]}`

// bearer plans a GET that carries the token.
func bearer(token, path string, status int, answer string) servicestest.Exchange {
	return servicestest.Exchange{
		Method: "GET", Path: path, Status: status, Answer: answer,
		Want: map[string]string{"Authorization": "Bearer " + token},
	}
}

// reach plans the reads after a token was verified.
func reach(token string, accountStatus, workersStatus, zoneStatus int) []servicestest.Exchange {
	answer := func(status int, result string) string {
		if status == 200 {
			return ok(result)
		}
		return refused(10000, "Authentication error "+token)
	}
	return []servicestest.Exchange{
		bearer(token, prefix+"/accounts/"+account, accountStatus, answer(accountStatus, `{"id":"`+account+`","name":"SanMarcSoft","type":"standard"}`)),
		bearer(token, prefix+"/accounts/"+account+"/workers/scripts", workersStatus, answer(workersStatus, `[]`)),
		bearer(token, prefix+"/zones/"+zone, zoneStatus, answer(zoneStatus, zoneResult)),
	}
}

const zoneResult = `{"id":"` + zone + `","name":"example.com","development_mode":0,"original_name_servers":[],"original_registrar":null,
"original_dnshost":null,"created_on":"2020-01-01T00:00:00Z","modified_on":"2020-01-01T00:00:00Z","activated_on":"2020-01-01T00:00:00Z",
"owner":{"id":"` + account + `","type":"organization","name":"o"},"account":{"id":"` + account + `","name":"n"},
"meta":{"step":2,"custom_certificate_quota":0,"page_rule_quota":3,"phishing_detected":false,"cdn_only":false,"dns_only":false,"foundation_dns":false},
"name_servers":["a.ns.example.com"],"status":"active","paused":false,"type":"full"}`

func checkWith(t *testing.T, token string, plan ...servicestest.Exchange) (services.Report, error) {
	t.Helper()
	server := servicestest.New(t, plan...)
	client := cloudflare.New(cloudflare.Config{
		BaseURL: server.URL + prefix, HTTP: server.Client(prefix, spectest.Cloudflare), Limits: servicestest.Quick(),
		Account: account, Zones: []cloudflare.Zone{{Name: "example-com", ID: zone}},
	})
	report, err := client.Check(t.Context(), credential(token))
	servicestest.NoValue(t, credential(token), report, err)
	return report, err
}

func TestCheckAlive(t *testing.T) {
	details := func(token string) servicestest.Exchange {
		path := prefix + "/user/tokens/" + tokenID
		if token != userToken {
			path = prefix + "/accounts/" + account + "/tokens/" + tokenID
		}
		return bearer(token, path, 200, ok(fmt.Sprintf(policies, "allow", "Workers Scripts Write")))
	}
	for token, doors := range map[string][]servicestest.Exchange{
		userToken:    {bearer(userToken, userDoor, 200, verified("active"))},
		accountToken: {bearer(accountToken, accountDoor, 200, verified("active"))},
		olderToken: {
			bearer(olderToken, userDoor, 401, refused(1000, "Invalid API Token")),
			bearer(olderToken, accountDoor, 200, verified("active")),
		},
	} {
		plan := append(doors, reach(token, 200, 200, 200)...)
		report, err := checkWith(t, token, append(plan, details(token))...)
		require.NoError(t, err)
		require.Equal(t, services.Alive, report.State)
		require.Equal(t, account, report.Account)
		require.Empty(t, report.Missing)
		require.Contains(t, report.Detail, "policies let it write")
		require.Equal(t, []string{"Workers Scripts Write"}, report.Writes)
		require.Equal(t, []string{"api-token"}, report.Checked)
	}
}

func TestCheckAliveThoughRefused(t *testing.T) {
	plan := append(reach(userToken, 403, 403, 403),
		bearer(userToken, userDoor, 200, verified("active")),
		bearer(userToken, prefix+"/user/tokens/"+tokenID, 403, refused(9109, "Unauthorized to access requested resource")))
	report, err := checkWith(t, userToken, plan...)
	require.NoError(t, err)
	require.Equal(t, services.Alive, report.State)
	require.Empty(t, report.Account, "nothing was seen of the account")
	require.Len(t, report.Missing, 3)
	require.Contains(t, report.Detail, "shows in the write")
}

func TestCheckPoliciesWithoutWrite(t *testing.T) {
	for _, own := range [][2]string{{"allow", "Workers Scripts Read"}, {"deny", "Workers Scripts Write"}} {
		plan := append(reach(userToken, 200, 200, 200),
			bearer(userToken, userDoor, 200, verified("active")),
			bearer(userToken, prefix+"/user/tokens/"+tokenID, 200, ok(fmt.Sprintf(policies, own[0], own[1]))))
		report, err := checkWith(t, userToken, plan...)
		require.NoError(t, err)
		require.Equal(t, []string{"Workers Scripts Write"}, report.Missing)
	}
}

func TestCheckDead(t *testing.T) {
	invalid := refused(1000, "Invalid API Token")
	for name, c := range map[string]struct {
		token string
		plan  []servicestest.Exchange
	}{
		"user":     {userToken, []servicestest.Exchange{bearer(userToken, userDoor, 401, invalid)}},
		"account":  {accountToken, []servicestest.Exchange{bearer(accountToken, accountDoor, 401, invalid)}},
		"older":    {olderToken, []servicestest.Exchange{bearer(olderToken, userDoor, 401, invalid), bearer(olderToken, accountDoor, 401, invalid)}},
		"disabled": {userToken, []servicestest.Exchange{bearer(userToken, userDoor, 200, verified("disabled"))}},
		"expired":  {accountToken, []servicestest.Exchange{bearer(accountToken, accountDoor, 200, verified("expired"))}},
		"no token": {userToken, []servicestest.Exchange{bearer(userToken, userDoor, 400, `{"result":null,"success":false,"errors":[{"code":6003,"message":"Invalid request headers","error_chain":[{"code":6111,"message":"Invalid format for Authorization header"}]}],"messages":[]}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := checkWith(t, c.token, c.plan...)
			require.NoError(t, err)
			require.Equal(t, services.Dead, report.State)
			require.NotEmpty(t, report.Detail)
		})
	}
}

// A refusal that does not say that the token is gone must not count as death.
func TestCheckUnknown(t *testing.T) {
	for name, c := range map[string]struct {
		token  string
		door   string
		status int
		code   int
		kind   services.Kind
	}{
		"other account":        {accountToken, accountDoor, 403, 10000, services.Permission},
		"other location":       {userToken, userDoor, 403, 9109, services.Permission},
		"account id":           {accountToken, accountDoor, 403, 7003, services.NotFound},
		"refused, not invalid": {accountToken, accountDoor, 401, 10000, services.Auth},
		"new code":             {userToken, userDoor, 403, 424242, services.Permission},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := checkWith(t, c.token, bearer(c.token, c.door, c.status, refused(c.code, "no "+c.token)))
			require.Equal(t, services.Unknown, report.State)
			require.Equal(t, c.kind, services.KindOf(err))
		})
	}
}

// The id in the answer goes into the next request's path.
func TestCheckIDThatIsAPath(t *testing.T) {
	server := servicestest.New(t, append(reach(userToken, 200, 200, 200),
		bearer(userToken, userDoor, 200, ok(`{"id":"../../zones","status":"active"}`)))...)
	report, err := cloudflare.New(cloudflare.Config{
		BaseURL: server.URL + prefix, Limits: servicestest.Quick(), Account: account, Zones: []cloudflare.Zone{{ID: zone}},
	}).Check(t.Context(), credential(userToken))
	require.NoError(t, err)
	require.Contains(t, report.Detail, "shows in the write")
}

func TestCheckWithoutStatus(t *testing.T) {
	for _, result := range []string{`null`, `{}`, `{"id":"` + tokenID + `","status":"new word"}`} {
		server := servicestest.New(t, bearer(userToken, userDoor, 200, ok(result)))
		report, err := cloudflare.New(cloudflare.Config{BaseURL: server.URL + prefix, Limits: servicestest.Quick()}).Check(t.Context(), credential(userToken))
		require.Equal(t, services.Unknown, report.State)
		require.Equal(t, services.Outage, services.KindOf(err))
	}
}

func TestCheckRefusesWithoutAsking(t *testing.T) {
	for token, want := range map[string]string{
		"":                               "missing",
		"cfk_" + strings.Repeat("a", 45): "global API key",
	} {
		report, err := checkWith(t, token)
		require.Equal(t, services.Unknown, report.State)
		require.ErrorContains(t, err, want)
	}
	client := cloudflare.New(cloudflare.Config{BaseURL: "http://127.0.0.1:1", Account: "../user", Limits: servicestest.Quick()})
	_, err := client.Check(t.Context(), credential(accountToken))
	require.ErrorContains(t, err, "account id")
}

// An outage after the token was verified leaves open what it may do.
func TestCheckOutageInBetween(t *testing.T) {
	outage := bearer(userToken, prefix+"/accounts/"+account, 503, `{"success":false,"errors":[],"messages":[],"result":null}`)
	outage.Times = 4
	report, err := checkWith(t, userToken, bearer(userToken, userDoor, 200, verified("active")), outage)
	require.Equal(t, services.Unknown, report.State)
	require.Equal(t, services.Outage, services.KindOf(err))
}
