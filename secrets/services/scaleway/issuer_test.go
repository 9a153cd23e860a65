package scaleway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

const (
	label    = "rot/scaleway/r-1"
	keysPath = "/iam/v1alpha1/api-keys"
)

// company is a seeded world behind its API, every exchange held against the
// descriptions.
type company struct {
	*testing.T
	world  *world.World
	client *scaleway.Client
	with   services.Credential
	secret world.Credential
	mu     sync.Mutex
	asked  []string
}

func newCompany(t *testing.T) *company {
	t.Helper()
	w, err := world.Open(t.TempDir())
	require.NoError(t, err)
	pass, err := w.Seed()
	require.NoError(t, err)
	c := &company{T: t, world: w}
	handler := api.New(w, api.Options{}).Scaleway()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.asked = append(c.asked, r.Method+" "+r.URL.Path)
		c.mu.Unlock()
		handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	c.client = scaleway.New(scaleway.Config{
		BaseURL: server.URL, Limits: servicestest.Quick(), Region: "fr-par",
		HTTP: &http.Client{Transport: spectest.Transport(t, nil, spectest.Route{
			Base: server.URL, Specs: []string{spectest.ScalewayIAM, spectest.ScalewayContainer},
		})},
	})
	c.secret, _, err = w.Lookup(world.Scaleway, pass["sanmarcsoft/scaleway/api-secret"])
	require.NoError(t, err)
	c.with = pair(pass["sanmarcsoft/scaleway/access-key"], c.secret.Value)
	return c
}

func pair(access, secret string) services.Credential {
	return services.Credential{"access-key": secrets.NewValue([]byte(access)), "api-secret": secrets.NewValue([]byte(secret))}
}

func (c *company) issue(name string) services.Issued {
	c.Helper()
	made, err := c.client.Issue(c.Context(), c.with, services.Order{Label: name, Expires: time.Now().Add(48 * time.Hour)})
	require.NoError(c, err)
	return made
}

func (c *company) state(cred services.Credential) services.Report {
	c.Helper()
	report, err := c.client.Check(c.Context(), cred)
	require.NoError(c, err)
	return report
}

func (c *company) count(method string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, one := range c.asked {
		if strings.HasPrefix(one, method+" ") {
			n++
		}
	}
	return n
}

func TestIssueMakesASecondKeyOfTheSameBearer(t *testing.T) {
	c := newCompany(t)
	require.NoError(t, c.client.Ready(t.Context(), c.with))
	require.Equal(t, len(c.asked), c.count("GET"), "asking changes nothing")
	made := c.issue(label)
	require.Equal(t, label, made.Label)
	require.True(t, made.Values["access-key"].Equal(secrets.NewValue([]byte(made.ID))))
	servicestest.NoValue(t, services.Credential{"api-secret": made.Values["api-secret"]}, services.Report{Detail: fmt.Sprintf("%+v", made)}, nil)
	require.Equal(t, c.state(c.with), c.state(made.Values), "bearer and project")
	require.Equal(t, services.Alive, c.state(made.Values).State)
	for _, cred := range []services.Credential{c.with, made.Values} {
		list, err := c.client.Containers(t.Context(), cred)
		require.NoError(t, err)
		require.NotEmpty(t, list)
	}
	require.NoError(t, c.client.Ready(t.Context(), made.Values), "the new one can make the next")

	own, err := c.client.Identify(t.Context(), made.Values)
	require.NoError(t, err)
	require.Equal(t, made.ID, own.ID)
	require.Equal(t, label, own.Label)
	require.Empty(t, own.Values)
	require.WithinDuration(t, time.Now().Add(48*time.Hour), own.Expires, time.Minute)
	require.WithinDuration(t, time.Now(), own.Created, time.Minute)
	old, err := c.client.Identify(t.Context(), c.with)
	require.NoError(t, err)
	require.True(t, old.Expires.IsZero(), "the present key is not touched")
}

func TestLabelledIsExactAndReadsAllPages(t *testing.T) {
	c := newCompany(t)
	one := c.issue(label)
	for i := range 120 {
		_, err := c.world.Issue(world.Order{Service: world.Scaleway, Description: fmt.Sprintf("%s%d", label, i)})
		require.NoError(t, err)
	}
	for _, similar := range []string{"rot/scaleway/r-", "x" + label, strings.ToUpper(label)} {
		_, err := c.world.Issue(world.Order{Service: world.Scaleway, Description: similar})
		require.NoError(t, err)
	}
	two := c.issue(label)
	found, err := c.client.Labelled(t.Context(), c.with, label)
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Equal(t, []string{one.ID, two.ID}, []string{found[0].ID, found[1].ID})
	require.Empty(t, found[0].Values)
}

func TestDeleteKillsOneAndIsRepeatable(t *testing.T) {
	c := newCompany(t)
	made, other := c.issue(label), c.issue(label)
	require.NoError(t, c.client.Delete(t.Context(), c.with, made.ID))
	require.Equal(t, services.Dead, c.state(made.Values).State)
	require.Equal(t, services.Alive, c.state(other.Values).State)
	require.NoError(t, c.client.Delete(t.Context(), c.with, made.ID))
	require.NoError(t, c.client.Delete(t.Context(), c.with, access), "never there")
	old, err := c.client.Identify(t.Context(), c.with)
	require.NoError(t, err)
	require.NoError(t, c.client.Delete(t.Context(), other.Values, old.ID), "the new one retires the old")
	require.Equal(t, services.Dead, c.state(c.with).State)
	_, err = c.client.Identify(t.Context(), c.with)
	require.Equal(t, services.Auth, services.KindOf(err))
	require.Equal(t, services.Auth, services.KindOf(c.client.Delete(t.Context(), c.with, other.ID)), "a dead key deletes nothing")
	require.Equal(t, services.Alive, c.state(other.Values).State)
}

func TestReadyWithoutThePermission(t *testing.T) {
	c := newCompany(t)
	require.NoError(t, c.world.Tamper("permission-removed", c.secret.ID, "IAMManager"))
	err := c.client.Ready(t.Context(), c.with)
	require.Equal(t, services.Permission, services.KindOf(err))
	require.Contains(t, services.Fault("", "", err).Next, "IAMManager")
	_, err = c.client.Issue(t.Context(), c.with, services.Order{Label: label})
	require.Equal(t, services.Permission, services.KindOf(err))
	_, err = c.client.Labelled(t.Context(), c.with, label)
	require.Equal(t, services.Permission, services.KindOf(err))
	own, err := c.client.Identify(t.Context(), c.with)
	require.NoError(t, err)
	require.Equal(t, services.Permission, services.KindOf(c.client.Delete(t.Context(), c.with, own.ID)), "refused is not gone")
	require.Equal(t, services.Alive, c.state(c.with).State)
}

func TestReadyOfAKeyThatCannotBeDeleted(t *testing.T) {
	for _, x := range [][2]string{{`"deletable":true`, `"deletable":false`}, {`"managed":false`, `"managed":true`}} {
		own := strings.Replace(apiKey(access, `"user_id":"`+bearer+`"`), x[0], x[1], 1)
		err := newClient(servicestest.New(t, get(keysPath+"/"+access, 200, own))).Ready(t.Context(), credential())
		require.Equal(t, services.Rejected, services.KindOf(err))
	}
}

func TestQuotaIsFull(t *testing.T) {
	c := newCompany(t)
	require.NoError(t, c.world.AddFault(world.Fault{Service: world.Scaleway, Method: "POST", Status: 403, Code: "quotas_exceeded"}))
	_, err := c.client.Issue(t.Context(), c.with, services.Order{Label: label})
	require.Equal(t, services.Rejected, services.KindOf(err))
	require.ErrorContains(t, err, "quota of API keys is used up")
}

func TestLostAnswerLeavesOne(t *testing.T) {
	for name, x := range map[string]struct {
		fault world.Fault
		kind  services.Kind
	}{
		"cut off":       {world.Fault{AfterCommit: true}, services.Outage},
		"outage":        {world.Fault{AfterCommit: true, Status: 503}, services.Outage},
		"busy but made": {world.Fault{AfterCommit: true, Status: 429, RetryAfter: 1}, services.Busy},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCompany(t)
			x.fault.Service, x.fault.Method = world.Scaleway, "POST"
			require.NoError(t, c.world.AddFault(x.fault))
			_, err := c.client.Issue(t.Context(), c.with, services.Order{Label: label})
			require.Equal(t, x.kind, services.KindOf(err))
			require.Equal(t, 1, c.count("POST"))
			found, err := c.client.Labelled(t.Context(), c.with, label)
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.NoError(t, c.world.AddFault(world.Fault{Service: world.Scaleway, Method: "DELETE", AfterCommit: true, Status: 502}))
			require.NoError(t, c.client.Delete(t.Context(), c.with, found[0].ID), "repeated, and found done")
			require.Equal(t, 2, c.count("DELETE"))
			// It may delete itself; then it is refused when it asks again.
			own, err := c.client.Identify(t.Context(), c.with)
			require.NoError(t, err)
			require.NoError(t, c.world.AddFault(world.Fault{Service: world.Scaleway, Method: "DELETE", AfterCommit: true, Status: 502}))
			require.NoError(t, c.client.Delete(t.Context(), c.with, own.ID))
			require.Equal(t, services.Dead, c.state(c.with).State)
		})
	}
}

// A user's key: the sandbox's world has only an application.
func TestIssueForAUser(t *testing.T) {
	made := strings.Replace(apiKey("SCWAAAAAAAAAAAAAAAAA", `"user_id":"`+bearer+`"`), `"secret_key":null`, `"secret_key":"11111111-1111-1111-1111-111111111111"`, 1)
	server := servicestest.New(t, get(keysPath+"/"+access, 200, apiKey(access, `"user_id":"`+bearer+`"`)), servicestest.Exchange{
		Method: "POST", Path: keysPath, Answer: made, Body: func(t *testing.T, body []byte) {
			require.JSONEq(t, `{"user_id":"`+bearer+`","default_project_id":"`+project+`","description":"`+label+`","expires_at":"2030-01-02T03:04:05Z"}`, string(body))
		},
	})
	out, err := newClient(server).Issue(t.Context(), credential(), services.Order{
		Label: label, Expires: time.Date(2030, 1, 2, 4, 4, 5, 6, time.FixedZone("", 3600)),
	})
	require.NoError(t, err)
	require.Equal(t, "SCWAAAAAAAAAAAAAAAAA", out.ID)
}

func TestIssueAnswerWithoutAKey(t *testing.T) {
	for _, answer := range []string{apiKey(access, `"user_id":"x"`), `{}`, `{"access_key":"../x","secret_key":"s"}`,
		strings.Replace(apiKey(access, `"user_id":"x"`), `"secret_key":null`, `"secret_key":""`, 1)} {
		server := servicestest.New(t, get(keysPath+"/"+access, 200, apiKey(access, `"user_id":"`+bearer+`"`)),
			servicestest.Exchange{Method: "POST", Path: keysPath, Answer: answer})
		client := scaleway.New(scaleway.Config{BaseURL: server.URL, Limits: servicestest.Quick()})
		_, err := client.Issue(t.Context(), credential(), services.Order{Label: label})
		require.Equal(t, services.Outage, services.KindOf(err), "whether one was made is open")
	}
}

// A refusal in unknown words, and a pair put together from two keys, must not
// count as death.
func TestIdentifyUnknown(t *testing.T) {
	for name, x := range map[string]struct {
		status int
		answer string
		kind   services.Kind
	}{
		"other words": {401, `{"type":"something_new","message":"m"}`, services.Permission},
		"torn pair":   {404, `{"type":"not_found","resource":"api_key","message":"m"}`, services.NotFound},
		"other key":   {200, apiKey("SCW00000000000000000", `"user_id":"`+bearer+`"`), services.Outage},
		"denied":      {401, `{"type":"denied_authentication","reason":"not_found","message":"m"}`, services.Auth},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(servicestest.New(t, get(keysPath+"/"+access, x.status, x.answer))).Identify(t.Context(), credential())
			require.Equal(t, x.kind, services.KindOf(err))
		})
	}
}

func TestIssuerRefusesWithoutAsking(t *testing.T) {
	client := newClient(servicestest.New(t))
	for _, id := range []string{"", "../users/x", access + "/x"} {
		require.Equal(t, services.Rejected, services.KindOf(client.Delete(t.Context(), credential(), id)))
	}
	for _, name := range []string{"", strings.Repeat("x", 121)} {
		_, err := client.Issue(t.Context(), credential(), services.Order{Label: name})
		require.Equal(t, services.Rejected, services.KindOf(err))
	}
}

func TestLabelledInAListOfAnothersKeys(t *testing.T) {
	holder := `"user_id":"` + bearer + `"`
	_, err := newClient(servicestest.New(t, get(keysPath+"/"+access, 200, apiKey(access, holder)),
		get(keysPath, 200, `{"total_count":1,"api_keys":[`+apiKey("SCW00000000000000000", holder)+`]}`),
	)).Labelled(t.Context(), credential(), "d")
	require.Equal(t, services.Outage, services.KindOf(err))
}

// reading answers the read of the own key itself, so that only what comes after
// it meets the hostile server.
type reading struct{}

func (reading) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet || r.URL.Path != keysPath+"/"+access {
		return http.DefaultTransport.RoundTrip(r)
	}
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(apiKey(access, `"user_id":"`+bearer+`"`))),
	}, nil
}

// No such answer may say that a key is gone, or that there is none.
func TestIssuerHostile(t *testing.T) {
	shown := services.Credential{"api-secret": credential()["api-secret"]}
	for name, ask := range map[string]func(context.Context, *scaleway.Client) error{
		"delete": func(ctx context.Context, c *scaleway.Client) error {
			return c.Delete(ctx, credential(), "SCW00000000000000000")
		},
		"labelled": func(ctx context.Context, c *scaleway.Client) error {
			_, err := c.Labelled(ctx, credential(), label)
			return err
		},
		"ready": func(ctx context.Context, c *scaleway.Client) error { return c.Ready(ctx, credential()) },
	} {
		t.Run(name, func(t *testing.T) {
			servicestest.Hostile(t, shown, func(ctx context.Context, base string, limits services.Limits) (services.Report, error) {
				client := scaleway.New(scaleway.Config{BaseURL: base, Limits: limits, HTTP: &http.Client{Transport: reading{}}})
				return services.Report{State: services.Unknown}, ask(ctx, client)
			})
		})
	}
}
