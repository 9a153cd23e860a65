package rollout

import "context"

// Look opens the Pulumi stacks behind a stack of the catalog as far as their
// state, which says who holds them. Their config is not read.
func (f *Fleet) Look(ctx context.Context, name string) ([]*Target, error) {
	return f.opened(ctx, []string{name}, func(t *Target) (err error) {
		if t.stack, err = f.Engine.Open(ctx, t.spec); err != nil {
			return err
		}
		t.State, err = t.stack.State(ctx)
		return err
	})
}
