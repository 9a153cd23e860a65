package rotation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// byHand rotates everything without this program, but for the last revocation.
func (w *world) byHand() (old string) {
	old = w.holds(entryPath)
	w.edit(w.issuer.make("acct_1"))
	return old
}

// All by hand but the last revocation: the rotation goes on there and revokes.
func TestARotationByHandIsEnded(t *testing.T) {
	w := newWorld(t).withDoor()
	w.never = true
	old := w.byHand()
	current := w.holds(entryPath)
	w.rotated(w.rotate(Options{Pending: true, Grace: noGrace}))
	require.Equal(t, []string{old}, w.retired)
	require.Equal(t, current, w.holds(entryPath), "no new value was made")
	require.Equal(t, 2, w.issuer.issued)
	_, err := w.rotate(Options{Pending: true})
	require.NoError(t, err)
	require.Len(t, w.retired, 1, "nothing is left")
}

// The journal knows pass's value as the one in use, and the one before it lives
// again, or never died.
func TestAValueThatLivesAfterItsEndIsRevokedByPending(t *testing.T) {
	w := newWorld(t)
	old := w.holds(entryPath)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	w.issuer.account[old] = "acct_1"
	w.now = w.now.Add(24 * time.Hour)
	r, err := w.rotate(Options{Pending: true})
	requireReason(t, err, Waiting)
	require.Equal(t, journal.Grace, r.State, "it has its grace period")
	w.rotated(w.rotate(Options{Grace: noGrace}))
	require.Equal(t, []string{old, old}, w.retired)
}

// A consumer does not prove pass's value: then nothing is revoked on that way.
func TestAValueThatSomebodyMayNeedIsNotRevokedByPending(t *testing.T) {
	w := newWorld(t).withDoor()
	old := w.holds(entryPath)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	w.issuer.account[old] = "acct_1"
	w.instance = func(string) services.State { return services.Dead }
	_, err := w.rotate(Options{Pending: true, Grace: noGrace})
	require.NoError(t, err)
	require.Len(t, w.retired, 1)
	require.Contains(t, w.living(), old)
}

// The present value was killed and there is no new one: that is what verify says.
func TestVerifySaysThatTheValueIsRevoked(t *testing.T) {
	w := newWorld(t)
	verify := func() Report {
		reports, err := w.rotator().Verify(t.Context(), []string{"acme"})
		require.NoError(t, err)
		return reports[0]
	}
	require.Empty(t, verify().Rejected)
	_, err := w.revoke(Options{Unproven: true})
	requireReason(t, err, Untold)
	require.NotEmpty(t, verify().Rejected)
	require.NotEmpty(t, verify().Next)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	require.Empty(t, verify().Rejected)
	delete(w.issuer.account, w.holds(entryPath)) // at the dashboard
	require.NotEmpty(t, verify().Rejected)
}

// What is to be typed after a stop is the same command.
func TestTheSameCommandIsNamed(t *testing.T) {
	for want, r := range map[string]*run{
		"go run . rotate --secret acme":            {verb: toRotate},
		"go run . rollback --secret acme":          {verb: toRollBack},
		"go run . revoke --secret acme":            {verb: toRevoke},
		"go run . revoke --secret acme --unproven": {verb: toRevoke, options: Options{Unproven: true}},
	} {
		require.Equal(t, want, resumeByName(r, "acme").String())
	}
}
