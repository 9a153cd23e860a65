//go:build slow

package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A rollback is cut off, and another secret of the same stack is rotated: that
// up must not bring the value back that the rollback leaves.
func TestKillBesideAnotherRotation(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"after:2", "after:7"} {
		t.Run(moment, func(t *testing.T) {
			from := inGrace(t)
			o := killedCommands()["rollback clerk"].world(t, from)
			old := o.pass("rotation/previous/" + clerkKey)
			died, _ := o.runKilled(moment, "rollback", "--secret", "clerk", "--yes")
			require.True(t, died)
			o.must("rotate", "--secret", "stripe", "--yes", "--grace", "0")
			require.Equal(t, old, o.truth().Consumers[payments].RunsWith["CLERK_SECRET_KEY"])
			o.must("rotate", "--secret", "clerk", "--yes")
			require.Equal(t, []string{old}, alive(o.truth(), "clerk", "secret-key"))
		})
	}
}
