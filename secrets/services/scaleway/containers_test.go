package scaleway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/alexedwards/argon2id"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/servicestest"
)

const otherSpace = "205bdce1-3333-4222-8222-222222222222"

// listed answers every list of containers in one version of the API and 404
// with Scaleway's words in the other.
func listed(t *testing.T, version, containers string) *scaleway.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/containers/"+version+"/regions/fr-par/containers" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `{"type":"unknown_resource","message":"no such route"}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"total_count":%d,"containers":[%s]}`, strings.Count(containers, `"name"`), containers)
	}))
	t.Cleanup(server.Close)
	return scaleway.New(scaleway.Config{BaseURL: server.URL, Limits: servicestest.Quick(), Region: "fr-par"})
}

func hashes(t *testing.T, c *scaleway.Client, p scaleway.Place) (scaleway.Hashed, error) {
	t.Helper()
	return c.Hashes(t.Context(), credential(), p)
}

func TestHashesInBothForms(t *testing.T) {
	beta := `{"id":"c1","name":"stripe-backend","namespace_id":"` + project + `","status":"ready","error_message":null,
		"secret_environment_variables":[{"key":"STRIPE_SECRET_KEY","hashed_value":"$argon2id$x"}]}`
	for version, containers := range map[string]string{"v1": containerOf("stripe-backend", "ready", "null"), "v1beta1": beta} {
		got, err := hashes(t, listed(t, version, containers), scaleway.Place{Name: "stripe-backend"})
		require.NoError(t, err, version)
		require.Empty(t, got.Unfit)
		require.Contains(t, got.Hashes["STRIPE_SECRET_KEY"], "$argon2id$")
	}
}

func TestContainersThatProveNothingNow(t *testing.T) {
	for name, c := range map[string]struct{ status, reason, says string }{
		"updating":              {"updating", "null", `not ready (status "updating")`},
		"in error":              {"error", `"boom"`, ": boom"},
		"a status of tomorrow":  {"ready-ish", "null", `not ready (status "ready-ish")`},
		"ready, with a failure": {"ready", `"image\u001b[2J not found"`, ": image [2J not found"},
	} {
		got, err := hashes(t, listed(t, "v1", containerOf("a", c.status, c.reason)), scaleway.Place{Name: "a"})
		require.NoError(t, err, name)
		require.Contains(t, got.Unfit, c.says, name)
	}
}

func TestHashesOfTheRightContainer(t *testing.T) {
	two := containerOf("a", "ready", "null") + "," + strings.Replace(containerOf("a", "error", "null"), project, otherSpace, 1)
	c := listed(t, "v1", two+","+containerOf("ab", "ready", "null"))
	_, err := hashes(t, c, scaleway.Place{Name: "a"})
	require.Equal(t, services.Rejected, services.KindOf(err))
	require.ErrorContains(t, err, "2 containers")
	got, err := hashes(t, c, scaleway.Place{Name: "a", Namespace: otherSpace})
	require.NoError(t, err)
	require.NotEmpty(t, got.Unfit)
	_, err = hashes(t, c, scaleway.Place{Name: "b"})
	require.Equal(t, services.NotFound, services.KindOf(err), "another name is no answer")
	_, err = hashes(t, c, scaleway.Place{Name: "a", Region: "../x"})
	require.ErrorContains(t, err, "region")
}

func TestHashesOfAnAnswerThatIsNone(t *testing.T) {
	for _, secret := range []string{`"text"`, `[{"key":"A","hashed_value":"x"},{"key":"A","hashed_value":"y"}]`, `{"A":1}`} {
		c := strings.Replace(containerOf("a", "ready", "null"), containerJSON[strings.Index(containerJSON, `{"STRIPE`):len(containerJSON)-1], secret, 1)
		got, err := hashes(t, listed(t, "v1", c), scaleway.Place{Name: "a"})
		require.Error(t, err, secret)
		require.Empty(t, got.Hashes)
	}
}

func TestMatchesHash(t *testing.T) {
	hash, err := argon2id.CreateHash("the value", &argon2id.Params{Memory: 64 << 10, Iterations: 3, Parallelism: 64, SaltLength: 16, KeyLength: 32})
	require.NoError(t, err)
	for text, want := range map[string]bool{"the value": true, "the valuf": false, "the value ": false, "": false} {
		got, err := scaleway.MatchesHash(secrets.NewValue([]byte(text)), hash)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
}

// TestHostileHashes: none of them may cost memory, time or a panic.
func TestHostileHashes(t *testing.T) {
	const salt, key = "c2FsdHNhbHQ", "aGFzaGhhc2hoYXNoaGFzaA"
	of := func(params, salt, key string) string { return "$argon2id$v=19$" + params + "$" + salt + "$" + key }
	_, err := scaleway.MatchesHash(secrets.NewValue([]byte("v")), of("m=64,t=1,p=1", salt, key))
	require.NoError(t, err, "the form that the others are made of")
	hostile := map[string]string{
		"4 TiB":          of("m=4294967295,t=1,p=1", salt, key),
		"half a GiB":     of("m=524288,t=1,p=1", salt, key),
		"for years":      of("m=64,t=4294967295,p=1", salt, key),
		"17 passes":      of("m=64,t=17,p=1", salt, key),
		"no pass":        of("m=64,t=0,p=1", salt, key),
		"no thread":      of("m=64,t=1,p=0", salt, key),
		"a negative":     of("m=-1,t=1,p=1", salt, key),
		"no salt":        of("m=64,t=1,p=1", "", key),
		"no key":         of("m=64,t=1,p=1", salt, ""),
		"a key of bytes": of("m=64,t=1,p=1", salt, "YQ"),
		"endless":        of("m=64,t=1,p=1", salt, strings.Repeat("aGFz", 1<<20)),
		"argon2i":        strings.Replace(of("m=64,t=1,p=1", salt, key), "argon2id", "argon2i", 1),
		"bcrypt":         "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"the value":      "v", "nothing": "",
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, hash := range hostile {
		ok, err := scaleway.MatchesHash(secrets.NewValue([]byte("v")), hash)
		require.ErrorIs(t, err, scaleway.ErrHash, name)
		require.False(t, ok, name)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "bytes allocated")
}
