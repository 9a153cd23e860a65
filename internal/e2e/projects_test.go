//go:build slow

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/internal/vaulttest"
)

// pulumi is the plain CLI in a folder of the world, as a person has it.
func (w *sandboxed) pulumi(stdin, folder string, args ...string) result {
	w.t.Helper()
	shell := w.with("PULUMI_BACKEND_URL=file://"+filepath.Join(w.dir, "state"), "PULUMI_HOME="+filepath.Join(w.dir, "pulumi-home"),
		"PULUMI_SKIP_UPDATE_CHECK=true", "PATH="+filepath.Dir(shared.cli.Path)+":"+shared.cli.LanguageDir+":"+w.path())
	if !strings.Contains(strings.Join(w.env, "\n"), "PULUMI_CONFIG_PASSPHRASE_FILE=") {
		shell = shell.with("PULUMI_CONFIG_PASSPHRASE_FILE=" + filepath.Join(w.dir, "passphrase"))
	}
	r := shell.exec(stdin, shared.cli.Path, append([]string{"--non-interactive", "--cwd", filepath.Join(w.dir, "projects", folder)}, args...)...)
	require.Zero(w.t, r.code, "pulumi %v: %s%s", args, r.stdout, r.stderr)
	return r
}

// path is the PATH of the test's shell.
func (w *sandboxed) path() string {
	out := os.Getenv("PATH")
	for _, v := range w.env {
		if text, ok := strings.CutPrefix(v, "PATH="); ok {
			out = text
		}
	}
	return out
}

// edited is a copy of a file with one text in the place of another.
func (w *sandboxed) edited(from, to, old, now string) {
	w.t.Helper()
	raw, err := os.ReadFile(from)
	require.NoError(w.t, err)
	require.True(w.t, strings.Contains(string(raw), old), "%s does not hold %q", from, old)
	require.NoError(w.t, os.WriteFile(to, []byte(strings.Replace(string(raw), old, now, 1)), 0o600))
}

// A project whose config is encrypted by a vault is rolled like any other: the
// CLI gets the variables that the catalog names and no others.
func TestLongStackWithItsSecretsInAVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vault := vaulttest.New(t)
	const folder = "services/stripe-backend/infra"
	file := filepath.Join(w.dir, stripeFolder, "Pulumi.prod.yaml")
	there := w.with("VAULT_ADDR="+vault.URL, "VAULT_TOKEN="+vault.Token)
	there.pulumi("", folder, "stack", "change-secrets-provider", "--stack", "prod", vaulttest.Provider)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(raw), "secretsprovider: "+vaulttest.Provider)
	require.NoError(t, os.WriteFile(file, append([]byte("# Vault, since May\n"), raw...), 0o600))

	const rotate, next = "rotate", "VAULT_ADDR, VAULT_TOKEN"
	there.refused(refusal{1, []string{"stripe-backend", "the secrets provider does not open this stack's secrets", "VAULT_ADDR"}, next}, "", rotate, "--secret", "stripe", "--yes")
	catalog := filepath.Join(w.root, "catalog.yaml")
	w.edited("../../secrets/catalog.yaml", catalog, "    dir: services/stripe-backend/infra\n", "    dir: services/stripe-backend/infra\n    env: [VAULT_ADDR, VAULT_TOKEN]\n")
	w.with("VAULT_ADDR="+vault.URL, "VAULT_TOKEN=hvs.not-this-token").refused(refusal{1, []string{"stripe-backend", "permission denied"}, next},
		"", rotate, "--secret", "stripe", "--yes", "--catalog", catalog)

	old := w.pass(stripeKey)
	r := there.must(rotate, "--secret", "stripe", "--yes", "--catalog", catalog)
	require.NotContains(t, r.stdout+r.stderr, vault.Token)
	require.Equal(t, w.swapped("stripe", stripeKey, old), w.truth().Consumers["stripe-backend"].RunsWith["STRIPE_SECRET_KEY"])
	require.Equal(t, w.pass(stripeKey)+"\n", there.pulumi("", folder, "config", "get", "stripe-secret-key", "--stack", "prod").stdout)
	now, err := os.ReadFile(file)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(now), "# Vault, since May\n"), "a comment is lost")
	require.Empty(t, vault.Unplanned())
}

// shop is a project with two stacks of one's own passphrase each, whose program
// needs no provider.
const shop = `name: shop
runtime: yaml
config:
  api-key: {type: string, secret: true}
outputs:
  key: ${api-key}
`

// TestLongStacksWithPassphrasesOfTheirOwn: dev and prod of one project, told apart
// by the catalog; --root is relative to where the command is typed.
func TestLongStacksWithPassphrasesOfTheirOwn(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	dir := filepath.Join(c.dir, "projects", "shop")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte(shop), 0o600))
	old := c.pass(clerkKey)
	for stack, phrase := range map[string]string{"dev": "dev passphrase", "prod": "prod passphrase"} {
		file := filepath.Join(c.root, "passphrase-"+stack)
		require.NoError(t, os.WriteFile(file, []byte(phrase), 0o600))
		c.insert("sanmarcsoft/pulumi/"+stack, phrase)
		shell := c.withPassphrase(file)
		shell.pulumi("", "shop", "stack", "init", stack)
		shell.pulumi(old, "shop", "config", "set", "--secret", "api-key", "--stack", stack)
		shell.pulumi("", "shop", "up", "--yes", "--stack", stack)
	}
	catalog := c.flags[1]
	c.edited(catalog, catalog, "stacks:\n", "stacks:\n"+
		"  - {name: shop-dev, dir: shop, stack: dev, passphrase: sanmarcsoft/pulumi/dev}\n  - {name: shop-prod, dir: shop, stack: prod, passphrase: sanmarcsoft/pulumi/prod}\n")
	consumer := func(stack string) string {
		return "      - {name: " + stack + ", kind: config, stack: " + stack + ", values: {api-key: secret-key}, reads: each-run, probe: {kind: configured, by: config}}\n"
	}
	c.edited(catalog, catalog, "    consumers:\n      - name: verifieddit-badges\n        kind: worker\n        stack: verifieddit-badges\n        worker: verifieddit-badges\n        values: {CLERK_SECRET_KEY",
		"    consumers:\n"+consumer("shop-dev")+consumer("shop-prod")+"      - name: verifieddit-badges\n        kind: worker\n        stack: verifieddit-badges\n        worker: verifieddit-badges\n        values: {CLERK_SECRET_KEY")
	c.git("add", "--all")
	c.git("commit", "--quiet", "--message=Shop")
	c.git("push", "--quiet")

	// Somebody has mixed the two up.
	c.insert("sanmarcsoft/pulumi/dev", "prod passphrase")
	c.passCommand("", "git", "push", "--quiet")
	made := c.issueClerk()
	c.insert(clerkKey, made)
	c.passCommand("", "git", "push", "--quiet")
	before := c.stands()
	r := c.rotate("clerk")
	require.Equal(t, 1, r.code, tail(r.stderr, 10))
	require.Contains(t, r.stderr, "shop-dev: the passphrase does not open this stack")
	require.Equal(t, before, c.stands())

	c.insert("sanmarcsoft/pulumi/dev", "dev passphrase")
	c.passCommand("", "git", "push", "--quiet")
	r = c.rotate("clerk")
	require.Equal(t, 6, r.code, "a person retires Clerk's keys\n%s", tail(r.stderr, 30))
	for _, stack := range []string{"dev", "prod"} {
		shell := c.withPassphrase(filepath.Join(c.root, "passphrase-"+stack))
		require.Equal(t, made+"\n", shell.pulumi("", "shop", "config", "get", "api-key", "--stack", stack).stdout)
		require.Equal(t, made+"\n", shell.pulumi("", "shop", "stack", "output", "key", "--show-secrets", "--stack", stack).stdout, "the stack was not upped")
	}
}

func (w *sandboxed) withPassphrase(file string) *sandboxed {
	return w.with("PULUMI_CONFIG_PASSPHRASE_FILE=" + file)
}

// issueClerk is somebody at Clerk's dashboard.
func (c *company) issueClerk() string {
	c.t.Helper()
	made, err := c.world.Issue(world.Order{Service: "clerk", Entries: []string{"secret-key"}})
	require.NoError(c.t, err)
	return made[0].Value
}

// TestLongAllStacksOfAProject: one entry of the catalog stands for dev and prod, and
// what is not committed afterwards is said with the command that does it.
func TestLongAllStacksOfAProject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := filepath.Join(w.dir, "projects", "shop")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte(shop), 0o600))
	old := w.pass(clerkKey)
	for _, stack := range []string{"dev", "prod"} {
		w.pulumi("", "shop", "stack", "init", stack)
		w.pulumi(old, "shop", "config", "set", "--secret", "api-key", "--stack", stack)
		w.pulumi("", "shop", "up", "--yes", "--stack", stack)
	}
	w.shell(`cd "$W/projects" && git add --all && git commit -qm Shop && git push -q`)
	catalog := filepath.Join(w.root, "catalog.yaml")
	w.edited("../../secrets/catalog.yaml", catalog, "stacks:\n", "stacks:\n  - {name: shop, dir: shop, stack: '*'}\n")
	const first = "      - name: verifieddit-badges\n        kind: worker\n        stack: verifieddit-badges\n        worker: verifieddit-badges\n        values: {CLERK_SECRET_KEY"
	w.edited(catalog, catalog, first, "      - {name: shop, kind: config, stack: shop, values: {api-key: secret-key}, reads: each-run, probe: {kind: configured, by: config}}\n"+first)
	require.NotContains(t, w.must("status", "--catalog", catalog).stdout, "config-uncommitted")

	// A folder relative to where the command is typed; an absolute one in what it says.
	w.refused(refusal{1, []string{"shop", filepath.Join(w.root, "elsewhere", "shop") + " holds no Pulumi.yaml"}, "--root DIR"}, "",
		"preview", "--stack", "shop", "--catalog", catalog, "--root", "elsewhere")
	rep := decode(t, w.must("rotate", "--secret", "clerk", "--yes", "--json", "--catalog", catalog, "--root", "w/projects").stdout)
	require.Equal(t, "DONE", rep.State)
	fresh := w.swapped("clerk", clerkKey, old)
	for _, stack := range []string{"dev", "prod"} {
		require.Equal(t, fresh+"\n", w.pulumi("", "shop", "config", "get", "api-key", "--stack", stack).stdout)
		require.Equal(t, fresh+"\n", w.pulumi("", "shop", "stack", "output", "key", "--show-secrets", "--stack", stack).stdout)
	}

	r := w.must("status", "--catalog", catalog)
	for _, stack := range []string{"dev", "prod"} {
		file := filepath.Join(dir, "Pulumi."+stack+".yaml")
		require.Contains(t, r.stdout, "info: config-uncommitted: "+file+" is not committed")
		require.Contains(t, r.stdout, "next: git -C "+dir+" commit -m 'Rotate secrets' Pulumi."+stack+".yaml && git -C "+dir+" push")
	}
	doc := document(t, w.must("status", "--json", "--catalog", catalog).stdout)
	codes := 0
	for _, f := range doc["findings"].([]any) {
		finding := f.(map[string]any)
		require.Equal(t, []any{"config-uncommitted", "info"}, []any{finding["code"], finding["severity"]})
		w.shell(finding["fix"].(string))
		codes++
	}
	require.GreaterOrEqual(t, codes, 3)
	require.NotContains(t, w.must("status", "--catalog", catalog).stdout, "config-uncommitted", "the command that was shown does not do it")
}
