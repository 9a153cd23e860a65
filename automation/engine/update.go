package engine

import (
	"context"
	"errors"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/process"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// PreviewOptions of one preview.
type PreviewOptions struct {
	// ConfigFile replaces the stack's file (StandIn).
	ConfigFile string
	// Providers are attached beside the stack's own.
	Providers map[string]int
	// Env is for this operation alone, beside the stack's own.
	Env map[string]secrets.Value
	// Refresh reads every resource anew before it compares, and keeps what it has
	// read nowhere.
	Refresh bool
	// Events is called from one goroutine at a time; may be nil.
	Events func(Event)
}

// Preview is what an update would do.
type Preview struct {
	Changes []Change
	Same    int
	Seconds float64
}

// UpOptions of one update.
type UpOptions struct {
	// Message is stored in the stack's history, in plain text.
	Message   string
	Providers map[string]int
	Env       map[string]secrets.Value
	// Sequential: one resource after the other.
	Sequential bool
	// Refresh reads every resource anew first, and keeps what it has read in the
	// state.
	Refresh bool
	Events  func(Event)
}

// Outcome of an update. A failed one may have changed the world.
type Outcome string

// The outcomes.
const (
	Applied    Outcome = "applied"
	NotApplied Outcome = "not-applied"
	// Unknown: look at the truth before deciding anything.
	Unknown Outcome = "unknown"
)

// Result of an update.
type Result struct {
	// Changes counts resources by Pulumi's operation.
	Changes map[string]int
	Seconds float64
	Outcome Outcome
}

// Preview asks what an update would change: one CLI process, no lock, no
// write. It holds names only, never a value.
func (s *Stack) Preview(ctx context.Context, opts PreviewOptions) (Preview, error) {
	free, err := s.engine.slots.take(ctx)
	if err != nil {
		return Preview{}, s.wrap("previewing", err)
	}
	defer free()
	l := s.listen(opts.Events)
	cmd := s.command(opts.Providers, opts.Env, l)
	err = s.with(ctx, cmd, func(a auto.Stack) error {
		o := []optpreview.Option{optpreview.EventStreams(l.ch), optpreview.SuppressOutputs(), optpreview.SuppressProgress()}
		if opts.ConfigFile != "" {
			o = append(o, optpreview.ConfigFile(opts.ConfigFile))
		}
		if opts.Refresh {
			o = append(o, optpreview.Refresh())
		}
		_, err := a.Preview(ctx, o...)
		return err
	})
	l.end()
	if err != nil {
		return Preview{}, s.explain(ctx, "previewing", cmd)
	}
	return Preview{Changes: l.changes.list, Same: l.changes.same, Seconds: time.Since(l.start).Seconds()}, nil
}

// Up updates the stack: one CLI process. With an error, Result.Outcome says
// what is known about what happened.
func (s *Stack) Up(ctx context.Context, opts UpOptions) (Result, error) {
	free, err := s.engine.slots.take(ctx)
	if err != nil {
		return Result{Outcome: NotApplied}, s.wrap("updating", err)
	}
	defer free()
	l := s.listen(opts.Events)
	cmd := s.command(opts.Providers, opts.Env, l)
	err = s.with(ctx, cmd, func(a auto.Stack) error {
		o := []optup.Option{optup.EventStreams(l.ch), optup.ShowSecrets(false), optup.SuppressOutputs(), optup.SuppressProgress()}
		if opts.Message != "" {
			o = append(o, optup.Message(opts.Message))
		}
		if opts.Refresh {
			o = append(o, optup.Refresh())
		}
		if opts.Sequential {
			o = append(o, optup.Parallel(1))
		}
		_, err := a.Up(ctx, o...)
		return err
	})
	l.end()
	res := Result{Changes: map[string]int{}, Seconds: time.Since(l.start).Seconds(), Outcome: Applied}
	if l.summary != nil {
		for op, n := range l.summary.ResourceChanges {
			res.Changes[string(op)] = n
		}
	}
	if err == nil {
		return res, nil
	}
	fail := s.explain(ctx, "updating", cmd)
	res.Outcome = l.outcome(cmd, fail)
	return res, fail
}

// Init creates a declared stack in the backend: one CLI process, none if it is
// there already.
func (s *Stack) Init(ctx context.Context) error {
	st, err := s.State(ctx)
	if err != nil || st.Exists {
		return err
	}
	free, err := s.engine.slots.take(ctx)
	if err != nil {
		return s.wrap("creating", err)
	}
	defer free()
	cmd := s.command(nil, nil, nil)
	ws, err := s.workspace(ctx, cmd)
	if err != nil {
		return s.wrap("creating", errors.New("the workspace cannot be opened"))
	}
	if _, err := auto.NewStack(ctx, s.name, ws); err != nil {
		return s.explain(ctx, "creating", cmd)
	}
	return nil
}

func (s *Stack) command(providers map[string]int, env map[string]secrets.Value, l *listener) *command {
	c := &command{stack: s, providers: providers, env: env}
	if l != nil {
		c.finished = l.finished
		c.interrupted = func() { l.send(Event{Kind: EventInterrupted}) }
	}
	return c
}

func (s *Stack) workspace(ctx context.Context, cmd *command) (auto.Workspace, error) {
	return auto.NewLocalWorkspace(ctx, auto.WorkDir(s.spec.Dir), auto.Program(s.spec.Program),
		auto.Pulumi(cmd), auto.PulumiHome(s.engine.opts.CLI.Home), auto.SecretsProvider("passphrase"))
}

func (s *Stack) with(ctx context.Context, cmd *command, do func(auto.Stack) error) error {
	ws, err := s.workspace(ctx, cmd)
	if err != nil {
		return err
	}
	a, err := auto.SelectStack(ctx, s.name, ws)
	if err != nil {
		return err
	}
	return do(a)
}

// explain turns what became of the process into an error. The SDK's own is
// dropped: it holds all output.
func (s *Stack) explain(ctx context.Context, step string, cmd *command) *Error {
	res, err := cmd.outcome()
	switch {
	case err != nil:
		return s.failure(ctx, step, res, err)
	case !res.Started && ctx.Err() != nil:
		return s.wrap(step, ctx.Err())
	}
	return s.wrap(step, errors.New("the Automation API gave up on it"))
}

// outcome decides from what was seen whether a failed update did anything.
func (l *listener) outcome(cmd *command, fail *Error) Outcome {
	res, err := cmd.outcome()
	switch {
	case !res.Started:
		return NotApplied
	case err == nil:
		// The CLI ended well; only what the SDK asked afterwards failed.
		return Applied
	case errors.Is(err, process.ErrKilled), errors.Is(err, errNoEvents), l.broken, l.begun > 0:
		return Unknown
	case fail.Kind == Locked, fail.Kind == Passphrase, fail.Kind == NoStack, fail.Kind == NoProject, fail.Kind == NoLanguage:
		return NotApplied
	case l.summary != nil:
		return NotApplied
	}
	select {
	case <-l.closed:
		return NotApplied
	default:
		return Unknown
	}
}
