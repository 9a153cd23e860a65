package cloudflare_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

const script = prefix + "/accounts/" + account + "/workers/scripts/badges"

const canary = "canary-4d1f9c"

func secretSet(names ...string) map[string]secrets.Value {
	set := map[string]secrets.Value{}
	for _, n := range names {
		set[n] = secrets.NewValue([]byte(canary))
	}
	return set
}

func clientOf(server *servicestest.Server, limits services.Limits) *cloudflare.Client {
	return cloudflare.New(cloudflare.Config{
		BaseURL: server.URL + prefix, HTTP: server.Client(prefix, spectest.Cloudflare), Limits: limits,
	})
}

func patch(body func(*testing.T, []byte), status int, answer string) servicestest.Exchange {
	return servicestest.Exchange{
		Method: "PATCH", Path: script + "/secrets-bulk", Status: status, Answer: answer, Body: body,
		Want: map[string]string{"Authorization": "Bearer " + userToken, "Content-Type": "application/merge-patch+json"},
	}
}

const bulkDone = `{"result":{"A":{"name":"A","type":"secret_text"},"B":{"name":"B","type":"secret_text"}},"success":true,"errors":[],"messages":[]}`

func TestBulkIsOneRequest(t *testing.T) {
	server := servicestest.New(t, patch(func(t *testing.T, body []byte) {
		var got map[string]map[string]map[string]string
		require.NoError(t, json.Unmarshal(body, &got))
		require.Equal(t, map[string]map[string]map[string]string{"secrets": {
			"A": {"name": "A", "text": canary, "type": "secret_text"},
			"B": {"name": "B", "text": canary, "type": "secret_text"},
		}}, got)
	}, 200, bulkDone))
	writer := clientOf(server, servicestest.Quick()).Writer(credential(userToken)["api-token"])
	require.NoError(t, writer.Bulk(t.Context(), account, "badges", secretSet("A", "B")))
}

func TestBulkWaitsForItsTurn(t *testing.T) {
	busy := patch(nil, 429, refused(10013, "Too many requests are currently modifying the script."))
	busy.Header = map[string]string{"Retry-After": "5"}
	busy.Times = 2
	waits := &servicestest.Waits{}
	server := servicestest.New(t, busy, patch(nil, 200, bulkDone))
	client := clientOf(server, waits.Limits(10*time.Second))
	require.NoError(t, client.Bulk(t.Context(), credential(userToken)["api-token"], account, "badges", secretSet("A", "B")))
	require.Equal(t, []time.Duration{5 * time.Second, 5 * time.Second}, waits.All())
}

func TestBulkOutcomeUnknown(t *testing.T) {
	outage := patch(nil, 500, refused(10013, canary))
	outage.Times = 4
	server := servicestest.New(t, outage)
	err := clientOf(server, servicestest.Quick()).Bulk(t.Context(), credential(userToken)["api-token"], account, "badges", secretSet("A"))
	require.Equal(t, services.Outage, services.KindOf(err))
	require.ErrorContains(t, err, "not known")
	servicestest.NoValue(t, services.Credential{"a": secretSet("A")["A"]}, err)
}

func TestBulkRefusals(t *testing.T) {
	long := secretSet("A")
	long["B"] = secrets.NewValue([]byte(strings.Repeat("x", cloudflare.MaxSecretBytes+1)))
	var many []string
	for i := range cloudflare.MaxSecrets + 1 {
		many = append(many, fmt.Sprintf("S%d", i))
	}
	for name, c := range map[string]struct {
		account, worker string
		set             map[string]secrets.Value
		want            string
	}{
		"nothing":         {account, "badges", nil, "no secret"},
		"empty value":     {account, "badges", map[string]secrets.Value{"A": {}}, "no value"},
		"too many":        {account, "badges", secretSet(many...), "101 secrets"},
		"too long":        {account, "badges", long, "5121 bytes"},
		"other account":   {"../../user", "badges", secretSet("A"), "account id"},
		"no account":      {"", "badges", secretSet("A"), "account id is not known"},
		"other path":      {account, "../badges", secretSet("A"), "Worker's name"},
		"query in worker": {account, "badges?x=", secretSet("A"), "Worker's name"},
	} {
		t.Run(name, func(t *testing.T) {
			server := servicestest.New(t) // nothing may be asked
			client := cloudflare.New(cloudflare.Config{BaseURL: server.URL + prefix, Limits: servicestest.Quick()})
			err := client.Bulk(t.Context(), credential(userToken)["api-token"], c.account, c.worker, c.set)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, services.Rejected, services.KindOf(err))
			servicestest.NoValue(t, services.Credential{"a": secretSet("A")["A"]}, err)
		})
	}
}

// The limits themselves are allowed.
func TestBulkAtTheLimits(t *testing.T) {
	set := map[string]secrets.Value{}
	for i := range cloudflare.MaxSecrets {
		set[fmt.Sprintf("S%d", i)] = secrets.NewValue([]byte(strings.Repeat("x", cloudflare.MaxSecretBytes)))
	}
	server := servicestest.New(t, patch(func(t *testing.T, body []byte) {
		require.NotContains(t, string(body), "null", "null would delete a secret")
	}, 200, bulkDone))
	require.NoError(t, clientOf(server, servicestest.Quick()).Bulk(t.Context(), credential(userToken)["api-token"], account, "badges", set))
}

func TestErrorCodes(t *testing.T) {
	for _, c := range []struct {
		status, code int
		kind         services.Kind
	}{
		{403, 10000, services.Permission},
		{401, 10000, services.Auth},
		{404, 10007, services.NotFound},
		{404, 10090, services.NotFound},
		{400, 10053, services.Rejected},
		{404, 10056, services.NotFound},
		{400, 10214, services.NotDeployed},
		{400, 10215, services.NotDeployed},
		{400, 10222, services.NotDeployed},
		{400, 100160, services.Rejected},
		{401, 1000, services.Auth},
		{403, 9109, services.Permission},
		{400, 6003, services.Auth},
		{400, 971, services.Busy},
		{400, 7003, services.NotFound},
		{418, 31337, services.Rejected},
		{200, 10215, services.NotDeployed}, // 200 with success false
	} {
		t.Run(fmt.Sprint(c.status, "-", c.code), func(t *testing.T) {
			server := servicestest.New(t, servicestest.Exchange{
				Method: "PATCH", Path: script + "/secrets-bulk", Status: c.status, Answer: refused(c.code, "about "+canary),
			})
			client := cloudflare.New(cloudflare.Config{BaseURL: server.URL + prefix, Limits: servicestest.Quick()})
			err := client.Bulk(t.Context(), credential(userToken)["api-token"], account, "badges", secretSet("A"))
			var fault *services.Error
			require.ErrorAs(t, err, &fault)
			require.Equal(t, c.kind, fault.Kind)
			require.Equal(t, fmt.Sprint(c.code), fault.Code)
			require.Equal(t, c.status, fault.Status)
			require.Contains(t, fault.Op, "badges")
			require.NotEmpty(t, fault.Next)
			servicestest.NoValue(t, services.Credential{"a": secretSet("A")["A"]}, err)
			if c.kind == services.NotDeployed {
				require.Contains(t, fault.Next, "wrangler deployments list --name badges")
			}
		})
	}
}

func TestNames(t *testing.T) {
	server := servicestest.New(t, bearer(userToken, script+"/secrets", 200,
		ok(`[{"name":"B","type":"secret_text"},{"name":"A","type":"secret_text"}]`)))
	names, err := clientOf(server, servicestest.Quick()).Writer(credential(userToken)["api-token"]).Names(t.Context(), account, "badges")
	require.NoError(t, err)
	require.Equal(t, []string{"A", "B"}, names)
}

func TestNamesOfNoWorker(t *testing.T) {
	server := servicestest.New(t, bearer(userToken, script+"/secrets", http.StatusNotFound, refused(10007, "This Worker does not exist on your account.")))
	_, err := clientOf(server, servicestest.Quick()).Names(t.Context(), credential(userToken)["api-token"], account, "badges")
	require.Equal(t, services.NotFound, services.KindOf(err))
}

const (
	newest = "18f97339-c287-4872-9bdd-e2135c07ec12"
	older  = "18f97339-c287-4872-9bdd-e2135c07ec11"
)

func versions(ids ...string) string {
	items := make([]string, 0, len(ids))
	for i, id := range ids {
		items = append(items, fmt.Sprintf(`{"id":%q,"number":%d,"metadata":{"source":"api"}}`, id, len(ids)-i))
	}
	return ok(`{"items":[` + strings.Join(items, ",") + `]}`)
}

func deployments(serving string) string {
	if serving == "" {
		return ok(`{"deployments":[]}`)
	}
	return ok(`{"deployments":[{"id":"182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e","source":"api","strategy":"percentage",
"created_on":"2026-11-22T19:00:01.000000Z","versions":[` + serving + `]}]}`)
}

func share(id string, percent int) string {
	return fmt.Sprintf(`{"version_id":%q,"percentage":%d}`, id, percent)
}

func TestDeployable(t *testing.T) {
	for name, c := range map[string]struct {
		versions, deployments string
		kind                  services.Kind
	}{
		"newest serves":     {versions(newest, older), deployments(share(newest, 100)), ""},
		"older serves":      {versions(newest, older), deployments(share(older, 100)), services.NotDeployed},
		"gradual":           {versions(newest, older), deployments(share(newest, 50) + "," + share(older, 50)), services.NotDeployed},
		"half of it":        {versions(newest), deployments(share(newest, 50)), services.NotDeployed},
		"nothing deployed":  {versions(newest), deployments(""), services.NotDeployed},
		"no version at all": {versions(), deployments(""), services.NotDeployed},
	} {
		t.Run(name, func(t *testing.T) {
			server := servicestest.New(t,
				bearer(userToken, script+"/versions", 200, c.versions), bearer(userToken, script+"/deployments", 200, c.deployments))
			err := clientOf(server, servicestest.Quick()).Deployable(t.Context(), credential(userToken)["api-token"], account, "badges")
			require.Equal(t, c.kind, services.KindOf(err), "%v", err)
			if c.kind != "" {
				var fault *services.Error
				require.ErrorAs(t, err, &fault)
				require.Contains(t, fault.Next, "wrangler versions deploy --name badges")
			}
		})
	}
}

func TestDeployableNoWorker(t *testing.T) {
	server := servicestest.New(t, bearer(userToken, script+"/versions", 404, refused(10007, "This Worker does not exist on your account.")))
	err := clientOf(server, servicestest.Quick()).Deployable(t.Context(), credential(userToken)["api-token"], account, "badges")
	require.Equal(t, services.NotFound, services.KindOf(err))
}
