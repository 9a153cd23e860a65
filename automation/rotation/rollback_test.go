package rotation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

var aDay = func() *time.Duration { d := 24 * time.Hour; return &d }()

func (w *world) rollback() (Report, error) {
	reports, err := w.rotator().Rollback(w.t.Context(), []string{"acme"}, Options{})
	if len(reports) == 0 {
		return Report{}, err
	}
	return reports[0], err
}

// asBefore asserts that nothing is left of a rotation that was rolled back.
func (w *world) asBefore(old string) {
	w.t.Helper()
	require.Equal(w.t, old, w.holds(entryPath))
	require.Equal(w.t, []string{old}, w.living())
	require.Empty(w.t, w.holds(PendingPath(entryPath)))
	require.Empty(w.t, w.holds(PreviousPath(entryPath)))
	sync, err := w.pass.Store.Sync(w.t.Context())
	require.NoError(w.t, err)
	require.NoError(w.t, sync.Pushed())
}

func TestRollbackFromEveryPoint(t *testing.T) {
	for name, setUp := range map[string]func(*world) *world{
		"made by a person": func(w *world) *world { return w },
		"made by the API":  (*world).byAPI,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n, lived := 1, false; !lived; n++ {
				w := setUp(newWorld(t))
				old := w.holds(entryPath)
				lived = !w.killedAt(n, Options{Grace: aDay})
				if w.last().State == "" {
					continue // nothing had begun
				}
				r, err := w.rollback()
				require.NoError(t, err, "after a kill at line %d (%s)", n, w.last().State)
				require.Equal(t, journal.RolledBack, r.State)
				if w.secret.Issuer == "" && w.issuer.issued == 2 && w.last().Entries["api-key"].To == "" {
					continue // made by a person, and never typed in: only the person can know
				}
				w.asBefore(old)
				// It never happened: the next rotation starts from the old value.
				w.rotated(w.rotate(Options{Grace: noGrace}))
			}
		})
	}
}

func TestAKilledRollbackIsEndedByRotate(t *testing.T) {
	for n, lived := 1, false; !lived; n++ {
		w := newWorld(t).byAPI()
		old := w.holds(entryPath)
		_, err := w.rotate(Options{Grace: aDay})
		requireReason(t, err, Waiting)
		lived = !w.killed(n, func() { _, _ = w.rollback() })
		if w.last().State != journal.RollingBack {
			continue // not begun, or ended
		}
		r, err := w.rotate(Options{})
		require.NoError(t, err, "killed at line %d", n)
		require.Equal(t, journal.RolledBack, r.State)
		w.asBefore(old)
	}
}

func TestRollbackKeepsTheDateOfTheRotationBefore(t *testing.T) {
	w := newWorld(t)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	before := w.last()
	w.now = w.now.Add(time.Hour)
	_, err := w.rotate(Options{Grace: aDay})
	requireReason(t, err, Waiting)
	require.NotEqual(t, before.Promoted, w.last().Promoted)
	_, err = w.rollback()
	require.NoError(t, err)
	require.Equal(t, before.Promoted, w.last().Promoted)
	require.Equal(t, before.PromotedAt, w.last().PromotedAt)
	require.Zero(t, w.last().RevokedAt)
}

func TestNoRollbackToADeadValue(t *testing.T) {
	w := newWorld(t)
	_, err := w.rotate(Options{Grace: aDay})
	requireReason(t, err, Waiting)
	delete(w.issuer.account, w.holds(PreviousPath(entryPath)))
	next := w.holds(entryPath)
	_, err = w.rollback()
	requireReason(t, err, Failed)
	require.ErrorContains(t, err, "can only go on")
	require.Equal(t, next, w.holds(entryPath))
	w.rotated(w.rotate(Options{}))
}

func TestNoRollbackPastThePointOfNoReturn(t *testing.T) {
	w := newWorld(t)
	w.issuer.keeps = true
	_, err := w.rotate(Options{Grace: noGrace})
	require.Error(t, err)
	require.Equal(t, journal.Revoking, w.last().State)
	_, err = w.rollback()
	require.ErrorContains(t, err, "point of no return")
	w.issuer.keeps = false
	w.rotated(w.rotate(Options{Grace: noGrace}))
	_, err = w.rollback()
	requireReason(t, err, Misused)
	require.ErrorContains(t, err, "is done")
}

// The old value dies while the consumers are on their way back to it.
func TestARollbackWhoseOldValueDiesTurnsRound(t *testing.T) {
	w := newWorld(t)
	_, err := w.rotate(Options{Grace: aDay})
	requireReason(t, err, Waiting)
	old := w.holds(PreviousPath(entryPath))
	for n := 1; w.last().State != journal.RollingBack; n++ {
		require.True(t, w.killed(n, func() { _, _ = w.rollback() }))
	}
	delete(w.issuer.account, old)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	require.NotEqual(t, old, w.holds(entryPath))
}
