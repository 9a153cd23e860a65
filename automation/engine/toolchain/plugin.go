package toolchain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrNoPlugin says that a provider's plugin is neither here nor to be had.
var ErrNoPlugin = errors.New("the plugin is not installed here")

// pluginLimit bounds one download; the CLI itself tries five times, and is
// through with that in seconds where there is no network.
const pluginLimit = 5 * time.Minute

// Plugin is a resource provider's plugin of the registry.
type Plugin struct {
	// Name is the package's, Version the plugin's without a leading v.
	Name, Version string
}

func (p Plugin) program() string { return "pulumi-resource-" + p.Name }

// Command is what installs the plugin by hand, for a message.
func (c *CLI) Command(p Plugin) string {
	return fmt.Sprintf("PULUMI_HOME=%s %s plugin install resource %s %s", c.Home, c.Path, p.Name, p.Version)
}

// Has reports whether the plugin can be started: one on PATH, which the CLI
// prefers and whose version nobody checks, or the one of that version in Home.
func (c *CLI) Has(p Plugin) bool {
	if _, err := exec.LookPath(p.program()); err == nil {
		return true
	}
	info, err := os.Stat(filepath.Join(c.Home, "plugins", "resource-"+p.Name+"-v"+p.Version, p.program()))
	return err == nil && !info.IsDir()
}

// EnsurePlugin installs the plugin where it is missing. ErrNoPlugin if it cannot
// be had.
func (c *CLI) EnsurePlugin(ctx context.Context, p Plugin) error {
	if c.Has(p) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, pluginLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Path, "plugin", "install", "resource", p.Name, p.Version)
	cmd.Env = append(keep("PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
		"PULUMI_HOME="+c.Home, "PULUMI_SKIP_UPDATE_CHECK=true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("installing %s %s: %w: %s", p.program(), p.Version, ErrNoPlugin, lastLine(out))
	}
	if !c.Has(p) {
		return fmt.Errorf("installing %s %s: %w: the Pulumi CLI says it did, and it is not in %s", p.program(), p.Version, ErrNoPlugin, c.Home)
	}
	return nil
}

// lastLine is the last of a program's output that says something.
func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.TrimPrefix(strings.TrimSpace(lines[len(lines)-1]), "error: ")
}
