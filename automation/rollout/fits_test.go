package rollout_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// A limit is the destination's: a project's config has none of its own, and a
// container's where the catalog says that the entry becomes its variable.
func TestLimitsAreTheDestinations(t *testing.T) {
	values := map[string]string{"KEY": "key", "CERT": "cert"}
	config := secrets.Consumer{Kind: secrets.KindConfig, Stack: "s", Values: values}
	feeds := config
	feeds.Probe = secrets.Probe{Kind: secrets.ProofExact, By: "hash", Container: "c", Variables: map[string]string{"THE_KEY": "key"}}
	for name, c := range map[string]struct {
		consumer secrets.Consumer
		at       string
		most     int
	}{
		"config":                  {config, "CERT", 1 << 20},
		"config of a container":   {feeds, "KEY", 1000},
		"another key of the same": {feeds, "CERT", 1 << 20},
		"Worker":                  {secrets.Consumer{Kind: secrets.KindWorker, Worker: "w", Values: values}, "KEY", 5 * 1024},
		"container":               {secrets.Consumer{Kind: secrets.KindContainer, Container: "c", Namespace: "n", Region: "r", Values: values}, "KEY", 1000},
		"Actions":                 {secrets.Consumer{Kind: secrets.KindActions, Repository: "o/n", Values: values}, "KEY", 48 * 1024},
		"manual":                  {secrets.Consumer{Kind: secrets.KindManual, Values: values}, "KEY", 1 << 20},
	} {
		require.NoError(t, rollout.Fits(c.consumer, c.at, secrets.NewValue([]byte(strings.Repeat("x", c.most)))), name)
		if c.most < 1<<20 {
			require.Error(t, rollout.Fits(c.consumer, c.at, secrets.NewValue([]byte(strings.Repeat("x", c.most+1)))), name)
		}
	}
}
