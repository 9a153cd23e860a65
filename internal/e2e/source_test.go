package e2e

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// roll is the human who rolls a key at the dashboard, without telling pass.
func (w *sandboxed) roll(secret string) map[string]string {
	w.t.Helper()
	var values map[string]string
	require.NoError(w.t, json.Unmarshal([]byte(w.must("sandbox", "roll", secret).stdout), &values))
	return values
}

// issued counts the credentials that a service ever gave out.
func issued(truth world.Truth, service string) int {
	n := 0
	for _, c := range truth.Credentials {
		if c.Service == service {
			n++
		}
	}
	return n
}

// The order of the procedure that this program replaces: rolled at the
// dashboard, then pass edited, then rolled out.
func TestHandProcedureOrderTakesWhatPassHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, hook := w.pass(stripeKey), w.pass(stripeHook)
	rolled := w.roll("stripe")
	w.insert(stripeKey, rolled["secret-key"])
	w.insert(stripeHook, rolled["webhook-secret"])
	count := issued(w.truth(), "stripe")

	r := w.must("rotate", "--secret", "stripe", "--yes")
	require.Contains(t, r.stderr, "pass holds a new value that was never rolled out")
	require.Equal(t, rolled["secret-key"], w.swapped("stripe", stripeKey, key))
	require.Equal(t, rolled["webhook-secret"], w.swapped("stripe", stripeHook, hook))
	require.Equal(t, rolled["secret-key"], w.truth().Consumers[payments].RunsWith["STRIPE_SECRET_KEY"])
	require.Equal(t, count, issued(w.truth(), "stripe"), "nobody was asked for another one")

	// Rolled out means: not pending any more.
	count = issued(w.truth(), "stripe")
	r = w.must("rotate", "--secret", "stripe", "--pending", "--yes")
	require.Contains(t, r.stderr, "nothing is pending")
	require.Equal(t, count, issued(w.truth(), "stripe"))
	require.Equal(t, rolled["secret-key"], w.pass(stripeKey))
}

func TestNothingPendingIsACleanEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := len(w.events("clerk"))
	r := w.must("rotate", "--secret", "clerk", "--secret", "sightengine", "--pending", "--yes")
	require.Contains(t, r.stdout+r.stderr, "nothing is pending")
	require.Len(t, w.events("clerk"), seen)
	require.Empty(t, changing(w.requests(), "cloudflare"))
}

func TestPendingSeesAnEditAfterARotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must("rotate", "--secret", "clerk", "--yes")
	old, fresh := w.pass(clerkKey), w.roll("clerk")["secret-key"]
	require.Empty(t, w.status(0)["clerk"].Edited)
	w.insert(clerkKey, fresh)
	require.Equal(t, []string{clerkKey}, w.status(0)["clerk"].Edited)
	require.Contains(t, w.run("status").stdout, "rotate --sandbox="+w.dir+" --secret clerk --pending")
	verified := w.run("verify", "--secret", "clerk", "--json")
	require.Equal(t, 4, verified.code, "without a known other value, attest cannot tell one from none")
	require.Equal(t, []string{"go run . rotate --sandbox=" + w.dir + " --secret clerk --pending"}, decode(t, verified.stdout).Next)
	w.must("rotate", "--secret", "clerk", "--pending", "--yes")
	require.Empty(t, w.status(0)["clerk"].Edited)
	require.Equal(t, fresh, w.swapped("clerk", clerkKey, old))
	require.Equal(t, fresh, w.truth().Consumers[badges].RunsWith["CLERK_SECRET_KEY"])
}

func TestOnlyOneEntryFromStandardInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, hook := w.pass(stripeKey), w.pass(stripeHook)
	rolled := w.roll("stripe")
	r := w.feed(rolled["webhook-secret"]+"\n", "rotate", "--secret", "stripe", "--entry", "webhook-secret", "--value-stdin", "--yes", "--json")
	require.Zero(t, r.code, r.stderr)
	rep := decode(t, r.stdout)
	require.Len(t, rep.Entries, 1)
	require.Equal(t, "webhook-secret", rep.Entries[0].Name)
	require.Equal(t, "DONE", rep.State)
	require.Equal(t, rolled["webhook-secret"], w.swapped("stripe", stripeHook, hook))
	require.Equal(t, key, w.pass(stripeKey), "the other entry is not touched")
	require.True(t, credential(t, w.truth(), key).Alive, "nor its credential retired")
	require.Equal(t, map[string]string{"STRIPE_SECRET_KEY": key, "STRIPE_WEBHOOK_SECRET": rolled["webhook-secret"], "CLERK_SECRET_KEY": w.pass(clerkKey)},
		w.truth().Consumers[payments].RunsWith)
	require.Contains(t, rep.Revoked.Evidence, "stated", "nobody can ask about a webhook secret")
}

func TestPairFromStandardInputAsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user, secret := w.pass(seUser), w.pass(seSecret)
	// The roll kills the present pair at this moment: the plan has to say so,
	// and go on.
	document := w.must("sandbox", "roll", "sightengine").stdout
	r := w.feed(document, "rotate", "--secret", "sightengine", "--value-stdin", "--yes")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stderr, "is dead")
	var values map[string]string
	require.NoError(t, json.Unmarshal([]byte(document), &values))
	require.Equal(t, values["api-user"], w.swapped("sightengine", seUser, user))
	require.Equal(t, values["api-secret"], w.swapped("sightengine", seSecret, secret))
	require.Equal(t, values["api-secret"], w.truth().Consumers[badges].RunsWith["SIGHTENGINE_API_SECRET"])
}

func TestOldValueDeadAtTheServiceAlready(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.pass(clerkKey)
	fresh := w.roll("clerk")["secret-key"]
	w.must("sandbox", "tamper", "revoked", credential(t, w.truth(), old).ID)
	w.insert(clerkKey, fresh)
	r := w.must("rotate", "--secret", "clerk", "--yes")
	require.Contains(t, r.stderr, "is dead")
	require.Equal(t, fresh, w.swapped("clerk", clerkKey, old))
	for _, name := range []string{badges, payments} {
		require.Equal(t, fresh, w.truth().Consumers[name].RunsWith["CLERK_SECRET_KEY"], name)
	}
}

func TestNewMakesAFreshValueAlthoughPassHoldsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	deployed, edited := w.pass(clerkKey), w.roll("clerk")["secret-key"]
	w.insert(clerkKey, edited)
	w.must("rotate", "--secret", "clerk", "--new", "--yes")
	now := w.pass(clerkKey)
	require.NotEqual(t, edited, now)
	require.True(t, credential(t, w.truth(), now).Alive)
	require.False(t, credential(t, w.truth(), deployed).Alive, "the value that the consumers ran with is the old one, whatever pass holds")
	for _, name := range []string{badges, payments} {
		require.Equal(t, now, w.truth().Consumers[name].RunsWith["CLERK_SECRET_KEY"], name)
	}
}

func TestAnEditedEntryIsNotTakenAlongUntested(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rolled := w.roll("stripe")
	w.insert(stripeKey, rolled["secret-key"])
	runs := w.truth().Consumers[payments].RunsWith
	r := w.feed(rolled["webhook-secret"], "rotate", "--secret", "stripe", "--entry", "webhook-secret", "--value-stdin", "--yes")
	require.Equal(t, 2, r.code, r.stderr)
	require.Contains(t, r.stderr, "verifieddit/stripe/secret-key")
	require.Contains(t, r.stderr, "--pending")
	require.Equal(t, runs, w.truth().Consumers[payments].RunsWith)
	require.Empty(t, w.events("stripe"))
}
