package consumer_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	consumer "github.com/sanmarcsoft/secret-rotation/examples/attest"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
)

func TestServiceProvesItsKeysAndStillServes(t *testing.T) {
	environment := map[string]string{"STRIPE_SECRET_KEY": "one", "STRIPE_WEBHOOK_SECRET": "two"}
	own := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	server := httptest.NewServer(consumer.Routes(own, func(k string) string { return environment[k] }))
	defer server.Close()

	ask := func(name string, values ...string) error {
		var all []secrets.Value
		for _, v := range values {
			all = append(all, secrets.NewValue([]byte(v)))
		}
		req, pending, err := attest.NewRequest(context.Background(), server.URL+attest.Path, name, attest.Key(all...), time.Now())
		require.NoError(t, err)
		resp, err := server.Client().Do(req)
		require.NoError(t, err)
		return pending.Verify(resp)
	}
	require.NoError(t, ask("stripe", "one", "two"))
	require.ErrorIs(t, ask("stripe", "two", "one"), attest.ErrRefused)
	require.ErrorIs(t, ask("clerk", ""), attest.ErrRefused, "a variable that is not set proves nothing")

	resp, err := server.Client().Get(server.URL + "/charge")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusTeapot, resp.StatusCode)
}
