package scaleway_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

const (
	access  = "SCW9AXCN349HVWTA0M0H"
	secret  = "7f0c2d1e-4b5a-4c3d-9e8f-0a1b2c3d4e5f"
	bearer  = "0766588d-1111-4111-8111-111111111111"
	project = "105bdce1-2222-4222-8222-222222222222"
)

func credential() services.Credential {
	return services.Credential{"access-key": secrets.NewValue([]byte(access)), "api-secret": secrets.NewValue([]byte(secret))}
}

func newClient(server *servicestest.Server) *scaleway.Client {
	return scaleway.New(scaleway.Config{
		BaseURL: server.URL, HTTP: server.Client("", spectest.ScalewayIAM, spectest.ScalewayContainer),
		Limits: servicestest.Quick(), Region: "fr-par",
	})
}

func get(path string, status int, answer string) servicestest.Exchange {
	return servicestest.Exchange{
		Method: "GET", Path: path, Status: status, Answer: answer, Want: map[string]string{"X-Auth-Token": secret},
	}
}

func apiKey(accessKey, holder string) string {
	return `{"access_key":"` + accessKey + `","secret_key":null,"description":"d","created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z",
"expires_at":null,"default_project_id":"` + project + `","editable":true,"deletable":true,"managed":false,"creation_ip":"203.0.113.7",` + holder + `}`
}

func check(t *testing.T, status int, answer string) (services.Report, error) {
	t.Helper()
	server := servicestest.New(t, get("/iam/v1alpha1/api-keys/"+access, status, answer))
	report, err := newClient(server).Check(t.Context(), credential())
	servicestest.NoValue(t, services.Credential{"api-secret": credential()["api-secret"]}, report, err)
	return report, err
}

func TestCheckAlive(t *testing.T) {
	for _, holder := range []string{`"application_id":"` + bearer + `"`, `"user_id":"` + bearer + `"`} {
		report, err := check(t, 200, apiKey(access, holder))
		require.NoError(t, err)
		require.Equal(t, services.Report{State: services.Alive, Account: bearer + "/" + project, Checked: []string{"access-key", "api-secret"}}, report)
	}
}

func TestCheckAliveThoughRefused(t *testing.T) {
	report, err := check(t, 403, `{"type":"permissions_denied","message":"insufficient permissions","details":[{"resource":"api_key","action":"read"}]}`)
	require.NoError(t, err)
	require.Equal(t, services.Alive, report.State)
	require.Empty(t, report.Account)
	require.NotEmpty(t, report.Missing)
}

func TestCheckDead(t *testing.T) {
	for name, c := range map[string]struct {
		status       int
		answer, want string
	}{
		"unknown key": {401, `{"message":"authentication is denied","method":"api_key","reason":"not_found","type":"denied_authentication"}`, "not accepted"},
		"expired":     {401, `{"message":"authentication is denied","method":"api_key","reason":"expired","type":"denied_authentication"}`, "expired"},
		"torn pair":   {404, `{"type":"not_found","resource":"api_key","resource_id":"` + secret + `","message":"resource is not found"}`, "do not belong together"},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := check(t, c.status, c.answer)
			require.NoError(t, err)
			require.Equal(t, services.Dead, report.State)
			require.Contains(t, report.Detail, c.want)
		})
	}
}

func TestCheckUnknown(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
	}{
		"other key":   {200, apiKey("SCW00000000000000000", `"user_id":"`+bearer+`"`)},
		"no bearer":   {200, apiKey(access, `"srn":""`)},
		"new refusal": {401, `{"type":"something_new","message":"` + secret + `"}`},
		"locked":      {423, `{"type":"locked","message":"` + secret + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := check(t, c.status, c.answer)
			require.Error(t, err)
			require.Equal(t, services.Unknown, report.State)
		})
	}
}

// The SDK quotes keys whose form it does not like.
func TestCheckKeysOfAnotherForm(t *testing.T) {
	for entry, value := range map[string]string{"access-key": "../../users/me-4711", "api-secret": "not-a-uuid-0815"} {
		cred := credential()
		cred[entry] = secrets.NewValue([]byte(value))
		report, err := newClient(servicestest.New(t)).Check(t.Context(), cred)
		require.Equal(t, services.Unknown, report.State)
		require.Equal(t, services.Rejected, services.KindOf(err))
		servicestest.NoValue(t, cred, report, err)
	}
}

func TestCheckHostile(t *testing.T) {
	cred := services.Credential{"access-key": credential()["access-key"], "api-secret": credential()["api-secret"]}
	servicestest.Hostile(t, cred, func(ctx context.Context, base string, limits services.Limits) (services.Report, error) {
		return scaleway.New(scaleway.Config{BaseURL: base, Limits: limits, Region: "fr-par"}).Check(ctx, cred)
	})
}

const containerJSON = `{"id":"c1c1c1c1-1111-4111-8111-111111111111","name":"NAME","namespace_id":"` + project + `","status":"STATUS","error_message":ERROR,
"secret_environment_variables":{"STRIPE_SECRET_KEY":"$argon2id$v=19$m=65536,t=3,p=64$c2FsdA$aGFzaA"}}`

func containerOf(name, status, message string) string {
	return strings.NewReplacer("NAME", name, "STATUS", status, "ERROR", message).Replace(containerJSON)
}

func TestContainers(t *testing.T) {
	path := "/containers/v1/regions/fr-par/containers"
	server := servicestest.New(t, get("/containers/v1/regions/fr-par/namespaces", 200, `{"total_count":1,"namespaces":[{"id":"`+project+`","name":"shop","status":"ready",
"updated_at":"2026-01-02T03:04:05Z","error_message":null,"secret_environment_variables":{}}]}`),
		get(path, 200, `{"total_count":2,"containers":[`+containerOf("stripe-backend", "ready", "null")+`]}`),
		get(path, 200, `{"total_count":2,"containers":[`+containerOf("other", "error", `"image not found"`)+`]}`))
	list, err := newClient(server).Containers(t.Context(), credential())
	require.NoError(t, err)
	require.Len(t, list, 2, "all pages")
	require.Equal(t, "stripe-backend", list[0].Name)
	require.Equal(t, "ready", list[0].Status)
	require.Equal(t, []string{"shop", project}, []string{list[0].Namespace, list[0].NamespaceID})
	require.Contains(t, list[0].Secrets["STRIPE_SECRET_KEY"], "$argon2id$")
	require.Equal(t, "error", list[1].Status)
	require.Equal(t, "image not found", list[1].Error)
}

func TestContainersRefused(t *testing.T) {
	server := servicestest.New(t, get("/containers/v1/regions/fr-par/namespaces", 403, `{"type":"permissions_denied","message":"no"}`))
	_, err := newClient(server).Containers(t.Context(), credential())
	require.Equal(t, services.Permission, services.KindOf(err))

	nowhere := scaleway.New(scaleway.Config{BaseURL: server.URL, Region: "../x", Limits: servicestest.Quick()})
	_, err = nowhere.Containers(t.Context(), credential())
	require.ErrorContains(t, err, "region")
}
