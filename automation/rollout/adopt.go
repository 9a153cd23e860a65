package rollout

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// Knows reports whether the state of a declared stack has the copy that this
// config key stands for. Of a holder that is one resource for all its secrets
// the state's names cannot be read: what the config has, it has.
func (t *Target) Knows(key string) bool {
	ref := t.Refs[key]
	name, _ := ref.Resource()
	_, held := t.Values[key]
	return (held || ref.Worker != "") && slices.ContainsFunc(t.State.Resources, func(r backend.Resource) bool {
		return slices.Contains(hosted.Types(), r.Type) && !r.Delete && strings.HasSuffix(r.URN, "::"+name)
	})
}

// Holder is what holds the copy of this config key, for messages: Worker badges.
// Empty in an existing project.
func (t *Target) Holder(key string) string {
	if h := t.Refs[key].Holder(t.fleet.Account); h != (hosted.Holder{}) {
		return h.String()
	}
	return ""
}

// Creatable reports whether a write may make the name at the holder: of an
// organization's secret somebody has to choose who may use it.
func (t *Target) Creatable(key string) bool { return t.Refs[key].Place.Kind != hosted.Organization }

// Listed says of each of these config keys whether its holder lists the name.
// Each holder is asked once; keys without one are left out.
func (t *Target) Listed(ctx context.Context, keys ...string) (map[string]bool, error) {
	asked := map[hosted.Holder][]string{}
	out := map[string]bool{}
	for _, key := range slices.Sorted(slices.Values(keys)) {
		ref := t.Refs[key]
		h := ref.Holder(t.fleet.Account)
		if h == (hosted.Holder{}) {
			continue
		}
		names, has := asked[h]
		if !has {
			var err error
			if names, err = t.fleet.names(ctx, h); err != nil {
				return nil, fmt.Errorf("listing the secrets of %s: %w", h, err)
			}
			asked[h] = names
		}
		out[key] = slices.Contains(names, ref.Name)
	}
	return out, nil
}

// Absent are the config keys of a declared stack whose names their holders do
// not list, sorted.
func (t *Target) Absent(ctx context.Context) ([]string, error) {
	listed, err := t.Listed(ctx, t.Keys()...)
	maps.DeleteFunc(listed, func(_ string, there bool) bool { return there })
	return slices.Sorted(maps.Keys(listed)), err
}

func (f *Fleet) names(ctx context.Context, h hosted.Holder) ([]string, error) {
	switch {
	case h.Kind == hosted.Worker:
		return f.Workers.Names(ctx, h.Scope, h.Name)
	case f.Places == nil:
		return nil, fmt.Errorf("there is no way to ask")
	}
	return f.Places.Names(ctx, h)
}
