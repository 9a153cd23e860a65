package engine

import (
	"maps"
	"reflect"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Change is one resource that an update would change.
type Change struct {
	URN, Type, Name string
	// Op is Pulumi's: create, update, replace, delete, …; the steps of a
	// replacement are one "replace". "refresh": only the state is behind what
	// is there, an update would leave the resource as it is.
	Op string
	// SecretOnly: what differs are secrets alone; old and new are equal once they
	// are blinded.
	SecretOnly bool
	// Secret: a property that differs is or holds a secret; of a resource that is
	// made or gone, any property.
	Secret bool
	// Refreshed: the resource itself is not what the state says: it was changed
	// outside of Pulumi, or the state was. Gone: it is not there any more. Only a
	// preview with Refresh finds out.
	Refreshed, Gone bool
	// Diffs names the properties that differ, sorted; Added those of them that the
	// state does not have.
	Diffs, Added []string
}

// changes collects a preview's steps, one Change per resource in the order in
// which they came.
type changes struct {
	list []Change
	same int
}

// add takes one step and tells whether it changes anything. The engine blinds
// secrets in what it sends: old and new values both read "[secret]".
func (c *changes) add(m apitype.StepEventMetadata, redact func(string) string) bool {
	op := string(m.Op)
	switch m.Op {
	case apitype.OpSame:
		c.same++
		return false
	case apitype.OpRead, apitype.OpRefresh:
		return false
	case apitype.OpCreateReplacement, apitype.OpDeleteReplaced, apitype.OpReplace, apitype.OpReadReplacement, apitype.OpDiscardReplaced:
		op = string(apitype.OpReplace)
	}
	i := slices.IndexFunc(c.list, func(ch Change) bool { return ch.URN == m.URN })
	if i < 0 {
		c.list = append(c.list, Change{URN: m.URN, Type: m.Type, Name: nameOf(m.URN), Op: op})
		i = len(c.list) - 1
	}
	ch := &c.list[i]
	if op == string(apitype.OpReplace) || ch.Op == string(apitype.OpRefresh) {
		ch.Op = op
	}
	if m.Old != nil && m.New != nil {
		secret := reflect.DeepEqual(meant(m.Old.Inputs), meant(m.New.Inputs)) && m.Old.Type == m.New.Type
		// An update that writes a secret may also follow on something else that was
		// changed outside.
		ch.SecretOnly = secret && (ch.SecretOnly || !ch.Refreshed)
	}
	ch.differs(m, redact)
	for path, d := range m.DetailedDiff {
		if path = redact(path); d.Kind == apitype.DiffAdd && !slices.Contains(ch.Added, path) {
			ch.Added = append(ch.Added, path)
		}
	}
	slices.Sort(ch.Added)
	return true
}

// meant are inputs without what a provider's plugin notes in them for itself:
// which of them it has filled in.
func meant(v any) any {
	const notes = "__defaults"
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, value := range v {
			if name != notes {
				out[name] = meant(value)
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, value := range v {
			out = append(out, meant(value))
		}
		return out
	}
	return v
}

// refreshed takes what a refresh has found, which the engine says at the end of
// the step, before it comes to what an update would do.
func (c *changes) refreshed(m apitype.StepEventMetadata, redact func(string) string) {
	gone := m.Old != nil && m.New == nil
	if m.Op != apitype.OpRefresh || !gone && len(m.Diffs) == 0 && len(m.DetailedDiff) == 0 {
		return
	}
	ch := Change{URN: m.URN, Type: m.Type, Name: nameOf(m.URN), Op: string(apitype.OpRefresh), Refreshed: true, Gone: gone}
	ch.differs(m, redact)
	ch.SecretOnly = !gone && len(ch.Diffs) > 0 && blind(m)
	c.list = append(c.list, ch)
}

// blind reports whether each property in which a refresh has found a difference
// reads the same once secrets are blinded. The others are not compared: services
// add to a resource what nobody asked for.
func blind(m apitype.StepEventMetadata) bool {
	for _, path := range paths(m) {
		name, ok := property(path)
		if !ok || !reflect.DeepEqual(m.Old.Inputs[name], m.New.Inputs[name]) || !reflect.DeepEqual(m.Old.Outputs[name], m.New.Outputs[name]) {
			return false
		}
	}
	return true
}

// differs notes the names of what differs, sorted.
func (c *Change) differs(m apitype.StepEventMetadata, redact func(string) string) {
	for _, path := range paths(m) {
		if path = redact(path); !slices.Contains(c.Diffs, path) {
			c.Diffs = append(c.Diffs, path)
		}
	}
	slices.Sort(c.Diffs)
	c.Secret = c.Secret || bears(m)
}

func paths(m apitype.StepEventMetadata) []string {
	return slices.Concat(m.Diffs, m.Keys, slices.Collect(maps.Keys(m.DetailedDiff)))
}

// property is the name of the property that a path leads into.
func property(path string) (string, bool) {
	parsed, err := resource.ParsePropertyPath(path)
	if err != nil || len(parsed) == 0 {
		return "", false
	}
	name, ok := parsed[0].(string)
	return name, ok
}

// bears reports whether a secret is among what differs.
func bears(m apitype.StepEventMetadata) bool {
	var sides []map[string]any
	for _, state := range []*apitype.StepEventStateMetadata{m.Old, m.New} {
		if state != nil {
			sides = append(sides, state.Inputs, state.Outputs)
		}
	}
	whole := m.Old == nil || m.New == nil
	return slices.ContainsFunc(sides, func(side map[string]any) bool {
		if whole {
			return blinded(side)
		}
		return slices.ContainsFunc(paths(m), func(path string) bool {
			name, ok := property(path)
			return ok && blinded(side[name])
		})
	})
}

// blinded reports whether a value that the engine sends is or holds a secret.
func blinded(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return v[resource.SigKey] == resource.SecretSig || slices.ContainsFunc(slices.Collect(maps.Values(v)), blinded)
	case []any:
		return slices.ContainsFunc(v, blinded)
	}
	return false
}

// Altered are the properties that differ from what the state has.
func (c Change) Altered() []string {
	return slices.DeleteFunc(slices.Clone(c.Diffs), func(path string) bool { return slices.Contains(c.Added, path) })
}
