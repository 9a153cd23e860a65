package rollout

import (
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
)

// Knows reports whether the state of a declared stack has the Worker secret that
// this config key stands for.
func (t *Target) Knows(key string) bool {
	ref := t.Refs[key]
	return slices.ContainsFunc(t.State.Resources, func(r backend.Resource) bool {
		return r.Type == workersSecret && !r.Delete && strings.HasSuffix(r.URN, "::"+ref.Worker+"/"+ref.Name)
	})
}

// Missing are the names that this declared stack is to set at a Worker and that
// are not among those that the Worker lists, sorted.
func (t *Target) Missing(worker string, listed []string) []string {
	var out []string
	for _, key := range t.Keys() {
		if ref := t.Refs[key]; ref.Worker == worker && !slices.Contains(listed, ref.Name) {
			out = append(out, ref.Name)
		}
	}
	return out
}
