package rollout_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// What the registry's plugin fills in by itself is no foreign change of a
// declared stack; where it is pointed at, and a provider of an existing project,
// is.
func TestAPluginsDefaultsAreExpected(t *testing.T) {
	const provider, secret = "pulumi:providers:cloudflare", "cloudflare:index/workersSecret:WorkersSecret"
	defaults := []string{"apiClientLogging", "maxBackoff", "minBackoff", "retries", "rps"}
	for name, c := range map[string]struct {
		declared bool
		change   engine.Change
		expected bool
	}{
		"its defaults":                      {true, engine.Change{Op: "update", Type: provider, Diffs: defaults}, true},
		"another host":                      {true, engine.Change{Op: "update", Type: provider, Diffs: append([]string{"apiHostname"}, defaults...)}, false},
		"another token":                     {true, engine.Change{Op: "update", Type: provider, Diffs: []string{"apiToken"}}, false},
		"it is replaced":                    {true, engine.Change{Op: "replace", Type: provider, Diffs: defaults}, false},
		"an existing project's":             {false, engine.Change{Op: "update", Type: provider, Diffs: defaults}, false},
		"a secret's text":                   {true, engine.Change{Op: "replace", Type: secret, SecretOnly: true}, true},
		"more than a secret's text":         {true, engine.Change{Op: "replace", Type: secret}, false},
		"a secret of an existing project's": {false, engine.Change{Op: "replace", Type: secret, SecretOnly: true}, false},
	} {
		target := &rollout.Target{Entry: secrets.Stack{Declared: c.declared, Providers: secrets.ProvidersOfficial}}
		require.Equal(t, c.expected, len(target.Unexpected(engine.Preview{Changes: []engine.Change{c.change}})) == 0, name)
	}
}
