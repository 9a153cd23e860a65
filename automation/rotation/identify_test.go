package rotation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// forge appends an event to the journal that differs from the newest in what change
// does: somebody with write access to the state.
func (w *world) forge(change func(*journal.Event)) {
	w.t.Helper()
	log, err := w.rotator().Journal.Open(w.t.Context(), "acme")
	require.NoError(w.t, err)
	e := log.Last()
	change(&e)
	require.NoError(w.t, log.Append(w.t.Context(), e))
}

// The journal names another credential as the old one: neither is touched, and once
// a person has revoked the right one the same command ends well.
func TestTheIDOfTheJournalIsNotBelieved(t *testing.T) {
	w := newWorld(t).byAPI()
	old, next := w.inGrace()
	bystander := w.issuer.make("acct_1")
	w.forge(func(e *journal.Event) { e.OldID = id(bystander) })
	_, err := w.rotate(Options{Grace: noGrace})
	requireReason(t, err, Failed)
	require.ErrorContains(t, err, "neither was revoked")
	require.ElementsMatch(t, []string{old, next, bystander}, w.living())

	delete(w.issuer.account, old) // at the dashboard
	w.rotatedBeside(bystander)
}

// rotatedBeside ends the rotation and asserts that the bystander lives on.
func (w *world) rotatedBeside(bystander string) {
	w.t.Helper()
	r, err := w.rotate(Options{Grace: noGrace})
	require.NoError(w.t, err)
	require.Equal(w.t, journal.Done, r.State)
	require.ElementsMatch(w.t, []string{w.holds(entryPath), bystander}, w.living())
}

func TestTheIDOfTheJournalIsNotBelievedOnTheWayBack(t *testing.T) {
	w := newWorld(t).byAPI()
	old, next := w.inGrace()
	bystander := w.issuer.make("acct_1")
	w.forge(func(e *journal.Event) { e.NewID = id(bystander) })
	_, err := w.rollback()
	requireReason(t, err, Failed)
	require.ElementsMatch(t, []string{old, next, bystander}, w.living())
}

// The journal says that a bystander was disabled by a run that was cut off: it is
// neither put back in force nor deleted.
func TestOnlyTheOldValueIsPutBackInForce(t *testing.T) {
	w := newWorld(t).byAPI().withDoor()
	old, next := w.inGrace()
	bystander := w.issuer.make("acct_1")
	w.issuer.api.disabled[bystander] = true
	w.forge(func(e *journal.Event) {
		e.State, e.OldID, e.Step = journal.Revoking, id(bystander), stepDisabling+id(bystander)+" at acme"
	})
	w.down = true
	_, err := w.rotate(Options{Grace: noGrace})
	require.Error(t, err)
	require.ElementsMatch(t, []string{old, next}, w.living())
}

// The rotation's id is exchanged for that of the one before, whose label the
// present credential carries: nothing that is in use is taken for an orphan.
func TestALabelNeverKillsTheCredentialInUse(t *testing.T) {
	w := newWorld(t).byAPI()
	w.rotated(w.rotate(Options{Grace: noGrace}))
	first, current, bystander := w.last().Rotation, w.holds(entryPath), w.issuer.make("acct_1")
	for n := 1; w.last().State != journal.Staging; n++ {
		require.True(t, w.killedAt(n, Options{Grace: noGrace, New: true}))
	}
	w.forge(func(e *journal.Event) { e.Rotation, e.OldID = first, id(bystander) })
	w.issuer.api.refuses = outage("no answer")
	_, err := w.rotate(Options{Grace: noGrace})
	require.Error(t, err)
	require.Contains(t, w.living(), current)
}

// The old value stands nowhere any more: by the journal's id alone nothing is
// deleted, a person is asked.
func TestWithoutTheValueAPersonRevokes(t *testing.T) {
	w := newWorld(t).byAPI()
	_, _ = w.inGrace()
	bystander := w.issuer.make("acct_1")
	w.forge(func(e *journal.Event) {
		m := e.Entries["api-key"]
		m.From = "feedfacefeedface"
		e.Entries["api-key"], e.OldID = m, id(bystander)
	})
	_, err := w.rotate(Options{Grace: noGrace})
	require.NoError(t, err)
	require.Len(t, w.retired, 1, "a person was asked")
	require.Contains(t, w.living(), bystander)
	require.Empty(t, w.issuer.api.deleted)
}

// Killed between disabling and deleting: the service refuses the value, and still
// says which credential it is.
func TestADisabledValueIsDeletedByTheNextRun(t *testing.T) {
	w := newWorld(t).byAPI()
	old := w.holds(entryPath)
	w.issuer.api.die = true
	require.True(t, w.killed(-1, func() { _, _ = w.rotate(Options{Grace: noGrace}) }))
	w.now = w.now.Add(time.Second)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	require.Contains(t, w.issuer.api.deleted, old)
}
