package api

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
)

func (r *rig) stripe() string { return r.checked(r.api.Stripe(), "", spectest.Stripe) }

func (r *rig) stripeKey() option { return withBearer(r.pass["verifieddit/stripe/secret-key"]) }

func TestStripeKnowsItsKeys(t *testing.T) {
	r := newRig(t)
	base := r.stripe()
	key := r.pass["verifieddit/stripe/secret-key"]
	require.Regexp(t, `^sk_live_[A-Za-z0-9]{16,}$`, key)
	require.Equal(t, true, ask(t, "GET", base+"/v1/balance", "", r.stripeKey()).at("livemode"))
	require.Equal(t, r.state().Stripe.ID, ask(t, "GET", base+"/v1/account", "", r.stripeKey()).text("id"))
	basic := func(q *http.Request) { q.SetBasicAuth(key, "") }
	require.Equal(t, http.StatusOK, ask(t, "GET", base+"/v1/balance", "", basic).status)

	test, err := r.world.Issue(world.Order{Service: world.Stripe, Entries: []string{"secret-key"}, Prefix: "sk_test_"})
	require.NoError(t, err)
	require.Equal(t, false, ask(t, "GET", base+"/v1/balance", "", withBearer(test[0].Value)).at("livemode"))
	require.Equal(t, r.state().Stripe.ID, ask(t, "GET", base+"/v1/account", "", withBearer(test[0].Value)).text("id"))
}

func TestStripeRefusals(t *testing.T) {
	r := newRig(t)
	base := r.stripe()
	key := r.pass["verifieddit/stripe/secret-key"]
	issue := func(o world.Order) world.Credential {
		o.Service, o.Entries = world.Stripe, []string{"secret-key"}
		made, err := r.world.Issue(o)
		require.NoError(t, err)
		return made[0]
	}
	restricted := issue(world.Order{Prefix: "rk_live_", Permissions: []string{"rak_webhook_read"}})
	revoked, expired := issue(world.Order{}), issue(world.Order{})
	_, err := r.world.Revoke(revoked.ID)
	require.NoError(t, err)
	require.NoError(t, r.world.Tamper("expired", expired.ID))
	for _, x := range []struct {
		name, key string
		status    int
		code      any
	}{
		{"unknown", flip(key), 401, nil},
		{"revoked", revoked.Value, 401, "api_key_expired"},
		{"expired", expired.Value, 401, "api_key_expired"},
		{"a webhook secret", r.pass["verifieddit/stripe/webhook-secret"], 401, nil},
		{"restricted", restricted.Value, 403, nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			a := ask(t, "GET", base+"/v1/balance", "", withBearer(x.key))
			require.Equal(t, x.status, a.status)
			require.Equal(t, "invalid_request_error", a.text("error/type"))
			require.Equal(t, x.code, a.at("error").(map[string]any)["code"])
			require.NotContains(t, a.raw, x.key, "the key is masked")
			if x.status == http.StatusForbidden {
				require.Contains(t, a.raw, "rak_balance_read")
			}
		})
	}
	require.Equal(t, http.StatusUnauthorized, ask(t, "GET", base+"/v1/balance", "").status)
}

// fitsStripe holds an answer against a schema of Stripe's description.
func fitsStripe(t *testing.T, a answer, schema string) {
	t.Helper()
	dir, found := spectest.Find()
	if !found {
		return
	}
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join(dir, spectest.Stripe))
	require.NoError(t, err)
	var body any
	require.NoError(t, json.Unmarshal([]byte(a.raw), &body))
	require.NoError(t, doc.Components.Schemas[schema].Value.VisitJSON(body))
}

func TestStripeWebhookEndpoints(t *testing.T) {
	r := newRig(t)
	base := r.stripe() + "/v1/webhook_endpoints"
	// kin-openapi cannot decode Stripe's deepObject arrays, which both forms and
	// queries have; such requests go past it, the answers are checked by hand.
	plain := r.serve(r.api.Stripe()) + "/v1/webhook_endpoints"
	old := ask(t, "GET", base, "", r.stripeKey())
	require.Equal(t, r.find(world.Stripe, r.pass["verifieddit/stripe/webhook-secret"]).ID, old.text("data/0/id"))
	require.NotContains(t, old.raw, "whsec_")

	made := ask(t, "POST", plain, "url=https://payments.verifieddit.com/stripe/webhook&enabled_events[0]=invoice.paid&description=rot&metadata[run]=7", r.stripeKey())
	require.Equal(t, http.StatusOK, made.status)
	secret, id := made.text("secret"), made.text("id")
	require.Regexp(t, `^whsec_[A-Za-z0-9]{32}$`, secret)
	fitsStripe(t, made, "webhook_endpoint")
	require.Equal(t, "7", made.text("metadata/run"))
	require.Equal(t, world.Alive, ptr(r.find(world.Stripe, secret)).Standing(r.state().Now()))
	require.Equal(t, id, ask(t, "GET", plain+"?limit=1", "", r.stripeKey()).text("data/0/id"), "newest first")
	next := ask(t, "GET", plain+"?limit=1&starting_after="+id, "", r.stripeKey())
	require.Equal(t, old.text("data/0/id"), next.text("data/0/id"))

	require.Equal(t, "disabled", ask(t, "POST", base+"/"+id, "disabled=true", r.stripeKey()).text("status"))
	require.Equal(t, world.Disabled, ptr(r.find(world.Stripe, secret)).Standing(r.state().Now()))
	require.Equal(t, "enabled", ask(t, "POST", base+"/"+id, "disabled=false", r.stripeKey()).text("status"))
	require.Equal(t, true, ask(t, "DELETE", base+"/"+id, "", r.stripeKey()).at("deleted"))
	require.Equal(t, world.Revoked, ptr(r.find(world.Stripe, secret)).Standing(r.state().Now()))
	for _, method := range []string{"GET", "DELETE"} {
		require.Equal(t, "resource_missing", ask(t, method, base+"/"+id, "", r.stripeKey()).text("error/code"))
	}
}
