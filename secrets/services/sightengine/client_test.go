package sightengine_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/sightengine"
)

func credential() services.Credential {
	return services.Credential{
		"api-user":   secrets.NewValue([]byte("1234567890")),
		"api-secret": secrets.NewValue([]byte("AbCdEfGhIjKlMnOpQrSt")),
	}
}

func failure(kind, message string) string {
	return `{"status":"failure","request":{"id":"req_x","timestamp":1763657604.98,"operations":0},"error":{"type":"` + kind + `","code":1,"message":"` + message + `"}}`
}

func check(t *testing.T, status int, answer string) (services.Report, error) {
	t.Helper()
	server := servicestest.New(t, servicestest.Exchange{
		Method: "POST", Path: "/1.0/check.json", Status: status, Answer: answer,
		Want: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
		Body: func(t *testing.T, body []byte) {
			form, err := url.ParseQuery(string(body))
			require.NoError(t, err)
			require.Equal(t, url.Values{"models": {"nudity-2.1"}, "api_user": {"1234567890"}, "api_secret": {"AbCdEfGhIjKlMnOpQrSt"}}, form)
		},
	})
	client := sightengine.New(sightengine.Config{BaseURL: server.URL, HTTP: server.Client(""), Limits: servicestest.Quick()})
	report, err := client.Check(t.Context(), credential())
	servicestest.NoValue(t, credential(), report, err)
	return report, err
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		want   services.State
	}{
		"no picture":                {400, failure("argument_error", "You must provide an image"), services.Alive},
		"no picture, other word":    {400, failure("media_error", "No media"), services.Alive},
		"success":                   {200, `{"status":"success","request":{"id":"r","timestamp":1,"operations":1}}`, services.Alive},
		"usage limit":               {403, failure("usage_limit", "Monthly limit reached"), services.Alive},
		"plan without the model":    {403, failure("plan_error", "not in your plan"), services.Alive},
		"vendor's own example":      {400, failure("argument_error", "Incorrect API user or API secret"), services.Dead},
		"the type made for it":      {401, failure("credentials_error", "AbCdEfGhIjKlMnOpQrSt is wrong"), services.Dead},
		"failure with status 200":   {200, failure("credentials_error", "no"), services.Dead},
		"the service does not know": {400, failure("unknown_error", "?"), services.Unknown},
		"the service's own trouble": {400, failure("api_error", "?"), services.Unknown},
		"a type that is not known":  {400, failure("new_error", "?"), services.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := check(t, c.status, c.answer)
			require.Equal(t, c.want, report.State)
			require.Equal(t, c.want == services.Unknown, err != nil)
			require.Equal(t, []string{"api-user", "api-secret"}, report.Checked)
		})
	}
}

func TestCheckNeedsBothHalves(t *testing.T) {
	for missing := range credential() {
		cred := credential()
		delete(cred, missing)
		report, err := sightengine.New(sightengine.Config{}).Check(t.Context(), cred)
		require.Equal(t, services.Unknown, report.State)
		require.ErrorContains(t, err, missing+" is missing")
	}
}

func TestCheckHostile(t *testing.T) {
	cred := credential()
	servicestest.Hostile(t, cred, func(ctx context.Context, base string, limits services.Limits) (services.Report, error) {
		return sightengine.New(sightengine.Config{BaseURL: base, Limits: limits}).Check(ctx, cred)
	})
}
