package sandbox_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
)

func exported(t *testing.T, text, name string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^export ` + name + `='([^']*)'`).FindStringSubmatch(text)
	require.NotNil(t, found, name)
	return found[1]
}

// served writes DIR/env and keeps serving.
func served(t *testing.T, s *sandbox.Sandbox) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- s.Serve(ctx, func(file string) { ready <- file }) }()
	t.Cleanup(stop)
	select {
	case file := <-ready:
		t.Cleanup(func() {
			stop()
			require.NoError(t, <-done)
		})
		return file
	case err := <-done:
		require.NoError(t, err)
	}
	return ""
}

// shell runs a script in a shell that has only the world's exports.
func shell(t *testing.T, envFile, script string) string {
	t.Helper()
	cmd := exec.Command("bash", "-c", "set -euo pipefail\n. \"$1\"\n"+script, "bash", envFile)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	cmd.Dir = filepath.Dir(envFile)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

func TestShellHasTheWholeWorld(t *testing.T) {
	s := world(t)
	file := served(t, s)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	redactor := secrets.NewRedactor()
	for _, secret := range catalog(t).Secrets {
		redactor.Add(held(t, s, secret)...)
	}
	require.False(t, redactor.Holds(raw), "the exports hold no value")

	out := shell(t, file, `
		pass show verifieddit/stripe/secret-key | grep -q '^sk_live_'
		curl -sf -H "Authorization: Bearer $(pass cloudflare/api-token)" "$CLOUDFLARE_API_BASE_URL/user/tokens/verify" | grep -q '"success":true'
		curl -sf --cacert "$SSL_CERT_FILE" -H "Authorization: Bearer $CF_TOKEN" "https://$CLOUDFLARE_API_HOSTNAME/client/v4/user/tokens/verify" | grep -q active
		curl -sf -H "Authorization: Bearer $(pass verifieddit/stripe/secret-key)" "$STRIPE_API_BASE/v1/balance" >/dev/null
		curl -sf -H "Authorization: Bearer $(pass verifieddit/clerk/secret-key)" "$CLERK_API_URL/v1/instance" | grep -q production
		curl -sf -H "X-Auth-Token: $SCW_SECRET_KEY" "$SCW_API_URL/iam/v1alpha1/api-keys/$SCW_ACCESS_KEY" >/dev/null
		for dir in infra services/stripe-backend/infra; do
			(cd projects/$dir && pulumi stack ls | grep -q '^prod' && pulumi config | grep -q scaleway-secret-key && pulumi preview --expect-no-changes)
		done`)
	require.Equal(t, 2, strings.Count(out, "unchanged"))
}

// The hand procedure for Clerk, as the company wrote it down.
func TestHandProcedureReachesBothConsumers(t *testing.T) {
	s := world(t)
	secret, _ := catalog(t).Secret("clerk")
	old := held(t, s, secret)
	made, err := s.Issue(t.Context(), secret)
	require.NoError(t, err)
	fresh := []secrets.Value{made["secret-key"]}
	script := `
		printf '%s\n' "$(cat)" | pass insert --multiline --force verifieddit/clerk/secret-key >/dev/null
		curl -sf -X PUT "$CLOUDFLARE_API_BASE_URL/accounts/${ACCOUNT_ID}/workers/scripts/verifieddit-badges/secrets" \
			-H "Authorization: Bearer ${CF_TOKEN}" -H "Content-Type: application/json" \
			--data '{"name": "CLERK_SECRET_KEY", "text": "'"$(pass verifieddit/clerk/secret-key)"'", "type": "secret_text"}' >/dev/null
		cd projects/services/stripe-backend/infra
		pulumi config set --secret clerk-secret-key "$(pass verifieddit/clerk/secret-key)"
		pulumi up --yes --skip-preview`
	file := served(t, s)
	cmd := exec.Command("bash", "-c", "set -euo pipefail\n. \"$1\"\n"+script, "bash", file)
	cmd.Env, cmd.Dir = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, s.Dir()
	cmd.Stdin = strings.NewReader(string(fresh[0].Reveal()))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	for _, c := range s.Catalog(catalog(t)).Secrets {
		if c.Name != "clerk" {
			continue
		}
		for _, consumer := range c.Consumers {
			require.Eventually(t, func() bool { return asks(t, s, consumer.Probe, "clerk", fresh) == nil }, patience, tick, consumer.Name)
			require.ErrorIs(t, asks(t, s, consumer.Probe, "clerk", old), attest.ErrRefused, "the old value is not what it runs with")
		}
	}
	shell(t, file, "cd projects && git commit --quiet --all --message 'Clerk by hand' && git push --quiet && pass git push --quiet")
}

func TestCatalogHasOnlyAddressesOfThisWorld(t *testing.T) {
	s := world(t)
	c := s.Catalog(catalog(t))
	addresses := []string{c.Services.Cloudflare.API, c.Services.Scaleway.API, c.Services.Scaleway.Registry, c.Services.Stripe.API,
		c.Services.Clerk.API, c.Services.Sightengine.API}
	for _, secret := range c.Secrets {
		for _, consumer := range secret.Consumers {
			require.NotEqual(t, secrets.KindBackend, consumer.Kind, "the state is a folder")
			for _, a := range []string{consumer.Probe.URL, consumer.Probe.BadURL} {
				if a != "" {
					addresses = append(addresses, a)
				}
			}
		}
	}
	require.Len(t, addresses, 10)
	for _, a := range addresses {
		u, err := url.Parse(a)
		require.NoError(t, err)
		require.Equal(t, "127.0.0.1", u.Hostname(), a)
	}
	require.Equal(t, s.Backend(), c.State.URL)
	require.Empty(t, c.State.AccessKey)
	require.Contains(t, catalog(t).Services.Stripe.API, "api.stripe.com", "the given catalog is left alone")
}

func TestVariablesOfASandboxAreRefused(t *testing.T) {
	s := world(t)
	text, err := s.EnvText()
	require.NoError(t, err)
	var env []string
	for _, m := range regexp.MustCompile(`(?m)^export (\w+)='([^']*)'`).FindAllStringSubmatch(text, -1) {
		env = append(env, m[1]+"="+m[2])
	}
	refused := sandbox.RefuseForeign(env)
	for _, name := range []string{"SECRET_ROTATION_SANDBOX", "PASSWORD_STORE_DIR", "GNUPGHOME", "SSL_CERT_FILE", "PULUMI_BACKEND_URL",
		"PULUMI_CONFIG_PASSPHRASE_FILE", "CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_API_HOSTNAME", "SCW_API_URL", "STRIPE_API_BASE"} {
		require.Contains(t, refused, name)
	}
	require.Empty(t, sandbox.RefuseForeign([]string{"PASSWORD_STORE_DIR=/home/ops/.password-store", "PULUMI_BACKEND_URL=s3://sanmarcsoft-pulumi-state",
		"SCW_API_URL=https://api.scaleway.com", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt", "PATH=/usr/bin", "GNUPGHOME="}))
	require.Equal(t, []string{"PULUMI_BACKEND_URL"}, sandbox.RefuseForeign([]string{"PULUMI_BACKEND_URL=s3://state?endpoint=http://127.0.0.1:9000"}),
		"a world's S3 server")
	require.Equal(t, []string{"PASSWORD_STORE_DIR"}, sandbox.RefuseForeign([]string{"PASSWORD_STORE_DIR=" + filepath.Join(s.Dir(), "store")}),
		"also without the variable that names the world")
}
