package rollout

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Used returns an *engine.Error if the catalog's state (state.url) could be read and
// holds none of the catalog's stacks: the address may have a slip, and everything
// that an empty state is asked about looks as if it had never been. Stacks with a
// state of their own tell nothing, nor does a state that cannot be read.
func (f *Fleet) Used(ctx context.Context) error {
	asked := false
	for _, s := range f.Catalog.Stacks {
		dir := f.Project
		if !s.Declared {
			dir = filepath.Join(f.Root, s.Dir)
		}
		if s.Backend != "" {
			continue
		}
		names, err := f.Engine.Stacks(ctx, dir, "")
		var why *engine.Error
		switch {
		case errors.As(err, &why) && why.Kind == engine.NoProject:
			continue
		case errors.As(err, &why) && why.Kind == engine.NoState:
			// Nothing is there at all.
		case err != nil:
			return nil // whoever reads the state says why it cannot be read
		case holds(s, names):
			return nil
		}
		asked = true
	}
	if !asked {
		return nil
	}
	return &engine.Error{Kind: engine.NoStack, Stack: "the catalog", Step: "looking into the state",
		Err:  fmt.Errorf("%s holds none of the catalog's stacks and no record of a rotation: it may be the wrong address", f.Catalog.State.URL),
		Next: "correct `url:` under `state:` in the catalog; if nothing was ever deployed from it: go run . preview"}
}

// holds reports whether one of a project's stacks is the catalog's.
func holds(s secrets.Stack, names []string) bool {
	switch {
	case s.Declared:
		return slices.Contains(names, s.Name)
	case s.Stack == "" || s.Stack == "*":
		return len(names) > 0
	}
	return slices.Contains(names, filepath.Base(s.Stack))
}
