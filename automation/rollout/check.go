package rollout

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

const workersSecret = "cloudflare:index/workersSecret:WorkersSecret"

// Unexpected lists the changes of a preview that are not the expected
// secret-bearing ones. What is expected: an update whose inputs are the same
// once secrets are blinded, and in a declared stack the holders' secrets
// themselves, with what a first up creates around them.
func (t *Target) Unexpected(p engine.Preview) []engine.Change {
	return slices.DeleteFunc(slices.Clone(p.Changes), t.expected)
}

func (t *Target) expected(c engine.Change) bool {
	switch {
	case c.Op == "same" || c.Op == "read":
		return true
	case c.Op == "update" && c.SecretOnly:
		return true
	case !t.Entry.Declared:
		return false
	case slices.Contains(hosted.Types(), c.Type):
		return c.Op == "create" || c.Op == "update"
	}
	// The stack itself and its default provider, on a first up.
	return c.Op == "create" && (c.Type == "pulumi:pulumi:Stack" || strings.HasPrefix(c.Type, "pulumi:providers:"))
}

// Destroys refuses the one change that takes a Worker's secret away (failures
// 27): an existing project with the registry's plugin replaces a Worker secret
// and then deletes what it has just written, unless its state already says
// retainOnDelete; and a deletion left over from a crash would still be sent.
func (t *Target) Destroys(p engine.Preview) error {
	if t.Entry.Declared {
		return nil
	}
	for _, c := range p.Changes {
		if c.Type != workersSecret || c.Op == "same" {
			continue
		}
		for _, r := range t.State.Resources {
			if r.URN == c.URN && !r.RetainOnDelete {
				return fmt.Errorf("stack %s would replace Worker secret %s and then delete it: its state has no retainOnDelete (run one up with that option and unchanged values first)", t.Name, c.Name)
			}
		}
	}
	for _, r := range t.State.Resources {
		if r.Type == workersSecret && r.Delete {
			return fmt.Errorf("stack %s holds a pending deletion of a Worker secret (%s): the next up would send it", t.Name, r.URN)
		}
	}
	return nil
}
