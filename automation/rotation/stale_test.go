package rotation

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// An instance answers with another value after the consumer had proven the right
// one: the next run begins with the longest row, and a short lucky one does not
// pass.
func TestAStaleAnswerIsRemembered(t *testing.T) {
	w := newWorld(t).withDoor()
	old := w.holds(entryPath)
	calls := 0
	good := func(so int) func(string) services.State {
		calls = 0
		return func(value string) services.State {
			if calls++; value != old && calls > so {
				return services.Dead
			}
			return services.Alive
		}
	}
	w.instance = good(4) // the plan's and the pretest's questions, and the first of the row
	_, err := w.rotate(Options{Grace: noGrace})
	requireReason(t, err, Failed)
	require.Equal(t, []string{"door"}, w.last().Stale)

	longest := w.rotator().Window.Longest()
	w.instance = good(longest - 1)
	_, err = w.rotate(Options{Grace: noGrace})
	require.Error(t, err)
	require.Contains(t, w.living(), old)

	w.instance = good(1 << 20)
	_, err = w.rotate(Options{Grace: noGrace})
	require.NoError(t, err)
	require.GreaterOrEqual(t, calls, 2*longest, "before the promotion and before the revocation")
}

// An instance breaks at the revocation, and the next runs meet other ones: nothing
// is done before a whole long row.
func TestABadRevocationNeedsTheLongestRow(t *testing.T) {
	w := newWorld(t).withDoor()
	old := w.holds(entryPath)
	calls := 0
	w.instance = func(string) services.State {
		if w.issuer.living(old) {
			return services.Alive
		}
		if calls++; calls%6 == 1 {
			return services.Dead
		}
		return services.Alive
	}
	r, err := w.rotate(Options{Grace: noGrace})
	requireReason(t, err, Failed)
	require.Equal(t, journal.Revoking, r.State)
	require.Equal(t, []string{"door"}, w.last().Stale)
	require.Len(t, w.last().Debts, 1)
	require.False(t, w.last().RevokedAt.IsZero(), "the service was seen to refuse it")
	for range 3 {
		calls = 1 // the first answers are other instances'
		_, err := w.rotate(Options{Grace: noGrace})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "was not retired")
		require.Equal(t, journal.Revoking, w.last().State)
	}
	w.instance = nil
	w.rotated(w.rotate(Options{Grace: noGrace}))
}

// What only works is named before the old value dies.
func TestWhatOnlyWorksIsNamed(t *testing.T) {
	w := newWorld(t)
	w.secret.Consumers = append(w.secret.Consumers, secrets.Consumer{Name: "site", Probe: secrets.Probe{Kind: secrets.ProofWorks, By: "http", Instances: 5}})
	require.Equal(t, []string{"site"}, worksOnly(w.secret))
	j := &job{secret: w.secret}
	require.Equal(t, []ProofPlan{{Consumer: "site", Answers: 11, Instances: 5}}, proofPlans(w.rotator().Window, j))
	j.stale = []string{"site"}
	require.Equal(t, w.rotator().Window.Longest(), proofPlans(w.rotator().Window, j)[0].Answers)
}
