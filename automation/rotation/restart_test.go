package rotation

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// inGrace is a rotation that waits for the end of its old value.
func (w *world) inGrace() (old, next string) {
	_, err := w.rotate(Options{})
	requireReason(w.t, err, Waiting)
	return w.holds(PreviousPath(entryPath)), w.holds(entryPath)
}

// The new value is killed behind our back: the old one, the last that lives, is
// not retired, whatever the consumers prove.
func TestTheLastLivingValueIsNotRetired(t *testing.T) {
	for name, call := range map[string]func(*world) error{
		"rotate":          func(w *world) error { _, err := w.rotate(Options{Grace: noGrace}); return err },
		"revoke":          func(w *world) error { _, err := w.revoke(Options{}); return err },
		"rotate, rolling": func(w *world) error { _, err := w.rotate(Options{}); return err },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			old, next := w.inGrace()
			delete(w.issuer.account, next)
			err := call(w)
			requireReason(t, err, Failed)
			require.ErrorContains(t, err, "refuses the new value")
			require.Equal(t, []string{old}, w.living())
			_, err = w.rollback()
			require.NoError(t, err)
			w.asBefore(old)
		})
	}
}

// Every way out of a rotation whose new value is dead, also past the point of no
// return and with the old one dead as well.
func TestARotationTakesAnotherNewValue(t *testing.T) {
	typed := func(w *world) Options {
		v := w.issuer.make("acct_1")
		return Options{Grace: noGrace, Typed: services.Credential{"api-key": secrets.NewValue([]byte(v))}}
	}
	edited := func(w *world) Options { w.edit(w.issuer.make("acct_1")); return Options{Grace: noGrace} }
	fresh := func(*world) Options { return Options{Grace: noGrace, New: true} }
	for name, options := range map[string]func(*world) Options{"fresh": fresh, "typed": typed, "edited": edited} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, oldDies := range []bool{false, true} {
				w := newWorld(t)
				old, next := w.inGrace()
				delete(w.issuer.account, next)
				if oldDies {
					delete(w.issuer.account, old)
				}
				w.rotated(w.rotate(options(w)))
				require.NotContains(t, []string{old, next}, w.holds(entryPath))
			}
		})
	}
	t.Run("while the old value is being retired", func(t *testing.T) {
		w := newWorld(t)
		w.issuer.keeps = true
		_, err := w.rotate(Options{Grace: noGrace})
		require.Error(t, err)
		require.Equal(t, journal.Revoking, w.last().State)
		delete(w.issuer.account, w.holds(entryPath))
		w.issuer.keeps = false
		w.rotated(w.rotate(Options{Grace: noGrace}))
	})
}

// While it is rolled back, the old value is the one that stays.
func TestUnprovenDoesNotKillWhatARollbackLeaves(t *testing.T) {
	w := newWorld(t)
	old, next := w.inGrace()
	for n := 1; w.last().State != journal.RollingBack; n++ {
		require.True(t, w.killed(n, func() { _, _ = w.rollback() }))
	}
	_, err := w.revoke(Options{Unproven: true})
	requireReason(t, err, Waiting)
	require.ElementsMatch(t, []string{old, next}, w.living())
	require.Empty(t, w.confirmed)
}

// The credential that was to issue its successor dies before it could.
func TestAnIssuerThatDiesLeavesItToAPerson(t *testing.T) {
	w := newWorld(t).byAPI()
	old := w.holds(entryPath)
	for n := 1; w.last().State != journal.Staging; n++ {
		require.True(t, w.killedAt(n, Options{Grace: noGrace}))
	}
	// What the killed run had made lives on, and nobody knows its value.
	orphan := w.issuer.make("acct_1")
	w.issuer.api.labels[orphan] = "rot/acme/" + w.last().Rotation
	delete(w.issuer.account, old)
	w.rotated(w.rotate(Options{Grace: noGrace}))

	w = newWorld(t).byAPI()
	for n := 1; w.last().State != journal.Planned; n++ {
		require.True(t, w.killedAt(n, Options{Grace: noGrace}))
	}
	delete(w.issuer.account, w.holds(entryPath))
	_, err := w.revoke(Options{Unproven: true})
	requireReason(t, err, Untold)
	require.NotEmpty(t, w.last().Evidence, "it is dead already")
	w.rotated(w.rotate(Options{Grace: noGrace}))
}

// A person rolls, at the dashboard, the very credential that the killed run had
// made: it carries the label, and it is the one that stays.
func TestTheCredentialThatStaysIsNeverAnOrphan(t *testing.T) {
	w := newWorld(t).byAPI()
	for n := 1; w.last().State != journal.Staging || w.issuer.issued < 2; n++ {
		require.True(t, w.killedAt(n, Options{Grace: noGrace, New: true}))
	}
	rolled := w.issuer.make("acct_1")
	w.issuer.api.labels[rolled] = "rot/acme/" + w.last().Rotation
	w.rotated(w.rotate(Options{Grace: noGrace, Typed: services.Credential{"api-key": secrets.NewValue([]byte(rolled))}}))
	require.Equal(t, rolled, w.holds(entryPath))
}

// holdsAt puts the secret on hold at the n-th line of progress.
type holdsAt struct {
	*world
	n, seen int
}

func (h *holdsAt) Begin(name, text string) Line {
	if h.seen++; h.seen == h.n {
		_, err := h.rotator().Hold(h.t.Context(), "acme", false)
		require.NoError(h.t, err)
	}
	return h.world.Begin(name, text)
}

// Whenever a hold comes before the old value is being retired, it is kept.
func TestAHoldIsInForceWheneverItComes(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t)
		old := w.holds(entryPath)
		r := w.rotator()
		r.Watch = &holdsAt{world: w, n: n}
		_, err := r.Rotate(t.Context(), []string{"acme"}, Options{Grace: noGrace})
		if came := w.heldAt(); came == "" || came.AtLeast(journal.Revoking) {
			require.Greater(t, n, 4)
			return // too late, or there are no more lines
		}
		require.Error(t, err)
		require.Contains(t, w.living(), old, "a hold at line %d was ignored", n)
	}
}

// heldAt is the state in which the rotation was put on hold.
func (w *world) heldAt() journal.State {
	log, err := journal.InDir(w.journal).Open(w.t.Context(), "acme")
	require.NoError(w.t, err)
	events, err := log.Events(w.t.Context())
	require.NoError(w.t, err)
	for _, e := range events {
		// One put on before the first event is of no rotation yet.
		if e.Step == journal.StepHold {
			if e.State == "" {
				return journal.Planned
			}
			return e.State
		}
	}
	return ""
}

// pass holds a value that was never rolled out: what leaked is what consumers
// run with.
func TestUnprovenKillsWhatConsumersRunWith(t *testing.T) {
	w := newWorld(t)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	old, edited := w.holds(entryPath), w.issuer.make("acct_1")
	w.edit(edited)
	_, err := w.revoke(Options{Unproven: true})
	requireReason(t, err, Untold)
	require.Equal(t, []string{edited}, w.living())
	require.Equal(t, old, w.retired[len(w.retired)-1])
}

// The old value is dead, a consumer lost the new one and gets it again: that
// takes nothing back of the record, and there is no way back.
func TestWhatIsBeingRetiredIsNeverUnpromoted(t *testing.T) {
	w := newWorld(t)
	w.issuer.keeps = true
	_, err := w.rotate(Options{Grace: noGrace})
	require.Error(t, err)
	require.Equal(t, journal.Revoking, w.last().State)
	w.edit(w.holds(PreviousPath(entryPath)))
	_, err = w.rotate(Options{Grace: noGrace})
	require.Error(t, err)
	require.Equal(t, journal.Revoking, w.last().State)
	_, err = w.rollback()
	require.ErrorContains(t, err, "point of no return")
	w.issuer.keeps = false
	w.rotated(w.rotate(Options{Grace: noGrace}))
}

// Both values die during a rollback: it takes another new one.
func TestARollbackWithoutAnyLivingValueTakesAnotherOne(t *testing.T) {
	w := newWorld(t)
	old, next := w.inGrace()
	for n := 1; w.last().State != journal.RollingBack; n++ {
		require.True(t, w.killed(n, func() { _, _ = w.rollback() }))
	}
	delete(w.issuer.account, old)
	delete(w.issuer.account, next)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	require.NotContains(t, []string{old, next}, w.holds(entryPath))
}

// A rollback that could not kill the new value owes its death, until it turns
// round and needs it.
func TestTurningRoundDropsTheDebtsOfTheOtherDirection(t *testing.T) {
	w := newWorld(t).byAPI()
	old, _ := w.inGrace()
	w.issuer.api.stuck = true
	r, err := w.rollback()
	requireReason(t, err, Untold)
	require.Len(t, r.Debts, 1)
	w.issuer.api.stuck = false
	delete(w.issuer.account, old)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	require.Empty(t, w.last().Debts)
}

// Killed right after the old value was disabled, with a consumer that still
// needs it: the next run puts it back.
func TestADisabledValueIsPutBackAfterAKill(t *testing.T) {
	w := newWorld(t).byAPI().withDoor()
	old := w.holds(entryPath)
	w.needs = old
	w.issuer.api.die = true
	require.True(t, w.killed(-1, func() { _, _ = w.rotate(Options{Grace: noGrace}) }))
	require.NotContains(t, w.living(), old)
	_, err := w.rotate(Options{Grace: noGrace})
	requireReason(t, err, Failed)
	require.Contains(t, w.living(), old)
	require.Equal(t, journal.Blocked, w.last().State)
	w.needs = ""
	_, err = w.rotator().Hold(t.Context(), "acme", true)
	require.NoError(t, err)
	w.rotated(w.rotate(Options{Grace: noGrace}))
}

// A consumer in debt leaves the catalog: the debt goes with it.
func TestADebtOfAConsumerThatIsGone(t *testing.T) {
	w := newWorld(t).withDoor()
	_, _ = w.inGrace()
	w.down = true
	r, err := w.revoke(Options{Unproven: true})
	requireReason(t, err, Untold)
	require.Len(t, r.Debts, 1)
	w.down = false
	w.secret.Consumers[1].Name = "gate"
	w.rotated(w.rotate(Options{Grace: noGrace}))
}
