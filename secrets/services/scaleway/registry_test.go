package scaleway_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

const (
	image     = "sanmarcsoft/verifieddit-www"
	tokenPath = "/registry-internal/v1/regions/fr-par/tokens"
)

var loginHeader = "Basic " + base64.StdEncoding.EncodeToString([]byte("nologin:"+secret))

func ping(realm string) servicestest.Exchange {
	return servicestest.Exchange{
		Method: "GET", Path: "/v2/", Status: 401, Answer: `{"errors":[{"code":"UNAUTHORIZED"}]}`, Want: map[string]string{"Authorization": ""},
		Header: map[string]string{"WWW-Authenticate": `Bearer realm="` + realm + `",service="registry"`},
	}
}

func token(status int, answer string) servicestest.Exchange {
	return servicestest.Exchange{
		Method: "GET", Path: tokenPath, Status: status, Answer: answer,
		Query: "scope=repository%3Asanmarcsoft%2Fverifieddit-www%3Apull&service=registry",
		Want:  map[string]string{"Authorization": loginHeader},
	}
}

func tags(status int, answer string) servicestest.Exchange {
	return servicestest.Exchange{
		Method: "GET", Path: "/v2/" + image + "/tags/list", Status: status, Answer: answer,
		Want: map[string]string{"Authorization": "Bearer short-lived"},
	}
}

// registry makes a server and logs in to it.
func registry(t *testing.T, plan ...servicestest.Exchange) error {
	t.Helper()
	return login(t, servicestest.New(t, plan...).URL)
}

func login(t *testing.T, url string) error {
	t.Helper()
	client := scaleway.New(scaleway.Config{BaseURL: url, Registry: url, Image: image, Limits: servicestest.Quick()})
	err := client.Registry(t.Context(), services.Credential{"api-secret": credential()["api-secret"]})
	servicestest.NoValue(t, services.Credential{"api-secret": credential()["api-secret"]}, err)
	return err
}

const granted = `{"token":"short-lived"}`

func TestRegistry(t *testing.T) {
	require.NoError(t, registry(t, ping("{URL}"+tokenPath), token(200, granted), tags(200, `{"name":"`+image+`","tags":["latest"]}`)))
}

// Scaleway answers a wrong key with 404 where it hands out tokens.
func TestRegistryWrongKey(t *testing.T) {
	for _, status := range []int{401, 403, 404} {
		err := registry(t, ping("{URL}"+tokenPath), token(status, `{"message":"no `+secret+`"}`))
		require.Equal(t, services.Auth, services.KindOf(err), "%v", err)
	}
}

func TestRegistryRefusals(t *testing.T) {
	for status, kind := range map[int]services.Kind{403: services.Permission, 404: services.NotFound} {
		err := registry(t, ping("{URL}"+tokenPath), token(200, granted), tags(status, `{"errors":[{"code":"DENIED","message":"`+secret+`"}]}`))
		require.Equal(t, kind, services.KindOf(err), "%v", err)
	}
	again := tags(401, `{"errors":[{"code":"UNAUTHORIZED"}]}`)
	err := registry(t, ping("{URL}"+tokenPath), token(200, granted), again)
	require.Equal(t, services.Permission, services.KindOf(err), "%v", err)
}

func TestRegistryOutage(t *testing.T) {
	outage := token(503, "no")
	outage.Times = 4
	require.Equal(t, services.Outage, services.KindOf(registry(t, ping("{URL}"+tokenPath), outage)))
	require.Equal(t, services.Outage, services.KindOf(login(t, "http://127.0.0.1:1")))
}

// The registry says where the key is to be sent; that must not be anywhere.
func TestRegistryForeignLogin(t *testing.T) {
	err := registry(t, ping("http://localhost:1/tokens"))
	require.ErrorContains(t, err, "foreign host")
	require.Equal(t, services.Outage, services.KindOf(err))
}

func TestRegistryRedirectedLogin(t *testing.T) {
	foreign := servicestest.New(t)
	moved := token(http.StatusTemporaryRedirect, "")
	moved.Header = map[string]string{"Location": foreign.URL + "/tokens"}
	err := registry(t, ping("{URL}"+tokenPath), moved)
	require.Equal(t, services.Outage, services.KindOf(err))
}

func TestRegistryConfig(t *testing.T) {
	for _, c := range []scaleway.Config{
		{Registry: "rg.example.com", Image: image},
		{Registry: "https://rg.example.com", Image: "UPPER case"},
		{Registry: "https://rg.example.com", Image: image, BaseURL: "://"},
	} {
		c.Limits = servicestest.Quick()
		err := scaleway.New(c).Registry(t.Context(), credential())
		require.Equal(t, services.Rejected, services.KindOf(err), "%v", err)
	}
	err := scaleway.New(scaleway.Config{}).Registry(t.Context(), services.Credential{"api-secret": secrets.Value{}})
	require.ErrorContains(t, err, "api-secret is missing")
}

func TestRegistryCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	client := scaleway.New(scaleway.Config{BaseURL: "http://127.0.0.1:1", Registry: "http://127.0.0.1:1", Image: image, Limits: servicestest.Quick()})
	require.Equal(t, services.Canceled, services.KindOf(client.Registry(ctx, credential())))
}
