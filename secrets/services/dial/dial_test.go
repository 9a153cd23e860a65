package dial_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/dial"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

const (
	account = "023e105f4ecef8ad9ca31a8372d0c353"
	zone    = "353c00d0372d8a139cad8fece4f501e3"
	access  = "SCW9AXCN349HVWTA0M0H"
)

func catalog(url string) *secrets.Catalog {
	return &secrets.Catalog{Services: secrets.Services{
		Cloudflare: secrets.CloudflareService{
			API: url + "/client/v4", Account: "cloudflare/account-id", Zones: []string{"cloudflare/zones/one", "cloudflare/zones/two"},
		},
		Scaleway:    secrets.ScalewayService{API: url, Region: "fr-par", Registry: url, Image: "n/i"},
		Stripe:      secrets.StripeService{API: url},
		Clerk:       secrets.ClerkService{API: url + "/v1", PublishableKey: "clerk/pk"},
		Sightengine: secrets.SightengineService{API: url},
	}}
}

func ids() map[string]string {
	return map[string]string{
		"cloudflare/account-id": account, "cloudflare/zones/two": zone, "clerk/pk": "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k",
	}
}

func credential(pairs ...string) services.Credential {
	cred := services.Credential{}
	for i := 0; i < len(pairs); i += 2 {
		cred[pairs[i]] = secrets.NewValue([]byte(pairs[i+1]))
	}
	return cred
}

// Every service's checker goes to the address that the catalog names.
func TestCheckers(t *testing.T) {
	refusal := func(method, path, answer string) servicestest.Exchange {
		return servicestest.Exchange{Method: method, Path: path, Status: 401, Answer: answer}
	}
	for name, c := range map[string]struct {
		cred services.Credential
		plan servicestest.Exchange
	}{
		"cloudflare": {
			credential("api-token", "cfat_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN01234567"),
			refusal("GET", "/client/v4/accounts/"+account+"/tokens/verify", `{"result":null,"success":false,"errors":[{"code":1000,"message":"m"}],"messages":[]}`),
		},
		"scaleway": {
			credential("access-key", access, "api-secret", "7f0c2d1e-4b5a-4c3d-9e8f-0a1b2c3d4e5f"),
			refusal("GET", "/iam/v1alpha1/api-keys/"+access, `{"type":"denied_authentication"}`),
		},
		"stripe": {credential("secret-key", "sk_live_abcdefghijklmnop"), refusal("GET", "/v1/balance", `{"error":{"type":"invalid_request_error"}}`)},
		"clerk":  {credential("secret-key", "sk_live_abcdefghijklmnop"), refusal("GET", "/v1/instance", `{"errors":[{"code":"clerk_key_invalid"}]}`)},
		"sightengine": {
			credential("api-user", "1234567", "api-secret", "abcdefghijklmnop"),
			refusal("POST", "/1.0/check.json", `{"status":"failure","error":{"type":"credentials_error"}}`),
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := servicestest.New(t, c.plan)
			checker, ok := dial.Dial(catalog(server.URL), nil, ids()).Checker(name)
			require.True(t, ok)
			report, err := checker.Check(t.Context(), c.cred)
			require.NoError(t, err)
			require.Equal(t, services.Dead, report.State)
		})
	}
	_, ok := dial.Dial(catalog(""), nil, nil).Checker("github")
	require.False(t, ok)
}

// Zones without an id in pass are left out; the others are read.
func TestIdentifiersReachTheClients(t *testing.T) {
	no := func(path string) servicestest.Exchange {
		return servicestest.Exchange{Method: "GET", Path: path, Status: 403, Answer: `{"result":null,"success":false,"errors":[{"code":10000,"message":"m"}],"messages":[]}`}
	}
	base := "/client/v4/accounts/" + account
	server := servicestest.New(t,
		servicestest.Exchange{Method: "GET", Path: "/client/v4/user/tokens/verify", Answer: `{"result":{"id":"` + zone + `","status":"active"},"success":true,"errors":[],"messages":[]}`},
		no(base), no(base+"/workers/scripts"), no("/client/v4/zones/"+zone), no("/client/v4/user/tokens/"+zone))
	checker, _ := dial.DialWithin(catalog(server.URL), nil, ids(), servicestest.Quick()).Checker("cloudflare")
	report, err := checker.Check(t.Context(), credential("api-token", "cfut_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN01234567"))
	require.NoError(t, err)
	require.Contains(t, report.Missing, "Zone Read on zone two")
	require.Len(t, report.Missing, 3)

	clerk := servicestest.New(t, servicestest.Exchange{Method: "GET", Path: "/v1/instance", Answer: `{"id":"ins_1","environment_type":"development"}`})
	checker, _ = dial.Dial(catalog(clerk.URL), nil, ids()).Checker("clerk")
	report, err = checker.Check(t.Context(), credential("secret-key", "sk_live_abcdefghijklmnop"))
	require.NoError(t, err)
	require.NotEmpty(t, report.Missing, "the publishable key is of production")
}

// Only Cloudflare and Scaleway issue by API, and only Cloudflare can switch a
// credential off.
func TestIssuers(t *testing.T) {
	s := dial.Dial(catalog(""), nil, nil)
	for name, switches := range map[string]bool{"cloudflare": true, "scaleway": false} {
		issuer, ok := s.Issuer(name)
		require.True(t, ok)
		_, ok = issuer.(services.Switch)
		require.Equal(t, switches, ok, name)
	}
	for _, name := range []string{"stripe", "clerk", "sightengine", "github", ""} {
		_, ok := s.Issuer(name)
		require.False(t, ok, name)
	}
}
