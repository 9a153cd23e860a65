package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
)

func TestOpenRefuses(t *testing.T) {
	c, _ := fakeCLI(t, "exit 1")
	l := newLab(t, c)
	state := func(names ...string) {
		for _, name := range append(names, "../meta.yaml") {
			path := filepath.Join(l.state, ".pulumi", "stacks", name)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			content := `{"version":3,"checkpoint":{}}`
			if filepath.Base(path) == "meta.yaml" {
				content = "version: 1\n"
			}
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		}
	}
	open := func(spec engine.StackSpec) (*engine.Stack, error) {
		spec.Name = "ours"
		if spec.Dir == "" {
			spec.Dir = l.dir
		}
		return l.engine.Open(context.Background(), spec)
	}
	_, err := open(engine.StackSpec{Dir: t.TempDir()})
	require.NotEmpty(t, asError(t, err, engine.NoProject).Next)
	broken := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(broken, "Pulumi.yaml"), []byte("name: [\n"), 0o600))
	_, err = open(engine.StackSpec{Dir: broken})
	asError(t, err, engine.NoProject)

	_, err = open(engine.StackSpec{})
	require.ErrorContains(t, asError(t, err, engine.NoStack), "has no stack")
	state("example/prod.json")
	s, err := open(engine.StackSpec{})
	require.NoError(t, err, "the only stack")
	require.Equal(t, "prod", s.Name())
	require.Equal(t, filepath.Join(l.dir, "Pulumi.prod.yaml"), s.File())
	state("example/dev.json")
	_, err = open(engine.StackSpec{})
	require.ErrorContains(t, asError(t, err, engine.NoStack), "dev, prod")
	_, err = open(engine.StackSpec{Stack: "staging"})
	require.ErrorContains(t, asError(t, err, engine.NoStack), "it has: dev, prod")
	_, err = open(engine.StackSpec{Stack: "dev"})
	require.NoError(t, err)

	_, err = open(engine.StackSpec{Stack: "dev", Backend: "https://api.pulumi.com"})
	asError(t, err, engine.Failed)
	_, err = open(engine.StackSpec{Stack: "dev", Backend: "s3://bucket"})
	asError(t, err, engine.Auth)
	state("old.json")
	require.NoError(t, os.Remove(filepath.Join(l.state, ".pulumi", "meta.yaml")))
	_, err = open(engine.StackSpec{Stack: "dev"})
	require.ErrorContains(t, asError(t, err, engine.Failed), "pulumi state upgrade")
	require.Zero(t, l.engine.Processes())
}

func TestOpenRefusesALanguageThatIsNotThere(t *testing.T) {
	l := newLab(t, realCLI(t))
	l.existing()
	c, _ := fakeCLI(t, "exit 1")
	require.NoError(t, os.Remove(filepath.Join(c.LanguageDir, "pulumi-language-yaml")))
	l.cli = c
	_, err := l.newEngine(passphrase).Open(context.Background(), engine.StackSpec{Name: "ours", Dir: l.dir})
	require.Contains(t, asError(t, err, engine.NoLanguage).Next, "go run . setup")
}

func TestALockedStackNamesItsHolder(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, realCLI(t))
	s := l.declared(component)
	require.NoError(t, s.Init(ctx))
	locks := filepath.Join(l.state, ".pulumi", "locks", "organization", "example", "prod")
	require.NoError(t, os.MkdirAll(locks, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(locks, "1.json"),
		[]byte(`{"pid":4242,"username":"ann","hostname":"desk","timestamp":"2026-11-22T10:00:00Z"}`), 0o600))

	st, err := s.State(ctx)
	require.NoError(t, err)
	require.Len(t, st.Locks, 1)
	require.Equal(t, "ann", st.Locks[0].User)
	res, err := s.Up(ctx, engine.UpOptions{})
	e := asError(t, err, engine.Locked)
	require.Equal(t, "ann@desk (pid 4242) since 2026-11-22T10:00:00Z", e.Holder)
	require.Contains(t, e.Error(), e.Holder)
	require.Equal(t, engine.NotApplied, res.Outcome)
	_, err = s.Preview(ctx, engine.PreviewOptions{})
	require.NoError(t, err, "a preview takes no lock")
}

func TestTheRealCLIWithAnotherPassphrase(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, realCLI(t))
	s := l.declared(component)
	require.NoError(t, s.Init(ctx))
	l.up(s)
	s, err := l.newEngine("wrong").Open(ctx, engine.StackSpec{Name: "prod", Dir: l.dir, Program: component})
	require.NoError(t, err)
	_, err = s.Preview(ctx, engine.PreviewOptions{})
	asError(t, err, engine.Passphrase)
	res, err := s.Up(ctx, engine.UpOptions{})
	asError(t, err, engine.Passphrase)
	require.Equal(t, engine.NotApplied, res.Outcome)
}

// A real update that is interrupted ends by itself, gives its lock back and
// can be repeated.
func TestAnInterruptedUpdateLeavesNoLock(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	l := newLab(t, realCLI(t))
	running, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := l.declared(func(ctx *pulumi.Context) error {
		once.Do(func() {
			close(running)
			<-release
		})
		return component(ctx)
	})
	require.NoError(t, s.Init(ctx))
	go func() {
		<-running
		cancel()
	}()
	res, err := s.Up(ctx, engine.UpOptions{Events: func(e engine.Event) {
		if e.Kind == engine.EventInterrupted {
			close(release)
		}
	}})
	asError(t, err, engine.Canceled)
	require.NotEqual(t, engine.Applied, res.Outcome)
	st, err := s.State(context.Background())
	require.NoError(t, err)
	require.Empty(t, st.Locks)
	l.up(s)
}

func TestAFailingProgramIsUnknownOnceItHasBegun(t *testing.T) {
	ctx := context.Background()
	l := newLab(t, realCLI(t))
	s := l.declared(func(ctx *pulumi.Context) error {
		if err := component(ctx); err != nil {
			return err
		}
		return os.ErrInvalid
	})
	require.NoError(t, s.Init(ctx))
	res, err := s.Up(ctx, engine.UpOptions{})
	e := asError(t, err, engine.Failed)
	require.Contains(t, e.Tail, "invalid argument")
	require.Equal(t, engine.Unknown, res.Outcome)
}
