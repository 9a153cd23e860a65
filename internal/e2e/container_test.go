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

// An up that fails has left consumers with what they prove now, not with what
// they proved of the value before.
func TestAnUpThatFailsIsFollowedByAnotherQuestion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	opened, err := world.Open(w.dir)
	require.NoError(t, err)
	require.NoError(t, opened.AddFault(world.Fault{Service: "scaleway", Method: "PATCH", Times: -1, Status: 400}))
	r := w.run("rotate", "--secret", "stripe", "--yes", "--grace", "0", "--json")
	require.Equal(t, 1, r.code, tail(r.stderr, 20))
	require.Equal(t, map[string]string{payments: "exact differs"}, decode(t, r.stdout).answers())
}

// A container that does not come up runs on as it was: the reason is its API's.
func TestAContainerThatDoesNotComeUpIsToldWithItsReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.disturb("tamper", "container-breaks", payments, "exit code 3: no space for its cache")
	r := w.run("rotate", "--secret", "stripe", "--yes", "--grace", "0", "--json")
	require.NotZero(t, r.code)
	require.Contains(t, r.stderr, "exit code 3: no space for its cache")
	require.Contains(t, decode(t, r.stdout).Error, "exit code 3: no space for its cache")
}
