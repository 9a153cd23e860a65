package rollout

import (
	"context"
	"fmt"

	"github.com/sanmarcsoft/secret-rotation/stacks"
)

// Look opens the Pulumi stacks behind a stack of the catalog as far as their
// state, which says who holds them. Their config is not read.
func (f *Fleet) Look(ctx context.Context, name string) ([]*Target, error) {
	entry, ok := f.Catalog.Stack(name)
	if !ok {
		return nil, fmt.Errorf("stack %s is not in the catalog", name)
	}
	specs, err := f.specs(ctx, entry)
	if err != nil {
		return nil, err
	}
	targets := make([]*Target, 0, len(specs))
	for _, spec := range specs {
		targets = append(targets, &Target{fleet: f, Name: spec.Name, Entry: entry, Refs: stacks.Keys(f.Catalog, name), spec: spec})
	}
	return targets, each(targets, func(t *Target) (err error) {
		if t.stack, err = f.Engine.Open(ctx, t.spec); err != nil {
			return err
		}
		t.State, err = t.stack.State(ctx)
		return err
	})
}
