package cloudflare_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/cloudflare"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

func versionID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// madeOn is when version n was made: a day after the one before.
func madeOn(n int) time.Time { return time.Date(2026, 1, n, 12, 0, 0, 123456000, time.UTC) }

func versionItem(n int) string {
	return fmt.Sprintf(`{"id":%q,"number":%d,"metadata":{"author_id":"u1","author_email":"ops@example.com","created_on":%q,"modified_on":%q,"source":"dash","hasPreview":false},
"annotations":{"workers/triggered_by":"secret","workers/message":"a\u001b[2Jb"}}`, versionID(n), n, madeOn(n).Format(time.RFC3339Nano), madeOn(n).Format(time.RFC3339Nano))
}

// versionPage plans a request for versions from newest down to oldest; none if
// newest is 0.
func versionPage(query string, newest, oldest int) servicestest.Exchange {
	var items []string
	for n := newest; n >= oldest && n > 0; n-- {
		items = append(items, versionItem(n))
	}
	x := bearer(userToken, script+"/versions", 200, ok(`{"items":[`+strings.Join(items, ",")+`]}`))
	x.Query = query
	return x
}

func versionsSince(t *testing.T, since time.Time, plan ...servicestest.Exchange) ([]cloudflare.Version, error) {
	t.Helper()
	return clientOf(servicestest.New(t, plan...), servicestest.Quick()).Versions(t.Context(), credential(userToken)["api-token"], account, "badges", since)
}

func numbers(list []cloudflare.Version) (all, deployable []int) {
	for _, v := range list {
		all = append(all, v.Number)
		if v.Deployable {
			deployable = append(deployable, v.Number)
		}
	}
	return all, deployable
}

func TestVersions(t *testing.T) {
	deployable := versionPage("deployable=true", 9, 7)
	page := func(n, newest, oldest int) servicestest.Exchange {
		return versionPage(fmt.Sprintf("page=%d&per_page=50", n), newest, oldest)
	}
	list, err := versionsSince(t, madeOn(8), page(1, 9, 7), deployable)
	require.NoError(t, err)
	all, _ := numbers(list)
	require.Equal(t, []int{9, 8, 7}, all, "one page reaches far enough")
	require.Equal(t, cloudflare.Version{ID: versionID(9), Number: 9, Created: madeOn(9), TriggeredBy: "secret", Source: "dash",
		Author: "ops@example.com", Message: "a [2Jb", Deployable: true}, list[0])

	// Until before the time, whatever can still be deployed.
	list, err = versionsSince(t, madeOn(4), page(1, 9, 6), page(2, 6, 3), deployable)
	require.NoError(t, err)
	all, can := numbers(list)
	require.Equal(t, []int{9, 8, 7, 6, 5, 4, 3}, all)
	require.Equal(t, []int{9, 8, 7}, can)

	// What can be deployed is there, however old it is.
	list, err = versionsSince(t, madeOn(9), page(1, 9, 8), versionPage("deployable=true", 9, 2))
	require.NoError(t, err)
	all, can = numbers(list)
	require.Equal(t, []int{9, 8, 7, 6, 5, 4, 3, 2}, all)
	require.Equal(t, all, can)

	// To the first one; and with no time, the newest alone.
	list, err = versionsSince(t, madeOn(1).AddDate(-1, 0, 0), page(1, 9, 1), page(2, 0, 0), deployable)
	require.NoError(t, err)
	require.Len(t, list, 9)
	list, err = versionsSince(t, time.Time{}, page(1, 9, 1), deployable)
	require.NoError(t, err)
	require.Len(t, list, 9)
	list, err = versionsSince(t, time.Time{}, page(1, 0, 0), versionPage("deployable=true", 0, 0))
	require.NoError(t, err)
	require.Empty(t, list)
}

// Versions that are left out would hide somebody's change.
func TestVersionsThatAreNotAll(t *testing.T) {
	_, err := versionsSince(t, madeOn(2), versionPage("", 9, 7), versionPage("", 9, 7))
	require.ErrorContains(t, err, "same page twice")
	require.Equal(t, services.Outage, services.KindOf(err))
	for _, result := range []string{`null`, `{}`, `[]`, `{"items":[{"id":"x"}]}`, `{"items":[{"id":"` + versionID(1) + `"}]}`} {
		answer := bearer(userToken, script+"/versions", 200, ok(result))
		client := cloudflare.New(cloudflare.Config{BaseURL: servicestest.New(t, answer).URL + prefix, Limits: servicestest.Quick()})
		_, err := client.Versions(t.Context(), credential(userToken)["api-token"], account, "badges", time.Time{})
		require.Equal(t, services.Outage, services.KindOf(err), result)
	}
	_, err = versionsSince(t, madeOn(2), bearer(userToken, script+"/versions", 404, refused(10007, "m")))
	require.Equal(t, services.NotFound, services.KindOf(err))
	_, err = versionsSince(t, madeOn(2), bearer(userToken, script+"/versions", 403, refused(10000, "m")))
	require.Equal(t, services.Permission, services.KindOf(err))
}

func TestDeployment(t *testing.T) {
	read := func(result string) (cloudflare.Deployment, error) {
		server := servicestest.New(t, bearer(userToken, script+"/deployments", 200, ok(result)))
		return clientOf(server, servicestest.Quick()).Deployment(t.Context(), credential(userToken)["api-token"], account, "badges")
	}
	one := func(n int, shares string) string {
		return fmt.Sprintf(`{"id":%q,"created_on":%q,"source":"api","author_email":"ops@example.com","strategy":"percentage",
"annotations":{"workers/triggered_by":"rollback"},"versions":[%s]}`, versionID(100+n), madeOn(n).Format(time.RFC3339Nano), shares)
	}
	share := func(n, percent int) string {
		return fmt.Sprintf(`{"version_id":%q,"percentage":%d}`, versionID(n), percent)
	}
	d, err := read(`{"deployments":[` + one(5, share(2, 90)+","+share(3, 10)) + "," + one(4, share(3, 100)) + `]}`)
	require.NoError(t, err)
	require.Equal(t, cloudflare.Deployment{ID: versionID(105), Created: madeOn(5), TriggeredBy: "rollback", Source: "api", Author: "ops@example.com",
		Shares: []cloudflare.Share{{Version: versionID(2), Percent: 90}, {Version: versionID(3), Percent: 10}}}, d)
	d, err = read(`{"deployments":[]}`)
	require.NoError(t, err)
	require.Empty(t, d.Shares)
	server := servicestest.New(t, bearer(userToken, script+"/deployments", 200, ok(`{}`)))
	_, err = cloudflare.New(cloudflare.Config{BaseURL: server.URL + prefix, Limits: servicestest.Quick()}).Deployment(t.Context(), credential(userToken)["api-token"], account, "badges")
	require.Equal(t, services.Outage, services.KindOf(err))
}

func TestScripts(t *testing.T) {
	path := strings.TrimSuffix(script, "/badges")
	server := servicestest.New(t, bearer(userToken, path, 200, ok(`[{"id":"site"},{"id":"badges"}]`)))
	names, err := clientOf(server, servicestest.Quick()).Scripts(t.Context(), credential(userToken)["api-token"], account)
	require.NoError(t, err)
	require.Equal(t, []string{"badges", "site"}, names)
	for _, result := range []string{`null`, `[{"id":"../x"}]`} {
		server := servicestest.New(t, bearer(userToken, path, 200, ok(result)))
		client := cloudflare.New(cloudflare.Config{BaseURL: server.URL + prefix, Limits: servicestest.Quick()})
		_, err := client.Scripts(t.Context(), credential(userToken)["api-token"], account)
		require.Equal(t, services.Outage, services.KindOf(err), result)
	}
}

func TestVersionsHostile(t *testing.T) {
	cred := credential(userToken)
	for name, ask := range map[string]func(context.Context, *cloudflare.Client) error{
		"versions": func(ctx context.Context, c *cloudflare.Client) error {
			_, err := c.Versions(ctx, cred["api-token"], account, "badges", time.Time{})
			return err
		},
		"deployment": func(ctx context.Context, c *cloudflare.Client) error {
			_, err := c.Deployment(ctx, cred["api-token"], account, "badges")
			return err
		},
		"scripts": func(ctx context.Context, c *cloudflare.Client) error {
			_, err := c.Scripts(ctx, cred["api-token"], account)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			servicestest.Hostile(t, cred, func(ctx context.Context, base string, limits services.Limits) (services.Report, error) {
				return services.Report{State: services.Unknown}, ask(ctx, cloudflare.New(cloudflare.Config{BaseURL: base + prefix, Limits: limits}))
			})
		})
	}
}
