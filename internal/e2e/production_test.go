//go:build slow

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/scwprovider"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/internal/spectest"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
)

// company is a company's own set-up, not a sandbox: a store, projects, a state
// and a catalog of its own, and the services' APIs at addresses that hold every
// request and answer against the services' descriptions.
type company struct {
	*sandboxed
	world *world.World
	flags []string
}

func newCompany(t *testing.T) *company {
	t.Helper()
	w := newWorld(t)
	require.NoError(t, os.Remove(filepath.Join(w.dir, "sandbox.json")))
	opened, err := world.Open(w.dir)
	require.NoError(t, err)
	c := &company{sandboxed: w, world: opened}

	services := api.New(opened, api.Options{})
	checked := func(h http.Handler, prefix string, specs ...string) string {
		return c.serves(spectest.Handlers(t, prefix, h, specs...))
	}
	scaleway := checked(services.Scaleway(), "", spectest.ScalewayIAM, spectest.ScalewayContainer,
		"scaleway.containers.v1beta1.openapi.json", spectest.ScalewayRegistry)
	addresses := map[string]string{
		"https://api.cloudflare.com":       checked(services.Cloudflare(), "/client/v4", spectest.Cloudflare),
		"https://api.scaleway.com":         scaleway,
		"https://api.stripe.com":           checked(services.Stripe(), "", spectest.Stripe),
		"https://api.clerk.com":            checked(services.Clerk(), "/v1", spectest.Clerk),
		"https://rg.fr-par.scw.cloud":      c.serves(services.Registry()),
		"https://api.sightengine.com":      c.serves(services.Sightengine()),
		"https://badges.verifieddit.com":   c.serves(c.consumer(badges)),
		"https://payments.verifieddit.com": c.serves(c.consumer(payments)),
	}
	provider, err := scwprovider.Serve(t.Context(), scwprovider.Config{API: scaleway})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, provider.Close()) })

	c.env = append(c.env, "PASSWORD_STORE_DIR="+filepath.Join(w.dir, "store"), "GNUPGHOME="+filepath.Join(w.dir, "gnupg"),
		"PULUMI_CONFIG_PASSPHRASE_FILE="+filepath.Join(w.dir, "passphrase"), fmt.Sprintf("PULUMI_DEBUG_PROVIDERS=scaleway:%d", provider.Port()))
	c.flags = []string{"--catalog", c.catalog(addresses), "--root", filepath.Join(w.dir, "projects"), "--grace", "0", "--yes", "--commit"}
	return c
}

func (c *company) serves(h http.Handler) string {
	server := httptest.NewServer(h)
	c.t.Cleanup(server.Close)
	return server.URL
}

// consumer runs with what the world gave it and includes the attest snippet.
func (c *company) consumer(name string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+attest.Path, attest.Handler(func(secret string) ([]secrets.Value, bool) {
		variables := map[string][]string{
			"clerk": {"CLERK_SECRET_KEY"}, "stripe": {"STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"},
			"sightengine": {"SIGHTENGINE_API_USER", "SIGHTENGINE_API_SECRET"},
		}[secret]
		var out []secrets.Value
		truth, err := c.world.Truth()
		for _, v := range variables {
			out = append(out, secrets.NewValue([]byte(truth.Consumers[name].RunsWith[v])))
		}
		return out, err == nil && len(out) > 0
	}, time.Now))
	return mux
}

// catalog is the company's own: the built-in one with other addresses.
func (c *company) catalog(addresses map[string]string) string {
	raw, err := os.ReadFile("../../secrets/catalog.yaml")
	require.NoError(c.t, err)
	text := string(raw)
	for from, to := range addresses {
		require.Contains(c.t, text, from)
		text = strings.ReplaceAll(text, from, to)
	}
	lines := strings.Split(text, "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "  url: s3://") })
	lines[at] = "  url: file://" + filepath.Join(c.dir, "state")
	text = strings.Join(lines, "\n")
	for _, dir := range []string{"    dir: infra\n", "    dir: services/stripe-backend/infra\n"} {
		require.Contains(c.t, text, dir)
		text = strings.ReplaceAll(text, dir, dir+"    env: [PULUMI_DEBUG_PROVIDERS]\n")
	}
	file := filepath.Join(c.root, "catalog.yaml")
	require.NoError(c.t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// company's program runs in the folder of its declared stacks.
func (c *company) rotate(names ...string) result {
	c.t.Helper()
	args := append([]string{"rotate", "--pending", "--json"}, c.flags...)
	for _, n := range names {
		args = append(args, "--secret", n)
	}
	shell := *c.sandboxed
	shell.root = filepath.Join(c.dir, "projects", "secret-rotation")
	return shell.exec("", shared.binary, args...)
}

// The company's own path: no sandbox, a person at the dashboards, and a program
// that waits for that person with exit code 6. What it sends and what it is
// answered fits the services' own descriptions.
func TestLongCompanyWithoutASandbox(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	old := map[string]string{}
	for service, entries := range map[string]map[string]string{
		"cloudflare": {"api-token": cfToken}, "clerk": {"secret-key": clerkKey},
		"stripe": {"secret-key": stripeKey, "webhook-secret": stripeHook}, "sightengine": {"api-user": seUser, "api-secret": seSecret},
	} {
		made, err := c.world.Issue(world.Order{Service: service, Entries: sorted(entries)})
		require.NoError(t, err)
		for _, m := range made {
			old[entries[m.Entry]] = c.pass(entries[m.Entry])
			c.insert(entries[m.Entry], m.Value)
		}
	}
	c.passCommand("", "git", "push", "--quiet")
	names := []string{"cloudflare", "clerk", "stripe", "sightengine"}

	r := c.rotate(names...)
	require.Equal(t, 6, r.code, tail(r.stderr, 30))
	require.Contains(t, r.stderr, "somebody has to retire the old")
	truth := c.truth()
	for path, value := range old {
		require.NotEqual(t, value, c.pass(path))
		// Sightengine kills the old pair itself, Cloudflare's API is asked to.
		dead := strings.HasPrefix(path, "sightengine/") || path == cfToken
		require.Equal(t, !dead, credential(t, truth, value).Alive, "%s: nothing but a person retires it", path)
	}
	require.Equal(t, c.pass(clerkKey), truth.Consumers[badges].RunsWith["CLERK_SECRET_KEY"])
	require.Equal(t, c.pass(stripeKey), truth.Consumers[payments].RunsWith["STRIPE_SECRET_KEY"])

	require.NoError(t, c.world.Update(func(s *world.State) error {
		for _, value := range old {
			for _, cred := range s.Credentials {
				if cred.Value == value {
					s.Revoke(cred.ID)
				}
			}
		}
		return nil
	}))
	r = c.rotate(names...)
	require.Equal(t, 6, r.code, tail(r.stderr, 30))
	require.Contains(t, r.stderr, "old secret-key and webhook-secret", "no service can be asked about the webhook secret: somebody has to say so")
	for _, rep := range decodeAll(t, r.stdout) {
		if rep.Secret == "stripe" {
			require.Equal(t, "REVOKING", rep.State)
			require.Empty(t, rep.Revoked.ConfirmedAt, "no date on hope")
		} else if rep.Secret != "sightengine" {
			require.Equal(t, "DONE", rep.State, rep.Secret)
		}
	}
	for path, value := range old {
		service, _, _ := strings.Cut(strings.TrimPrefix(path, "verifieddit/"), "/")
		if service != "stripe" {
			c.swapped(service, path, value)
		}
	}
	asked := map[string]bool{}
	for _, request := range c.requests() {
		require.False(t, request.Unplanned, "%s %s", request.Method, request.Path)
		asked[request.Service] = true
	}
	for _, service := range []string{"cloudflare", "clerk", "stripe", "sightengine", "scaleway"} {
		require.True(t, asked[service], "%s was not asked: nothing was checked", service)
	}
}
