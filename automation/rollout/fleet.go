// Package rollout brings config secrets to the Pulumi stacks that the catalog's
// stacks stand for: which values each must hold, what an up would change, and
// the up itself. It knows nothing of rotations, and stores nothing.
package rollout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/fault"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// Fleet opens stacks of the catalog.
type Fleet struct {
	Catalog *secrets.Catalog
	Engine  *engine.Engine
	// Root is the folder that existing projects' dirs are relative to; Project
	// is the folder of the declared stacks' Pulumi.yaml.
	Root, Project string
	// Passphrase gives the passphrase of a stack's secrets.
	Passphrase func(ctx context.Context, s secrets.Stack) (secrets.Value, error)
	// Environ gives the values of the variables that a catalog entry lets the
	// project's program see.
	Environ map[string]string
	// Providers are provider processes of the sandbox, by package and port.
	Providers map[string]int
	// Workers writes Worker secrets; Account is the Cloudflare account.
	Workers Workers
	Account string
	// Token is Cloudflare's, for stacks with the registry's plugin; PluginEnv are
	// variables that point it elsewhere than services.cloudflare.api says.
	Token     func(ctx context.Context) (secrets.Value, error)
	PluginEnv map[string]string
	// Places writes the secrets of every holder that is no Worker.
	Places Places
	// Log takes warnings of the served providers, one line each.
	Log func(line string)
}

// Workers is the service that holds Worker secrets.
type Workers interface {
	hosted.Writer
	// Deployable returns an error if the Worker is missing or would refuse a
	// change of its secrets.
	Deployable(ctx context.Context, account, worker string) error
}

// Places are the services of the other holders of secrets.
type Places interface {
	hosted.Store
	// Deployable returns an error if the holder is missing, or would not take a
	// change of these secrets or not come up with it.
	Deployable(ctx context.Context, h hosted.Holder, names ...string) error
}

// Deployable returns an error if the consumer is a holder of secrets that is
// missing or could not take a change of them now.
func (f *Fleet) Deployable(ctx context.Context, c secrets.Consumer) error {
	h, ok := stacks.HolderOf(c, f.Account)
	switch {
	case !ok:
		return nil
	case h.Kind == hosted.Worker:
		return f.Workers.Deployable(ctx, h.Scope, h.Name)
	case f.Places == nil:
		return fmt.Errorf("looking at %s: there is no way to ask", h)
	}
	return f.Places.Deployable(ctx, h, slices.Sorted(maps.Keys(c.Values))...)
}

// Fits says why the consumer would refuse the value under the name, by the
// limits of the destination; nil if it takes it. Config has none of its own: a
// project's takes what a Scaleway container takes where the catalog says, by the
// probe, that this entry becomes a variable of one.
func Fits(c secrets.Consumer, name string, v secrets.Value) error {
	if h, ok := stacks.HolderOf(c, ""); ok {
		return hosted.Fits(h.Kind, name, v)
	}
	if c.Kind != secrets.KindConfig || c.Probe.By != "hash" {
		return nil
	}
	for variable, entry := range c.Probe.Variables {
		if entry != c.Values[name] {
			continue
		}
		if err := hosted.Fits(hosted.Container, variable, v); err != nil {
			return fmt.Errorf("container %s: %w", c.Probe.Container, err)
		}
	}
	return nil
}

// Target is one Pulumi stack that gets secrets.
type Target struct {
	fleet *Fleet
	// Name is the catalog's name, followed by /STACK where one catalog stack
	// stands for several of Pulumi's.
	Name string
	// Entry is the catalog's stack.
	Entry secrets.Stack
	// Refs are the copies it holds, by config key.
	Refs map[string]stacks.Ref
	// Values are the decrypted config secrets as they stand in its file.
	Values map[string]secrets.Value
	// Config is all that the file's config holds.
	Config engine.Config
	// Again are the config keys of secrets to be written although the state has
	// their value: their holder has lost it.
	Again []string
	// Refresh has previews and ups read every resource anew: one was changed behind
	// the state's back.
	Refresh bool
	// State is what the backend holds of the stack.
	State engine.State

	stack *engine.Stack
	spec  engine.StackSpec
	// updates are the resources that the last preview found different from the
	// state, with the paths of what differs.
	updates map[string][]string
}

// Open opens every Pulumi stack behind the catalog's stacks of these names,
// side by side, in the order of names; none where one cannot be opened. No CLI
// process is started.
func (f *Fleet) Open(ctx context.Context, names ...string) ([]*Target, error) {
	return f.opened(ctx, names, func(t *Target) error { return t.open(ctx) })
}

// opened are the targets of these names after open has been called for each. One
// that is half opened leaves with nobody.
func (f *Fleet) opened(ctx context.Context, names []string, open func(*Target) error) ([]*Target, error) {
	var targets []*Target
	for _, name := range names {
		entry, ok := f.Catalog.Stack(name)
		if !ok {
			return nil, fmt.Errorf("stack %s is not in the catalog", name)
		}
		specs, err := f.specs(ctx, entry)
		if err != nil {
			return nil, err
		}
		for _, spec := range specs {
			targets = append(targets, &Target{fleet: f, Name: spec.Name, Entry: entry, Refs: stacks.Keys(f.Catalog, name), spec: spec})
		}
	}
	if err := each(targets, open); err != nil {
		return nil, err
	}
	return targets, nil
}

func (t *Target) open(ctx context.Context) (err error) {
	if t.stack, err = t.fleet.Engine.Open(ctx, t.spec); err != nil {
		return err
	}
	if t.State, err = t.stack.State(ctx); err != nil {
		return err
	}
	if t.Config, err = t.stack.Config(ctx); err != nil {
		return err
	}
	t.Values = maps.Clone(t.Config.Secrets)
	for key := range t.Refs {
		// A catalog may name a key with the project's name before it.
		if v, ok := t.Config.Secret(key); ok {
			t.Values[key] = v
		}
	}
	return nil
}

// specs expands a catalog stack into Pulumi's stacks.
func (f *Fleet) specs(ctx context.Context, s secrets.Stack) ([]engine.StackSpec, error) {
	passphrase, err := f.Passphrase(ctx, s)
	if err != nil {
		// Not all stacks need one: the engine finds out.
		err = fmt.Errorf("passphrase of stack %s: %w", s.Name, err)
	}
	spec := engine.StackSpec{Name: s.Name, Stack: s.Stack, Passphrase: passphrase, NoPassphrase: err, Backend: s.Backend, Providers: f.Providers, Env: f.env(s)}
	if s.Declared {
		spec.Dir, spec.Stack = f.Project, s.Name
		spec.Program, err = stacks.Declared(f.Catalog, s.Name, f.Account)
		return []engine.StackSpec{spec}, err
	}
	spec.Dir = filepath.Join(f.Root, s.Dir)
	if s.Stack != "" && s.Stack != "*" {
		return []engine.StackSpec{spec}, nil
	}
	found, err := f.Engine.Stacks(ctx, spec.Dir, s.Backend)
	if e := (*engine.Error)(nil); errors.As(err, &e) {
		e.Stack = s.Name // it knows the folder alone
	}
	if err != nil {
		return nil, err
	}
	if s.Stack == "" && len(found) > 1 {
		return nil, &engine.Error{Kind: engine.NoStack, Stack: s.Name, Step: "choosing the Pulumi stack",
			Err:  fmt.Errorf("the project has %d stacks: %v", len(found), found),
			Next: "name one, or '*' for all, as `stack:` of " + s.Name + " in the catalog"}
	}
	if len(found) == 0 {
		return nil, &engine.Error{Kind: engine.NoStack, Stack: s.Name, Step: "looking for the stacks", Err: errors.New("the project has none in this backend"), Next: "pulumi stack ls --cwd " + spec.Dir}
	}
	specs := make([]engine.StackSpec, 0, len(found))
	for _, name := range found {
		one := spec
		one.Stack = name
		if len(found) > 1 {
			one.Name = s.Name + "/" + name
		}
		specs = append(specs, one)
	}
	return specs, nil
}

func (f *Fleet) env(s secrets.Stack) map[string]secrets.Value {
	env := map[string]secrets.Value{}
	for _, name := range s.Env {
		if value, ok := f.Environ[name]; ok {
			env[name] = secrets.NewValue([]byte(value))
		}
	}
	return env
}

// Holds reports whether the target has the key: an optional one counts only
// where the stack's config has it already.
func (t *Target) Holds(key string) bool {
	ref, ok := t.Refs[key]
	_, set := t.Values[key]
	return ok && (set || !ref.Optional)
}

// Keys are the config keys the target holds, sorted.
func (t *Target) Keys() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(t.Refs)), func(k string) bool { return !t.Holds(k) })
}

// parallel bounds how many stacks are opened at once: each costs the derivation
// of a key. CLIs are bounded where they are started, by the engine.
const parallel = 4

// each runs f over the targets side by side and returns the first error in
// their order; all are waited for.
func each(targets []*Target, f func(*Target) error) error {
	errs := make([]error, len(targets))
	slots := make(chan struct{}, parallel)
	var wg fault.Group
	for i, t := range targets {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = f(t)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Command is a command of the plain Pulumi CLI on this stack.
func (t *Target) Command(what string) string {
	stack := t.spec.Stack
	if stack == "" {
		stack = t.Name
	}
	return "pulumi " + what + " --stack " + stack + " --cwd " + t.spec.Dir
}
