package github_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/github"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

// listing plans one page of a place's secrets, each set on the day of its number.
func listing(path, query string, total int, names ...string) servicestest.Exchange {
	var items []string
	for _, name := range names {
		items = append(items, fmt.Sprintf(`{"name":%q,"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-02-03T04:05:06Z","visibility":"all"}`, name))
	}
	return servicestest.Exchange{Method: "GET", Path: path, Query: query, Answer: fmt.Sprintf(`{"total_count":%d,"secrets":[%s]}`, total, strings.Join(items, ",")),
		Want: map[string]string{"Authorization": "Bearer " + token}}
}

func TestAll(t *testing.T) {
	for base, at := range places() {
		base, err := url.PathUnescape(base)
		require.NoError(t, err)
		server := servicestest.New(t, listing(base, "per_page=100&page=1", 3, "A", "B"), listing(base, "per_page=100&page=2", 3, "C"))
		o := github.Config{BaseURL: server.URL, Limits: servicestest.Quick()}
		// The description has no list of an organization's, and knows no name of an
		// environment with a slash in it.
		if at.Organization == "" && at.Environment == "" {
			o.HTTP = server.Client("", spectest.GitHub)
		}
		c := github.New(o)
		all, err := c.All(t.Context(), value(token), at)
		require.NoError(t, err)
		when := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
		require.Equal(t, map[string]time.Time{"A": when, "B": when, "C": when}, all)
	}
}

// What is left out would pass for a secret that nobody has set.
func TestAllThatIsNotAll(t *testing.T) {
	const base = "/repos/o/n/actions/secrets"
	at := github.Place{Repository: "o/n"}
	for name, plan := range map[string][]servicestest.Exchange{
		"no list":  {{Method: "GET", Path: base, Answer: `{}`}},
		"no total": {{Method: "GET", Path: base, Answer: `{"secrets":[]}`}},
		"too few":  {listing(base, "", 3, "A", "B"), listing(base, "", 3)},
		"too many": {listing(base, "", 1, "A", "B")},
	} {
		c := github.New(github.Config{BaseURL: servicestest.New(t, plan...).URL, Limits: servicestest.Quick()})
		_, err := c.All(t.Context(), value(token), at)
		require.Equal(t, services.Outage, services.KindOf(err), name)
	}
	c := github.New(github.Config{BaseURL: servicestest.New(t, listing(base, "", 0)).URL, Limits: servicestest.Quick()})
	all, err := c.All(t.Context(), value(token), at)
	require.NoError(t, err)
	require.Empty(t, all)
	_, hub := newHub(t, base)
	_, err = hub.All(t.Context(), value(token), github.Place{Repository: "o/other"})
	require.Equal(t, services.NotFound, services.KindOf(err))
	_, err = hub.All(t.Context(), value("wrong"), at)
	require.Equal(t, services.Auth, services.KindOf(err))
}

func TestAllHostile(t *testing.T) {
	cred := services.Credential{"token": value(token)}
	servicestest.Hostile(t, cred, func(ctx context.Context, base string, limits services.Limits) (services.Report, error) {
		_, err := github.New(github.Config{BaseURL: base, Limits: limits}).All(ctx, value(token), github.Place{Repository: "o/n"})
		return services.Report{State: services.Unknown}, err
	})
}
