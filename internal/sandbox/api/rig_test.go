package api

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
)

const betaSpec = "scaleway.containers.v1beta1.openapi.json"

// rig is a seeded world with its APIs.
type rig struct {
	t     *testing.T
	world *world.World
	pass  map[string]string
	api   *API
}

func newRig(t *testing.T) *rig {
	t.Helper()
	w, err := world.Open(t.TempDir())
	require.NoError(t, err)
	pass, err := w.Seed()
	require.NoError(t, err)
	return &rig{t: t, world: w, pass: pass, api: New(w, Options{})}
}

// serve serves h as it is.
func (r *rig) serve(h http.Handler) string {
	s := httptest.NewServer(h)
	r.t.Cleanup(s.Close)
	return s.URL
}

// checked serves h with every request and answer held against descriptions.
func (r *rig) checked(h http.Handler, prefix string, specs ...string) string {
	return r.serve(spectest.Handlers(r.t, prefix, h, specs...))
}

func (r *rig) cloudflare() string {
	return r.checked(r.api.Cloudflare(), cloudflareBase, spectest.Cloudflare) + cloudflareBase
}

func (r *rig) scaleway() string {
	return r.checked(r.api.Scaleway(), "", spectest.ScalewayIAM, spectest.ScalewayContainer, betaSpec, spectest.ScalewayRegistry)
}

func (r *rig) account() string {
	return "/accounts/" + r.pass["cloudflare/account-id"]
}

func (r *rig) script() string {
	return r.account() + "/workers/scripts/" + world.WorkerName
}

// state is the world as it is.
func (r *rig) state() *world.State {
	s, err := r.world.Snapshot()
	require.NoError(r.t, err)
	return s
}

// change changes the world behind the API.
func (r *rig) change(f func(*world.State)) {
	require.NoError(r.t, r.world.Update(func(s *world.State) error {
		f(s)
		return nil
	}))
}

// find returns the credential of a value.
func (r *rig) find(service, value string) world.Credential {
	c, found, err := r.world.Lookup(service, value)
	require.NoError(r.t, err)
	require.True(r.t, found, "credential of "+service)
	return c
}

type answer struct {
	t      *testing.T
	status int
	header http.Header
	raw    string
}

// at returns a member of the JSON body by its path ("result/0/name"; ~ stands
// for a slash in a name).
func (a answer) at(path string) any {
	a.t.Helper()
	var v any
	require.NoError(a.t, json.Unmarshal([]byte(a.raw), &v), "body of the answer")
	for _, key := range strings.Split(path, "/") {
		key = strings.ReplaceAll(key, "~", "/")
		switch node := v.(type) {
		case map[string]any:
			v = node[key]
		case []any:
			i := int(key[0] - '0')
			require.Less(a.t, i, len(node), "elements at "+path)
			v = node[i]
		default:
			require.Failf(a.t, "no such member", "%s", path)
		}
	}
	return v
}

func (a answer) text(path string) string {
	a.t.Helper()
	s, is := a.at(path).(string)
	require.True(a.t, is, path+" is text")
	return s
}

// errorCode is Cloudflare's.
func (a answer) errorCode() int {
	a.t.Helper()
	return int(a.at("errors/0/code").(float64))
}

type option func(*http.Request)

func withBearer(token string) option {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func withKey(key string) option {
	return func(r *http.Request) { r.Header.Set("X-Auth-Token", key) }
}

func withHeader(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// ask sends a request; a body that starts with { is JSON, another a form.
func ask(t *testing.T, method, url, body string, options ...option) answer {
	t.Helper()
	a, err := try(t, method, url, body, options...)
	require.NoError(t, err)
	return a
}

// try is ask for a connection that may be closed on us.
func try(t *testing.T, method, url, body string, options ...option) (answer, error) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	switch {
	case strings.HasPrefix(body, "{"):
		req.Header.Set("Content-Type", "application/json")
	case body != "":
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, o := range options {
		o(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{t: t}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return answer{t: t, status: res.StatusCode, header: res.Header, raw: string(raw)}, err
}

// log is the content of requests.ndjson.
func (r *rig) log() string {
	raw, err := os.ReadFile(r.world.RequestsPath())
	require.NoError(r.t, err)
	return string(raw)
}

// lines are the parsed lines of requests.ndjson.
func (r *rig) lines() []Request {
	var out []Request
	for _, line := range strings.Split(strings.TrimSpace(r.log()), "\n") {
		var one Request
		require.NoError(r.t, json.Unmarshal([]byte(line), &one))
		out = append(out, one)
	}
	return out
}
