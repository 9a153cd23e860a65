package rollout_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// What takes a Worker's secret away: the registry's plugin deletes what a replacement
// has just written, unless the state says that it is kept, and what a run that was
// cut off has left to be deleted.
func TestDestroys(t *testing.T) {
	const urn, kind = "urn:pulumi:prod::shop::cloudflare:index/workersSecret:WorkersSecret::key", "cloudflare:index/workersSecret:WorkersSecret"
	existing := secrets.Stack{}
	hosted := secrets.Stack{Declared: true}
	official := secrets.Stack{Declared: true, Providers: secrets.ProvidersOfficial}
	for name, c := range map[string]struct {
		stack            secrets.Stack
		op               string
		retained, delete bool
		destroys         bool
	}{
		"a replacement":                           {existing, "replace", false, false, true},
		"a replacement of what is kept":           {existing, "replace", true, false, false},
		"nothing changes":                         {existing, "same", false, false, false},
		"a deletion is left over":                 {existing, "same", false, true, true},
		"a deletion is left over, of a kept one":  {existing, "same", true, true, true},
		"the provider that deletes nothing":       {hosted, "replace", false, true, false},
		"the registry's plugin, declared":         {official, "replace", true, false, false},
		"the registry's plugin, a deletion":       {official, "same", false, true, true},
		"the registry's plugin, a kept one's end": {official, "same", true, true, false},
	} {
		target := &rollout.Target{Name: "shop", Entry: c.stack, State: engine.State{Resources: []engine.Resource{{URN: urn, Type: kind, RetainOnDelete: c.retained, Delete: c.delete}}}}
		err := target.Destroys(engine.Preview{Changes: []engine.Change{{Op: c.op, URN: urn, Type: kind, Name: "key", SecretOnly: true}}})
		require.Equal(t, c.destroys, err != nil, "%s: %v", name, err)
	}
}
