package scaleway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

const (
	shopID  = "0a000000-0000-4000-8000-000000000001"
	spaceID = "0b000000-0000-4000-8000-000000000001"
)

// platform is one namespace "space" with one container "shop", in one version
// of the API. Scripts say which statuses are shown from the next change on.
type platform struct {
	version     string
	script      []string
	message     string
	shop, space map[string]string
	updated     map[string]int // second of the last change, by id
	clock       int
	own         []string // requests that change something
	loses       string
	// busy is how many changes are refused because another one is under way.
	busy int
}

func (p *platform) client(t *testing.T) *scaleway.Client {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return scaleway.New(scaleway.Config{BaseURL: server.URL, Limits: servicestest.Quick(), Region: "fr-par", Patience: 5 * time.Second})
}

func newPlatform(version string) *platform {
	return &platform{version: version, updated: map[string]int{}, shop: map[string]string{"TOKEN": "h", "FOREIGN": "h"}, space: map[string]string{"OTHER": "h"}}
}

func (p *platform) secrets(m map[string]string) any {
	if p.version == "v1" {
		return m
	}
	list := []map[string]string{}
	for name, hash := range m {
		list = append(list, map[string]string{"key": name, "hashed_value": hash})
	}
	return list
}

func (p *platform) view(id string) map[string]any {
	status := "ready"
	var message any
	if len(p.script) > 0 {
		if status = p.script[0]; len(p.script) > 1 {
			p.script = p.script[1:]
		}
	}
	if status == "error" {
		message = p.message
	}
	at := time.Unix(int64(p.updated[id]), 0).UTC().Format(time.RFC3339)
	view := map[string]any{"id": id, "status": status, "error_message": message, "updated_at": at}
	if id == shopID {
		view["name"], view["namespace_id"], view["secret_environment_variables"] = "shop", spaceID, p.secrets(p.shop)
	} else {
		view["name"], view["secret_environment_variables"] = "space", p.secrets(p.space)
	}
	return view
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	path, served := strings.CutPrefix(r.URL.Path, "/containers/"+p.version+"/regions/fr-par")
	answer := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	switch {
	case !served:
		w.WriteHeader(http.StatusNotFound)
		answer(map[string]string{"type": "unknown_resource"})
	case path == "/containers":
		answer(map[string]any{"total_count": 1, "containers": []any{p.view(shopID)}})
	case path == "/namespaces":
		answer(map[string]any{"total_count": 1, "namespaces": []any{p.view(spaceID)}})
	case r.Method == http.MethodGet:
		answer(p.view(path[strings.LastIndex(path, "/")+1:]))
	case p.busy > 0:
		p.busy--
		p.script = []string{"updating", "ready"}
		w.WriteHeader(http.StatusConflict)
		answer(map[string]string{"type": "transient_state", "resource": "container", "resource_id": shopID, "current_state": "updating"})
	case r.Method == http.MethodPatch:
		body, _ := io.ReadAll(r.Body)
		p.own = append(p.own, "PATCH "+path+" "+string(body))
		p.patch(strings.HasPrefix(path, "/containers/"))
		answer(p.view(path[strings.LastIndex(path, "/")+1:]))
	default:
		p.own = append(p.own, r.Method+" "+path)
		p.clock++
		p.updated[shopID] = p.clock
		answer(p.view(shopID))
	}
}

func (p *platform) patch(container bool) {
	p.clock++
	m, id := p.space, spaceID
	if container {
		m, id = p.shop, shopID
	}
	p.updated[id] = p.clock
	m["TOKEN"] = "new"
	delete(m, p.loses)
	p.script = append([]string{"updating", "updating"}, p.script...)
	if len(p.script) == 2 {
		p.script = append(p.script, "ready")
	}
}

func tokens() map[string]secrets.Value {
	return map[string]secrets.Value{"TOKEN": secrets.NewValue([]byte("canary"))}
}

func TestSetVariablesOfAContainer(t *testing.T) {
	for version, body := range map[string]string{
		"v1":      `{"secret_environment_variables":{"FOREIGN":"","TOKEN":"canary"}}`,
		"v1beta1": `{"secret_environment_variables":[{"key":"TOKEN","value":"canary"}]}`,
	} {
		for _, namespace := range []string{"space", spaceID} {
			p := newPlatform(version)
			at := scaleway.Place{Namespace: namespace, Name: "shop"}
			require.NoError(t, p.client(t).SetVariables(t.Context(), credential(), at, tokens()), version)
			require.Equal(t, []string{"PATCH /containers/" + shopID + " " + body}, p.own)
			require.Equal(t, []string{"ready"}, p.script, "it was waited for")
			names, err := p.client(t).Variables(t.Context(), credential(), at)
			require.NoError(t, err)
			require.Equal(t, []string{"FOREIGN", "TOKEN"}, names)
		}
	}
}

func TestSetVariablesOfANamespaceDeploysItsContainers(t *testing.T) {
	for version, verb := range map[string]string{"v1": "redeploy", "v1beta1": "deploy"} {
		p := newPlatform(version)
		at := scaleway.Place{Namespace: "space"}
		require.NoError(t, p.client(t).SetVariables(t.Context(), credential(), at, tokens()))
		require.Len(t, p.own, 2)
		require.Contains(t, p.own[0], "PATCH /namespaces/"+spaceID)
		require.Equal(t, "POST /containers/"+shopID+"/"+verb, p.own[1], "the change of the namespace did not")
		got, err := p.client(t).Hashes(t.Context(), credential(), at)
		require.NoError(t, err)
		require.Empty(t, got.Unfit)
		require.Equal(t, "new", got.Hashes["TOKEN"])
		require.Contains(t, got.Shadowed["TOKEN"], "its container shop has a TOKEN of its own")
		p.updated[spaceID] = p.clock + 5
		got, err = p.client(t).Hashes(t.Context(), credential(), at)
		require.NoError(t, err)
		require.Contains(t, got.Unfit, "was not deployed since")
	}
}

// Somebody's deployment that begins between the look and the change is waited
// for; one that never ends is an error within the time of a deployment.
func TestSetVariablesWaitsForAnotherChange(t *testing.T) {
	for _, at := range []scaleway.Place{{Namespace: "space", Name: "shop"}, {Namespace: "space"}} {
		p := newPlatform("v1")
		p.busy = 2
		require.NoError(t, p.client(t).SetVariables(t.Context(), credential(), at, tokens()))
		require.Zero(t, p.busy)
		require.Contains(t, p.own[0], "PATCH ")
	}
	p := newPlatform("v1")
	p.busy = 1 << 30
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := p.client(t).SetVariables(ctx, credential(), scaleway.Place{Namespace: "space", Name: "shop"}, tokens())
	require.Equal(t, services.Rejected, services.KindOf(err), "%v", err)
	require.Empty(t, p.own)
}

func TestSetVariablesThatIsNoSuccess(t *testing.T) {
	set := func(p *platform, at scaleway.Place) error {
		c := p.client(t)
		return c.SetVariables(t.Context(), credential(), at, tokens())
	}
	shop := scaleway.Place{Namespace: "space", Name: "shop"}

	p := newPlatform("v1")
	p.script, p.message = []string{"ready", "ready", "ready", "error"}, "exit \x1b[31mstatus 3"
	err := set(p, shop)
	require.ErrorContains(t, err, "container shop")
	require.ErrorContains(t, err, "exit  [31mstatus 3")
	require.NotContains(t, err.Error(), "\x1b")

	p = newPlatform("v1")
	p.loses = "FOREIGN"
	require.ErrorContains(t, set(p, shop), "does not list FOREIGN any more")

	for _, at := range []scaleway.Place{{Namespace: "space", Name: "none"}, {Namespace: "none", Name: "shop"}, {Namespace: "none"}} {
		p = newPlatform("v1")
		err = set(p, at)
		require.Equal(t, services.NotFound, services.KindOf(err))
		require.ErrorContains(t, err, "none")
		require.Empty(t, p.own, "nothing is made")
	}
}

// A deployment that does not end is no success either; nothing is sent while
// somebody else's is under way.
func TestSetVariablesWaits(t *testing.T) {
	p := newPlatform("v1")
	p.script = []string{"updating"}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	c := scaleway.New(scaleway.Config{BaseURL: server.URL, Limits: servicestest.Quick(), Region: "fr-par", Patience: 300 * time.Millisecond})
	at := scaleway.Place{Namespace: "space", Name: "shop"}
	require.ErrorContains(t, c.SetVariables(t.Context(), credential(), at, tokens()), "did not become ready (status updating)")
	require.Empty(t, p.own)
}

func TestDeployable(t *testing.T) {
	for status, want := range map[string]string{"ready": "", "error": "in error (status error): boom", "updating": "being changed", "locked": "not ready (status locked)", "tomorrow": "being changed"} {
		for _, at := range []scaleway.Place{{Namespace: "space", Name: "shop"}, {Namespace: "space"}} {
			p := newPlatform("v1")
			p.script, p.message = []string{status}, "boom"
			err := p.client(t).Deployable(t.Context(), credential(), at)
			if want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, want, fmt.Sprint(at))
			}
			require.Empty(t, p.own)
		}
	}
}
