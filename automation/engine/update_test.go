package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func TestAnExistingProjectCostsOneProcessForEachOperation(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, realCLI(t))
	s := l.existing()
	require.Equal(t, 1, l.engine.Processes(), "init")
	before := l.file(s)

	var seen []engine.Event
	p, err := s.Preview(ctx, engine.PreviewOptions{Events: func(e engine.Event) { seen = append(seen, e) }})
	require.NoError(t, err)
	require.Equal(t, 2, l.engine.Processes(), "preview")
	require.Len(t, p.Changes, 1)
	require.Equal(t, "create", p.Changes[0].Op)
	require.Equal(t, engine.EventStarted, seen[0].Kind)
	require.Equal(t, "example", seen[0].Stack)

	res, err := s.Up(ctx, engine.UpOptions{Message: "a test"})
	require.NoError(t, err)
	require.Equal(t, 3, l.engine.Processes(), "up")
	require.Equal(t, engine.Applied, res.Outcome)
	require.Equal(t, map[string]int{"create": 1}, res.Changes)

	st, err := s.State(ctx)
	require.NoError(t, err)
	require.True(t, st.Exists)
	require.Empty(t, st.Locks)
	require.Len(t, st.Resources, 1)
	require.Contains(t, l.pulumi("", "stack", "output", "--show-secrets", "--json", "--stack", "prod"), "first-token-value")
	require.Equal(t, before, l.file(s), "no operation touches the stack's file")
	require.Equal(t, 3, l.engine.Processes())
}

func TestPreviewTellsSecretOnlyChangesAndHoldsNoValue(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, realCLI(t))
	s := l.declared(component)
	require.NoError(t, s.Init(ctx))
	l.up(s)
	require.Equal(t, 2, l.engine.Processes())

	preview := func() (engine.Change, string) {
		t.Helper()
		var told strings.Builder
		p, err := s.Preview(ctx, engine.PreviewOptions{Events: func(e engine.Event) { fmt.Fprintf(&told, "%+v", e) }})
		require.NoError(t, err)
		require.Len(t, p.Changes, 1, "%+v", p.Changes)
		return p.Changes[0], told.String() + fmt.Sprintf("%+v", p)
	}
	l.write(s, map[string]string{"token": "second-token-value"})
	c, all := preview()
	require.True(t, c.SecretOnly)
	require.Equal(t, "update", c.Op)
	require.Equal(t, "thing", c.Name)
	require.Equal(t, "example:index:Thing", c.Type)
	require.NotContains(t, all, "token-value")

	l.pulumi("", "config", "set", "size", "large", "--stack", "prod")
	c, _ = preview()
	require.False(t, c.SecretOnly)

	res := l.up(s)
	require.Equal(t, 1, res.Changes["update"])
	p, err := s.Preview(ctx, engine.PreviewOptions{})
	require.NoError(t, err)
	require.Empty(t, p.Changes)
	require.Equal(t, 2, p.Same)
}

func TestPreviewWithAStandIn(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, realCLI(t))
	s := l.declared(component)
	require.NoError(t, s.Init(ctx))
	l.up(s)
	before := l.file(s)

	file, cleanup, err := s.StandIn(ctx, map[string]secrets.Value{"token": val("stand-in-value")})
	require.NoError(t, err)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "stand-in-value")
	p, err := s.Preview(ctx, engine.PreviewOptions{ConfigFile: file})
	require.NoError(t, err)
	require.Len(t, p.Changes, 1)
	require.True(t, p.Changes[0].SecretOnly)
	cleanup()
	require.NoDirExists(t, filepath.Dir(file))

	require.Equal(t, before, l.file(s))
	p, err = s.Preview(ctx, engine.PreviewOptions{})
	require.NoError(t, err)
	require.Empty(t, p.Changes)
}

func TestInitCreatesOnceAndKeepsTheFile(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, realCLI(t))
	s := l.declared(component)
	st, err := s.State(ctx)
	require.NoError(t, err)
	require.False(t, st.Exists)
	before := l.file(s)
	require.NoError(t, s.Init(ctx))
	require.NoError(t, s.Init(ctx))
	require.Equal(t, 1, l.engine.Processes())
	require.Equal(t, before, l.file(s))
	names, err := l.engine.Stacks(ctx, l.dir, "")
	require.NoError(t, err)
	require.Equal(t, []string{"prod"}, names)
}

// While the program runs, in the middle of an update, no process of it has a
// secret in its arguments or environment.
func TestNoProcessCarriesAValue(t *testing.T) {
	l := newLab(t, realCLI(t))
	var once sync.Once
	var found []string
	processes := 0
	s := l.declared(func(ctx *pulumi.Context) error {
		once.Do(func() { processes, found = carriers(filepath.Base(l.dir), "first-token-value", passphrase) })
		return component(ctx)
	})
	require.NoError(t, s.Init(context.Background()))
	l.up(s)
	require.NotZero(t, processes, "the CLI was found by its marker")
	require.Empty(t, found)
}

// carriers counts the processes with our marker and lists those whose
// arguments or environment hold a value.
func carriers(run string, values ...string) (n int, found []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		env, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil || !strings.Contains(string(env), "SECRET_ROTATION_RUN=test-"+run) {
			continue
		}
		n++
		args, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		for _, v := range values {
			if strings.Contains(string(env)+string(args), v) {
				found = append(found, string(args))
			}
		}
	}
	return n, found
}

func TestStacksSideBySide(t *testing.T) {
	c := realCLI(t)
	var wg sync.WaitGroup
	for range 2 {
		l := newLab(t, c)
		s := l.existing()
		wg.Go(func() {
			_, err := s.Up(context.Background(), engine.UpOptions{})
			require.NoError(t, err)
		})
	}
	wg.Wait()
}
