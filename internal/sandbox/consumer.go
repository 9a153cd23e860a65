package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
)

// program is a consumer: where it gets its secrets from and what it does.
type program struct {
	// runs returns what it runs with at this moment; empty: nothing serves.
	runs func() (map[string]string, error)
	// attests maps a secret of the catalog to the variables that hold its
	// entries, in the catalog's order.
	attests map[string][]string
	uses    map[string]use
	// serves reports whether an instance of it runs at all; nil: it always does.
	serves func() bool
}

// use asks a service something that needs the secret; the status and the body
// tell whether it was taken.
type use struct {
	request func(ctx context.Context, base string, env map[string]string) (*http.Request, error)
	taken   func(status int, body string) bool
}

func badges(w *world.World) program {
	return program{
		runs: func() (map[string]string, error) { return runsNow(w, (*world.State).WorkerRuns, badgesConsumer) },
		attests: map[string][]string{
			"clerk":       {"CLERK_SECRET_KEY"},
			"sightengine": {"SIGHTENGINE_API_USER", "SIGHTENGINE_API_SECRET"},
		},
		uses: map[string]use{world.Clerk: useClerk(), world.Sightengine: useSightengine()},
	}
}

func payments(w *world.World) program {
	return program{
		runs: func() (map[string]string, error) {
			return runsNow(w, (*world.State).ContainerRuns, paymentConsumer)
		},
		attests: map[string][]string{
			"stripe": {"STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"},
			"clerk":  {"CLERK_SECRET_KEY"},
		},
		uses: map[string]use{world.Stripe: useStripe(), world.Clerk: useClerk()},
		serves: func() (yes bool) {
			err := w.Read(func(s *world.State) { yes = s.ContainerServes(paymentConsumer, s.Now()) })
			return err == nil && yes
		},
	}
}

func runsNow(w *world.World, runs func(*world.State, string, time.Time) map[string]string, name string) (map[string]string, error) {
	var env map[string]string
	err := w.Read(func(s *world.State) { env = runs(s, name, s.Now()) })
	return env, err
}

func useClerk() use {
	return use{taken: isOK, request: func(ctx context.Context, base string, env map[string]string) (*http.Request, error) {
		return withBearer(ctx, base+"/v1/instance", env["CLERK_SECRET_KEY"])
	}}
}

func useStripe() use {
	return use{taken: isOK, request: func(ctx context.Context, base string, env map[string]string) (*http.Request, error) {
		return withBearer(ctx, base+"/v1/balance", env["STRIPE_SECRET_KEY"])
	}}
}

// useSightengine sends no media, so a right pair gets an error too: another.
func useSightengine() use {
	return use{
		request: func(ctx context.Context, base string, env map[string]string) (*http.Request, error) {
			form := url.Values{"models": {"nudity-2.1"}, "api_user": {env["SIGHTENGINE_API_USER"]}, "api_secret": {env["SIGHTENGINE_API_SECRET"]}}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/1.0/check.json", strings.NewReader(form.Encode()))
			if err == nil {
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			return req, err
		},
		taken: func(status int, body string) bool {
			return status < http.StatusInternalServerError && status != http.StatusTooManyRequests &&
				!strings.Contains(body, "Incorrect API user or API secret") && !strings.Contains(body, "credentials_error")
		},
	}
}

func isOK(status int, _ string) bool { return status == http.StatusOK }

func withBearer(ctx context.Context, address, token string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err == nil {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, err
}

// consumer serves a program over HTTP.
type consumer struct {
	program
	servers *servers
}

func newConsumer(p program, s *servers) http.Handler {
	c := consumer{program: p, servers: s}
	mux := http.NewServeMux()
	mux.Handle("GET "+attest.Path, attest.Handler(c.values, time.Now))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { c.withSecrets(w, func(map[string]string) {}) })
	mux.HandleFunc("GET /use/{service}", c.use)
	if p.serves == nil {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.serves() {
			say(w, http.StatusServiceUnavailable, map[string]any{"status": "nothing serves"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// values are the credential's parts; any one missing means none.
func (c consumer) values(name string) ([]secrets.Value, bool) {
	variables, ok := c.attests[name]
	env, err := c.runs()
	if !ok || err != nil {
		return nil, false
	}
	var values []secrets.Value
	for _, v := range variables {
		values = append(values, secrets.NewValue([]byte(env[v])))
	}
	return values, true
}

// withSecrets answers 200 around what f does, or 503 where nothing serves.
func (c consumer) withSecrets(w http.ResponseWriter, f func(env map[string]string)) {
	env, err := c.runs()
	if err != nil || len(env) == 0 {
		say(w, http.StatusServiceUnavailable, map[string]any{"status": "nothing serves"})
		return
	}
	f(env)
	say(w, http.StatusOK, map[string]any{"status": "ok"})
}

// use calls the service with the secret: 200 if it was taken, 502 if not. With
// ?bad=1 the secret is spoilt first, and 200 would mean that the check is none.
func (c consumer) use(w http.ResponseWriter, r *http.Request) {
	service := r.PathValue("service")
	u, ok := c.uses[service]
	if !ok {
		http.NotFound(w, r)
		return
	}
	env, err := c.runs()
	if err != nil {
		say(w, http.StatusServiceUnavailable, map[string]any{"service": service, "status": "nothing serves"})
		return
	}
	if r.URL.Query().Get("bad") != "" {
		env = spoil(env)
	}
	status, taken, err := c.call(r.Context(), u, service, env)
	switch {
	case err != nil:
		say(w, http.StatusBadGateway, map[string]any{"service": service, "status": "unreachable"})
	case !taken:
		say(w, http.StatusBadGateway, map[string]any{"service": service, "status": "refused", "answer": status})
	default:
		say(w, http.StatusOK, map[string]any{"service": service, "status": "ok"})
	}
}

func (c consumer) call(ctx context.Context, u use, service string, env map[string]string) (status int, taken bool, err error) {
	req, err := u.request(ctx, c.servers.url(service), env)
	if err != nil {
		return 0, false, fmt.Errorf("calling %s: %w", service, err)
	}
	req.Header.Set("User-Agent", "sandbox-consumer")
	resp, err := c.servers.client.Do(req)
	if err != nil {
		return 0, false, fmt.Errorf("calling %s: %w", service, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return 0, false, fmt.Errorf("calling %s: %w", service, err)
	}
	return resp.StatusCode, u.taken(resp.StatusCode, string(body)), nil
}

// spoil keeps a value's shape and turns its last character into another.
func spoil(env map[string]string) map[string]string {
	out := map[string]string{}
	for name, v := range env {
		if v == "" {
			continue
		}
		last := byte('0')
		if v[len(v)-1] == last {
			last = '1'
		}
		out[name] = v[:len(v)-1] + string(last)
	}
	return out
}

func say(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
