package rotation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

func (w *world) revoke(o Options) (Report, error) {
	reports, err := w.rotator().Revoke(w.t.Context(), []string{"acme"}, o)
	if len(reports) == 0 {
		return Report{}, err
	}
	return reports[0], err
}

func TestRevokeDueTakesOnlyWhatIsDue(t *testing.T) {
	w := newWorld(t)
	_, err := w.revoke(Options{Due: true})
	require.NoError(t, err)
	_, err = w.rotate(Options{})
	requireReason(t, err, Waiting)
	old := w.holds(PreviousPath(entryPath))

	_, err = w.revoke(Options{Due: true})
	require.NoError(t, err)
	require.Equal(t, journal.Grace, w.last().State)
	require.Contains(t, w.living(), old)

	w.now = w.now.Add(25 * time.Hour)
	_, err = w.rotator().Hold(t.Context(), "acme", false)
	require.NoError(t, err)
	_, err = w.revoke(Options{Due: true})
	require.NoError(t, err)
	require.Contains(t, w.living(), old, "it is on hold")
	_, err = w.rotate(Options{})
	requireReason(t, err, Waiting)
	require.ErrorContains(t, err, "held by")

	_, err = w.rotator().Hold(t.Context(), "acme", true)
	require.NoError(t, err)
	w.rotated(w.revoke(Options{Due: true}))
	require.Empty(t, w.confirmed)
}

func TestRevokeBeforeItsTimeIsConfirmed(t *testing.T) {
	w := newWorld(t)
	_, err := w.revoke(Options{})
	requireReason(t, err, Misused)
	_, err = w.rotate(Options{})
	requireReason(t, err, Waiting)
	w.refuse = true
	_, err = w.revoke(Options{})
	requireReason(t, err, Waiting)
	require.Len(t, w.living(), 2)
	w.refuse = false
	w.rotated(w.revoke(Options{}))
	require.Len(t, w.confirmed, 2)
}

// A hold that comes while a rotation runs is in force for it: nothing is lost,
// and it ends where it would retire the old value.
func TestAHoldReachesARunningRotation(t *testing.T) {
	w := newWorld(t)
	r := w.rotator()
	// Somebody holds the secret while the new value is being made.
	r.Person = &holder{world: w}
	_, err := r.Rotate(t.Context(), []string{"acme"}, Options{Grace: noGrace})
	requireReason(t, err, Waiting)
	require.ErrorContains(t, err, "held by")
	require.Equal(t, journal.Grace, w.last().State)
	require.Equal(t, 2, w.issuer.issued)
	require.Contains(t, w.living(), w.holds(PreviousPath(entryPath)))
	_, err = w.rotator().Hold(t.Context(), "acme", true)
	require.NoError(t, err)
	w.rotated(w.rotate(Options{Grace: noGrace}))
}

func TestRotateWithHold(t *testing.T) {
	w := newWorld(t)
	_, err := w.rotate(Options{Grace: noGrace, Hold: true})
	requireReason(t, err, Waiting)
	require.Equal(t, journal.Grace, w.last().State)
	require.Len(t, w.living(), 2)
}

// A consumer is down, and the old value has leaked: it dies all the same once
// the name is typed, and the consumer is a debt that the next run settles.
func TestUnprovenIsForALeak(t *testing.T) {
	for name, setUp := range map[string]func(*world) *world{"person": (*world).withDoor, "API": func(w *world) *world { return w.byAPI().withDoor() }} {
		t.Run(name, func(t *testing.T) {
			w := setUp(newWorld(t))
			old := w.holds(entryPath)
			_, err := w.rotate(Options{})
			requireReason(t, err, Waiting)
			w.down = true
			_, err = w.rotate(Options{Grace: noGrace})
			requireReason(t, err, Untold)
			require.Contains(t, w.living(), old, "nothing dies without proof")

			r, err := w.revoke(Options{Unproven: true})
			requireReason(t, err, Untold)
			require.Equal(t, []string{w.holds(entryPath)}, w.living())
			require.NotEqual(t, old, w.holds(entryPath))
			require.Len(t, w.confirmed, 1)
			require.Len(t, r.Debts, 1)
			require.Contains(t, r.Debts[0], "consumer door is not proven since ")
			debt := r.Debts[0]

			w.now = w.now.Add(time.Hour)
			r, err = w.rotate(Options{})
			requireReason(t, err, Untold)
			require.Equal(t, []string{debt}, r.Debts, "a debt keeps its date")
			w.down = false
			w.rotated(w.rotate(Options{}))
			require.Empty(t, w.last().Debts)
		})
	}
}

func TestUnprovenNeedsTheName(t *testing.T) {
	w := newWorld(t).withDoor()
	_, err := w.rotate(Options{})
	requireReason(t, err, Waiting)
	w.down, w.refuse = true, true
	_, err = w.revoke(Options{Unproven: true})
	requireReason(t, err, Waiting)
	require.Len(t, w.living(), 2)
}

// No rotation is under way: the present value dies, and rotate brings the next.
func TestUnprovenKillsThePresentValue(t *testing.T) {
	for name, setUp := range map[string]func(*world) *world{"person": func(w *world) *world { return w }, "API": (*world).byAPI} {
		t.Run(name, func(t *testing.T) {
			w := setUp(newWorld(t))
			old := w.holds(entryPath)
			r, err := w.revoke(Options{Unproven: true})
			requireReason(t, err, Untold)
			require.Empty(t, w.living())
			require.NotEmpty(t, r.Revoked.ConfirmedAt)
			require.Len(t, r.Debts, 1)
			require.Equal(t, old, w.holds(entryPath))
			// Its API refuses the dead credential: a person makes the next one.
			w.rotated(w.rotate(Options{Grace: noGrace}))
		})
	}
}

// The key is dead already, pass's remote is gone and a consumer is down.
func TestTwoInTheMorning(t *testing.T) {
	w := newWorld(t).withDoor()
	old := w.holds(entryPath)
	delete(w.issuer.account, old)
	w.down = true
	remote := w.pass.HideRemote()
	r, err := w.rotate(Options{New: true, Grace: noGrace})
	requireReason(t, err, Untold)
	require.Equal(t, []string{w.holds(entryPath)}, w.living(), "pass has a working value again")
	require.NotEqual(t, old, w.holds(entryPath))
	require.NotEmpty(t, r.Revoked.ConfirmedAt)
	require.Len(t, r.Debts, 2)

	w.down = false
	remote()
	w.rotated(w.rotate(Options{}))
	require.Empty(t, w.retired, "nobody was sent to retire a dead value")
}

// Without an emergency an unreachable remote stops everything.
func TestAnUnreachableRemoteStopsARotation(t *testing.T) {
	w := newWorld(t)
	w.pass.HideRemote()
	_, err := w.rotate(Options{New: true})
	require.Error(t, err)
	require.Equal(t, 1, w.issuer.issued)
	require.Empty(t, w.last().State)
}

// With an emergency it stops the retirement: the new value is on one disk only.
func TestAnUnreachableRemoteKeepsALivingOldValue(t *testing.T) {
	w := newWorld(t)
	old := w.holds(entryPath)
	remote := w.pass.HideRemote()
	_, err := w.rotate(Options{New: true, Grace: noGrace})
	require.ErrorContains(t, err, "not pushed")
	require.Contains(t, w.living(), old)
	remote()
	w.rotated(w.rotate(Options{Grace: noGrace}))
}
