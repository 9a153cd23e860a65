package cloudflare_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

var _ services.Lister = (*cloudflare.Client)(nil)

func TestListOfTokens(t *testing.T) {
	page := func(query, records string) servicestest.Exchange {
		x := bearer(olderToken, tokensPath, 200, `{"result":[`+records+`],"success":true,"errors":[],"messages":[],"result_info":{"page":1,"per_page":50,"count":2,"total_count":3}}`)
		x.Query = query
		return x
	}
	list, err := planned(t,
		page("include_expired=true&page=1&per_page=50", `{"id":"`+tokenID+`","name":"own","status":"active","issued_on":"2026-02-01T00:00:00Z","last_used_on":"2026-03-01T00:00:00Z"},
{"id":"ffffffffffffffffffffffffffffffff","name":"off","status":"disabled","issued_on":"2026-01-01T00:00:00Z"}`),
		page("include_expired=true&page=2&per_page=50", `{"id":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","name":"over\u001b[2J","status":"expired","issued_on":"2026-01-02T00:00:00Z","expires_on":"2026-01-03T00:00:00Z"}`),
	).List(t.Context(), credential(olderToken))
	require.NoError(t, err)
	day := func(month time.Month, d int) time.Time { return time.Date(2026, month, d, 0, 0, 0, 0, time.UTC) }
	require.Equal(t, []services.Issued{
		{ID: "ffffffffffffffffffffffffffffffff", Label: "off", Created: day(1, 1), Disabled: true},
		{ID: "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", Label: "over [2J", Created: day(1, 2), Expires: day(1, 3)},
		{ID: tokenID, Label: "own", Created: day(2, 1), LastUsed: day(3, 1)},
	}, list)

	_, err = planned(t, bearer(olderToken, tokensPath, 403, refused(10000, "m"))).List(t.Context(), credential(olderToken))
	require.Equal(t, services.Permission, services.KindOf(err))
	require.ErrorContains(t, err, "Account API Tokens Read")
}

// What the sandbox's Cloudflare shows to a token that may only read, after somebody
// was there.
func TestReadingAWorld(t *testing.T) {
	for kind, permission := range map[string]string{world.KindUser: "API Tokens Read", world.KindAccount: "Account API Tokens Read"} {
		c := newCompany(t, kind)
		made, err := c.world.Issue(world.Order{Service: world.Cloudflare, Kind: kind, Permissions: []string{permission, "Workers Scripts Read"}, Description: "nightly"})
		require.NoError(t, err)
		reader := credential(made[0].Value)
		list, err := c.client.List(t.Context(), reader)
		require.NoError(t, err)
		var ids []string
		for _, i := range list {
			require.Empty(t, i.Values)
			ids = append(ids, i.ID)
		}
		require.Contains(t, ids, made[0].ID)
		require.Contains(t, ids, c.maker.ID)

		since := time.Now()
		require.NoError(t, c.world.Tamper("worker-secret", world.WorkerName, "CLERK_SECRET_KEY", "foreign"))
		at := c.maker.Account
		all, err := c.client.Versions(t.Context(), reader["api-token"], at, world.WorkerName, since)
		require.NoError(t, err)
		require.Equal(t, []string{"secret", "dash"}, []string{all[0].TriggeredBy, all[0].Source})
		require.True(t, all[0].Created.After(since))
		require.True(t, all[0].Deployable)
		d, err := c.client.Deployment(t.Context(), reader["api-token"], at, world.WorkerName)
		require.NoError(t, err)
		require.Equal(t, []cloudflare.Share{{Version: all[0].ID, Percent: 100}}, d.Shares)
		scripts, err := c.client.Scripts(t.Context(), reader["api-token"], at)
		require.NoError(t, err)
		require.Equal(t, []string{world.WorkerName}, scripts)
		for _, request := range c.asked {
			require.Contains(t, request, "GET ")
		}
		require.NoError(t, c.world.Tamper("permission-removed", made[0].ID, permission))
		_, err = c.client.List(t.Context(), reader)
		require.Equal(t, services.Permission, services.KindOf(err))
		require.ErrorContains(t, err, permission)
	}
}
