package services_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

func send(t *testing.T, c *http.Client, method, url, body string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	res, err := c.Do(req)
	if res != nil {
		t.Cleanup(func() { _ = res.Body.Close() })
	}
	return res, err
}

func exchange(method string, status, times int, header map[string]string) servicestest.Exchange {
	return servicestest.Exchange{
		Method: method, Path: "/x", Status: status, Times: times, Answer: `{"a":1}`, Header: header,
		Body: func(t *testing.T, body []byte) { require.Equal(t, "hello", string(body), "every try carries the body") },
	}
}

func TestRepeats(t *testing.T) {
	for name, c := range map[string]struct {
		service services.Service
		method  string
		status  int
		header  map[string]string
		fails   int
		waits   []time.Duration
		kind    services.Kind
	}{
		"PATCH over an outage":        {method: "PATCH", status: 503, fails: 2, waits: seconds(1, 2)},
		"GET gives up":                {method: "GET", status: 500, fails: 4, waits: seconds(1, 2, 4), kind: services.Outage},
		"POST is not sent again":      {method: "POST", status: 500, fails: 1, kind: services.Outage},
		"POST was not done on 429":    {method: "POST", status: 429, fails: 1, waits: seconds(1)},
		"POST that changes nothing":   {service: services.Service{Repeat: true}, method: "POST", status: 502, fails: 1, waits: seconds(1)},
		"Retry-After in seconds":      {method: "GET", status: 429, header: map[string]string{"Retry-After": "9"}, fails: 1, waits: seconds(9)},
		"Retry-After below the pause": {method: "GET", status: 429, header: map[string]string{"Retry-After": "0"}, fails: 1, waits: seconds(1)},
		"Retry-After that is no time": {method: "GET", status: 429, header: map[string]string{"Retry-After": "soon"}, fails: 1, waits: seconds(1)},
		"Retry-After too long":        {method: "GET", status: 429, header: map[string]string{"Retry-After": "61"}, fails: 1, kind: services.Busy},
		"refusals are final":          {method: "GET", status: 400, fails: 1, kind: services.Rejected},
	} {
		t.Run(name, func(t *testing.T) {
			plan := []servicestest.Exchange{exchange(c.method, c.status, c.fails, c.header)}
			if c.kind == "" {
				plan = append(plan, exchange(c.method, 200, 1, nil))
			}
			server := servicestest.New(t, plan...)
			waits := &servicestest.Waits{}
			c.service.Name = "test"
			res, err := send(t, c.service.HTTP(nil, waits.Limits(10*time.Second)), c.method, server.URL+"/x", "hello")
			require.Equal(t, c.kind, services.KindOf(err), "%v", err)
			require.Equal(t, c.waits, waits.All())
			if c.kind == "" {
				require.NoError(t, err)
				require.Equal(t, 200, res.StatusCode)
				body, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.JSONEq(t, `{"a":1}`, string(body))
			}
		})
	}
}

func seconds(list ...int) []time.Duration {
	var out []time.Duration
	for _, s := range list {
		out = append(out, time.Duration(s)*time.Second)
	}
	return out
}

func TestRetryAfterAsDate(t *testing.T) {
	at := time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat)
	server := servicestest.New(t, exchange("GET", 429, 1, map[string]string{"Retry-After": at}), exchange("GET", 200, 1, nil))
	waits := &servicestest.Waits{}
	_, err := send(t, services.Service{Name: "test"}.HTTP(nil, waits.Limits(10*time.Second)), "GET", server.URL+"/x", "hello")
	require.NoError(t, err)
	require.Len(t, waits.All(), 1)
	require.InDelta(t, 30, waits.All()[0].Seconds(), 10)
}

// A redirect may look like an answer in every other way.
func TestRedirectWithJSON(t *testing.T) {
	foreign := servicestest.New(t)
	server := servicestest.New(t, exchange("PATCH", 307, 1, map[string]string{"Location": foreign.URL}))
	_, err := send(t, services.Service{Name: "test"}.HTTP(nil, servicestest.Quick()), "PATCH", server.URL+"/x", "hello")
	require.ErrorContains(t, err, "redirects elsewhere")
	require.Equal(t, services.Outage, services.KindOf(err))
}

// An SDK that puts a transport of its own in place of ours follows nothing either.
func TestTheClientItselfFollowsNothing(t *testing.T) {
	var elsewhere atomic.Int32
	foreign := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(foreign.Close)
	moved := httptest.NewServer(http.RedirectHandler(foreign.URL, http.StatusTemporaryRedirect))
	t.Cleanup(moved.Close)
	client := services.Service{Name: "test"}.HTTP(nil, servicestest.Quick())
	client.Transport = http.DefaultTransport
	res, err := send(t, client, "PATCH", moved.URL+"/x", "hello")
	require.NoError(t, err)
	require.Zero(t, elsewhere.Load(), "the credential went to a foreign address")
	require.Equal(t, http.StatusTemporaryRedirect, res.StatusCode)
}

func TestOnlyJSONIsAnAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		media, body string
		any, fine   bool
	}{
		"JSON":                  {"application/json; charset=utf-8", `{"a":1}`, false, true},
		"problem":               {"application/problem+json", `{"a":1}`, false, true},
		"text":                  {"text/plain", `{"a":1}`, false, false},
		"text where any may be": {"text/html", `{"a":1}`, true, true},
		"cut":                   {"application/json", `{"a":`, false, false},
		"cut where any may be":  {"text/html", `{"a":`, true, false},
		"two":                   {"application/json", `{} {}`, false, false},
		"nonsense for a type":   {";;;", `{"a":1}`, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := servicestest.New(t, servicestest.Exchange{Method: "GET", Path: "/x", Type: c.media, Answer: c.body})
			service := services.Service{Name: "test", AnyMedia: c.any}
			_, err := send(t, service.HTTP(nil, servicestest.Quick()), "GET", server.URL+"/x", "")
			require.Equal(t, c.fine, err == nil)
			if !c.fine {
				require.Equal(t, services.Outage, services.KindOf(err))
			}
		})
	}
}

func TestCanceledWhileWaiting(t *testing.T) {
	server := servicestest.New(t, exchange("GET", 503, 1, nil))
	ctx, cancel := context.WithCancel(t.Context())
	limits := services.Limits{Wait: func(ctx context.Context, _ time.Duration) error {
		cancel()
		return ctx.Err()
	}}
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/x", strings.NewReader("hello"))
	require.NoError(t, err)
	_, err = services.Service{Name: "test"}.HTTP(nil, limits).Do(req)
	require.ErrorIs(t, err, context.Canceled)
}

// Without an injected wait the real one ends with the context.
func TestRealWaitEndsWithTheContext(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "50")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL, nil)
	require.NoError(t, err)
	_, err = services.Service{Name: "test"}.HTTP(nil, services.Limits{}).Do(req)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, services.Outage, services.KindOf(err))
}

func TestUntrustedCertificate(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	server.Config.ErrorLog = nil
	_, err := send(t, services.Service{Name: "test"}.HTTP(nil, servicestest.Quick()), "GET", server.URL, "")
	require.ErrorContains(t, err, "certificate is not trusted")
	require.Equal(t, services.Outage, services.KindOf(err))
	var fault *services.Error
	require.ErrorAs(t, err, &fault)
	require.Contains(t, fault.Next, "SSL_CERT_FILE")
}

func TestUnknownHost(t *testing.T) {
	_, err := send(t, services.Service{Name: "test"}.HTTP(nil, servicestest.Quick()), "GET", "http://nowhere.invalid", "")
	require.Equal(t, services.Outage, services.KindOf(err))
}

func TestTheCallersTransportIsUsed(t *testing.T) {
	server := servicestest.New(t, servicestest.Exchange{Method: "GET", Path: "/x", Answer: "{}", Want: map[string]string{"User-Agent": "ours"}})
	base := &http.Client{Transport: agent{}}
	_, err := send(t, services.Service{Name: "test"}.HTTP(base, servicestest.Quick()), "GET", server.URL+"/x", "")
	require.NoError(t, err)
}

type agent struct{}

func (agent) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", "ours")
	return http.DefaultTransport.RoundTrip(r)
}

// An SDK's complaint may quote an answer, so nothing of it survives.
func TestFaultDropsForeignText(t *testing.T) {
	fault := services.Fault("test", "trying", errors.New("decoding sk_live_secret"))
	require.NotContains(t, fault.Error(), "secret")
	require.NoError(t, errors.Unwrap(fault))
	require.Equal(t, services.Outage, fault.Kind)
	require.Equal(t, "test: trying: the answer could not be read", fault.Error())
}

func TestErrorText(t *testing.T) {
	err := &services.Error{Service: "cloudflare", Op: "writing secrets of Worker badges", Status: 404, Code: "10007", Message: "the Worker does not exist"}
	require.Equal(t, "cloudflare: writing secrets of Worker badges: the Worker does not exist (HTTP 404, code 10007)", err.Error())
	require.Equal(t, services.Kind(""), services.KindOf(errors.New("other")))
}
