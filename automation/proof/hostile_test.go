package proof

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// cdn stands in front of an address and keeps every answer, whatever the
// request or the answer say about that, and answers with what it kept once old
// is set. by says what it takes for the same request; shows is whether it owns
// up to it.
func cdn(t *testing.T, origin string, old *atomic.Bool, by func(*http.Request) string, shows bool) string {
	t.Helper()
	target, err := url.Parse(origin)
	require.NoError(t, err)
	var mu sync.Mutex
	kept := map[string]*httptest.ResponseRecorder{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		answer, hit := kept[by(r)]
		hit = hit && old.Load()
		if !hit {
			answer = httptest.NewRecorder()
			proxy.ServeHTTP(answer, r)
			kept[by(r)] = answer
		}
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		if hit && shows {
			w.Header().Set("Age", "30")
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
}

func byPath(r *http.Request) string { return r.URL.Path }

func byAddress(r *http.Request) string { return r.URL.String() }

// attestAs runs a handler of the protocol that answers under another name.
func attestAs(name string, c services.Credential) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		own, _, err := attest.NewRequest(r.Context(), "http://own", name, attest.Key(c["api-user"], c["api-secret"]), time.Now())
		if err != nil {
			http.NotFound(w, r)
			return
		}
		attest.Handler(func(string) ([]secrets.Value, bool) {
			return []secrets.Value{c["api-user"], c["api-secret"]}, true
		}, time.Now).ServeHTTP(w, own)
	}
}

// TestCachedAnswersOfTheAttestProtocol: the cache was filled while the consumer
// ran with the very value that is asked about, and the consumer has the old one
// again.
func TestCachedAnswersOfTheAttestProtocol(t *testing.T) {
	for name, by := range map[string]func(*http.Request) string{"by path": byPath, "by address": byAddress} {
		t.Run(name, func(t *testing.T) {
			var old atomic.Bool
			address := cdn(t, runsWith(t, func() services.Credential {
				if old.Load() {
					return oldPair
				}
				return newPair
			}), &old, by, false)
			require.Equal(t, Match, asker().Ask(t.Context(), attestQuestion(address, newPair)).Answer)
			old.Store(true)
			require.NotEqual(t, Match, asker().Ask(t.Context(), attestQuestion(address, newPair)).Answer)
		})
	}
}

func TestAnswerForAnotherName(t *testing.T) {
	r := asker().Ask(t.Context(), attestQuestion(serve(t, attestAs("stripe", newPair)), newPair))
	require.Equal(t, Unknown, r.Answer, r.Detail)
}

// TestConsumersAreNotFollowedElsewhere: whoever answers at another address is
// not the consumer.
func TestConsumersAreNotFollowedElsewhere(t *testing.T) {
	right := runsWith(t, func() services.Credential { return newPair })
	moved := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, right+"?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
	}))
	require.Equal(t, Unreachable, asker().Ask(t.Context(), attestQuestion(moved, newPair)).Answer)
	fine := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	login := serve(t, http.RedirectHandler(fine, http.StatusFound))
	require.Equal(t, Unknown, asker().Ask(t.Context(), worksQuestion(login, serve(t, status(401)))).Answer, "a login page")
	require.Equal(t, Unknown, asker().Ask(t.Context(), worksQuestion(fine, login)).Answer, "the control's login page")
}

func TestASilentConsumerStopsNobody(t *testing.T) {
	over := make(chan struct{})
	silent := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	defer close(over)
	a := asker()
	a.HTTP = &http.Client{Timeout: 50 * time.Millisecond}
	for _, q := range []Question{attestQuestion(silent, newPair), worksQuestion(silent, silent)} {
		require.Equal(t, Unreachable, a.Ask(t.Context(), q).Answer)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func worksQuestion(good, bad string) Question {
	return Question{Secret: sightengine, Want: newPair, Consumer: secrets.Consumer{Name: "c",
		Probe: secrets.Probe{Kind: secrets.ProofWorks, By: "http", URL: good, BadURL: bad}}}
}

// TestWorksIsNotTakenFromACache: the cache was filled while the old value
// worked; now nothing works.
func TestWorksIsNotTakenFromACache(t *testing.T) {
	for name, c := range map[string]struct {
		by    func(*http.Request) string
		shows bool
		want  Answer
	}{
		"by address, silently": {byAddress, false, Differs},
		"by path, and says so": {byPath, true, Unknown},
		"by address, says so":  {byAddress, true, Differs},
	} {
		t.Run(name, func(t *testing.T) {
			var broken atomic.Bool
			origin := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if broken.Load() || r.URL.Path == "/bad" {
					w.WriteHeader(http.StatusForbidden)
				}
			}))
			address := cdn(t, origin, &broken, c.by, c.shows)
			q := worksQuestion(address+"/good", address+"/bad")
			require.Equal(t, Match, asker().Ask(t.Context(), q).Answer)
			broken.Store(true)
			r := asker().Ask(t.Context(), q)
			require.Equal(t, c.want, r.Answer, r.Detail)
		})
	}
}

// TestControlsThatFailForAnotherReason do not show that a wrong credential is
// refused.
func TestControlsThatFailForAnotherReason(t *testing.T) {
	fine := serve(t, status(200))
	for _, code := range []int{200, 204, 302, 404, 405, 422, 429, 500, 502, 503} {
		r := asker().Ask(t.Context(), worksQuestion(fine, serve(t, status(code))))
		require.Equal(t, Unknown, r.Answer, "%d: %s", code, r.Detail)
	}
	for _, code := range []int{400, 401, 403} {
		require.Equal(t, Match, asker().Ask(t.Context(), worksQuestion(fine, serve(t, status(code)))).Answer, code)
	}
}

// TestAlternatingNeverFillsARow: behind one address old and new answer in turn,
// or by lot in long runs; neither is a roll-out.
func TestAlternatingNeverFillsARow(t *testing.T) {
	for name, q := range map[string]func(good func() bool) Question{
		"works": func(good func() bool) Question {
			return worksQuestion(serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if !good() {
					w.WriteHeader(http.StatusUnauthorized)
				}
			})), serve(t, status(401)))
		},
		"attest": func(good func() bool) Question {
			return attestQuestion(runsWith(t, func() services.Credential {
				if good() {
					return newPair
				}
				return oldPair
			}), newPair)
		},
	} {
		for _, run := range []int64{1, 2} {
			t.Run(name, func(t *testing.T) {
				var calls atomic.Int64
				w := Window{Answers: 3, Every: time.Microsecond, Limit: 300 * time.Millisecond}
				r := asker().Watch(t.Context(), w, []Question{q(func() bool { return calls.Add(1)/run%2 == 0 })}, nil)
				require.NotEqual(t, Match, r[0].Answer)
				require.Greater(t, calls.Load(), int64(8), "it was asked again and again")
			})
		}
	}
}

// TestInstancesThatDisagree: the wanted value is among the known ones, and
// proven by another instance than the one that refused it.
func TestInstancesThatDisagree(t *testing.T) {
	var calls atomic.Int64
	address := runsWith(t, func() services.Credential {
		if calls.Add(1) == 1 {
			return oldPair
		}
		return newPair
	})
	r := asker().Ask(t.Context(), attestQuestion(address, newPair, Known{"the new value", pair("2002", "new-secret-new-secret")}))
	require.Equal(t, Unknown, r.Answer)
	require.Contains(t, r.Detail, "several instances")
}

// balanced sends every connection to the next of two instances, as a balancer
// of connections does.
func balanced(t *testing.T, instances ...http.Handler) string {
	t.Helper()
	var connections atomic.Int64
	type key struct{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		instances[r.Context().Value(key{}).(int64)%int64(len(instances))].ServeHTTP(w, r)
	}))
	s.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, key{}, connections.Add(1))
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// TestEveryInstanceIsMet: one stale instance of three behind a balancer is seen
// by a single question, since a kept connection would meet the same one.
func TestEveryInstanceIsMet(t *testing.T) {
	instance := func(c services.Credential) http.Handler {
		return attest.Handler(func(string) ([]secrets.Value, bool) { return []secrets.Value{c["api-user"], c["api-secret"]}, true }, time.Now)
	}
	stale := balanced(t, instance(newPair), instance(newPair), instance(oldPair))
	require.NotEqual(t, Match, asker().Ask(t.Context(), attestQuestion(stale, newPair)).Answer)
	broken := balanced(t, status(200), status(200), status(401))
	require.NotEqual(t, Match, asker().Ask(t.Context(), worksQuestion(broken, serve(t, status(401)))).Answer)
	require.Equal(t, Match, asker().Ask(t.Context(), attestQuestion(balanced(t, instance(newPair), instance(newPair)), newPair)).Answer)
}
