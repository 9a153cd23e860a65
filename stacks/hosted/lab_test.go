package hosted_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/toolchain"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

const passphrase = "a passphrase for tests"

// cliForTest is the Pulumi CLI that the program itself uses.
func cliForTest(t *testing.T) string {
	t.Helper()
	cli, err := toolchain.Setup{Progress: func(line string) { t.Log(line) }}.Ensure(t.Context())
	require.NoError(t, err)
	return cli.Path
}

// lab is a declared stack with its state on disk, and the Worker it writes to.
type lab struct {
	*cloud
	cat   *secrets.Catalog
	dir   string
	stack auto.Stack
	log   lines
	// config is the values by name, as the stack's config holds them.
	config  map[string]string
	crypter config.Crypter
	salt    string
}

// lean answers by itself the three questions that the SDK asks the CLI after
// every up, a process each.
type lean struct{ auto.PulumiCommand }

func (c lean) Run(
	ctx context.Context, dir string, in io.Reader, out, errOut []io.Writer, env []string, args ...string,
) (string, string, int, error) {
	switch strings.Join(args[:min(2, len(args))], " ") {
	case "stack output":
		return "{}", "", 0, nil
	case "stack history":
		return "[]", "", 0, nil
	}
	return c.PulumiCommand.Run(ctx, dir, in, out, errOut, env, args...)
}

// newLab makes an empty stack whose one Worker is to have the values.
func newLab(t *testing.T, worker string, values map[string]string) *lab {
	t.Helper()
	l := &lab{cloud: newCloud(), dir: t.TempDir()}
	for _, sub := range []string{"work", "home", "state", "cli/bin"} {
		require.NoError(t, os.MkdirAll(filepath.Join(l.dir, sub), 0o700))
	}
	require.NoError(t, os.Symlink(cliForTest(t), filepath.Join(l.dir, "cli/bin/pulumi")))
	real, err := auto.NewPulumiCommand(&auto.PulumiCommandOptions{Root: filepath.Join(l.dir, "cli")})
	require.NoError(t, err)
	cli := lean{real}
	l.stack, err = auto.NewStackInlineSource(t.Context(), "badges", "proj", nil,
		auto.Pulumi(cli), auto.WorkDir(filepath.Join(l.dir, "work")), auto.PulumiHome(filepath.Join(l.dir, "home")),
		auto.EnvVars(map[string]string{
			"PULUMI_BACKEND_URL": "file://" + filepath.Join(l.dir, "state"), "PULUMI_CONFIG_PASSPHRASE": passphrase,
			"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true", "PULUMI_SKIP_UPDATE_CHECK": "true",
		}))
	require.NoError(t, err)
	l.unlock(t)
	l.declare(t, worker, values)
	return l
}

// unlock makes the crypter of the stack's secrets.
func (l *lab) unlock(t *testing.T) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(l.dir, "work/Pulumi.badges.yaml"))
	require.NoError(t, err)
	l.salt = strings.TrimSpace(strings.TrimPrefix(string(file), "encryptionsalt: "))
	raw, err := base64.StdEncoding.DecodeString(strings.Split(l.salt, ":")[1])
	require.NoError(t, err)
	l.crypter = config.NewSymmetricCrypterFromPassphrase(passphrase, raw)
}

// declare makes the catalog and the config say that worker has the values.
func (l *lab) declare(t *testing.T, worker string, values map[string]string) {
	t.Helper()
	secret := secrets.Secret{Name: "s"}
	consumer := secrets.Consumer{Name: worker, Kind: secrets.KindWorker, Stack: "badges", Worker: worker, Values: map[string]string{}}
	for name := range values {
		secret.Entries = append(secret.Entries, secrets.Entry{Path: "folder/" + name})
		consumer.Values[name] = name
	}
	secret.Consumers = []secrets.Consumer{consumer}
	l.cat = &secrets.Catalog{
		Stacks: []secrets.Stack{{Name: "badges", Declared: true}}, Secrets: []secrets.Secret{secret},
	}
	program, err := stacks.Declared(l.cat, "badges", account)
	require.NoError(t, err)
	l.stack.Workspace().SetProgram(program)
	l.configure(t, values)
}

// configure encrypts the values into the stack's file, as the engine package
// does: no process, no plain text in arguments.
func (l *lab) configure(t *testing.T, values map[string]string) {
	t.Helper()
	l.config = values
	out := fmt.Sprintf("encryptionsalt: %s\nconfig:\n", l.salt)
	for name, v := range values {
		cipher, err := l.crypter.EncryptValue(t.Context(), v)
		require.NoError(t, err)
		out += fmt.Sprintf("  proj:%s:\n    secure: %s\n", stacks.ConfigKey(name), cipher)
	}
	require.NoError(t, os.WriteFile(filepath.Join(l.dir, "work/Pulumi.badges.yaml"), []byte(out), 0o600))
}

func (l *lab) serve(t *testing.T, sets []hosted.Set) *hosted.Server {
	t.Helper()
	s, err := hosted.Serve(t.Context(), hosted.Config{Sets: sets, Writer: l.cloud, Log: l.log.add})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	l.stack.Workspace().SetEnvVar("PULUMI_DEBUG_PROVIDERS", fmt.Sprintf("cloudflare:%d", s.Port()))
	return s
}

// up runs one operation and gives the number of steps by kind, the stack's own
// resource left out.
func (l *lab) up(t *testing.T, sets ...hosted.Set) (map[string]int, *hosted.Server, error) {
	t.Helper()
	s := l.serve(t, sets)
	_, err := l.stack.Up(t.Context(), optup.ShowSecrets(false), optup.SuppressProgress())
	require.NoError(t, s.Close())
	if err != nil {
		for name, v := range l.config {
			require.NotContains(t, err.Error(), v, "the output of the CLI holds the value of %s", name)
		}
		return nil, s, err
	}
	records, err := filepath.Glob(filepath.Join(l.dir, "state/.pulumi/history/proj/badges/*.history.json"))
	require.NoError(t, err)
	raw, err := os.ReadFile(slices.Max(records)) // the name holds the time
	require.NoError(t, err)
	var update struct{ ResourceChanges map[string]int }
	require.NoError(t, json.Unmarshal(raw, &update))
	return withoutStack(update.ResourceChanges), s, nil
}

func (l *lab) preview(t *testing.T) map[string]int {
	t.Helper()
	s := l.serve(t, nil)
	result, err := l.stack.Preview(t.Context(), optpreview.SuppressProgress())
	require.NoError(t, err)
	require.NoError(t, s.Close())
	steps := map[string]int{}
	for op, n := range result.ChangeSummary {
		steps[string(op)] = n
	}
	return withoutStack(steps)
}

// withoutStack takes the stack resource away: created by the first up, the same
// ever after.
func withoutStack(steps map[string]int) map[string]int {
	op := "same"
	if steps["same"] == 0 {
		op = "create"
	}
	if steps[op]--; steps[op] == 0 {
		delete(steps, op)
	}
	return steps
}

// saved is one resource in the state.
type saved struct {
	URN, ID, Type   string
	RetainOnDelete  bool
	Inputs, Outputs map[string]any
}

// state reads the secrets in the state's object and gives their values, by
// WORKER/NAME. It makes sure that each one is encrypted, keeps its id and its
// flag, and that no value stands in the open anywhere in the lab's folders.
func (l *lab) state(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(l.dir, "state/.pulumi/stacks/proj/badges.json"))
	require.NoError(t, err)
	var file struct {
		Checkpoint struct {
			Latest struct{ Resources []saved }
		}
	}
	require.NoError(t, json.Unmarshal(raw, &file))
	values := map[string]string{}
	for _, r := range file.Checkpoint.Latest.Resources {
		if r.Type != "cloudflare:index/workersSecret:WorkersSecret" {
			continue
		}
		worker, name := r.Inputs["scriptName"].(string), r.Inputs["name"].(string)
		require.Equal(t, idOf(worker, name), r.ID)
		require.True(t, r.RetainOnDelete, r.URN)
		values[worker+"/"+name] = l.decrypt(t, r.Inputs["secretText"])
		require.Equal(t, values[worker+"/"+name], l.decrypt(t, r.Outputs["secretText"]))
	}
	require.NoError(t, filepath.WalkDir(l.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		for name, v := range l.config {
			require.False(t, strings.Contains(string(content), v), "%s holds the value of %s", path, name)
		}
		return err
	}))
	return values
}

func (l *lab) decrypt(t *testing.T, property any) (text string) {
	t.Helper()
	sealed, ok := property.(map[string]any)
	require.True(t, ok, "the state holds a text that is not encrypted")
	plain, err := l.crypter.DecryptValue(t.Context(), sealed["ciphertext"].(string))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(plain), &text))
	return text
}

// on gives the values the keys that state gives them.
func on(worker string, values map[string]string) map[string]string {
	out := map[string]string{}
	for name, v := range values {
		out[worker+"/"+name] = v
	}
	return out
}

// takeDown destroys the stack.
func (l *lab) takeDown(t *testing.T) error {
	t.Helper()
	s := l.serve(t, nil)
	_, err := l.stack.Destroy(t.Context(), optdestroy.SuppressProgress())
	require.NoError(t, s.Close())
	return err
}

// dropRetainOnDelete takes the flag out of the state's object.
func (l *lab) dropRetainOnDelete(t *testing.T) {
	t.Helper()
	file := filepath.Join(l.dir, "state/.pulumi/stacks/proj/badges.json")
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	changed := strings.ReplaceAll(string(raw), `"retainOnDelete":true`, `"retainOnDelete":false`)
	require.NotEqual(t, len(raw), len(changed))
	require.NoError(t, os.WriteFile(file, []byte(changed), 0o600))
}
