package scaleway_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

var _ services.Lister = (*scaleway.Client)(nil)

func TestListOfKeys(t *testing.T) {
	c := newCompany(t)
	made := c.issue(label)
	// A key that may only read lists as well; it is the same bearer's.
	reader, err := c.world.Issue(world.Order{Service: world.Scaleway, Permissions: []string{"IAMReadOnly", "ContainersReadOnly"}, Description: "nightly"})
	require.NoError(t, err)
	for _, with := range []services.Credential{c.with, pair(reader[0].Value, reader[1].Value)} {
		list, err := c.client.List(t.Context(), with)
		require.NoError(t, err)
		byID := map[string]services.Issued{}
		for _, i := range list {
			require.Empty(t, i.Values)
			byID[i.ID] = i
		}
		require.Len(t, byID, 3)
		require.Equal(t, label, byID[made.ID].Label)
		require.WithinDuration(t, time.Now().Add(48*time.Hour), byID[made.ID].Expires, time.Minute)
		require.Contains(t, byID, string(c.with["access-key"].Reveal()))
		_, err = c.client.Containers(t.Context(), with)
		require.NoError(t, err)
	}
	require.Equal(t, 1, c.count(http.MethodPost), "only the key that was made for this")

	require.NoError(t, c.world.Tamper("permission-removed", reader[1].ID, "IAMReadOnly"))
	_, err = c.client.List(t.Context(), pair(reader[0].Value, reader[1].Value))
	require.Equal(t, services.Permission, services.KindOf(err))
	var fault *services.Error
	require.ErrorAs(t, err, &fault)
	require.Contains(t, fault.Next, "IAMReadOnly")
}

func TestContainersOfAWorld(t *testing.T) {
	c := newCompany(t)
	list, err := c.client.Containers(t.Context(), c.with)
	require.NoError(t, err)
	require.Len(t, list, 1)
	k := list[0]
	require.Equal(t, []string{world.ContainerName, world.NamespaceName, "ready"}, []string{k.Name, k.Namespace, k.Status})
	require.WithinDuration(t, time.Now(), k.Updated, 100*24*time.Hour)
	require.NotEmpty(t, k.Secrets)
	spaces, err := c.client.Namespaces(t.Context(), c.with)
	require.NoError(t, err)
	require.Len(t, spaces, 1)
	require.Equal(t, []string{k.NamespaceID, k.Namespace}, []string{spaces[0].ID, spaces[0].Name})

	require.NoError(t, c.world.Tamper("container-secret", world.ContainerName, "CLERK_SECRET_KEY", "sk_live_foreign"))
	changed, err := c.client.Containers(t.Context(), c.with)
	require.NoError(t, err)
	require.True(t, changed[0].Updated.After(k.Updated))
	same, err := scaleway.MatchesHash(pair("x", "sk_live_foreign")["api-secret"], changed[0].Secrets["CLERK_SECRET_KEY"])
	require.NoError(t, err)
	require.True(t, same)
}

const spaceJSON = `{"id":"ID","name":"shop","status":"ready","updated_at":"2026-01-02T03:04:05Z","error_message":null,"secret_environment_variables":SECRETS}`

func spaceOf(id, secrets string) string {
	return strings.NewReplacer("ID", id, "SECRETS", secrets).Replace(spaceJSON)
}

func page(list string, total int, items ...string) string {
	return fmt.Sprintf(`{"total_count":%d,%q:[%s]}`, total, list, strings.Join(items, ","))
}

// Where v1 is not served, v1beta1 is asked for everything.
func TestContainersOfTheOlderAPI(t *testing.T) {
	const v1, beta = "/containers/v1/regions/fr-par", "/containers/v1beta1/regions/fr-par"
	unserved := `{"type":"unknown_resource","message":"no such route"}`
	older := strings.Replace(containerOf("a", "ready", "null"), `{"STRIPE_SECRET_KEY":"$argon2id$v=19$m=65536,t=3,p=64$c2FsdA$aGFzaA"}`, `[{"key":"STRIPE_SECRET_KEY","hashed_value":"$argon2id$x"}]`, 1)
	server := servicestest.New(t, get(v1+"/namespaces", 404, unserved),
		get(beta+"/namespaces", 200, page("namespaces", 1, spaceOf(otherSpace, "[]"))), get(beta+"/containers", 200, page("containers", 1, older)))
	list, err := scaleway.New(scaleway.Config{BaseURL: server.URL, Limits: servicestest.Quick(), Region: "fr-par"}).Containers(t.Context(), credential())
	require.NoError(t, err)
	require.Equal(t, map[string]string{"STRIPE_SECRET_KEY": "$argon2id$x"}, list[0].Secrets)
	require.Equal(t, project, list[0].Namespace, "its namespace is not listed: the id")
}

func TestNamespacesHashes(t *testing.T) {
	server := servicestest.New(t, get("/containers/v1/regions/fr-par/namespaces", 200, page("namespaces", 1, spaceOf(project, `{"A":"$argon2id$v=19$x"}`))))
	client := scaleway.New(scaleway.Config{BaseURL: server.URL, Limits: servicestest.Quick(), Region: "fr-par", HTTP: server.Client("", spectest.ScalewayContainer)})
	list, err := client.Namespaces(t.Context(), credential())
	require.NoError(t, err)
	require.Equal(t, []scaleway.Namespace{{ID: project, Name: "shop", Status: "ready", Updated: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Secrets: map[string]string{"A": "$argon2id$v=19$x"}}}, list)
}

// A list that lacks something would pass a foreign container over.
func TestContainersThatAreNotAll(t *testing.T) {
	const path = "/containers/v1/regions/fr-par/namespaces"
	for _, pages := range [][]string{{`{}`}, {`{"total_count":0}`}, {page("containers", 0)}, {page("namespaces", 2, spaceOf(project, "{}")), page("namespaces", 2)}} {
		var plan []servicestest.Exchange
		for _, answer := range pages {
			plan = append(plan, get(path, 200, answer))
		}
		_, err := newClient(servicestest.New(t, plan...)).Namespaces(t.Context(), credential())
		require.Equal(t, services.Outage, services.KindOf(err), pages)
	}
	server := servicestest.New(t, get(path, 200, page("namespaces", 0)))
	list, err := newClient(server).Namespaces(t.Context(), credential())
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestListsHostile(t *testing.T) {
	cred := credential()
	for name, ask := range map[string]func(context.Context, *scaleway.Client) error{
		"containers": func(ctx context.Context, c *scaleway.Client) error {
			_, err := c.Containers(ctx, cred)
			return err
		},
		"keys": func(ctx context.Context, c *scaleway.Client) error {
			_, err := c.List(ctx, cred)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			servicestest.Hostile(t, cred, func(ctx context.Context, base string, limits services.Limits) (services.Report, error) {
				return services.Report{State: services.Unknown}, ask(ctx, scaleway.New(scaleway.Config{BaseURL: base, Limits: limits, Region: "fr-par"}))
			})
		})
	}
}
