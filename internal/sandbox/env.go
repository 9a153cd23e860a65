package sandbox

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// variable is one export; pass names an entry to read it from when the shell
// starts, so that no value stands in the file.
type variable struct{ name, text, pass string }

func (s *Sandbox) variables() ([]variable, error) {
	state, err := s.world.Snapshot()
	if err != nil {
		return nil, err
	}
	out := []variable{
		{name: "SECRET_ROTATION_SANDBOX", text: s.dir},
		{name: "PASSWORD_STORE_DIR", text: s.store()},
		{name: "GNUPGHOME", text: s.gnupg()},
		{name: "SSL_CERT_FILE", text: s.bundle()},
		{name: "NODE_EXTRA_CA_CERTS", text: s.authority()},
	}
	out = append(out, s.pulumiVariables()...)
	https := s.servers.addresses[cloudflareTLS]
	_, port, err := net.SplitHostPort(https)
	if err != nil {
		return nil, fmt.Errorf("listing variables: address of %s: %w", cloudflareTLS, err)
	}
	return append(out,
		variable{name: "CLOUDFLARE_API_BASE_URL", text: s.servers.url(world.Cloudflare) + "/client/v4"},
		variable{name: "CLOUDFLARE_API_HOSTNAME", text: "localhost:" + port},
		variable{name: "CLOUDFLARE_API_TOKEN", pass: "cloudflare/api-token"},
		variable{name: "CLOUDFLARE_ACCOUNT_ID", pass: "cloudflare/account-id"},
		variable{name: "SCW_API_URL", text: s.servers.url(world.Scaleway)},
		variable{name: "SCW_ACCESS_KEY", pass: accessKeyPath},
		variable{name: "SCW_SECRET_KEY", pass: secretKeyPath},
		variable{name: "SCW_DEFAULT_PROJECT_ID", text: state.Scaleway.ProjectID},
		variable{name: "SCW_DEFAULT_ORGANIZATION_ID", text: state.Scaleway.ID},
		variable{name: "SCW_DEFAULT_REGION", text: state.Scaleway.Region},
		variable{name: "SCW_REGISTRY_URL", text: s.servers.url(registryServer)},
		variable{name: "STRIPE_API_BASE", text: s.servers.url(world.Stripe)},
		variable{name: "CLERK_API_URL", text: s.servers.url(world.Clerk)},
		variable{name: "SIGHTENGINE_API_URL", text: s.servers.url(world.Sightengine)},
		variable{name: "GITHUB_API_URL", text: s.servers.url(world.GitHub)},
		variable{name: "AWS_ACCESS_KEY_ID", pass: accessKeyPath},
		variable{name: "AWS_SECRET_ACCESS_KEY", pass: secretKeyPath},
		variable{name: "AWS_REGION", text: state.Scaleway.Region},
		variable{name: "AWS_EC2_METADATA_DISABLED", text: "true"},
		variable{name: "VERIFIEDDIT_BADGES_URL", text: s.servers.url(badgesConsumer)},
		variable{name: "STRIPE_BACKEND_URL", text: s.servers.url(paymentConsumer)},
	), nil
}

// PluginEnv points the registry's Cloudflare plugin, which speaks https only, at
// this world.
func (s *Sandbox) PluginEnv() map[string]string {
	_, port, _ := net.SplitHostPort(s.servers.addresses[cloudflareTLS]) // a listener's own address
	return map[string]string{"CLOUDFLARE_API_HOSTNAME": "localhost:" + port, "SSL_CERT_FILE": s.bundle()}
}

func (s *Sandbox) pulumiVariables() []variable {
	out := []variable{
		{name: "PULUMI_HOME", text: s.path("pulumi-home")},
		{name: "PULUMI_BACKEND_URL", text: s.Backend()},
		{name: "PULUMI_CONFIG_PASSPHRASE_FILE", text: s.passphrase()},
		{name: "PULUMI_DEBUG_PROVIDERS", text: fmt.Sprintf("scaleway:%d", s.servers.provider.Port())},
		{name: "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", text: "true"},
		{name: "PULUMI_SKIP_UPDATE_CHECK", text: "true"},
	}
	if s.cli == nil {
		return out
	}
	folders := []string{filepath.Dir(s.cli.Path)}
	if s.cli.LanguageDir != "" && s.cli.LanguageDir != folders[0] {
		folders = append(folders, s.cli.LanguageDir)
	}
	return append(out, variable{name: "PATH", text: strings.Join(folders, ":")})
}

// EnvText is what a shell evaluates to see this world instead of the real one.
// Secrets are read from pass at that moment and stand nowhere in the text.
func (s *Sandbox) EnvText() (string, error) {
	variables, err := s.variables()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# A sandbox's shell: . %s\n# The passphrase in a variable would win over the file.\nunset PULUMI_CONFIG_PASSPHRASE\n", quote(s.env()))
	for _, v := range variables {
		switch {
		case v.pass != "":
			fmt.Fprintf(&b, "export %s=\"$(pass show %s)\"\n", v.name, v.pass)
		case v.name == "PATH":
			fmt.Fprintf(&b, "export PATH=%s:\"$PATH\"\n", quote(v.text))
		default:
			fmt.Fprintf(&b, "export %s=%s\n", v.name, quote(v.text))
		}
	}
	b.WriteString("export CF_TOKEN=\"$CLOUDFLARE_API_TOKEN\" ACCOUNT_ID=\"$CLOUDFLARE_ACCOUNT_ID\"\n")
	return b.String(), nil
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// writeEnv puts the exports where the shell finds them, whole or not at all.
func (s *Sandbox) writeEnv() error {
	text, err := s.EnvText()
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.env()+".tmp", []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", s.env(), err)
	}
	if err := os.Rename(s.env()+".tmp", s.env()); err != nil {
		return fmt.Errorf("writing %s: %w", s.env(), err)
	}
	return nil
}

// RefuseForeign names the variables of env ("NAME=VALUE" each) that still point
// at a sandbox, sorted. A real run refuses to start while there are any: it
// would read the sandbox's store, or send real credentials to its addresses.
func RefuseForeign(env []string) []string {
	var found []string
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		if pointsAtSandbox(name, value) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func pointsAtSandbox(name, value string) bool {
	switch name {
	case "SECRET_ROTATION_SANDBOX":
		return value != ""
	case "PASSWORD_STORE_DIR", "GNUPGHOME", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS",
		"PULUMI_HOME", "PULUMI_CONFIG_PASSPHRASE_FILE":
		return insideWorld(value)
	case "PULUMI_BACKEND_URL":
		u, err := url.Parse(value)
		return insideWorld(strings.TrimPrefix(value, "file://")) || (err == nil && u.Scheme == "s3" && isLoopback(u.Query().Get("endpoint")))
	case "CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_API_HOSTNAME", "SCW_API_URL", "STRIPE_API_BASE", "CLERK_API_URL",
		"SIGHTENGINE_API_URL", "GITHUB_API_URL":
		return isLoopback(value)
	default:
		return false
	}
}

// insideWorld reports whether one of the folders above path is a world's.
func insideWorld(path string) bool {
	if !filepath.IsAbs(path) {
		return false
	}
	for dir := filepath.Clean(path); ; dir = filepath.Dir(dir) {
		if (layout{dir: dir}).whole() {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

func isLoopback(address string) bool {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
}
