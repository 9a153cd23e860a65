package cli

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// A request in clear goes to its host: a proxy that the environment names would
// read the credential in it.
func TestNoProxyReadsWhatGoesInClear(t *testing.T) {
	in := func(url string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		return r
	}
	var seen atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTP_PROXY", proxy.URL)
	transport := directInClear().(*http.Transport)
	got, err := transport.Proxy(in("http://attest.example/x"))
	require.NoError(t, err)
	require.Nil(t, got)
	_, err = transport.Proxy(in("https://attest.example/x"))
	require.NoError(t, err)
	// Nobody answers there: what counts is that the proxy was not asked.
	if resp, err := transport.RoundTrip(in("http://attest.invalid:1/x")); err == nil {
		require.NoError(t, resp.Body.Close())
	}
	require.Zero(t, seen.Load())
}

// The passphrase itself comes before the file, as the CLI has it.
func TestThePassphraseInTheEnvironmentIsUsed(t *testing.T) {
	a := &app{env: Env{Environ: []string{"PULUMI_CONFIG_PASSPHRASE=the phrase itself", "PULUMI_CONFIG_PASSPHRASE_FILE=/nowhere"}}}
	s := &session{app: a, redactor: secrets.NewRedactor(), catalog: &secrets.Catalog{}}
	v, err := s.passphrase(t.Context(), secrets.Stack{})
	require.NoError(t, err)
	require.True(t, v.Equal(secrets.NewValue([]byte("the phrase itself"))))
	require.True(t, s.redactor.Holds([]byte("x the phrase itself x")))
}

// What somebody has edited is not overwritten by the command that is printed.
func TestAnotherFileForAnotherProposal(t *testing.T) {
	for _, args := range [][]string{{"catalog", "init", "-o", "c.yaml"}, {"catalog", "init", "--output=c.yaml"}, {"catalog", "init", "-oc.yaml"}} {
		a := &app{args: args}
		require.Contains(t, a.elsewhere(), "c.yaml.new")
		require.NotContains(t, a.elsewhere(), "--yes")
	}
}
