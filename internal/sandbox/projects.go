package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/examples"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"golang.org/x/sync/errgroup"
)

// pulumiStack is Pulumi's name of the stack of either project.
const pulumiStack = "prod"

// declaredProject is the project of the stacks that the tool declares.
const declaredProject = "name: secret-rotation\nruntime: go\ndescription: Stacks declared by the catalog\n"

// project is one of the examples with the config that a person gave it.
type project struct {
	name, dir string
	config    map[string]string // key -> pass path
}

func exampleProjects() []project {
	return []project{
		{name: "infra", dir: "infra", config: map[string]string{
			"scaleway-secret-key": secretKeyPath,
		}},
		{name: "stripe-backend", dir: "services/stripe-backend/infra", config: map[string]string{
			"scaleway-access-key":   accessKeyPath,
			"scaleway-secret-key":   secretKeyPath,
			"stripe-secret-key":     "verifieddit/stripe/secret-key",
			"stripe-webhook-secret": "verifieddit/stripe/webhook-secret",
			"clerk-secret-key":      "verifieddit/clerk/secret-key",
		}},
	}
}

// The pass paths of the company's Scaleway key, which also opens its state.
const (
	accessKeyPath = "sanmarcsoft/scaleway/access-key"
	secretKeyPath = "sanmarcsoft/scaleway/api-secret"
)

func (s *Sandbox) projectDir(p project) string {
	return filepath.Join(s.projects(), filepath.FromSlash(p.dir))
}

// rollOut copies the projects and rolls each out as somebody did long ago.
func (s *Sandbox) rollOut(ctx context.Context, o Options, entries map[string]string) error {
	if err := os.CopyFS(s.projects(), examples.Projects); err != nil {
		return fmt.Errorf("copying the example projects: %w", err)
	}
	if err := os.MkdirAll(s.declared(), 0o700); err != nil {
		return fmt.Errorf("making the project of the declared stacks: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.declared(), "Pulumi.yaml"), []byte(declaredProject), 0o600); err != nil {
		return fmt.Errorf("making the project of the declared stacks: %w", err)
	}
	redactor := secrets.NewRedactor()
	redactor.Add(s.pass)
	login, keys := map[string]string{}, map[string]secrets.Value{}
	if s.kind == BackendS3 {
		login = map[string]string{"AWS_ACCESS_KEY_ID": entries[accessKeyPath], "AWS_SECRET_ACCESS_KEY": entries[secretKeyPath]}
	}
	for name, value := range login {
		keys[name] = secrets.NewValue([]byte(value))
		redactor.Add(keys[name])
	}
	pulumi := engine.New(engine.Options{CLI: o.CLI, Backend: s.Backend(), BackendEnv: keys, Passphrase: s.pass, Redactor: redactor, RunID: "sandbox"})
	work, inner := errgroup.WithContext(ctx)
	for _, p := range exampleProjects() {
		config := map[string]secrets.Value{}
		for key, path := range p.config {
			config[key] = secrets.NewValue([]byte(entries[path]))
			redactor.Add(config[key])
		}
		work.Go(func() error {
			if err := s.initStack(inner, s.projectDir(p), login); err != nil {
				return fmt.Errorf("creating stack of %s: %w", p.name, err)
			}
			if err := s.rollOutProject(inner, pulumi, p, config); err != nil {
				return err
			}
			o.Progress("sandbox: " + p.name + " is rolled out")
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	return s.commitProjects(ctx)
}

func (s *Sandbox) rollOutProject(ctx context.Context, pulumi *engine.Engine, p project, config map[string]secrets.Value) error {
	stack, err := pulumi.Open(ctx, engine.StackSpec{Name: p.name, Dir: s.projectDir(p), Stack: pulumiStack, Providers: s.Providers()})
	if err != nil {
		return fmt.Errorf("opening %s: %w", p.name, err)
	}
	if _, err := stack.WriteConfig(ctx, config); err != nil {
		return fmt.Errorf("configuring %s: %w", p.name, err)
	}
	if _, err := stack.Up(ctx, engine.UpOptions{Message: "Rolled out by hand"}); err != nil {
		return fmt.Errorf("rolling out %s: %w", p.name, err)
	}
	return nil
}

// initStack is a person's `pulumi stack init`: it makes the stack and its file.
// The S3 server keeps objects as files: where another stack's last lock is taken
// away, and the empty folders with it, a new lock may find its own folder gone.
func (s *Sandbox) initStack(ctx context.Context, dir string, login map[string]string) (err error) {
	for range 3 {
		_, err = s.pulumi(ctx, dir, nil, login, "stack", "init", pulumiStack)
		if err == nil || !strings.Contains(err.Error(), "ExistingObjectIsDirectory") {
			return err
		}
	}
	return err
}

// pulumi is a person's use of the CLI in a project's folder, with what that
// person logs in with to the state.
func (s *Sandbox) pulumi(ctx context.Context, dir string, stdin []byte, login map[string]string, args ...string) ([]byte, error) {
	if s.cli == nil {
		return nil, errors.New("no Pulumi CLI given")
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, s.cli.Path, append(args, "--non-interactive")...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, bytes.NewReader(stdin), &stdout, &stderr
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}
	for _, v := range s.pulumiVariables() {
		if v.name != "PATH" {
			cmd.Env = append(cmd.Env, v.name+"="+v.text)
		}
	}
	for name, value := range login {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("pulumi %s %s: %w: %s", args[0], args[1], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// commitProjects makes a repository of the projects, pushed to a bare remote.
func (s *Sandbox) commitProjects(ctx context.Context) error {
	remote := s.path("projects.git")
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"},
		{"config", "user.name", "Sandbox"},
		{"config", "user.email", "sandbox@example.com"},
		{"config", "commit.gpgSign", "false"},
		{"config", "core.hooksPath", ".git/hooks"},
		{"add", "--all"},
		{"commit", "--quiet", "--message=Roll out infra and stripe-backend"},
		{"init", "--quiet", "--bare", "--initial-branch=main", remote},
		{"remote", "add", "origin", remote},
		{"push", "--quiet", "--set-upstream", "origin", "main"},
	} {
		if err := run(ctx, s.layout, s.projects(), "git", args...); err != nil {
			return fmt.Errorf("committing the projects: %w", err)
		}
	}
	return nil
}

// run runs a program that sees no secret, without the caller's GIT_* settings
// and with the mark that tells whose it is.
func run(ctx context.Context, l layout, dir, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, []string{"SECRET_ROTATION_SANDBOX=" + l.dir}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GIT_") && !strings.HasPrefix(v, "SECRET_ROTATION_SANDBOX=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, args[0], err, strings.TrimSpace(string(out)))
	}
	return nil
}
