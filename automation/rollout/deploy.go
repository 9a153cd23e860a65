package rollout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// Preview shows what an up would change if the stack's config held want as
// well. Nothing is written but temporary files with ciphertext.
func (t *Target) Preview(ctx context.Context, want map[string]secrets.Value, events func(engine.Event)) (p engine.Preview, err error) {
	if t.Entry.Declared && !t.State.Exists {
		return t.previewFirst(ctx, want, events)
	}
	file, cleanup, err := t.stack.StandIn(ctx, want)
	if err != nil {
		return engine.Preview{}, err
	}
	defer cleanup()
	providers, stop, err := t.providers(ctx, t.sets(nil))
	if err != nil {
		return engine.Preview{}, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	p, err = t.stack.Preview(ctx, engine.PreviewOptions{ConfigFile: file, Providers: providers, Events: events})
	t.updates = map[string]bool{}
	for _, c := range p.Changes {
		t.updates[c.Name] = t.updates[c.Name] || c.Op == "update"
	}
	return p, err
}

// previewFirst previews a declared stack that the backend does not know yet. A
// preview needs a stack, and creating it there would be a change: it is created
// in a temporary backend instead, which shows the same.
func (t *Target) previewFirst(ctx context.Context, want map[string]secrets.Value, events func(engine.Event)) (p engine.Preview, err error) {
	dir, err := os.MkdirTemp("", "rotation-preview-")
	if err != nil {
		return engine.Preview{}, fmt.Errorf("making a folder for the first preview of %s: %w", t.Name, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	project, err := os.ReadFile(filepath.Join(t.spec.Dir, "Pulumi.yaml"))
	if err != nil {
		return engine.Preview{}, fmt.Errorf("reading the project of stack %s: %w", t.Name, err)
	}
	state := filepath.Join(dir, "state")
	err = errors.Join(os.Mkdir(state, 0o700), os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), project, 0o600))
	if err != nil {
		return engine.Preview{}, fmt.Errorf("preparing the first preview of %s: %w", t.Name, err)
	}
	spec := t.spec
	spec.Dir, spec.Backend = dir, "file://"+state
	stack, err := t.fleet.Engine.Open(ctx, spec)
	if err != nil {
		return engine.Preview{}, err
	}
	all := maps.Clone(t.Values)
	if all == nil {
		all = map[string]secrets.Value{}
	}
	maps.Copy(all, want)
	if _, err := stack.WriteConfig(ctx, all); err != nil {
		return engine.Preview{}, err
	}
	if err := stack.Init(ctx); err != nil {
		return engine.Preview{}, err
	}
	providers, stop, err := t.providers(ctx, nil)
	if err != nil {
		return engine.Preview{}, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return stack.Preview(ctx, engine.PreviewOptions{Providers: providers, Events: events})
}

// Outcome is what an up did.
type Outcome struct {
	engine.Result
	// TakenOver are Worker secrets that were taken into state without a write;
	// their values are not proven.
	TakenOver []string
}

// Deploy writes the config secrets of want into the stack's file and runs one
// up, which also sends those of a declared stack to their Workers.
func (t *Target) Deploy(ctx context.Context, want map[string]secrets.Value, message string, events func(engine.Event)) (Outcome, error) {
	return t.TakeOver(ctx, want, want, message, events)
}

// TakeOver is Deploy that sends to Workers only what write names, and what the
// last preview found different from the state. The other keys of a declared
// stack are taken into its state where the Worker lists them, without a write.
func (t *Target) TakeOver(ctx context.Context, hold, write map[string]secrets.Value, message string, events func(engine.Event)) (out Outcome, err error) {
	if _, err := t.stack.WriteConfig(ctx, hold); err != nil {
		return Outcome{}, err
	}
	if t.Entry.Declared && !t.State.Exists {
		if err := t.stack.Init(ctx); err != nil {
			return Outcome{}, err
		}
		t.State.Exists = true
	}
	if t.Values == nil {
		t.Values = map[string]secrets.Value{}
	}
	maps.Copy(t.Values, hold)
	server, err := t.serve(ctx, t.sets(write))
	if err != nil {
		return Outcome{}, err
	}
	providers := maps.Clone(t.fleet.Providers)
	if server != nil {
		providers = map[string]int{"cloudflare": server.Port()}
	}
	result, upErr := t.stack.Up(ctx, engine.UpOptions{Message: message, Providers: providers, Events: events})
	out.Result = result
	if server == nil {
		return out, upErr
	}
	closeErr := server.Close()
	for _, names := range server.Adopted() {
		out.TakenOver = append(out.TakenOver, names...)
	}
	for worker, failure := range server.Failed() {
		// The service's own error says more than the engine's account of it.
		upErr = fmt.Errorf("setting secrets of Worker %s: %w", worker, failure)
	}
	return out, errors.Join(upErr, closeErr)
}

// Uncommitted is the stack's config file where it lies in a git checkout, else
// empty: after a deployment it has to be committed, or an up from another
// checkout brings the old value back.
func (t *Target) Uncommitted() string {
	for dir := t.spec.Dir; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return t.stack.File()
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// sets splits a declared stack's copies by Worker: what want holds is written,
// and so is what the state does not know yet (a run that died between the write
// and the save of the state); the rest is adopted.
func (t *Target) sets(want map[string]secrets.Value) []hosted.Set {
	byWorker := map[string]*hosted.Set{}
	for key, ref := range t.Refs {
		if ref.Worker == "" || !t.Holds(key) {
			continue
		}
		set := byWorker[ref.Worker]
		if set == nil {
			set = &hosted.Set{Account: t.fleet.Account, Worker: ref.Worker, Write: map[string]secrets.Value{}, Adopt: map[string]secrets.Value{}}
			byWorker[ref.Worker] = set
		}
		if slices.Contains(t.Again, ref.Worker+"/"+ref.Name) {
			set.Again = append(set.Again, ref.Name)
		}
		if value, ok := want[key]; ok {
			set.Write[ref.Name] = value
		} else if value, ok := t.Values[key]; ok && t.updates[ref.Worker+"/"+ref.Name] {
			set.Write[ref.Name] = value
		} else if ok {
			set.Adopt[ref.Name] = value
		}
	}
	sets := make([]hosted.Set, 0, len(byWorker))
	for _, set := range byWorker {
		sets = append(sets, *set)
	}
	return sets
}

// serve starts the provider of Worker secrets for a declared stack.
func (t *Target) serve(ctx context.Context, sets []hosted.Set) (*hosted.Server, error) {
	if !t.Entry.Declared {
		return nil, nil
	}
	server, err := hosted.Serve(ctx, hosted.Config{Sets: sets, Writer: t.fleet.Workers, Log: t.fleet.Log})
	if err != nil {
		return nil, fmt.Errorf("serving the provider of stack %s: %w", t.Name, err)
	}
	return server, nil
}

// providers are the ports for one operation, and what ends them.
func (t *Target) providers(ctx context.Context, sets []hosted.Set) (map[string]int, func() error, error) {
	server, err := t.serve(ctx, sets)
	if err != nil {
		return nil, nil, err
	}
	if server == nil {
		return t.fleet.Providers, func() error { return nil }, nil
	}
	return map[string]int{"cloudflare": server.Port()}, server.Close, nil
}
