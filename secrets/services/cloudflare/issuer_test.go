package cloudflare_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

const label = "rot/cloudflare/r-1"

// company is a seeded world behind its API, every exchange held against the
// description, and a token of one kind.
type company struct {
	*testing.T
	world  *world.World
	client *cloudflare.Client
	maker  world.Credential
	mu     sync.Mutex
	asked  []string
}

func newCompany(t *testing.T, kind string) *company {
	t.Helper()
	w, err := world.Open(t.TempDir())
	require.NoError(t, err)
	pass, err := w.Seed()
	require.NoError(t, err)
	c := &company{T: t, world: w}
	handler := api.New(w, api.Options{}).Cloudflare()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.asked = append(c.asked, r.Method+" "+r.URL.Path)
		c.mu.Unlock()
		handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		server.Close()
		for _, request := range c.asked {
			assert.NotContains(t, request, "/value", "a token must never be rolled")
		}
	})
	config := cloudflare.Config{
		BaseURL: server.URL + prefix, Limits: servicestest.Quick(), Account: pass["cloudflare/account-id"],
		HTTP: &http.Client{Transport: spectest.Transport(t, nil, spectest.Route{Base: server.URL + prefix, Specs: []string{spectest.Cloudflare}})},
	}
	for _, name := range []string{"sanmarcsoft-com", "verifieddit-com", "matthewstevens-org"} {
		config.Zones = append(config.Zones, cloudflare.Zone{Name: name, ID: pass["cloudflare/zones/"+name]})
	}
	c.client = cloudflare.New(config)
	c.maker, _, err = w.Lookup(world.Cloudflare, pass["cloudflare/api-token"])
	require.NoError(t, err)
	if kind == world.KindAccount {
		made, err := w.Issue(world.Order{
			Service: world.Cloudflare, Kind: kind,
			Permissions: []string{"Workers Scripts Write", "Account Settings Read", "Zone Read", "Account API Tokens Write"},
		})
		require.NoError(t, err)
		c.maker = made[0]
	}
	return c
}

func (c *company) with() services.Credential { return credential(c.maker.Value) }

// issue makes a token that has to come.
func (c *company) issue(name string) services.Issued {
	c.Helper()
	made, err := c.client.Issue(c.Context(), c.with(), services.Order{Label: name, Expires: time.Now().Add(48 * time.Hour)})
	require.NoError(c, err)
	return made
}

// state is what the service's check says of a credential.
func (c *company) state(cred services.Credential) services.Report {
	c.Helper()
	report, err := c.client.Check(c.Context(), cred)
	require.NoError(c, err)
	return report
}

func (c *company) byID(id string) world.Credential {
	c.Helper()
	s, err := c.world.Snapshot()
	require.NoError(c, err)
	found, ok := s.ByID(world.Cloudflare, id)
	require.True(c, ok)
	return *found
}

func (c *company) change(id string, f func(*world.Credential)) {
	c.Helper()
	require.NoError(c, c.world.Update(func(s *world.State) error {
		found, ok := s.ByID(world.Cloudflare, id)
		require.True(c, ok)
		f(found)
		return nil
	}))
}

func (c *company) count(request string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, one := range c.asked {
		if strings.HasPrefix(one, request) {
			n++
		}
	}
	return n
}

func kinds(t *testing.T, f func(t *testing.T, c *company)) {
	t.Helper()
	for _, kind := range []string{world.KindUser, world.KindAccount} {
		t.Run(kind, func(t *testing.T) { f(t, newCompany(t, kind)) })
	}
}

func TestIssueMakesASecondTokenThatMayTheSame(t *testing.T) {
	kinds(t, func(t *testing.T, c *company) {
		require.NoError(t, c.client.Ready(t.Context(), c.with()))
		require.Zero(t, c.count("POST")+c.count("PUT")+c.count("DELETE"), "asking changes nothing")
		made := c.issue(label)
		require.Equal(t, label, made.Label)
		require.NotEqual(t, c.maker.ID, made.ID)
		for _, cred := range []services.Credential{made.Values, c.with()} {
			report := c.state(cred)
			require.Equal(t, services.Alive, report.State)
			require.Empty(t, report.Missing, "the account, each zone, the Workers' secrets")
			require.NotEmpty(t, report.Account)
		}
		there := c.byID(made.ID)
		require.Equal(t, c.maker.Kind, there.Kind)
		require.ElementsMatch(t, c.maker.Permissions, there.Permissions)
		require.WithinDuration(t, time.Now().Add(48*time.Hour), *there.Expires, time.Minute)
		require.Nil(t, c.byID(c.maker.ID).Expires, "the present token is not touched")
		require.NoError(t, c.client.Ready(t.Context(), made.Values), "the new one can make the next")
		servicestest.NoValue(t, made.Values, services.Report{Detail: fmt.Sprintf("%+v", made)}, nil)

		own, err := c.client.Identify(t.Context(), made.Values)
		require.NoError(t, err)
		require.Equal(t, made.ID, own.ID)
		require.Equal(t, label, own.Label)
		require.Empty(t, own.Values)
		require.WithinDuration(t, there.IssuedAt, own.Created, time.Second)
		require.WithinDuration(t, *there.Expires, own.Expires, time.Second)
		require.False(t, own.LastUsed.IsZero())
		old, err := c.client.Identify(t.Context(), c.with())
		require.NoError(t, err)
		require.Equal(t, c.maker.ID, old.ID)
		require.True(t, old.Expires.IsZero())
	})
}

func TestIssueCopiesTheCondition(t *testing.T) {
	const only = `{"request_ip":{"in":["127.0.0.0/8","::1"],"not_in":["127.9.9.9"]},"later":{"than":"this client"}}`
	c := newCompany(t, world.KindUser)
	c.change(c.maker.ID, func(k *world.Credential) { k.Condition = json.RawMessage(only) })
	made := c.issue(label)
	require.JSONEq(t, only, string(c.byID(made.ID).Condition))
	require.Equal(t, services.Alive, c.state(made.Values).State)

	c.change(made.ID, func(k *world.Credential) { k.Condition = json.RawMessage(`{"request_ip":{"not_in":["127.0.0.1"]}}`) })
	_, err := c.client.Identify(t.Context(), made.Values)
	require.Equal(t, services.Permission, services.KindOf(err), "refused here is not dead")
}

func TestLabelledIsExactAndReadsAllPages(t *testing.T) {
	c := newCompany(t, world.KindAccount)
	one, two := c.issue(label), c.issue(label)
	for i := range 60 {
		_, err := c.world.Issue(world.Order{Service: world.Cloudflare, Description: fmt.Sprintf("%s%d", label, i)})
		require.NoError(t, err)
	}
	for _, similar := range []string{"rot/cloudflare/r-", "x" + label, strings.ToUpper(label), label + " "} {
		_, err := c.world.Issue(world.Order{Service: world.Cloudflare, Description: similar})
		require.NoError(t, err)
	}
	over := c.issue(label)
	c.change(over.ID, func(k *world.Credential) { k.Expires = &k.IssuedAt })
	_, err := c.world.Issue(world.Order{Service: world.Cloudflare, Kind: world.KindUser, Description: label})
	require.NoError(t, err)

	found, err := c.client.Labelled(t.Context(), c.with(), label)
	require.NoError(t, err)
	require.Len(t, found, 2, "neither similar ones, nor the user's, nor the one that is over")
	require.Equal(t, []string{one.ID, two.ID}, []string{found[0].ID, found[1].ID})
	require.Empty(t, found[0].Values)
}

func TestDeleteKillsOneAndIsRepeatable(t *testing.T) {
	kinds(t, func(t *testing.T, c *company) {
		made, other := c.issue(label), c.issue(label)
		require.NoError(t, c.client.Delete(t.Context(), c.with(), made.ID))
		require.Equal(t, services.Dead, c.state(made.Values).State)
		require.NotNil(t, c.byID(made.ID).Revoked)
		require.Equal(t, services.Alive, c.state(other.Values).State)
		require.NoError(t, c.client.Delete(t.Context(), c.with(), made.ID))
		require.NoError(t, c.client.Delete(t.Context(), c.with(), tokenID), "never there")
		left, err := c.client.Labelled(t.Context(), other.Values, label)
		require.NoError(t, err)
		require.Len(t, left, 1)
		// The new one retires the one that made it.
		require.NoError(t, c.client.Delete(t.Context(), other.Values, c.maker.ID))
		require.Equal(t, services.Dead, c.state(c.with()).State)
		_, err = c.client.Identify(t.Context(), c.with())
		require.Equal(t, services.Auth, services.KindOf(err))
		_, err = c.client.IdentifyDisabled(t.Context(), c.with())
		require.Equal(t, services.Auth, services.KindOf(err), "a deleted one is known no more")
	})
}

func TestDisableAndEnable(t *testing.T) {
	kinds(t, func(t *testing.T, c *company) {
		made := c.issue(label)
		from := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
		c.change(made.ID, func(k *world.Credential) {
			k.ValidFrom, k.Condition = &from, json.RawMessage(`{"request_ip":{"in":["127.0.0.1"]}}`)
		})
		before := c.byID(made.ID)
		require.NoError(t, c.client.Disable(t.Context(), c.with(), made.ID))
		require.Equal(t, services.Dead, c.state(made.Values).State)
		_, err := c.client.Identify(t.Context(), made.Values)
		require.Equal(t, services.Auth, services.KindOf(err))
		off, err := c.client.IdentifyDisabled(t.Context(), made.Values)
		require.NoError(t, err)
		require.Equal(t, services.Issued{ID: made.ID, Disabled: true}, off)
		found, err := c.client.Labelled(t.Context(), c.with(), label)
		require.NoError(t, err)
		require.True(t, found[0].Disabled)
		require.NoError(t, c.client.Disable(t.Context(), c.with(), made.ID), "again")

		require.NoError(t, c.client.Enable(t.Context(), c.with(), made.ID))
		require.Equal(t, services.Alive, c.state(made.Values).State)
		after := c.byID(made.ID)
		require.Equal(t, before.Value, after.Value)
		require.Equal(t, before.Description, after.Description)
		require.Equal(t, before.Permissions, after.Permissions)
		require.WithinDuration(t, *before.Expires, *after.Expires, 0)
		require.WithinDuration(t, from, *after.ValidFrom, 0)
		require.JSONEq(t, string(before.Condition), string(after.Condition))
	})
	c := newCompany(t, world.KindUser)
	require.Equal(t, services.NotFound, services.KindOf(c.client.Disable(t.Context(), c.with(), tokenID)))
}

func TestReadyWithoutThePermission(t *testing.T) {
	for name, change := range map[string]func(c *company, write string){
		"removed": func(c *company, write string) {
			require.NoError(c, c.world.Tamper("permission-removed", c.maker.ID, write))
		},
		"may only read": func(c *company, write string) {
			c.change(c.maker.ID, func(k *world.Credential) {
				k.Permissions = append(k.Permissions, strings.Replace(write, "Write", "Read", 1))
			})
			require.NoError(c, c.world.Tamper("permission-removed", c.maker.ID, write))
		},
	} {
		t.Run(name, func(t *testing.T) {
			kinds(t, func(t *testing.T, c *company) {
				write := map[string]string{world.KindUser: "API Tokens Write", world.KindAccount: "Account API Tokens Write"}[c.maker.Kind]
				change(c, write)
				err := c.client.Ready(t.Context(), c.with())
				require.Equal(t, services.Permission, services.KindOf(err))
				require.ErrorContains(t, err, write)
				_, err = c.client.Issue(t.Context(), c.with(), services.Order{Label: label})
				require.Equal(t, services.Permission, services.KindOf(err))
				own, err := c.client.Identify(t.Context(), c.with())
				require.NoError(t, err)
				require.Equal(t, c.maker.ID, own.ID)
				err = c.client.Delete(t.Context(), c.with(), c.maker.ID)
				require.Equal(t, services.Permission, services.KindOf(err), "refused is not gone")
				require.Nil(t, c.byID(c.maker.ID).Revoked)
			})
		})
	}
}

func TestQuotaIsFull(t *testing.T) {
	c := newCompany(t, world.KindUser)
	for i := range 49 { // with the company's own that is 50
		if i == 48 {
			require.NoError(t, c.client.Ready(t.Context(), c.with()), "one more fits")
		}
		_, err := c.world.Issue(world.Order{Service: world.Cloudflare, Description: "another's"})
		require.NoError(t, err)
	}
	err := c.client.Ready(t.Context(), c.with())
	require.Equal(t, services.Rejected, services.KindOf(err))
	require.ErrorContains(t, err, "50 tokens")
	_, err = c.client.Issue(t.Context(), c.with(), services.Order{Label: label})
	require.Equal(t, services.Rejected, services.KindOf(err))
	require.ErrorContains(t, err, "50 tokens")
}

// An answer that is lost leaves a token behind that only its label finds; a
// request sent again would leave more of them.
func TestLostAnswerLeavesOne(t *testing.T) {
	for name, x := range map[string]struct {
		fault world.Fault
		kind  services.Kind
	}{
		"cut off":        {world.Fault{AfterCommit: true}, services.Outage},
		"outage":         {world.Fault{AfterCommit: true, Status: 502}, services.Outage},
		"busy but made":  {world.Fault{AfterCommit: true, Status: 429}, services.Busy},
		"busy and retry": {world.Fault{AfterCommit: true, Status: 429, RetryAfter: 1}, services.Busy},
	} {
		t.Run(name, func(t *testing.T) {
			kinds(t, func(t *testing.T, c *company) {
				x.fault.Service, x.fault.Method, x.fault.Path = world.Cloudflare, "POST", "*/tokens"
				require.NoError(t, c.world.AddFault(x.fault))
				_, err := c.client.Issue(t.Context(), c.with(), services.Order{Label: label})
				require.Equal(t, x.kind, services.KindOf(err))
				require.Equal(t, 1, c.count("POST"))
				found, err := c.client.Labelled(t.Context(), c.with(), label)
				require.NoError(t, err)
				require.Len(t, found, 1)
				require.NoError(t, c.client.Delete(t.Context(), c.with(), found[0].ID))
			})
		})
	}
}

// A deletion whose answer was lost is repeated, and finds it done.
func TestLostAnswerOfADeletion(t *testing.T) {
	c := newCompany(t, world.KindUser)
	made := c.issue(label)
	require.NoError(t, c.world.AddFault(world.Fault{Service: world.Cloudflare, Method: "DELETE", AfterCommit: true, Status: 502}))
	require.NoError(t, c.client.Delete(t.Context(), c.with(), made.ID))
	require.Equal(t, 2, c.count("DELETE"))
	require.Equal(t, services.Dead, c.state(made.Values).State)

	// It may delete itself; then it is refused when it asks again.
	require.NoError(t, c.world.AddFault(world.Fault{Service: world.Cloudflare, Method: "DELETE", AfterCommit: true, Status: 502}))
	require.NoError(t, c.client.Delete(t.Context(), c.with(), c.maker.ID))
	require.Equal(t, services.Dead, c.state(c.with()).State)
}
