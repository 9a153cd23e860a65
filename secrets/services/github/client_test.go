package github_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/box"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/github"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

const token = "ghp_canaryToken"

// hub is one place at GitHub.
type hub struct {
	base            string
	public, private *[32]byte
	secrets         map[string]map[string]any
	values          map[string]string
	puts            []map[string]any
	status          int // of every PUT, if set
}

func newHub(t *testing.T, base string) (*hub, *github.Client) {
	t.Helper()
	public, private, err := box.GenerateKey(rand.Reader)
	require.NoError(t, err)
	h := &hub{base: base, public: public, private: private, secrets: map[string]map[string]any{}, values: map[string]string{}}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return h, github.New(github.Config{BaseURL: server.URL, Limits: servicestest.Quick()})
}

func (h *hub) has(name string, more ...any) {
	view := map[string]any{"name": name, "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-02-03T04:05:06Z"}
	for i := 0; i < len(more); i += 2 {
		view[more[i].(string)] = more[i+1]
	}
	h.secrets[name] = view
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	answer := func(status int, v any) {
		w.WriteHeader(status)
		if v != nil {
			_ = json.NewEncoder(w).Encode(v)
		}
	}
	none := map[string]any{"message": "Not Found canary"}
	name, here := strings.CutPrefix(r.URL.EscapedPath(), h.base)
	name = strings.TrimPrefix(name, "/")
	secret, there := h.secrets[strings.TrimSuffix(name, "/repositories")]
	switch {
	case r.Header.Get("Authorization") != "Bearer "+token:
		answer(401, map[string]any{"message": "Bad credentials"})
	case !here:
		answer(404, none)
	case r.Method == http.MethodPut:
		h.put(r, name, answer)
	case name == "public-key":
		answer(200, map[string]any{"key_id": "77", "key": base64.StdEncoding.EncodeToString(h.public[:])})
	case name == "":
		list := []any{}
		for _, s := range h.secrets {
			list = append(list, s)
		}
		answer(200, map[string]any{"total_count": len(list), "secrets": list})
	case !there:
		answer(404, none)
	case strings.HasSuffix(name, "/repositories"):
		answer(200, map[string]any{"total_count": 2, "repositories": []any{map[string]any{"id": 5}, map[string]any{"id": 6}}})
	default:
		answer(200, secret)
	}
}

func (h *hub) put(r *http.Request, name string, answer func(int, any)) {
	if h.status != 0 {
		answer(h.status, map[string]any{"message": "no, canary"})
		return
	}
	raw, _ := io.ReadAll(r.Body)
	var body map[string]any
	_ = json.Unmarshal(raw, &body)
	sealed, _ := base64.StdEncoding.DecodeString(fmt.Sprint(body["encrypted_value"]))
	text, ok := box.OpenAnonymous(nil, sealed, h.public, h.private)
	if !ok || body["key_id"] != "77" {
		answer(422, map[string]any{"message": "no"})
		return
	}
	h.values[name] = string(text)
	delete(body, "encrypted_value")
	h.puts = append(h.puts, body)
	answer(201, map[string]any{})
}

func value(v string) secrets.Value { return secrets.NewValue([]byte(v)) }

func places() map[string]github.Place {
	return map[string]github.Place{
		"/repos/o/n/actions/secrets":                       {Repository: "o/n"},
		"/repos/o/n/environments/live%2Feu%20west/secrets": {Repository: "o/n", Environment: "live/eu west"},
		"/orgs/o/actions/secrets":                          {Organization: "o"},
	}
}

func TestSetSealsForThePlace(t *testing.T) {
	for base, at := range places() {
		h, c := newHub(t, base)
		h.has("A", "visibility", "private")
		h.has("B", "visibility", "selected")
		require.NoError(t, c.Set(t.Context(), value(token), at, map[string]secrets.Value{"A": value("one"), "B": value("two")}), base)
		require.Equal(t, map[string]string{"A": "one", "B": "two"}, h.values, base)
		want := []map[string]any{{"key_id": "77"}, {"key_id": "77"}}
		if at.Organization != "" {
			want = []map[string]any{{"key_id": "77", "visibility": "private"},
				{"key_id": "77", "visibility": "selected", "selected_repository_ids": []any{5.0, 6.0}}}
		}
		require.Equal(t, want, h.puts, "who may use it is taken over")
		names, err := c.Names(t.Context(), value(token), at)
		require.NoError(t, err)
		require.ElementsMatch(t, []string{"A", "B"}, names)
		when, err := c.Updated(t.Context(), value(token), at, "A", "GONE")
		require.NoError(t, err)
		require.Equal(t, map[string]time.Time{"A": time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)}, when)
	}
}

func TestNewSecrets(t *testing.T) {
	for base, at := range places() {
		h, c := newHub(t, base)
		settable := c.Settable(t.Context(), value(token), at, "NEW")
		err := c.Set(t.Context(), value(token), at, map[string]secrets.Value{"NEW": value("one")})
		if at.Organization == "" {
			require.NoError(t, settable)
			require.NoError(t, err)
			require.Equal(t, "one", h.values["NEW"])
			continue
		}
		for _, err := range []error{settable, err} {
			require.Equal(t, services.NotFound, services.KindOf(err))
			require.ErrorContains(t, err, "no secret NEW")
		}
		require.Empty(t, h.puts, "nobody chose who may use it")
	}
}

func TestRefusals(t *testing.T) {
	at := github.Place{Repository: "o/n"}
	h, c := newHub(t, "/repos/o/n/actions/secrets")
	set := func(token string, at github.Place) error {
		return c.Set(t.Context(), value(token), at, map[string]secrets.Value{"A": value("one")})
	}
	require.Equal(t, services.Auth, services.KindOf(set("wrong", at)))
	require.Equal(t, services.Rejected, services.KindOf(set("", at)))
	err := set(token, github.Place{Repository: "o/other"})
	require.Equal(t, services.NotFound, services.KindOf(err))
	require.ErrorContains(t, err, "there is no repository o/other")
	_, err = c.Updated(t.Context(), value(token), github.Place{Repository: "o/n", Environment: "none"}, "A")
	require.ErrorContains(t, err, "there is no environment none of o/n", "a missing place is no missing secret")
	require.Error(t, c.Settable(t.Context(), value(token), github.Place{Organization: "none"}))
	for status, kind := range map[int]services.Kind{403: services.Permission, 422: services.Rejected, 500: services.Outage} {
		h.status = status
		err := set(token, at)
		require.Equal(t, kind, services.KindOf(err), status)
		require.NotContains(t, err.Error(), "canary", "the service's own text")
	}
}
