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
	"github.com/sanmarcsoft/secret-rotation/stacks"
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
	env, err := t.plugins(ctx)
	if err != nil {
		return engine.Preview{}, err
	}
	providers, stop, err := t.providers(ctx, t.sets(nil))
	if err != nil {
		return engine.Preview{}, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	p, err = t.stack.Preview(ctx, engine.PreviewOptions{ConfigFile: file, Providers: providers, Env: env, Refresh: t.Refresh, Events: events})
	t.updates = map[string][]string{}
	for _, c := range p.Changes {
		if c.Op == "update" || c.Op == "replace" {
			t.updates[c.Name] = append(t.updates[c.Name], c.Altered()...)
		}
	}
	return p, err
}

// Look shows what an up would change as everything stands, and what was changed
// outside of Pulumi: a preview that reads every resource anew. Nothing is written;
// of a declared stack that the backend does not know yet nothing can have drifted.
func (t *Target) Look(ctx context.Context, events func(engine.Event)) (p engine.Preview, err error) {
	if t.Entry.Declared && !t.State.Exists {
		return engine.Preview{}, nil
	}
	env, err := t.plugins(ctx)
	if err != nil {
		return engine.Preview{}, err
	}
	providers, stop, err := t.providers(ctx, t.sets(nil))
	if err != nil {
		return engine.Preview{}, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return t.stack.Preview(ctx, engine.PreviewOptions{Providers: providers, Env: env, Refresh: true, Events: events})
}

// previewFirst previews a declared stack that the backend does not know yet. A
// preview needs a stack, and creating it there would be a change: it is created
// in a temporary backend instead, which shows the same.
func (t *Target) previewFirst(ctx context.Context, want map[string]secrets.Value, events func(engine.Event)) (p engine.Preview, err error) {
	if _, err := t.plugins(ctx); err != nil {
		return engine.Preview{}, err
	}
	dir, err := engine.TempDir()
	if err != nil {
		return engine.Preview{}, fmt.Errorf("preparing the first preview of %s: %w", t.Name, err)
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
	// TakenOver are secrets that were taken into state without a write; their
	// values are not proven.
	TakenOver []string
}

// Deploy writes the config secrets of want into the stack's file and runs one
// up, in which those of a declared stack also go out to their holders.
func (t *Target) Deploy(ctx context.Context, want map[string]secrets.Value, message string, events func(engine.Event)) (Outcome, error) {
	return t.TakeOver(ctx, want, want, message, events)
}

// TakeOver is Deploy that sends to holders only what write names, and what the
// last preview found different from the state. The other secrets of a declared
// stack are taken into its state where their holders list them, without a write.
func (t *Target) TakeOver(ctx context.Context, hold, write map[string]secrets.Value, message string, events func(engine.Event)) (out Outcome, err error) {
	env, err := t.plugins(ctx)
	if err != nil {
		return Outcome{}, err
	}
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
	served, err := t.serve(ctx, t.sets(write))
	if err != nil {
		return Outcome{}, err
	}
	providers := t.fleet.Providers
	if served != nil {
		providers = served.ports()
	}
	result, upErr := t.stack.Up(ctx, engine.UpOptions{Message: message, Providers: maps.Clone(providers), Env: env, Sequential: t.official(), Refresh: t.Refresh, Events: events})
	out.Result = result
	closeErr := served.close()
	var failures []error
	for _, server := range served {
		for _, names := range server.Adopted() {
			out.TakenOver = append(out.TakenOver, names...)
		}
		for holder, failure := range server.Failures() {
			// The service's own error says more than the engine's account of it.
			failures = append(failures, fmt.Errorf("setting secrets of %s: %w", holder, failure))
		}
	}
	if len(failures) > 0 {
		upErr = errors.Join(failures...)
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

// sets splits a declared stack's copies by holder: what want holds is written,
// and so is what the state does not know yet (a run that died between the write
// and the save of the state); the rest is adopted.
func (t *Target) sets(want map[string]secrets.Value) map[hosted.Package][]hosted.Set {
	byHolder := map[hosted.Holder]*hosted.Set{}
	for key, ref := range t.Refs {
		holder := ref.Holder(t.fleet.Account)
		if holder == (hosted.Holder{}) || !t.Holds(key) {
			continue
		}
		set := byHolder[holder]
		if set == nil {
			set = &hosted.Set{Holder: holder, Write: map[string]secrets.Value{}, Adopt: map[string]secrets.Value{}}
			byHolder[holder] = set
		}
		if slices.Contains(t.Again, key) {
			set.Again = append(set.Again, ref.Name)
		}
		if value, ok := want[key]; ok {
			set.Write[ref.Name] = value
		} else if value, ok := t.Values[key]; ok && t.differs(ref) {
			set.Write[ref.Name] = value
		} else if ok {
			set.Adopt[ref.Name] = value
		}
	}
	sets := map[hosted.Package][]hosted.Set{}
	for holder, set := range byHolder {
		sets[holder.Kind.Package()] = append(sets[holder.Kind.Package()], *set)
	}
	return sets
}

// differs reports whether the last preview would have updated the copy.
func (t *Target) differs(ref stacks.Ref) bool {
	resource, property := ref.Resource()
	return slices.Contains(t.updates[resource], property)
}

// served are the providers of one operation, one listener for each package.
type served map[hosted.Package]*hosted.Server

func (s served) ports() map[string]int {
	out := map[string]int{}
	for name, server := range s {
		out[string(name)] = server.Port()
	}
	return out
}

func (s served) close() error {
	errs := make([]error, 0, len(s))
	for _, server := range s {
		errs = append(errs, server.Close())
	}
	return errors.Join(errs...)
}

// serve starts the providers of a declared stack. All are served, whatever the
// catalog declares now: the state may hold a resource that has left it.
func (t *Target) serve(ctx context.Context, sets map[hosted.Package][]hosted.Set) (served, error) {
	if !t.Entry.Declared {
		return nil, nil
	}
	out := served{}
	for _, name := range hosted.Packages() {
		if name == hosted.Cloudflare && t.official() {
			continue
		}
		server, err := hosted.Serve(ctx, hosted.Config{
			Package: name, Sets: sets[name], Writer: t.fleet.Workers, Store: t.fleet.Places, Log: t.fleet.Log,
		})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("serving the provider %s of stack %s: %w", name, t.Name, err), out.close())
		}
		out[name] = server
	}
	return out, nil
}

// providers are the ports for one operation, and what ends them.
func (t *Target) providers(ctx context.Context, sets map[hosted.Package][]hosted.Set) (map[string]int, func() error, error) {
	served, err := t.serve(ctx, sets)
	if err != nil {
		return nil, nil, err
	}
	if served == nil {
		return t.fleet.Providers, func() error { return nil }, nil
	}
	return served.ports(), served.close, nil
}
