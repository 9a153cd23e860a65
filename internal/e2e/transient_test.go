package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// A container that is still being changed refuses another change for a while:
// the up of its project's own plugin is repeated until it takes it.
func TestAnUpWaitsForAContainerInTransition(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	opened, err := world.Open(w.dir)
	require.NoError(t, err)
	require.NoError(t, opened.AddFault(world.Fault{Service: "scaleway", Method: "PATCH", Times: 2, Status: 409, Code: "transient_state"}))
	w.must("rotate", "--secret", "stripe", "--yes", "--grace", "0")
	require.Equal(t, []string{w.pass(stripeKey)}, alive(w.truth(), "stripe", "secret-key"))
	refused := 0
	for _, r := range w.requests() {
		if r.Method == "PATCH" && r.Status == 409 {
			refused++
		}
	}
	require.Equal(t, 2, refused)
}
