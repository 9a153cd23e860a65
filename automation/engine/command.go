package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/process"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// command runs the CLI for one operation of one stack on behalf of the SDK. It
// starts a process for the operation alone: what the SDK asks around it is
// answered here, or refused.
type command struct {
	stack     *Stack
	providers map[string]int
	env       map[string]secrets.Value
	// finished waits until the operation's events have all come; nil if it
	// has none.
	finished    func() bool
	interrupted func()

	mu     sync.Mutex
	result process.Result
	err    error
}

var _ auto.PulumiCommand = (*command)(nil)

// errNoEvents keeps the SDK from waiting for ever for events that a CLI which
// ended well never sent.
var errNoEvents = errors.New("the Pulumi CLI ended without saying what it did")

// Run implements auto.PulumiCommand. The SDK's own environment and streams are
// not used, and the output it gets is empty: it would end up in errors and
// results.
func (c *command) Run(ctx context.Context, dir string, _ io.Reader, _, _ []io.Writer, _ []string, args ...string) (string, string, int, error) {
	switch name := strings.Join(args[:min(2, len(args))], " "); {
	case name == "stack select", args[0] == "version":
		return "", "", 0, nil
	case name == "stack output":
		return "{}", "", 0, nil
	case name == "stack history":
		return "[]", "", 0, nil
	case name == "stack init":
		// Selecting would write into the CLI's home, which stacks share.
		args = append(args, "--no-select")
	case args[0] != "preview" && args[0] != "up":
		return "", "", -1, fmt.Errorf("running pulumi %s: not a command that is allowed here", args[0])
	}
	e := c.stack.engine
	res, err := process.Run(ctx, process.Spec{
		Path:        e.opts.CLI.Path,
		Args:        append([]string{"--non-interactive", "--color", "never"}, args...),
		Dir:         dir,
		Env:         c.stack.environ(c.providers, c.env),
		Passphrase:  c.stack.phrase,
		Redactor:    e.opts.Redactor,
		ID:          fmt.Sprintf("%s.%d", e.opts.RunID, e.processes.Add(1)),
		Work:        c.stack.work(),
		Patience:    e.opts.Patience,
		Interrupted: c.interrupted,
	})
	if err == nil && c.finished != nil && !c.finished() {
		err = errNoEvents
	}
	if !res.Started {
		e.processes.Add(-1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.result, c.err = res, err
	if err != nil {
		return "", "", res.Code, errors.New("failed")
	}
	return "", "", 0, nil
}

// Version implements auto.PulumiCommand.
func (c *command) Version() semver.Version {
	v, err := semver.Parse(c.stack.engine.opts.CLI.Version)
	if err != nil {
		return semver.MustParse(Version())
	}
	return v
}

// outcome is what became of the process.
func (c *command) outcome() (process.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.result, c.err
}

// passed lists what a child gets of our own environment: where things are, how
// to reach the network. Nothing that redirects an account, a backend or a
// provider, and no debugging that prints secrets.
func passed() []string {
	return []string{"HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ",
		"SSL_CERT_FILE", "SSL_CERT_DIR",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
}

// environ is the whole environment of the CLI but for what package process
// adds.
func (s *Stack) environ(providers map[string]int, own map[string]secrets.Value) []string {
	env := map[string]string{
		// The AWS client must not look for other credentials than ours.
		"AWS_EC2_METADATA_DISABLED":   "true",
		"AWS_CONFIG_FILE":             os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	}
	for _, name := range passed() {
		if v, ok := os.LookupEnv(name); ok {
			env[name] = v
		}
	}
	for _, from := range []map[string]secrets.Value{s.engine.backendEnv(), s.spec.Env, own} {
		for name, v := range from {
			env[name] = string(v.Reveal())
		}
	}
	cli := s.engine.opts.CLI
	path := []string{filepath.Dir(cli.Path), cli.LanguageDir, s.languageDir, os.Getenv("PATH")}
	path = slices.DeleteFunc(path, func(p string) bool { return p == "" })
	for name, v := range map[string]string{
		"PATH":                     strings.Join(path, string(filepath.ListSeparator)),
		"PULUMI_HOME":              cli.Home,
		"PULUMI_BACKEND_URL":       s.address,
		"PULUMI_AUTOMATION_API":    "true",
		"PULUMI_DEBUG_COMMANDS":    "true", // the SDK's flags are hidden without it
		"PULUMI_SKIP_UPDATE_CHECK": "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		"GIT_OPTIONAL_LOCKS":                          "0", // it asks for the project's status, which would write git's index
	} {
		env[name] = v
	}
	delete(env, "PULUMI_CONFIG_PASSPHRASE") // would win over the file
	if attached := s.attached(providers); attached != "" {
		env["PULUMI_DEBUG_PROVIDERS"] = attached
	}
	out := make([]string, 0, len(env))
	for name, v := range env {
		out = append(out, name+"="+v)
	}
	slices.Sort(out)
	return out
}

// attached names the providers that are served by a process already running.
func (s *Stack) attached(providers map[string]int) string {
	ports := map[string]int{}
	for _, from := range []map[string]int{s.spec.Providers, providers} {
		for name, port := range from {
			ports[name] = port
		}
	}
	var out []string
	for name, port := range ports {
		out = append(out, fmt.Sprintf("%s:%d", name, port))
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}
