package rotation

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// holder puts the secret on hold while it is asked for the new value.
type holder struct{ *world }

func (h *holder) Issue(ctx context.Context, s secrets.Secret, entries []secrets.Entry) (services.Credential, error) {
	_, err := h.rotator().Hold(ctx, s.Name, false)
	require.NoError(h.t, err)
	return h.world.Issue(ctx, s, entries)
}

func TestTheAPIMakesAndKills(t *testing.T) {
	w := newWorld(t).byAPI()
	old := w.holds(entryPath)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	require.Empty(t, w.retired, "no person was asked")
	require.Equal(t, []string{old}, w.issuer.api.deleted)
	require.Equal(t, "rot/acme/"+w.last().Rotation, w.issuer.api.labels[w.holds(entryPath)])
	require.Equal(t, id(old), w.last().OldID)
}

// Whatever moment a run dies at: never more than two living keys once the next
// run has begun, and one at the end.
func TestKilledAnywhereWithTheAPI(t *testing.T) {
	for n, lived := 1, false; !lived; n++ {
		w := newWorld(t).byAPI()
		lived = !w.killedAt(n, Options{Grace: noGrace})
		require.LessOrEqual(t, len(w.issuer.alive()), 2, "killed at line %d", n)
		if w.last().State.Finished() && w.last().State != "" {
			continue
		}
		w.rotated(w.rotate(Options{Grace: noGrace}))
	}
}

func TestALostAnswerLeavesNoOrphan(t *testing.T) {
	w := newWorld(t).byAPI()
	old := w.holds(entryPath)
	w.issuer.api.lost = true
	_, err := w.rotate(Options{Grace: noGrace})
	require.ErrorContains(t, err, "the answer was lost")
	require.Equal(t, []string{old}, w.living())
	w.rotated(w.rotate(Options{Grace: noGrace}))
	require.Equal(t, 3, w.issuer.issued)
}

func TestWhereTheAPIMayNotAPersonDoes(t *testing.T) {
	for name, refusal := range map[string]services.Kind{"no permission": services.Permission, "no room": services.Rejected} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).byAPI()
			w.issuer.api.ready = &services.Error{Kind: refusal, Message: name}
			w.rotated(w.rotate(Options{Grace: noGrace}))
			require.Empty(t, w.issuer.api.labels)
		})
	}
	t.Run("which shows only when it is asked to", func(t *testing.T) {
		w := newWorld(t).byAPI()
		w.issuer.api.refuses = &services.Error{Kind: services.Permission, Message: "may not"}
		w.rotated(w.rotate(Options{Grace: noGrace}))
		require.Empty(t, w.issuer.api.labels)
	})
	w := newWorld(t).byAPI()
	w.issuer.api.ready = outage("no answer")
	_, err := w.rotate(Options{Grace: noGrace})
	requireReason(t, err, Untold)
	require.Equal(t, 1, w.issuer.issued)
}

// A consumer stops working when the old value is taken out of force: it is put
// back, and a person has the last word.
func TestADisabledValueThatIsStillNeededIsPutBack(t *testing.T) {
	w := newWorld(t).byAPI().withDoor()
	old := w.holds(entryPath)
	w.needs = old
	_, err := w.rotate(Options{Grace: noGrace})
	requireReason(t, err, Failed)
	require.ErrorContains(t, err, "in force again")
	require.Equal(t, journal.Blocked, w.last().State)
	require.Contains(t, w.living(), old)
	_, err = w.rotate(Options{Grace: noGrace})
	requireReason(t, err, Waiting)

	w.needs = ""
	_, err = w.rotator().Hold(t.Context(), "acme", true)
	require.NoError(t, err)
	w.rotated(w.rotate(Options{Grace: noGrace}))
}

func TestADeletionThatFailsIsADebt(t *testing.T) {
	w := newWorld(t).byAPI()
	w.issuer.api.stuck = true
	r, err := w.rotate(Options{Grace: noGrace})
	requireReason(t, err, Untold)
	require.Len(t, r.Debts, 1)
	require.Zero(t, w.last().RevokedAt)
	w.issuer.api.stuck = false
	w.now = w.now.Add(time.Minute)
	w.rotated(w.rotate(Options{}))
	require.Empty(t, w.last().Debts)
}

func TestAConsumerThatLostTheNewValueGetsItAgain(t *testing.T) {
	w := newWorld(t)
	_, err := w.rotate(Options{Grace: aDay})
	requireReason(t, err, Waiting)
	next, until := w.holds(entryPath), w.last().GraceUntil
	w.edit(w.holds(PreviousPath(entryPath))) // somebody put the old value back
	_, err = w.rotate(Options{})
	requireReason(t, err, Waiting)
	require.Equal(t, next, w.holds(entryPath))
	require.Equal(t, until, w.last().GraceUntil, "its end is not put off")
}

func TestOnlyAPersonsWordRetiresWithoutProof(t *testing.T) {
	w := newWorld(t)
	w.secret.Consumers[0].Probe = secrets.Probe{Kind: secrets.ProofPresent, By: "person"}
	w.refuse = true
	_, err := w.rotate(Options{Grace: noGrace})
	require.Error(t, err)
	require.Len(t, w.living(), 2)
}
