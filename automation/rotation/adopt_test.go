package rotation

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// adopt runs one adoption; the report is of the only secret.
func (w *world) adopt(o Options) (Report, error) {
	reports, err := w.rotator().Adopt(w.t.Context(), []string{"acme"}, o)
	require.LessOrEqual(w.t, len(reports), 1)
	if len(reports) == 0 {
		return Report{}, err
	}
	return reports[0], err
}

func TestAdoptWritesDownWhatIsInUse(t *testing.T) {
	w := newWorld(t).withDoor()
	old := w.holds(entryPath)
	report, err := w.adopt(Options{})
	require.NoError(t, err)
	require.Equal(t, journal.Adopted, report.State)
	require.True(t, report.Good())
	last := w.last()
	require.Equal(t, journal.Adopted, last.State)
	require.Len(t, last.Answers, 2)
	value, err := w.value(t.Context(), entryPath)
	require.NoError(t, err)
	require.Equal(t, value.Fingerprint(w.rotator().Key), last.Promoted["api-key"])
	require.Equal(t, []string{old}, w.issuer.alive(), "nothing is issued or retired")
	require.Empty(t, w.retired)

	report, err = w.adopt(Options{})
	require.NoError(t, err)
	require.Equal(t, journal.Adopted, report.State)
	require.Equal(t, last.Number, w.last().Number, "there is nothing to do")

	// The next rotation knows what is in use and asks nobody.
	_, err = w.rotate(Options{Pending: true})
	require.NoError(t, err)
	require.Equal(t, last.Number, w.last().Number, "nothing is pending")
	_, err = w.rotate(Options{Grace: noGrace})
	require.NoError(t, err)
	require.Equal(t, journal.Done, w.last().State)
	require.Zero(t, w.told)
}

func TestAdoptNamesWhatIsNotProven(t *testing.T) {
	w := newWorld(t).withDoor()
	w.down = true
	report, err := w.adopt(Options{})
	require.NoError(t, err)
	require.False(t, report.Good())
	require.Contains(t, w.last().Step, "not proven by door")
	require.Contains(t, report.Next, "go run . verify --secret acme")

	w.down = false
	report, err = w.adopt(Options{})
	require.NoError(t, err)
	require.True(t, report.Good())
	require.NotContains(t, w.last().Step, "not proven", "what is proven by now is written down")
}

func TestAdoptRefusesWhatIsNotInUse(t *testing.T) {
	for name, c := range map[string]struct {
		before func(w *world)
		reason Reason
		detail string
		next   string
	}{
		"its service refuses it": {func(w *world) { w.edit(w.issuer.make("acct_1")); delete(w.issuer.account, w.holds(entryPath)) },
			Failed, "nothing to take over", "go run . rotate --secret acme"},
		"a consumer has another": {func(w *world) { w.withDoor().needs = "key_none" }, Failed, "door does not run with the value in pass", "go run . adopt --secret acme --roll   (rolls it out and retires nothing)"},
		"a rotation is unfinished": {func(w *world) {
			w.refuse = true
			_, err := w.rotate(Options{Hold: true})
			require.Error(w.t, err)
		}, Failed, "is not finished", "go run . rotate --secret acme"},
		"it was edited since": {func(w *world) {
			_, err := w.adopt(Options{})
			require.NoError(w.t, err)
			w.edit(w.issuer.make("acct_1"))
		}, Failed, "never rolled out", "go run . rotate --secret acme --pending"},
		"a value waits": {func(w *world) {
			w.pass.Insert(map[string]string{PendingPath(entryPath): w.issuer.make("acct_1")})
		}, Failed, "never rolled out", "go run . rotate --secret acme --pending"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.before(w)
			seen, alive := w.last().Number, len(w.issuer.alive())
			report, err := w.adopt(Options{})
			var own *Error
			require.ErrorAs(t, err, &own)
			require.Equal(t, c.reason, own.Reason)
			require.ErrorContains(t, err, c.detail)
			require.Contains(t, own.Next, c.next)
			require.Equal(t, own.Error(), report.Error)
			require.NotEqual(t, journal.Adopting, report.State)
			require.Equal(t, seen, w.last().Number, "nothing is written down")
			require.Len(t, w.issuer.alive(), alive)
		})
	}
}

func TestAdoptCanBeKilledAnywhere(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t).withDoor()
		died := w.killed(n, func() { _, _ = w.adopt(Options{}) })
		report, err := w.adopt(Options{})
		require.NoError(t, err)
		require.Equal(t, journal.Adopted, report.State)
		if !died {
			require.Greater(t, n, 1)
			return
		}
	}
}

func TestAdoptNeedsTheLease(t *testing.T) {
	w := newWorld(t)
	lease, err := journal.InDir(w.journal).Acquire(t.Context(), "acme")
	require.NoError(t, err)
	defer func() { require.NoError(t, lease.Release(t.Context())) }()
	_, err = w.adopt(Options{})
	var own *Error
	require.True(t, errors.As(err, &own))
	require.Equal(t, Held, own.Reason)
	require.Contains(t, own.Next[0], "go run . adopt --secret acme")
	require.Zero(t, w.last().Number)
}
