package hosted_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

const shopURN = "urn:pulumi:badges::proj::scaleway:containers/container:Container::container/fr-par/space/shop"

var shop = hosted.Holder{Kind: hosted.Container, Scope: "fr-par/space", Name: "shop"}

// site is the containers' API.
type site struct {
	mu     sync.Mutex
	truth  map[string]string
	writes []string
	fail   error
}

func (s *site) Names(context.Context, hosted.Holder) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.truth)), nil
}

func (s *site) Write(_ context.Context, h hosted.Holder, set map[string]secrets.Value) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h != shop {
		return errors.New("another holder")
	}
	s.writes = append(s.writes, strings.Join(slices.Sorted(maps.Keys(set)), "+"))
	for name, v := range set {
		s.truth[name] = string(v.Reveal())
	}
	return s.fail
}

func (s *site) written() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.writes
	s.writes = nil
	return out
}

func shopSet(write, adopt map[string]string) hosted.Set {
	return hosted.Set{Holder: shop, Write: sealed(write), Adopt: sealed(adopt)}
}

func serveShop(t *testing.T, s *site, log func(string), sets ...hosted.Set) *hosted.Server {
	t.Helper()
	server, err := hosted.Serve(t.Context(), hosted.Config{Package: hosted.Scaleway, Sets: sets, Store: s, Log: log})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// The life of a container's variables under the real engine.
func TestEngineSetsVariablesOfAContainer(t *testing.T) {
	t.Parallel()
	l := newLab(t, "unused", map[string]string{"UNUSED": "canary-unused"})
	cat := &secrets.Catalog{Stacks: []secrets.Stack{{Name: "badges", Declared: true}}, Secrets: []secrets.Secret{{
		Name: "s", Entries: []secrets.Entry{{Path: "a/token"}, {Path: "a/hook"}},
		Consumers: []secrets.Consumer{{
			Name: "shop", Kind: secrets.KindContainer, Stack: "badges", Container: "shop", Namespace: "space", Region: "fr-par",
			Values: map[string]string{"TOKEN": "token", "HOOK": "hook"},
		}},
	}}}
	program, err := stacks.Declared(cat, "badges", "")
	require.NoError(t, err, "no Worker, so no account is needed")
	l.stack.Workspace().SetProgram(program)
	s := &site{truth: map[string]string{"HOOK": "by hand", "FOREIGN": "not ours"}}
	up := func(sets ...hosted.Set) (*hosted.Server, error) {
		server := serveShop(t, s, l.log.add, sets...)
		l.stack.Workspace().SetEnvVar("PULUMI_DEBUG_PROVIDERS", fmt.Sprintf("scaleway:%d", server.Port()))
		_, err := l.stack.Up(t.Context(), optup.ShowSecrets(false), optup.SuppressProgress())
		require.NoError(t, server.Close())
		l.state(t) // no value stands in the open
		return server, err
	}
	configure := func(token, hook string) { l.configure(t, map[string]string{"shop-TOKEN": token, "shop-HOOK": hook}) }

	configure("canary-token-1", "canary-hook-1")
	server, err := up(shopSet(map[string]string{"TOKEN": "canary-token-1"}, map[string]string{"HOOK": "canary-hook-1"}))
	require.NoError(t, err)
	require.Equal(t, []string{"TOKEN"}, s.written())
	require.Equal(t, map[string][]string{"shop": {"HOOK"}}, server.Adopted())
	require.Equal(t, map[string][]string{"shop": {"TOKEN"}}, server.Written())

	_, err = up()
	require.NoError(t, err, "nothing to do, so no plan is needed")

	configure("canary-token-2", "canary-hook-1")
	_, err = up()
	require.ErrorContains(t, err, "nothing is planned for this container")
	_, err = up(shopSet(map[string]string{"TOKEN": "canary-token-2"}, map[string]string{"HOOK": "canary-hook-1"}))
	require.NoError(t, err)
	require.Equal(t, []string{"TOKEN"}, s.written(), "what did not change is not written")

	configure("canary-token-2", "canary-hook-2")
	_, err = up(shopSet(nil, map[string]string{"TOKEN": "canary-token-2", "HOOK": "canary-hook-2"}))
	require.ErrorContains(t, err, "must be written")
	s.fail = errors.New("container shop is in error: canary-hook-2 was refused")
	set := shopSet(map[string]string{"HOOK": "canary-hook-2"}, map[string]string{"TOKEN": "canary-token-2"})
	server, err = up(set)
	require.ErrorContains(t, err, "writing the 1 planned secrets of container shop: container shop is in error")
	require.NotContains(t, err.Error(), "canary")
	require.Error(t, server.Failures()[shop])
	s.fail = nil
	_, err = up(set)
	require.NoError(t, err, "the state does not have what failed")
	require.Equal(t, []string{"HOOK", "HOOK"}, s.written())

	server = serveShop(t, s, l.log.add)
	l.stack.Workspace().SetEnvVar("PULUMI_DEBUG_PROVIDERS", fmt.Sprintf("scaleway:%d", server.Port()))
	_, err = l.stack.Destroy(t.Context(), optdestroy.SuppressProgress())
	require.NoError(t, err)
	require.Empty(t, s.written())
	require.Equal(t, map[string]string{"TOKEN": "canary-token-2", "HOOK": "canary-hook-2", "FOREIGN": "not ours"}, s.truth)
}

func shopInputs(values map[string]string) resource.PropertyMap {
	m := resource.PropertyMap{}
	for name, v := range values {
		m[resource.PropertyKey(name)] = resource.NewProperty(v)
	}
	return resource.PropertyMap{
		"name": resource.NewProperty("shop"), "namespaceId": resource.NewProperty("space"), "region": resource.NewProperty("fr-par"),
		"secretEnvironmentVariables": resource.MakeSecret(resource.NewProperty(m)),
	}
}

// Nothing but the planned values of the planned container is ever written, and
// what differs is named one by one.
func TestVariablesOfAContainer(t *testing.T) {
	t.Parallel()
	s := &site{truth: map[string]string{"HOOK": "by hand"}}
	var log lines
	e := connect(t, serveShop(t, s, log.add, shopSet(map[string]string{"TOKEN": "one"}, map[string]string{"HOOK": "two", "GONE": "three"})))
	t.Cleanup(e.hangUp)
	create := func(values map[string]string, edit func(resource.PropertyMap)) error {
		m := shopInputs(values)
		if edit != nil {
			edit(m)
		}
		_, err := e.Create(t.Context(), &pulumirpc.CreateRequest{Urn: shopURN, Properties: wire(t, m)})
		return err
	}
	for why, values := range map[string]map[string]string{
		"the value is not the planned one":      {"TOKEN": "guess"},
		"it is not part of the plan":            {"TOKEN": "one", "OTHER": "x"},
		"the container does not list it":        {"TOKEN": "one", "GONE": "three"},
		"secretEnvironmentVariables is missing": {"TOKEN": ""},
		"is missing, empty or not known":        {},
	} {
		require.ErrorContains(t, create(values, nil), why)
	}
	require.ErrorContains(t, create(map[string]string{"TOKEN": "one"}, func(m resource.PropertyMap) {
		m["namespaceId"] = resource.NewProperty("elsewhere")
	}), "nothing is planned for this container")
	require.Empty(t, s.written())
	require.NoError(t, create(map[string]string{"TOKEN": "one", "HOOK": "two"}, nil))
	require.NoError(t, create(map[string]string{"TOKEN": "one", "HOOK": "two"}, nil))
	require.Equal(t, []string{"TOKEN"}, s.written(), "once, however often it is called")

	diff, err := e.Diff(t.Context(), &pulumirpc.DiffRequest{Urn: shopURN,
		Olds: wire(t, shopInputs(map[string]string{"A": "1", "B": "1", "C": "1"})), News: wire(t, shopInputs(map[string]string{"A": "1", "B": "2", "D": "1"}))})
	require.NoError(t, err)
	require.Equal(t, []string{"secretEnvironmentVariables.B", "secretEnvironmentVariables.C", "secretEnvironmentVariables.D"}, diff.GetDiffs())
	require.Empty(t, diff.GetReplaces())

	check, err := e.Check(t.Context(), &pulumirpc.CheckRequest{Urn: shopURN, News: wire(t, shopInputs(map[string]string{
		"LONG": strings.Repeat("x", 1001), "HASH": "$argon2id$v=19$x", "FINE": strings.Repeat("x", 1000)}))})
	require.NoError(t, err)
	require.Len(t, check.GetFailures(), 2)
	require.Contains(t, check.GetFailures()[0].GetReason(), "$argon2id")
	require.Contains(t, check.GetFailures()[1].GetReason(), "1001 characters")
	_, err = hosted.Serve(t.Context(), hosted.Config{Package: hosted.Scaleway, Store: s, Sets: []hosted.Set{writeSet("badges", map[string]string{"A": "x"})}})
	require.ErrorContains(t, err, "package scaleway has no such thing")
	_, err = e.Delete(t.Context(), &pulumirpc.DeleteRequest{Urn: shopURN, Properties: wire(t, shopInputs(map[string]string{"TOKEN": "one"}))})
	require.NoError(t, err)
	require.Contains(t, log.String(), `secret "TOKEN" leaves the state and stays at container "shop"`)
	require.Equal(t, "one", s.truth["TOKEN"])
}
