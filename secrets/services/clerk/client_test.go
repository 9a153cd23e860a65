package clerk_test

import (
	"context"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/clerk"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

const key = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"

func credential(entry string) services.Credential {
	return services.Credential{entry: secrets.NewValue([]byte(key))}
}

func instance(environment string) string {
	return `{"object":"instance","id":"ins_1","environment_type":"` + environment + `","allowed_origins":null,"workspace_id":null}`
}

func refusal(code string) string {
	return `{"errors":[{"message":"no ` + key + `","long_message":"no ` + key + `","code":"` + code + `"}],"clerk_trace_id":"t"}`
}

func publishable(kind, host string) string {
	return "pk_" + kind + "_" + base64.RawStdEncoding.EncodeToString([]byte(host))
}

func check(t *testing.T, entry, publishable string, status int, answer string) (services.Report, error) {
	t.Helper()
	server := servicestest.New(t, servicestest.Exchange{
		Method: "GET", Path: "/v1/instance", Status: status, Answer: answer,
		Want: map[string]string{"Authorization": "Bearer " + key},
	})
	client := clerk.New(clerk.Config{
		BaseURL: server.URL + "/v1", HTTP: server.Client("/v1", spectest.Clerk), Limits: servicestest.Quick(), PublishableKey: publishable,
	})
	report, err := client.Check(t.Context(), credential(entry))
	servicestest.NoValue(t, credential(entry), report, err)
	return report, err
}

func TestCheckAlive(t *testing.T) {
	live := publishable("live", "clerk.example.com$")
	for name, c := range map[string]struct {
		entry, publishable, environment string
		missing                         []string
	}{
		"production":                     {"secret-key", live, "production", nil},
		"testing":                        {"test-secret-key", live, "development", nil},
		"no publishable key":             {"secret-key", "", "development", nil},
		"publishable key is nonsense":    {"secret-key", "pk_live_%%%", "development", nil},
		"other instance than the public": {"secret-key", live, "development", []string{"access to the production instance"}},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := check(t, c.entry, c.publishable, 200, instance(c.environment))
			require.NoError(t, err)
			require.Equal(t, services.Alive, report.State)
			require.Equal(t, "ins_1", report.Account)
			require.Equal(t, c.environment, report.Mode)
			require.Equal(t, c.missing, report.Missing)
			require.Equal(t, []string{c.entry}, report.Checked)
		})
	}
}

func TestCheckDead(t *testing.T) {
	report, err := check(t, "secret-key", "", 401, refusal("clerk_key_invalid"))
	require.NoError(t, err)
	require.Equal(t, services.Dead, report.State)
}

// Only clerk_key_invalid is death.
func TestCheckUnknown(t *testing.T) {
	for code, c := range map[string]struct {
		status int
		kind   services.Kind
	}{
		"authentication_invalid":              {401, services.Auth},
		"authorization_header_format_invalid": {401, services.Auth},
		"something_new":                       {401, services.Auth},
		"authorization_invalid":               {403, services.Permission},
		"something_else":                      {403, services.Permission},
		"form_param_invalid":                  {422, services.Rejected},
	} {
		t.Run(code, func(t *testing.T) {
			report, err := check(t, "secret-key", "", c.status, refusal(code))
			require.Equal(t, services.Unknown, report.State)
			require.Equal(t, c.kind, services.KindOf(err))
		})
	}
}

func TestEnvironment(t *testing.T) {
	for text, want := range map[string]string{
		publishable("live", "clerk.example.com$"):                                    "production",
		publishable("test", "a.clerk.accounts.dev$"):                                 "development",
		"pk_live_" + base64.StdEncoding.EncodeToString([]byte("clerk.example.com$")): "production",
		publishable("live", "clerk.example.com"):                                     "",
		publishable("live", "clerk.ex$ample.com$"):                                   "",
		publishable("live", "localhost$"):                                            "",
		"pk_live_":                                                                   "",
		"sk_live_abc":                                                                "",
		"":                                                                           "",
	} {
		kind, ok := clerk.Environment(text)
		require.Equal(t, want != "", ok, text)
		if ok {
			require.Equal(t, want, kind)
		}
	}
}

func TestCheckHostile(t *testing.T) {
	cred := credential("secret-key")
	servicestest.Hostile(t, cred, func(ctx context.Context, base string, limits services.Limits) (services.Report, error) {
		return clerk.New(clerk.Config{BaseURL: base + "/v1", Limits: limits}).Check(ctx, cred)
	})
}
