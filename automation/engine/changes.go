package engine

import (
	"maps"
	"reflect"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// Change is one resource that an update would change.
type Change struct {
	URN, Type, Name string
	// Op is Pulumi's: create, update, replace, delete, …; the steps of a
	// replacement are one "replace".
	Op string
	// SecretOnly: old and new inputs are equal once secrets are blinded.
	SecretOnly bool
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
	if op == string(apitype.OpReplace) {
		ch.Op = op
	}
	if m.Old != nil && m.New != nil {
		ch.SecretOnly = reflect.DeepEqual(m.Old.Inputs, m.New.Inputs) && m.Old.Type == m.New.Type
	}
	for _, path := range slices.Concat(m.Diffs, m.Keys, slices.Collect(maps.Keys(m.DetailedDiff))) {
		if path = redact(path); !slices.Contains(ch.Diffs, path) {
			ch.Diffs = append(ch.Diffs, path)
		}
	}
	for path, d := range m.DetailedDiff {
		if path = redact(path); d.Kind == apitype.DiffAdd && !slices.Contains(ch.Added, path) {
			ch.Added = append(ch.Added, path)
		}
	}
	slices.Sort(ch.Diffs)
	slices.Sort(ch.Added)
	return true
}

// Altered are the properties that differ from what the state has.
func (c Change) Altered() []string {
	return slices.DeleteFunc(slices.Clone(c.Diffs), func(path string) bool { return slices.Contains(c.Added, path) })
}
