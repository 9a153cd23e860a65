package proof

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// pair is a credential of two entries.
func pair(user, secret string) services.Credential {
	return services.Credential{"api-user": secrets.NewValue([]byte(user)), "api-secret": secrets.NewValue([]byte(secret))}
}

var sightengine = secrets.Secret{Name: "sightengine", Entries: []secrets.Entry{{Path: "s/api-user"}, {Path: "s/api-secret"}}}

// runsWith serves the attest protocol for whatever current returns.
func runsWith(t *testing.T, current func() services.Credential) string {
	h := attest.Handler(func(string) ([]secrets.Value, bool) {
		c := current()
		return []secrets.Value{c["api-user"], c["api-secret"]}, true
	}, time.Now)
	return serve(t, h)
}

func serve(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func asker() *Asker { return &Asker{HTTP: http.DefaultClient, Now: time.Now} }

func attestQuestion(url string, want services.Credential, known ...Known) Question {
	return Question{Secret: sightengine, Want: want, Known: known, Consumer: secrets.Consumer{
		Name: "badges", Kind: secrets.KindWorker, Probe: secrets.Probe{Kind: secrets.ProofExact, By: "attest", URL: url},
	}}
}

var (
	oldPair = pair("1001", "old-secret-old-secret")
	newPair = pair("2002", "new-secret-new-secret")
	torn    = pair("2002", "old-secret-old-secret")
)

func TestAttestSaysWhatTheConsumerProved(t *testing.T) {
	for name, c := range map[string]struct {
		runs  services.Credential
		known []Known
		want  Answer
	}{
		"the wanted value":                 {newPair, nil, Match},
		"the previous one, which is known": {oldPair, []Known{{"the previous value", oldPair}}, Differs},
		"the previous one, not known":      {oldPair, nil, Unknown},
		"a torn pair":                      {torn, []Known{{"the previous value", oldPair}}, Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			url := runsWith(t, func() services.Credential { return c.runs })
			r := asker().Ask(t.Context(), attestQuestion(url, newPair, c.known...))
			require.Equal(t, c.want, r.Answer, r.Detail)
			require.NotContains(t, r.Detail, "secret-new")
		})
	}
}

// TestHostileConsumersProveNothing: answers that a naive probe takes for a yes.
func TestHostileConsumersProveNothing(t *testing.T) {
	cached := ""
	for name, h := range map[string]http.HandlerFunc{
		"200 for everything": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"ok":true}`)) },
		"echo of the request's own mac": func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			_, _ = w.Write([]byte(`{"name":"` + q.Get("name") + `","nonce":"` + q.Get("nonce") + `","mac":"` + r.Header.Get(attest.Header) + `"}`))
		},
		"a replayed answer": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(cached)) },
		"a gateway's page":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	} {
		t.Run(name, func(t *testing.T) {
			if name == "a replayed answer" {
				cached = recorded(t)
			}
			r := asker().Ask(t.Context(), attestQuestion(serve(t, h), newPair))
			require.NotEqual(t, Match, r.Answer)
			require.NotEqual(t, Differs, r.Answer, "nothing was proven")
		})
	}
}

// recorded is a right answer of a right consumer to another request.
func recorded(t *testing.T) string {
	k := attest.Key(newPair["api-user"], newPair["api-secret"])
	req, _, err := attest.NewRequest(t.Context(), runsWith(t, func() services.Credential { return newPair }), "sightengine", k, time.Now())
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body := make([]byte, 4096)
	n, _ := resp.Body.Read(body)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return string(body[:n])
}

func TestAConsumerThatAlternatesIsNotRolledOut(t *testing.T) {
	var calls atomic.Int64
	url := runsWith(t, func() services.Credential {
		if calls.Add(1)%2 == 0 {
			return oldPair
		}
		return newPair
	})
	// Each round costs one call on a match and two otherwise, so the phase drifts
	// and single matches come up again and again, but never three in a row.
	w := Window{Answers: 3, Every: time.Millisecond, Limit: 200 * time.Millisecond}
	r := asker().Watch(t.Context(), w, []Question{attestQuestion(url, newPair)}, nil)
	require.NotEqual(t, Match, r[0].Answer)
}

func TestWatchWaitsForTheRollOut(t *testing.T) {
	var calls atomic.Int64
	url := runsWith(t, func() services.Credential {
		if calls.Add(1) < 6 {
			return oldPair
		}
		return newPair
	})
	var seen []Answer
	w := Window{Answers: 3, Every: time.Millisecond, Limit: time.Minute}
	r := asker().Watch(t.Context(), w, []Question{attestQuestion(url, newPair, Known{"the previous value", oldPair})}, func(r Result) { seen = append(seen, r.Answer) })
	require.Equal(t, Match, r[0].Answer)
	require.Equal(t, Differs, seen[0])
	require.Equal(t, []Answer{Match, Match, Match}, seen[len(seen)-3:])
}

func TestWatchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url := runsWith(t, func() services.Credential { cancel(); return oldPair })
	r := asker().Watch(ctx, Window{Answers: 3, Every: time.Hour, Limit: 2 * time.Hour}, []Question{attestQuestion(url, newPair)}, nil)
	require.NotEqual(t, Match, r[0].Answer)
}

func TestConfig(t *testing.T) {
	stacks := func(values ...map[string]secrets.Value) func(context.Context, string) (map[string]map[string]secrets.Value, error) {
		return func(context.Context, string) (map[string]map[string]secrets.Value, error) {
			out := map[string]map[string]secrets.Value{}
			for i, v := range values {
				out[string(rune('a'+i))] = v
			}
			return out, nil
		}
	}
	c := secrets.Consumer{Name: "infra", Kind: secrets.KindConfig, Stack: "infra", Probe: secrets.Probe{Kind: secrets.ProofExact, By: "config"},
		Values: map[string]string{"user": "api-user", "key": "api-secret"}, Optional: []string{"user"}}
	both := map[string]secrets.Value{"user": newPair["api-user"], "key": newPair["api-secret"]}
	stale := map[string]secrets.Value{"user": oldPair["api-user"], "key": newPair["api-secret"]}
	for name, k := range map[string]struct {
		config func(context.Context, string) (map[string]map[string]secrets.Value, error)
		want   Answer
	}{
		"all stacks hold it":        {stacks(both, both), Match},
		"one of two is stale":       {stacks(both, stale), Differs},
		"an optional key is absent": {stacks(map[string]secrets.Value{"key": newPair["api-secret"]}), Match},
		"a needed key is absent":    {stacks(map[string]secrets.Value{"user": newPair["api-user"]}), Differs},
		"no stack is there":         {stacks(), Differs},
		"the backend does not respond": {func(context.Context, string) (map[string]map[string]secrets.Value, error) {
			return nil, errors.New("down")
		}, Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			a := asker()
			a.Config = k.config
			require.Equal(t, k.want, a.Ask(t.Context(), Question{Secret: sightengine, Consumer: c, Want: newPair}).Answer)
		})
	}
}

func TestAttestOfAStackWithStaleConfigIsNoMatch(t *testing.T) {
	a := asker()
	a.Config = func(context.Context, string) (map[string]map[string]secrets.Value, error) {
		return map[string]map[string]secrets.Value{"s": {"key": oldPair["api-secret"]}}, nil
	}
	q := attestQuestion(runsWith(t, func() services.Credential { return newPair }), newPair)
	q.Consumer.Kind, q.Consumer.Stack, q.Consumer.Values = secrets.KindConfig, "s", map[string]string{"key": "api-secret"}
	r := a.Ask(t.Context(), q)
	require.Equal(t, Differs, r.Answer)
	require.Contains(t, r.Detail, "config")
}

func TestHTTPNeedsItsNegativeControl(t *testing.T) {
	status := func(code int) string {
		return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
	}
	for name, c := range map[string]struct {
		good, bad int
		want      Answer
	}{
		"works, and a wrong one fails":   {200, 401, Match},
		"the negative control works too": {200, 200, Unknown},
		"the credential is refused":      {401, 401, Differs},
		"the consumer itself is broken":  {503, 401, Unknown},
		"there is no such page":          {404, 404, Unknown},
		"the control is broken":          {200, 500, Unknown},
		"the control is malformed":       {200, 400, Match},
		"the control is forbidden":       {200, 403, Match},
	} {
		t.Run(name, func(t *testing.T) {
			q := Question{Secret: sightengine, Want: newPair, Consumer: secrets.Consumer{Name: "c",
				Probe: secrets.Probe{Kind: secrets.ProofWorks, By: "http", URL: status(c.good), BadURL: status(c.bad)}}}
			require.Equal(t, c.want, asker().Ask(t.Context(), q).Answer)
		})
	}
}

func TestNamesProveOnlyPresence(t *testing.T) {
	a := asker()
	q := Question{Secret: sightengine, Want: newPair, Consumer: secrets.Consumer{Worker: "w", Values: map[string]string{"A": "api-user", "B": "api-secret"},
		Probe: secrets.Probe{Kind: secrets.ProofPresent, By: "names"}}}
	a.Names = func(context.Context, string) ([]string, error) { return []string{"A", "B", "C"}, nil }
	require.Equal(t, Present, a.Ask(t.Context(), q).Answer)
	a.Names = func(context.Context, string) ([]string, error) { return []string{"A"}, nil }
	r := a.Ask(t.Context(), q)
	require.Equal(t, Differs, r.Answer)
	require.Contains(t, r.Detail, "B")
}

// TestOnlyPresent: a person has to test it; what never was in the stack's
// config cannot be what runs.
func TestOnlyPresent(t *testing.T) {
	q := Question{Secret: sightengine, Want: newPair, Consumer: secrets.Consumer{Kind: secrets.KindManual, Probe: secrets.Probe{Kind: secrets.ProofPresent, By: "person"}}}
	require.Equal(t, Present, asker().Ask(t.Context(), q).Answer)
	a := asker()
	q.Consumer.Kind, q.Consumer.Stack, q.Consumer.Values = secrets.KindConfig, "s", map[string]string{"key": "api-secret"}
	for want, pair := range map[Answer]services.Credential{Present: newPair, Differs: oldPair} {
		a.Config = func(context.Context, string) (map[string]map[string]secrets.Value, error) {
			return map[string]map[string]secrets.Value{"s": {"key": pair["api-secret"]}}, nil
		}
		require.Equal(t, want, a.Ask(t.Context(), q).Answer)
	}
	q.Consumer.Probe.By = "telepathy"
	require.Equal(t, Unknown, a.Ask(t.Context(), q).Answer)
}

// A copy that holds the value says nothing of a process that read it earlier.
func TestACopyIsConfigured(t *testing.T) {
	value := secrets.NewValue([]byte("new"))
	a := &Asker{Now: time.Now,
		Pass: func(context.Context, secrets.Entry) (secrets.Value, error) { return value, nil },
		Config: func(context.Context, string) (map[string]map[string]secrets.Value, error) {
			return map[string]map[string]secrets.Value{"prod": {"key": value}}, nil
		}}
	s := secrets.Secret{Name: "acme", Entries: []secrets.Entry{{Path: "acme/key"}}}
	for _, by := range []string{"pass", "config"} {
		c := secrets.Consumer{Name: "c", Kind: secrets.KindConfig, Stack: "s", Values: map[string]string{"key": "key"}, Probe: secrets.Probe{Kind: secrets.ProofConfigured, By: by}}
		q := Question{Secret: s, Consumer: c, Want: services.Credential{"key": value}}
		r := a.Ask(t.Context(), q)
		require.Equal(t, Match, r.Answer)
		require.Equal(t, secrets.ProofConfigured, r.Proof)
		require.Contains(t, r.Detail, "what runs was not asked", by)
		q.Consumer.Reads = secrets.ReadsEachRun
		require.Contains(t, a.Ask(t.Context(), q).Detail, "reads at each run", by)
	}
}
