package engine_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const passphrase = "correct horse battery staple"

func val(s string) secrets.Value { return secrets.NewValue([]byte(s)) }

// realCLI provides the CLI where the program itself does: in the user's cache.
// The first time on a machine this takes minutes.
func realCLI(t *testing.T) *engine.CLI {
	t.Helper()
	c, err := engine.Setup{Progress: func(line string) { t.Log(line) }}.Ensure(context.Background())
	require.NoError(t, err)
	return c
}

// fakeCLI is a shell script in the CLI's place; dir is where it may write.
func fakeCLI(t *testing.T, body string) (c *engine.CLI, dir string) {
	t.Helper()
	dir = t.TempDir()
	path := filepath.Join(dir, "pulumi")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\ncd "+dir+"\n"+body+"\n"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pulumi-language-yaml"), nil, 0o755))
	return &engine.CLI{Path: path, Version: engine.Version(), Home: filepath.Join(dir, "home"), LanguageDir: dir}, dir
}

// lab is a project folder, a state folder and an engine over them.
type lab struct {
	t          *testing.T
	cli        *engine.CLI
	dir, state string
	engine     *engine.Engine
	// variables are further ones of the shell that runs the plain CLI.
	variables []string
}

func newLab(t *testing.T, c *engine.CLI) *lab {
	t.Helper()
	l := &lab{t: t, cli: c, dir: t.TempDir(), state: t.TempDir()}
	require.NoError(t, os.CopyFS(l.dir, os.DirFS("testdata/project")))
	l.engine = l.newEngine(passphrase)
	return l
}

func (l *lab) newEngine(phrase string) *engine.Engine {
	return engine.New(engine.Options{CLI: l.cli, Backend: "file://" + l.state, Passphrase: val(phrase),
		RunID: "test-" + filepath.Base(l.dir)})
}

// declared opens stack prod with a program of ours and the config that it
// needs; the backend may not have it yet.
func (l *lab) declared(program pulumi.RunFunc) *engine.Stack {
	l.t.Helper()
	s, err := l.engine.Open(context.Background(), engine.StackSpec{Name: "prod", Dir: l.dir, Program: program})
	require.NoError(l.t, err)
	l.write(s, map[string]string{"token": "first-token-value"})
	return s
}

// existing makes stack prod and opens it as an existing project's.
func (l *lab) existing() *engine.Stack {
	l.t.Helper()
	d := l.declared(component)
	require.NoError(l.t, d.Init(context.Background()))
	s, err := l.engine.Open(context.Background(), engine.StackSpec{Name: "example", Dir: l.dir})
	require.NoError(l.t, err)
	return s
}

func (l *lab) write(s *engine.Stack, values map[string]string) {
	l.t.Helper()
	in := map[string]secrets.Value{}
	for k, v := range values {
		in[k] = val(v)
	}
	_, err := s.WriteConfig(context.Background(), in)
	require.NoError(l.t, err)
}

func (l *lab) up(s *engine.Stack) engine.Result {
	l.t.Helper()
	res, err := s.Up(context.Background(), engine.UpOptions{})
	require.NoError(l.t, err)
	return res
}

// pulumi runs the plain CLI as a person would.
func (l *lab) pulumi(stdin string, args ...string) string {
	l.t.Helper()
	phrase := filepath.Join(l.t.TempDir(), "passphrase")
	require.NoError(l.t, os.WriteFile(phrase, []byte(passphrase+"\n"), 0o600))
	cmd := exec.Command(l.cli.Path, append([]string{"--non-interactive"}, args...)...)
	cmd.Dir, cmd.Stdin = l.dir, strings.NewReader(stdin)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "PULUMI_HOME=" + l.cli.Home,
		"PULUMI_BACKEND_URL=file://" + l.state, "PULUMI_CONFIG_PASSPHRASE_FILE=" + phrase, "PULUMI_SKIP_UPDATE_CHECK=true"}
	cmd.Env = append(cmd.Env, l.variables...)
	out, err := cmd.CombinedOutput()
	require.NoError(l.t, err, string(out))
	return string(out)
}

func (l *lab) file(s *engine.Stack) string {
	l.t.Helper()
	raw, err := os.ReadFile(s.File())
	require.NoError(l.t, err)
	return string(raw)
}

// component is a program with one resource that needs no provider.
func component(ctx *pulumi.Context) error {
	c := config.New(ctx, "")
	var r pulumi.ResourceState
	return ctx.RegisterComponentResourceV2("example:index:Thing", "thing",
		pulumi.Map{"token": c.RequireSecret("token"), "size": pulumi.String(c.Get("size"))}, &r)
}

// asError requires an *engine.Error of that kind.
func asError(t *testing.T, err error, kind engine.Kind) *engine.Error {
	t.Helper()
	var e *engine.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, kind, e.Kind, "%v\n%s", e, e.Tail)
	return e
}

// decoded is the value in the CLI's JSON answer.
func decoded(t *testing.T, answer string) string {
	t.Helper()
	var v struct {
		Value string `json:"value"`
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &v))
	return v.Value
}
