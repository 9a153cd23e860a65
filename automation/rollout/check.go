package rollout

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

const workersSecret = "cloudflare:index/workersSecret:WorkersSecret"

const cloudflareProvider = "pulumi:providers:cloudflare"

// notDefault: the registry's plugin does not fill this setting in by itself. What
// it does fill in stands in the state from its first up on, and not after one of
// the provider that this process serves; neither changes a resource. An account
// or a host is none of them.
func notDefault(setting string) bool {
	return !slices.Contains([]string{"apiClientLogging", "maxBackoff", "minBackoff", "retries", "rps", "version"}, setting)
}

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
	case c.Op == "refresh":
		return !c.Gone // the state takes in what is there, and nothing else changes
	case c.Op == "update" && c.SecretOnly:
		return true
	case !t.Entry.Declared:
		return false
	case slices.Contains(hosted.Types(), c.Type):
		// To the registry's plugin every change of a Worker's secret is a replacement,
		// and so is what one that was cut off has left. Neither provider deletes what it
		// replaces (Destroys, official).
		return c.Op == "create" || c.Op == "update" || c.Op == "replace" && c.SecretOnly && c.Type == workersSecret
	}
	if c.Op == "update" && c.Type == cloudflareProvider && !slices.ContainsFunc(c.Diffs, notDefault) {
		return true
	}
	// The stack itself and its default provider, on a first up.
	return c.Op == "create" && (c.Type == "pulumi:pulumi:Stack" || strings.HasPrefix(c.Type, "pulumi:providers:"))
}

// Destroys refuses the one change that takes a Worker's secret away (failures
// 27): an existing project with the registry's plugin replaces a Worker secret
// and then deletes what it has just written, unless its state already says
// retainOnDelete; and a deletion left over from a crash would still be sent.
func (t *Target) Destroys(p engine.Preview) error {
	if t.Entry.Declared && t.Entry.Providers != secrets.ProvidersOfficial {
		return nil // the provider that this process serves deletes nothing
	}
	for _, c := range p.Changes {
		if c.Type != workersSecret || c.Op == "same" || t.Entry.Declared {
			continue
		}
		for _, r := range t.State.Resources {
			if r.URN == c.URN && !r.RetainOnDelete {
				return fmt.Errorf("stack %s would replace Worker secret %s and then delete it: its state has no retainOnDelete (run one up with that option and unchanged values first)", t.Name, c.Name)
			}
		}
	}
	for _, r := range t.State.Resources {
		if r.Type == workersSecret && r.Delete && !(t.Entry.Declared && r.RetainOnDelete) {
			return t.pending(r.URN)
		}
	}
	return nil
}

// pending is the refusal of a stack whose next up would delete a Worker secret.
func (t *Target) pending(urn string) error {
	e := &engine.Error{Kind: engine.Conflict, Stack: t.Name, Step: "looking for what an up would destroy",
		Err:  fmt.Errorf("its state holds a pending deletion of a Worker secret (%s), left by an update that was cut off: the next up would send it", urn),
		Next: "look at it with `" + t.Command("stack --show-urns") + "`, and drop it with `" + t.Command("state delete --force '"+urn+"'") + "`"}
	if t.Entry.Declared {
		e.Next = "set `providers: hosted` for " + t.Entry.Name + " in the catalog for one up: that provider deletes nothing"
	}
	return e
}
