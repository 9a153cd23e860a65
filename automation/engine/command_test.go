package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// dump makes a fake CLI tell what it was given, and fail.
const dump = `for a in "$@"; do echo "$a" >> argv; done; tr '\0' '\n' < /proc/self/environ > env; cat "$PULUMI_CONFIG_PASSPHRASE_FILE" > phrase; pwd > pwd; exit 1`

func contents(t *testing.T, dir, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(raw)
}

// hostile is what an operator's shell may hold that would turn an update to
// another account, backend or provider, or make it print secrets.
func hostile() map[string]string {
	return map[string]string{
		"PULUMI_ACCESS_TOKEN": "h", "PULUMI_STACK": "h", "PULUMI_BACKEND_URL": "https://h", "PULUMI_CONFIG_PASSPHRASE": "h",
		"PULUMI_CONFIG_PASSPHRASE_FILE": "/h", "PULUMI_HOME": "/h", "PULUMI_CONFIG": "{}", "PULUMI_DEBUG_GRPC": "/h",
		"PULUMI_DEBUG_PROVIDERS": "cloudflare:1", "PULUMI_DEBUG_LANGUAGES": "yaml:1", "PULUMI_OPTION_LOGTOSTDERR": "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "false", "PULUMI_DIY_BACKEND_LEGACY_LAYOUT": "1",
		"AWS_ACCESS_KEY_ID": "h", "AWS_SECRET_ACCESS_KEY": "h", "AWS_SESSION_TOKEN": "h", "AWS_PROFILE": "h", "AWS_ENDPOINT_URL": "h",
		"AWS_CONFIG_FILE": "/h", "AWS_CA_BUNDLE": "/h", "CLOUDFLARE_API_TOKEN": "h", "CLOUDFLARE_API_KEY": "h", "CLOUDFLARE_EMAIL": "h",
		"CLOUDFLARE_API_HOSTNAME": "h", "SCW_ACCESS_KEY": "h", "SCW_SECRET_KEY": "h", "SCW_API_URL": "h", "TF_LOG": "TRACE", "TF_LOG_PATH": "/h",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "GITHUB_TOKEN": "h", "LD_PRELOAD": "", "TMPDIR": os.TempDir(), "STRIPE_API_KEY": "h",
	}
}

func TestAHostileEnvironmentDoesNotReachTheCLI(t *testing.T) {
	for name, v := range hostile() {
		t.Setenv(name, v)
	}
	c, dir := fakeCLI(t, dump)
	l := newLab(t, c)
	l.engine = engine.New(engine.Options{CLI: c, Backend: "file://" + l.state, Passphrase: val(passphrase), RunID: "r1",
		BackendEnv: map[string]secrets.Value{"AWS_ACCESS_KEY_ID": val("SCWOURS"), "AWS_SECRET_ACCESS_KEY": val("our-own-secret")}})
	s, err := l.engine.Open(context.Background(), engine.StackSpec{Name: "prod", Dir: l.dir, Program: component,
		Providers: map[string]int{"cloudflare": 4711}, Env: map[string]secrets.Value{"EXTRA": val("named in the catalog")}})
	require.NoError(t, err)
	_, err = s.Up(context.Background(), engine.UpOptions{Providers: map[string]int{"scaleway": 4712}})
	require.Error(t, err)

	env := map[string]string{}
	for line := range strings.Lines(contents(t, dir, "env")) {
		name, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		env[name] = v
	}
	for _, name := range []string{"HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "PWD", "OLDPWD", "SHLVL", "_",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		delete(env, name)
	}
	require.True(t, strings.HasPrefix(env["PATH"], dir+":"))
	require.NotEqual(t, os.TempDir(), env["TMPDIR"])
	require.True(t, strings.HasPrefix(env["SECRET_ROTATION_RUN"], "r1."))
	delete(env, "PATH")
	delete(env, "TMPDIR")
	delete(env, "SECRET_ROTATION_RUN")
	require.Equal(t, "file://"+l.state+" example/prod", env["SECRET_ROTATION_WORK"], "a killed run's CLI is found by what it works on")
	delete(env, "SECRET_ROTATION_WORK")
	require.Equal(t, map[string]string{
		"PULUMI_HOME": c.Home, "PULUMI_BACKEND_URL": "file://" + l.state, "PULUMI_CONFIG_PASSPHRASE_FILE": "/proc/self/fd/3",
		"PULUMI_AUTOMATION_API": "true", "PULUMI_DEBUG_COMMANDS": "true", "PULUMI_SKIP_UPDATE_CHECK": "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true", "PULUMI_DEBUG_PROVIDERS": "cloudflare:4711,scaleway:4712",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"AWS_ACCESS_KEY_ID": "SCWOURS", "AWS_SECRET_ACCESS_KEY": "our-own-secret", "EXTRA": "named in the catalog", "GIT_OPTIONAL_LOCKS": "0",
	}, env)
	require.Equal(t, passphrase, contents(t, dir, "phrase"))
}

func TestArguments(t *testing.T) {
	c, dir := fakeCLI(t, dump)
	l := newLab(t, c)
	s := l.declared(component)
	_, err := s.Up(context.Background(), engine.UpOptions{Message: "rotation r1"})
	require.Error(t, err)
	argv := contents(t, dir, "argv")
	for _, want := range []string{"--non-interactive\n--color\nnever\nup\n--yes\n--skip-preview\n", "--stack\nprod\n", `--message="rotation r1"`} {
		require.Contains(t, argv, want)
	}
	require.NotContains(t, argv, "show-secrets")
}

func TestAValueInAMessageIsRefused(t *testing.T) {
	c, dir := fakeCLI(t, dump)
	l := newLab(t, c)
	s := l.declared(component)
	res, err := s.Up(context.Background(), engine.UpOptions{Message: "now with " + passphrase})
	e := asError(t, err, engine.Failed)
	require.NotContains(t, e.Error(), passphrase)
	require.Equal(t, engine.NotApplied, res.Outcome)
	require.NoFileExists(t, filepath.Join(dir, "argv"))
	require.Zero(t, l.engine.Processes())
}

func TestFailuresAreClassifiedAndRedacted(t *testing.T) {
	cases := map[string]struct {
		says string
		kind engine.Kind
	}{
		"locked":        {"error: the stack is currently locked by 1 lock(s). Either wait", engine.Locked},
		"lock vanished": {"error: blob (key \".pulumi/locks/organization/example/prod/x.json\") (code=NotFound)", engine.Locked},
		"passphrase":    {"error: incorrect passphrase", engine.Passphrase},
		"no stack":      {"error: no stack named 'prod' found", engine.NoStack},
		"no project":    {"error: no Pulumi.yaml project file found (searching upwards from /x).", engine.NoProject},
		"disk":          {"error: saving checkpoint: write /x: no space left on device", engine.Disk},
		"S3 auth":       {"error: read \".pulumi/meta.yaml\": api error SignatureDoesNotMatch", engine.Auth},
		"S3 denied":     {"error: api error AccessDenied: Access Denied", engine.Auth},
		"language":      {"error: failed to load language plugin nodejs: could not read", engine.NoLanguage},
		"half done":     {"error: the current deployment has 1 resource(s) with pending operations", engine.Conflict},
		"provider":      {"error: Authentication error (10000)", engine.Failed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cli, dir := fakeCLI(t, "echo 'key is "+passphrase+"'; cat says >&2; exit 1")
			require.NoError(t, os.WriteFile(filepath.Join(dir, "says"), []byte(c.says+"\n"), 0o600))
			l := newLab(t, cli)
			s := l.declared(component)
			_, err := s.Preview(context.Background(), engine.PreviewOptions{})
			e := asError(t, err, c.kind)
			require.Equal(t, "prod", e.Stack)
			require.Equal(t, "previewing", e.Step)
			require.Contains(t, e.Tail, c.says)
			require.NotContains(t, e.Tail+e.Error(), passphrase)
			require.Equal(t, c.kind == engine.Failed, e.Next == "")
		})
	}
}

func TestACLIThatSaysNothingDoesNotHang(t *testing.T) {
	for name, body := range map[string]string{"fails": "exit 3", "succeeds": "exit 0", "dies": "kill -9 $$"} {
		t.Run(name, func(t *testing.T) {
			c, _ := fakeCLI(t, body)
			s := newLab(t, c).declared(component)
			_, err := s.Preview(context.Background(), engine.PreviewOptions{})
			asError(t, err, engine.Failed)
			res, err := s.Up(context.Background(), engine.UpOptions{})
			asError(t, err, engine.Failed)
			require.Equal(t, engine.Unknown, res.Outcome, "it never said what it did")
		})
	}
}

func TestACLIThatIsNotThere(t *testing.T) {
	c, _ := fakeCLI(t, "exit 0")
	s := newLab(t, c).declared(component)
	require.NoError(t, os.Remove(c.Path))
	res, err := s.Up(context.Background(), engine.UpOptions{})
	asError(t, err, engine.Failed)
	require.Equal(t, engine.NotApplied, res.Outcome)
}

func TestInterruptIsPassedOnOnceAndToldOf(t *testing.T) {
	c, dir := fakeCLI(t, `trap 'echo INT >> log' INT; touch ready; while [ ! -s log ]; do sleep 0.02; done; sleep 0.2; exit 1`)
	l := newLab(t, c)
	s := l.declared(component)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		awaitFile(t, filepath.Join(dir, "ready"))
		cancel()
	}()
	told := 0
	_, err := s.Up(ctx, engine.UpOptions{Events: func(e engine.Event) {
		if e.Kind == engine.EventInterrupted {
			told++
		}
	}})
	asError(t, err, engine.Canceled)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, "INT\n", contents(t, dir, "log"))
	require.Equal(t, 1, told)
}

func TestACLIThatIgnoresInterruptsIsKilled(t *testing.T) {
	c, dir := fakeCLI(t, `trap '' INT; touch ready; while :; do sleep 0.05; done`)
	l := newLab(t, c)
	l.engine = engine.New(engine.Options{CLI: c, Backend: "file://" + l.state, Passphrase: val(passphrase), Patience: 50 * time.Millisecond})
	s := l.declared(component)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		awaitFile(t, filepath.Join(dir, "ready"))
		cancel()
	}()
	res, err := s.Up(ctx, engine.UpOptions{})
	require.NotEmpty(t, asError(t, err, engine.Canceled).Next)
	require.Equal(t, engine.Unknown, res.Outcome)
}

func awaitFile(t *testing.T, path string) {
	t.Helper()
	require.Eventually(t, func() bool { _, err := os.Stat(path); return err == nil }, 20*time.Second, 5*time.Millisecond)
}
