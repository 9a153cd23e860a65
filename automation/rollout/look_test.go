package rollout_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// looker is a sandbox in which everything was rolled out by hand, and the engine
// over its stacks.
type looker struct {
	t      *testing.T
	box    *sandbox.Sandbox
	engine *engine.Engine
	fleet  *rollout.Fleet
}

func newLooker(t *testing.T) *looker {
	t.Helper()
	cli, err := engine.Setup{Progress: func(line string) { t.Log(line) }}.Ensure(t.Context())
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "w")
	box, err := sandbox.Open(t.Context(), sandbox.Options{Dir: dir, CLI: cli})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()); require.NoError(t, sandbox.Reset(context.Background(), dir)) })
	embedded, err := secrets.Embedded()
	require.NoError(t, err)
	l := &looker{t: t, box: box, engine: engine.New(engine.Options{CLI: cli, Backend: box.Backend(), Passphrase: box.Passphrase()})}
	l.fleet = &rollout.Fleet{
		Catalog: box.Catalog(embedded), Engine: l.engine, Root: box.Root(), Project: box.Project(), Providers: box.Providers(), Account: "account",
		Passphrase: func(context.Context, secrets.Stack) (secrets.Value, error) { return box.Passphrase(), nil },
	}
	return l
}

// look looks at a stack and requires that nothing was changed by it: not the
// state, not the projects, nothing at a service.
func (l *looker) look(stack string) engine.Preview {
	l.t.Helper()
	before, written := l.bytes(), l.writes()
	targets, err := l.fleet.Open(l.t.Context(), stack)
	require.NoError(l.t, err)
	require.Len(l.t, targets, 1)
	p, err := targets[0].Look(l.t.Context(), nil)
	require.NoError(l.t, err)
	require.Equal(l.t, before, l.bytes(), "looking changed a file")
	require.Equal(l.t, written, l.writes(), "looking wrote to a service")
	return p
}

func (l *looker) bytes() map[string]string {
	l.t.Helper()
	out := map[string]string{}
	for _, part := range []string{"state", "projects", "store"} {
		require.NoError(l.t, filepath.WalkDir(filepath.Join(l.box.Dir(), part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			raw, err := os.ReadFile(path)
			out[path] = string(raw)
			return err
		}))
	}
	return out
}

// writes are the requests that change something at a service.
func (l *looker) writes() (out []string) {
	l.t.Helper()
	raw, err := l.box.Requests()
	require.NoError(l.t, err)
	for line := range strings.Lines(string(raw)) {
		var r struct{ Method, Path string }
		require.NoError(l.t, json.Unmarshal([]byte(line), &r))
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			out = append(out, r.Method+" "+r.Path)
		}
	}
	return out
}

// edit changes the container's resource in the state of stack stripe-backend.
func (l *looker) edit(change func(resource map[string]any)) {
	l.t.Helper()
	path := filepath.Join(l.box.Dir(), "state", ".pulumi", "stacks", "stripe-backend", "prod.json")
	raw, err := os.ReadFile(path)
	require.NoError(l.t, err)
	l.t.Cleanup(func() { require.NoError(l.t, os.WriteFile(path, raw, 0o600)) })
	var doc map[string]any
	require.NoError(l.t, json.Unmarshal(raw, &doc))
	latest := doc["checkpoint"].(map[string]any)["latest"].(map[string]any)
	for _, r := range latest["resources"].([]any) {
		if r := r.(map[string]any); strings.HasSuffix(r["type"].(string), ":Container") {
			change(r)
		}
	}
	edited, err := json.Marshal(doc)
	require.NoError(l.t, err)
	require.NoError(l.t, os.WriteFile(path, edited, 0o600))
}

// What a look tells of an existing project's container, in one world: nothing
// changed, its state edited, a secret changed behind our back, all of it gone.
func TestLook(t *testing.T) {
	l := newLooker(t)
	l.declared()
	p := l.look("stripe-backend")
	require.Empty(t, p.Changes)
	require.Equal(t, 4, p.Same)

	for _, part := range []string{"inputs", "outputs"} {
		t.Run("state edited: "+part, func(t *testing.T) {
			here := *l
			here.t = t
			here.edit(func(r map[string]any) {
				r["inputs"].(map[string]any)["maxScale"] = 9
				r[part].(map[string]any)["maxScale"] = 9
			})
			p := here.look("stripe-backend")
			require.Len(t, p.Changes, 1)
			c := p.Changes[0]
			require.Equal(t, "refresh", c.Op, "an update would find nothing to do")
			require.True(t, c.Refreshed)
			require.Equal(t, []bool{false, false, false}, []bool{c.Gone, c.Secret, c.SecretOnly})
			require.Equal(t, []string{"maxScale"}, c.Diffs)
			require.Equal(t, 4, p.Same)
		})
	}
	t.Run("state edited: secret", func(t *testing.T) {
		here := *l
		here.t = t
		here.edit(func(r map[string]any) { delete(r["inputs"].(map[string]any), "secretEnvironmentVariables") })
		c := here.only(here.look("stripe-backend"))
		require.Equal(t, "update", c.Op)
		require.True(t, c.Secret)
	})

	require.NoError(t, l.box.World().Tamper("container-secret", world.ContainerName, "CLERK_SECRET_KEY", "sk_live_foreign"))
	c := l.only(l.look("stripe-backend"))
	require.Equal(t, "update", c.Op)
	require.Equal(t, "container", c.Name)
	require.Equal(t, []bool{true, true, true, false}, []bool{c.Refreshed, c.Secret, c.SecretOnly, c.Gone})
	require.Equal(t, []string{"secretEnvironmentVariables"}, c.Diffs)

	require.NoError(t, l.box.World().Update(func(s *world.State) error {
		c, _ := s.Container(world.ContainerName)
		c.Spec["max_scale"] = 7
		return nil
	}))
	c = l.only(l.look("stripe-backend"))
	require.Equal(t, "update", c.Op)
	require.Equal(t, []bool{true, true, false}, []bool{c.Refreshed, c.Secret, c.SecretOnly}, "not only a secret")
	require.Equal(t, []string{"maxScale", "secretEnvironmentVariables"}, c.Diffs)

	require.NoError(t, l.box.World().Update(func(s *world.State) error {
		c, _ := s.Container(world.ContainerName)
		s.RemoveContainer(c.ID)
		return nil
	}))
	c = l.only(l.look("stripe-backend"))
	require.Equal(t, "create", c.Op)
	require.Equal(t, []bool{true, true, true, false}, []bool{c.Refreshed, c.Gone, c.Secret, c.SecretOnly})
}

func (l *looker) only(p engine.Preview) engine.Change {
	l.t.Helper()
	require.Len(l.t, p.Changes, 1, "%+v", p.Changes)
	return p.Changes[0]
}

// workers is a Worker that takes everything, and counts what it is sent.
type workers struct{ writes *int }

func (w workers) Names(context.Context, string, string) ([]string, error) {
	return []string{"CLERK_SECRET_KEY", "SIGHTENGINE_API_USER", "SIGHTENGINE_API_SECRET"}, nil
}
func (w workers) Bulk(context.Context, string, string, map[string]secrets.Value) error {
	*w.writes++
	return nil
}
func (w workers) Deployable(context.Context, string, string) error { return nil }

// Of a declared stack, the config is compared with the state: the service gives no
// value back.
func (l *looker) declared() {
	writes := 0
	l.fleet.Workers = workers{&writes}
	require.Zero(l.t, l.look("verifieddit-badges"), "the backend does not know it")
	targets, err := l.fleet.Open(l.t.Context(), "verifieddit-badges")
	require.NoError(l.t, err)
	want := map[string]secrets.Value{}
	for key := range targets[0].Refs {
		want[key] = secrets.NewValue([]byte("value of " + key))
	}
	_, err = targets[0].Deploy(l.t.Context(), want, "first", nil)
	require.NoError(l.t, err)
	require.Equal(l.t, 1, writes)
	p := l.look("verifieddit-badges")
	require.Empty(l.t, p.Changes)
	require.Equal(l.t, len(want)+2, p.Same, "the stack and its provider too")

	stack, err := l.engine.Open(l.t.Context(), engine.StackSpec{Name: "verifieddit-badges", Dir: l.box.Project(), Program: func(*pulumi.Context) error { return nil }})
	require.NoError(l.t, err)
	_, err = stack.WriteConfig(l.t.Context(), map[string]secrets.Value{"clerk-secret-key": secrets.NewValue([]byte("edited by hand"))})
	require.NoError(l.t, err)
	c := l.only(l.look("verifieddit-badges"))
	require.Equal(l.t, "update", c.Op)
	require.Equal(l.t, []bool{false, true, true}, []bool{c.Refreshed, c.Secret, c.SecretOnly})
	require.Equal(l.t, 1, writes)
}
