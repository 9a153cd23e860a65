package stripe_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/stripe"
)

func hook(id, status, created string) string {
	return `{"id":"` + id + `","object":"webhook_endpoint","api_version":null,"application":null,"created":` + created + `,"description":null,
"enabled_events":["*"],"livemode":true,"metadata":{},"status":"` + status + `","url":"https://example.com/stripe"}`
}

func hooks(more, data string) string {
	return `{"object":"list","url":"/v1/webhook_endpoints","has_more":` + more + `,"data":[` + data + `]}`
}

func TestEndpoints(t *testing.T) {
	cred := credential("sk_live_")
	first, second := get(cred, "/v1/webhook_endpoints", 200, hooks("true", hook("we_2", "enabled", "1700000200"))),
		get(cred, "/v1/webhook_endpoints", 200, hooks("false", hook("we_1", "disabled", "1700000100")))
	first.Query, second.Query = "limit=100", "limit=100&starting_after=we_2"
	server := servicestest.New(t, first, second)
	client := stripe.New(stripe.Config{BaseURL: server.URL, HTTP: server.Client("", spectest.Stripe), Limits: servicestest.Quick()})
	list, err := client.Endpoints(t.Context(), cred)
	require.NoError(t, err)
	require.Equal(t, []stripe.Endpoint{
		{ID: "we_1", URL: "https://example.com/stripe", Created: time.Unix(1700000100, 0).UTC(), Disabled: true},
		{ID: "we_2", URL: "https://example.com/stripe", Created: time.Unix(1700000200, 0).UTC()},
	}, list)
}

func TestEndpointsThatAreNoList(t *testing.T) {
	cred := credential("rk_live_")
	for answer, kind := range map[string]services.Kind{`{}`: services.Outage, hooks("true", ""): services.Outage, `{"object":"list"}`: services.Outage} {
		server := servicestest.New(t, get(cred, "/v1/webhook_endpoints", 200, answer))
		_, err := stripe.New(stripe.Config{BaseURL: server.URL, Limits: servicestest.Quick()}).Endpoints(t.Context(), cred)
		require.Equal(t, kind, services.KindOf(err), answer)
	}
	server := servicestest.New(t, get(cred, "/v1/webhook_endpoints", 403, lacking))
	_, err := stripe.New(stripe.Config{BaseURL: server.URL, Limits: servicestest.Quick()}).Endpoints(t.Context(), cred)
	require.Equal(t, services.Permission, services.KindOf(err))
	servicestest.NoValue(t, cred, err)
}

func TestEndpointsHostile(t *testing.T) {
	cred := credential("sk_live_")
	servicestest.Hostile(t, cred, func(ctx context.Context, base string, limits services.Limits) (services.Report, error) {
		_, err := stripe.New(stripe.Config{BaseURL: base, Limits: limits}).Endpoints(ctx, cred)
		return services.Report{State: services.Unknown}, err
	})
}
