package hosted_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// forge records what is written to which holder.
type forge struct {
	mu     sync.Mutex
	writes map[hosted.Holder][]string
}

func (f *forge) Names(context.Context, hosted.Holder) ([]string, error) { return nil, nil }

func (f *forge) Write(_ context.Context, h hosted.Holder, set map[string]secrets.Value) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes[h] = append(f.writes[h], strings.Join(slices.Sorted(maps.Keys(set)), "+"))
	return nil
}

// Secrets of one name in a repository, its environment and its organization are
// three, and each holder is written once.
func TestActionsSecretsGoToTheirHolder(t *testing.T) {
	t.Parallel()
	repository := hosted.Holder{Kind: hosted.Repository, Name: "o/n"}
	environment := hosted.Holder{Kind: hosted.Environment, Scope: "o/n", Name: "live"}
	organization := hosted.Holder{Kind: hosted.Organization, Name: "o"}
	f := &forge{writes: map[hosted.Holder][]string{}}
	set := func(h hosted.Holder, v string) hosted.Set {
		return hosted.Set{Holder: h, Write: sealed(map[string]string{"A": v, "B": v})}
	}
	server, err := hosted.Serve(t.Context(), hosted.Config{Package: hosted.GitHub, Store: f,
		Sets: []hosted.Set{set(repository, "one"), set(environment, "two"), set(organization, "three")}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	e := connect(t, server)
	t.Cleanup(e.hangUp)
	create := func(token, name, v string, where ...string) (*pulumirpc.CreateResponse, error) {
		m := resource.PropertyMap{"secretName": resource.NewProperty(name), "value": resource.MakeSecret(resource.NewProperty(v))}
		for i := 0; i < len(where); i += 2 {
			m[resource.PropertyKey(where[i])] = resource.NewProperty(where[i+1])
		}
		return e.Create(t.Context(), &pulumirpc.CreateRequest{Urn: "urn:pulumi:badges::proj::github:index/" + token + "::x", Properties: wire(t, m)})
	}
	ids := map[string]bool{}
	for _, name := range []string{"A", "B"} {
		for _, c := range [][]string{
			{"actionsSecret:ActionsSecret", "one", "repository", "o/n"},
			{"actionsEnvironmentSecret:ActionsEnvironmentSecret", "two", "repository", "o/n", "environment", "live"},
			{"actionsOrganizationSecret:ActionsOrganizationSecret", "three", "organization", "o"},
		} {
			made, err := create(c[0], name, c[1], c[2:]...)
			require.NoError(t, err)
			ids[made.GetId()] = true
			_, err = create(c[0], name, "another", c[2:]...)
			require.ErrorContains(t, err, "not the planned one")
		}
	}
	require.Len(t, ids, 6)
	require.True(t, ids["live:o/n:A"])
	require.Equal(t, map[hosted.Holder][]string{repository: {"A+B"}, environment: {"A+B"}, organization: {"A+B"}}, f.writes)
	_, err = create("actionsEnvironmentSecret:ActionsEnvironmentSecret", "A", "one", "repository", "o/n", "environment", "other")
	require.ErrorContains(t, err, "refusing secret A of environment other of o/n: nothing is planned")

	for name, v := range map[string]string{"lower": "x", "GITHUB_TOKEN": "x", "1A": "x", "LONG": strings.Repeat("x", 48*1024+1)} {
		require.Error(t, hosted.Fits(hosted.Repository, name, secrets.NewValue([]byte(v))), name)
	}
	require.NoError(t, hosted.Fits(hosted.Organization, "LONG", secrets.NewValue([]byte(strings.Repeat("x", 48*1024)))))
	schema, err := e.GetSchema(t.Context(), &pulumirpc.GetSchemaRequest{})
	require.NoError(t, err)
	for _, token := range hosted.Types() {
		require.Equal(t, strings.HasPrefix(token, "github:"), strings.Contains(schema.GetSchema(), token), token)
	}
}
