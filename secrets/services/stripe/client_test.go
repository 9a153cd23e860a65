package stripe_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/stripe"
)

func credential(prefix string) services.Credential {
	return services.Credential{
		"secret-key":     secrets.NewValue([]byte(prefix + "4eC39HqLyjWDarjtT1zdp7dc")),
		"webhook-secret": secrets.NewValue([]byte("whsec_4eC39HqLyjWDarjtT1zdp7dc")),
	}
}

const (
	balanceLive = `{"object":"balance","available":[],"pending":[],"livemode":true}`
	balanceTest = `{"object":"balance","available":[],"pending":[],"livemode":false}`
	accountOne  = `{"id":"acct_1","object":"account"}`
)

func get(cred services.Credential, path string, status int, answer string) servicestest.Exchange {
	key := string(cred["secret-key"].Reveal())
	return servicestest.Exchange{
		Method: "GET", Path: path, Status: status, Answer: strings.ReplaceAll(answer, "{KEY}", key),
		Want: map[string]string{"Authorization": "Bearer " + key, "X-Stripe-Client-User-Agent": "", "X-Stripe-Client-Telemetry": ""},
	}
}

const (
	invalid = `{"error":{"message":"Invalid API Key provided: {KEY}","type":"invalid_request_error"}}`
	expired = `{"error":{"code":"api_key_expired","doc_url":"https://stripe.com/docs","message":"Expired API Key provided: {KEY}","type":"invalid_request_error"}}`
	lacking = `{"error":{"message":"The provided key '{KEY}' does not have the required permissions for this endpoint on account 'acct_1'.","type":"invalid_request_error"}}`
)

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		prefix                   string
		balance, account         int
		balanceBody, accountBody string
		want                     services.Report
	}{
		"live":                  {"sk_live_", 200, 200, balanceLive, accountOne, services.Report{State: services.Alive, Account: "acct_1", Mode: "live"}},
		"test":                  {"sk_test_", 200, 200, balanceTest, accountOne, services.Report{State: services.Alive, Account: "acct_1", Mode: "test"}},
		"the service knows":     {"sk_test_", 200, 200, balanceLive, accountOne, services.Report{State: services.Alive, Account: "acct_1", Mode: "live"}},
		"restricted":            {"rk_live_", 403, 200, lacking, accountOne, services.Report{State: services.Alive, Account: "acct_1", Mode: "live", Missing: []string{"rak_balance_read"}}},
		"restricted everywhere": {"rk_test_", 403, 403, lacking, lacking, services.Report{State: services.Alive, Mode: "test", Missing: []string{"rak_balance_read"}, Detail: "the key may not read its account"}},
		"dead":                  {"sk_live_", 401, 0, invalid, "", services.Report{State: services.Dead, Detail: "Stripe does not accept the key"}},
		"expired":               {"sk_live_", 401, 0, expired, "", services.Report{State: services.Dead, Detail: "Stripe does not accept the key"}},
		"died meanwhile":        {"sk_live_", 200, 401, balanceLive, invalid, services.Report{State: services.Dead, Detail: "Stripe does not accept the key"}},
	} {
		t.Run(name, func(t *testing.T) {
			cred := credential(c.prefix)
			plan := []servicestest.Exchange{get(cred, "/v1/balance", c.balance, c.balanceBody)}
			if c.account != 0 {
				plan = append(plan, get(cred, "/v1/account", c.account, c.accountBody))
			}
			server := servicestest.New(t, plan...)
			client := stripe.New(stripe.Config{BaseURL: server.URL, HTTP: server.Client("", spectest.Stripe), Limits: servicestest.Quick()})
			report, err := client.Check(t.Context(), cred)
			require.NoError(t, err)
			c.want.Checked = []string{"secret-key"}
			require.Equal(t, c.want, report)
			servicestest.NoValue(t, cred, report)
		})
	}
}

func TestCheckOfNoAccount(t *testing.T) {
	cred := credential("sk_live_")
	server := servicestest.New(t, get(cred, "/v1/balance", 200, balanceLive), get(cred, "/v1/account", 200, `{}`))
	report, err := stripe.New(stripe.Config{BaseURL: server.URL, Limits: servicestest.Quick()}).Check(t.Context(), cred)
	require.Equal(t, services.Unknown, report.State)
	require.Equal(t, services.Outage, services.KindOf(err))
}

// The SDK's own backend starts a child process at the first request.
func TestCheckStartsNoProcess(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	bin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "uname"), []byte("#!/bin/sh\necho x > "+ran+"\n"), 0o755))
	t.Setenv("PATH", bin)
	cred := credential("sk_live_")
	server := servicestest.New(t, get(cred, "/v1/balance", 401, invalid))
	_, err := stripe.New(stripe.Config{BaseURL: server.URL, Limits: servicestest.Quick()}).Check(t.Context(), cred)
	require.NoError(t, err)
	require.NoFileExists(t, ran)
}

func TestCheckWithoutKey(t *testing.T) {
	report, err := stripe.New(stripe.Config{}).Check(t.Context(), services.Credential{})
	require.Equal(t, services.Unknown, report.State)
	require.ErrorContains(t, err, "secret-key is missing")
}

func TestCheckHostile(t *testing.T) {
	cred := credential("sk_live_")
	servicestest.Hostile(t, cred, func(ctx context.Context, base string, limits services.Limits) (services.Report, error) {
		return stripe.New(stripe.Config{BaseURL: base, Limits: limits}).Check(ctx, cred)
	})
}
