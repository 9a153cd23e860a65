package engine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/process"
	"github.com/sanmarcsoft/secret-rotation/automation/engine/stackfile"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// keeperTime bounds one question to a secrets provider, its client's retries
// included.
const keeperTime = time.Minute

// errKeeper marks a secrets provider that does not open a stack's secrets.
var errKeeper = errors.New("the secrets provider does not open this stack's secrets")

// keeper is the stackfile.Keeper of stacks whose secrets a service encrypts
// (secretsprovider: awskms, azurekeyvault, gcpkms, hashivault). The CLI has the
// clients for these, so it does the work, on a copy of the file.
type keeper struct {
	stack *Stack

	mu sync.Mutex
	// known are the secrets of the text with this hash.
	known map[string]secrets.Value
	of    [sha256.Size]byte
}

var _ stackfile.Keeper = (*keeper)(nil)

// Values implements stackfile.Keeper: one CLI process for every new text.
func (k *keeper) Values(ctx context.Context, text []byte) (map[string]secrets.Value, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	sum := sha256.Sum256(text)
	if k.known != nil && k.of == sum {
		return maps.Clone(k.known), nil
	}
	file, cleanup, err := k.copy(text)
	if err != nil {
		return nil, err
	}
	defer cleanup()
	res, err := k.run(ctx, file, secrets.Value{}, "--show-secrets", "--json")
	if err != nil {
		return nil, err
	}
	if k.known, err = k.decode(res.Private); err != nil {
		return nil, err
	}
	k.of = sum
	return maps.Clone(k.known), nil
}

// decode reads what `pulumi config --json` prints. Every secret is hidden in all
// output from here on.
func (k *keeper) decode(answer secrets.Value) (map[string]secrets.Value, error) {
	var all map[string]struct {
		Value  string `json:"value"`
		Object any    `json:"objectValue"`
		Secret bool   `json:"secret"`
	}
	// The error would quote the answer.
	if json.Unmarshal(answer.Reveal(), &all) != nil {
		return nil, errors.New("the Pulumi CLI's answer is not the config as JSON")
	}
	out := map[string]secrets.Value{}
	for name, v := range all {
		if !v.Secret {
			continue
		}
		key, err := config.ParseKey(name)
		if err != nil {
			return nil, fmt.Errorf("the Pulumi CLI names a config key that is none: %s", name)
		}
		if v.Object == nil {
			v.Object = v.Value
		}
		k.stack.engine.opts.Redactor.Add(secrets.NewValue([]byte(v.Value)))
		k.stack.file.Walk(key, v.Object, func(path string, leaf any) { out[path] = secrets.NewValue(fmt.Append(nil, leaf)) })
	}
	return out, nil
}

// Encrypt implements stackfile.Keeper: one CLI process for every value, which
// it reads from its standard input.
func (k *keeper) Encrypt(ctx context.Context, text []byte, values map[string]secrets.Value) ([]byte, error) {
	file, cleanup, err := k.copy(text)
	if err != nil {
		return nil, err
	}
	defer cleanup()
	for key, value := range values {
		k.stack.engine.opts.Redactor.Add(value)
		if _, err := k.run(ctx, file, value, "set", "--secret", "--raw", "--", key); err != nil {
			return nil, err
		}
	}
	return os.ReadFile(file)
}

// copy writes a text, which holds ciphertext alone, where the CLI may change it.
func (k *keeper) copy(text []byte) (file string, cleanup func(), err error) {
	dir, err := process.TempDir()
	if err != nil {
		return "", nil, err
	}
	cleanup = func() { _ = os.RemoveAll(dir) }
	file = filepath.Join(dir, filepath.Base(k.stack.file.Path))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		cleanup()
		return "", nil, fmt.Errorf("copying the stack file: %w", err)
	}
	return file, cleanup, nil
}

// run is `pulumi config` over a copy of the stack's file.
func (k *keeper) run(ctx context.Context, file string, stdin secrets.Value, args ...string) (process.Result, error) {
	s := k.stack
	ctx, cancel := context.WithTimeoutCause(ctx, keeperTime, fmt.Errorf("no answer for %s", keeperTime))
	defer cancel()
	flags := []string{"--stack", s.name, "--config-file", file}
	at := slices.Index(args, "--")
	if at < 0 {
		at = len(args)
	}
	e := s.engine
	res, err := process.Run(ctx, process.Spec{
		Path:     e.opts.CLI.Path,
		Args:     slices.Concat([]string{"--non-interactive", "--color", "never", "config"}, args[:at], flags, args[at:]),
		Dir:      s.spec.Dir,
		Env:      s.environ(nil, nil),
		Stdin:    stdin,
		Private:  true,
		Redactor: e.opts.Redactor,
		ID:       fmt.Sprintf("%s.%d", e.opts.RunID, e.processes.Add(1)),
		Patience: keeperTime / 6,
	})
	if !res.Started {
		e.processes.Add(-1)
	}
	if err == nil {
		return res, nil
	}
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
		return res, fmt.Errorf("%w: %w", errKeeper, cause)
	}
	said := inOneLine(res.Stderr)
	if said == "" {
		return res, fmt.Errorf("%w: pulumi config %w", errKeeper, err)
	}
	return res, fmt.Errorf("%w: %s", errKeeper, said)
}

// inOneLine is what a provider's client complains of, which it spreads over many
// lines and pads with errors that say nothing.
func inOneLine(text string) string {
	const most = 400
	var said []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "error: "))
		line = strings.TrimLeft(line, "*0123456789) ")
		if line == "" || line == "Unknown" || line == "errors occurred:" {
			continue
		}
		said = append(said, line)
	}
	if text = strings.Join(said, " "); len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// variables are those that a secrets provider's client reads, for a message.
func variables(provider string) string {
	return map[string]string{
		"awskms":        "AWS_REGION, AWS_PROFILE with AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
		"azurekeyvault": "AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET",
		"gcpkms":        "GOOGLE_APPLICATION_CREDENTIALS",
		"hashivault":    "VAULT_ADDR, VAULT_TOKEN",
	}[provider]
}

// keeperNext is what to do where a secrets provider does not open a stack.
func (s *Stack) keeperNext() string {
	given := "names none"
	var names []string
	for name := range s.spec.Env {
		names = append(names, name)
	}
	if len(names) > 0 {
		slices.Sort(names)
		given = "gives " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("set the variables that %s needs (%s) and name them as `env:` of the stack in the catalog, which %s; then try: pulumi config --stack %s --cwd %s",
		s.provider, variables(s.provider), given, s.name, s.spec.Dir)
}
