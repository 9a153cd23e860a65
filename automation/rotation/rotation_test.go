package rotation

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// rotated asserts the end of a whole rotation: one living key, which is pass's,
// and nothing left over.
func (w *world) rotated(r Report, err error) {
	w.t.Helper()
	require.NoError(w.t, err)
	require.Equal(w.t, journal.Done, r.State)
	require.Equal(w.t, []string{w.holds(entryPath)}, w.issuer.alive())
	require.Empty(w.t, w.holds(PendingPath(entryPath)))
	require.Empty(w.t, w.holds(PreviousPath(entryPath)))
	sync, err := w.pass.Store.Sync(w.t.Context())
	require.NoError(w.t, err)
	require.NoError(w.t, sync.Pushed())
	require.NotEmpty(w.t, r.Revoked.ConfirmedAt)
}

func TestANewValueFromAPerson(t *testing.T) {
	w := newWorld(t)
	old := w.holds(entryPath)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	require.NotEqual(t, old, w.holds(entryPath))
	require.Equal(t, []string{old}, w.retired)
	require.Zero(t, w.told)
}

func TestTypedValue(t *testing.T) {
	w := newWorld(t)
	typed := w.issuer.make("acct_1")
	w.rotated(w.rotate(Options{Grace: noGrace, Typed: services.Credential{"api-key": secrets.NewValue([]byte(typed))}}))
	require.Equal(t, typed, w.holds(entryPath))
	require.Equal(t, 2, w.issuer.issued, "nobody was asked for another one")

	_, err := w.rotate(Options{Typed: services.Credential{"api-key": secrets.NewValue([]byte(typed))}})
	requireReason(t, err, Misused)
}

func TestAnEditOfPassIsTheNewValue(t *testing.T) {
	w := newWorld(t)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	old, edited := w.holds(entryPath), w.issuer.make("acct_1")
	w.edit(edited)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	require.Equal(t, edited, w.holds(entryPath))
	require.Equal(t, old, w.retired[len(w.retired)-1], "the old value was found in the entry's history")
}

func TestWithoutAJournalOnlyAPersonCanTell(t *testing.T) {
	for name, c := range map[string]struct {
		never    bool
		oldDead  bool
		pending  bool
		wantTold int
		takes    bool // the edited value is rolled out
	}{
		"it was never rolled out":             {never: true, wantTold: 1, takes: true},
		"it is in use":                        {never: false, wantTold: 1},
		"--pending says it":                   {pending: true, takes: true},
		"its predecessor is dead: it is used": {oldDead: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			old, edited := w.holds(entryPath), w.issuer.make("acct_1")
			w.edit(edited)
			w.never = c.never
			if c.oldDead {
				delete(w.issuer.account, old)
			}
			r, err := w.rotate(Options{Grace: noGrace, Pending: c.pending})
			require.NoError(t, err)
			require.Equal(t, c.wantTold, w.told)
			require.Equal(t, journal.Done, r.State)
			require.Equal(t, c.takes, w.holds(entryPath) == edited)
		})
	}
}

func TestPendingWithNothingPendingChangesNothing(t *testing.T) {
	w := newWorld(t)
	before := w.pass.Git("rev-parse", "HEAD")
	r, err := w.rotate(Options{Pending: true})
	require.NoError(t, err)
	require.Empty(t, r.Secret)
	require.Equal(t, before, w.pass.Git("rev-parse", "HEAD"))
	require.Zero(t, w.last().Number)
}

func TestAValueTheServiceRefusesIsDropped(t *testing.T) {
	w := newWorld(t)
	old := w.holds(entryPath)
	_, err := w.rotate(Options{Typed: services.Credential{"api-key": secrets.NewValue([]byte("key_99999999999999999999999999"))}})
	require.ErrorContains(t, err, "refuses it")
	require.Equal(t, journal.Abandoned, w.last().State)
	require.Equal(t, old, w.holds(entryPath))
	require.Empty(t, w.holds(PendingPath(entryPath)))
	require.Equal(t, []string{old}, w.issuer.alive())
	w.rotated(w.rotate(Options{Grace: noGrace}))
}

func TestAKeyOfAnotherAccountIsDropped(t *testing.T) {
	w := newWorld(t)
	w.account = "acct_2"
	old := w.holds(entryPath)
	_, err := w.rotate(Options{})
	require.ErrorContains(t, err, "acct_2")
	require.Equal(t, old, w.holds(entryPath))
	require.Equal(t, journal.Abandoned, w.last().State)
}

func TestACheckThatAcceptsEverythingProvesNothing(t *testing.T) {
	w := newWorld(t)
	w.issuer.deaf = true
	old := w.holds(entryPath)
	_, err := w.rotate(Options{Grace: noGrace})
	requireReason(t, err, Untold)
	require.Equal(t, old, w.holds(entryPath))
	require.Empty(t, w.retired)
}

func TestTheOldValueLivesThroughItsGrace(t *testing.T) {
	w := newWorld(t)
	old := w.holds(entryPath)
	r, err := w.rotate(Options{})
	requireReason(t, err, Waiting)
	require.Equal(t, journal.Grace, r.State)
	require.Equal(t, old, w.holds(PreviousPath(entryPath)))
	require.Contains(t, w.issuer.alive(), old)

	_, err = w.rotate(Options{New: true})
	requireReason(t, err, Waiting)
	require.Equal(t, 2, w.issuer.issued, "no second new value while the first waits")

	w.now = w.now.Add(25 * time.Hour)
	w.rotated(w.rotate(Options{}))
}

func TestAnOldValueThatDoesNotDieIsADebt(t *testing.T) {
	w := newWorld(t)
	w.issuer.keeps = true
	r, err := w.rotate(Options{Grace: noGrace})
	requireReason(t, err, Failed)
	require.NotEqual(t, journal.Done, r.State)
	require.Len(t, r.Debts, 1)
	require.Empty(t, r.Revoked.ConfirmedAt, "no date before the service refuses it")
	require.NotEmpty(t, w.holds(PreviousPath(entryPath)))
	w.issuer.keeps = false
	w.rotated(w.rotate(Options{}))
}

func TestAPassThatIsNotPushedKeepsTheOldValueAlive(t *testing.T) {
	w := newWorld(t)
	_, err := w.rotate(Options{})
	requireReason(t, err, Waiting)
	w.pass.Pass("note\n", "insert", "-m", "acme/note")
	_, err = w.rotate(Options{Grace: noGrace})
	require.Error(t, err)
	require.Empty(t, w.retired)
	w.pass.Pass("", "git", "push")
	w.rotated(w.rotate(Options{Grace: noGrace}))
}

// TestKilledAnywhere kills the run at every line of progress in turn; the same
// call afterwards ends the rotation, and the person was not asked for a second
// value once the first was safe.
func TestKilledAnywhere(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t)
		if !w.killedAt(n, Options{Grace: noGrace}) {
			require.Greater(t, n, 6, "a rotation has more lines than that")
			return
		}
		last := w.last().State // after DONE the next call is a new rotation
		safe := !last.Finished() && (w.holds(PendingPath(entryPath)) != "" || last.AtLeast(journal.Grace))
		issued := w.issuer.issued
		r, err := w.rotate(Options{Grace: noGrace})
		require.NoError(t, err, "killed at line %d", n)
		require.Equal(t, journal.Done, r.State, "killed at line %d", n)
		require.Contains(t, w.issuer.alive(), w.holds(entryPath))
		require.NotContains(t, w.retired, w.holds(entryPath))
		if safe {
			require.Equal(t, issued, w.issuer.issued, "killed at line %d: a value that was safe was thrown away", n)
		}
	}
}

func TestAnotherLivingHolderKeepsUsOut(t *testing.T) {
	w := newWorld(t)
	cmd := exec.Command("sleep", "600")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	leased := filepath.Join(w.journal, journal.Root, ".leases", "acme", "000001.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(leased), 0o700))
	host, err := os.Hostname()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(leased, fmt.Appendf(nil, `{"format":1,"number":1,"name":"acme","holder":{"user":"eve","host":%q,"pid":%d},"until":%q}`,
		host, cmd.Process.Pid, time.Now().Add(time.Minute).Format(time.RFC3339)), 0o600))

	_, err = w.rotate(Options{})
	requireReason(t, err, Held)
	require.ErrorContains(t, err, "eve on "+host)
	require.Equal(t, 1, w.issuer.issued)

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	_, err = w.rotate(Options{Grace: noGrace})
	require.NoError(t, err, "a dead holder's lease is taken over")
}

func requireReason(t *testing.T, err error, reason Reason) {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, reason, e.Reason, "%v", err)
}

// TestOnlyWhatMovedIsRetired: with --entry the other entries keep their value,
// and killing "the old credential" would kill the one in use.
func TestOnlyWhatMovedIsRetired(t *testing.T) {
	v := func(s string) secrets.Value { return secrets.NewValue([]byte(s)) }
	key, hook := secrets.Entry{Path: "stripe/secret-key"}, secrets.Entry{Path: "stripe/webhook-secret", NoDoor: true}
	j := &job{secret: secrets.Secret{Entries: []secrets.Entry{key, hook}}, moved: []secrets.Entry{hook},
		old:  services.Credential{"secret-key": v("live"), "webhook-secret": v("old hook")},
		next: services.Credential{"secret-key": v("live"), "webhook-secret": v("new hook")}}
	require.Len(t, j.retired(), 1)
	require.True(t, j.retired()["webhook-secret"].Equal(v("old hook")))
}

// TestATypedValueIsNotDroppedInSilence: an unfinished rotation has its own new
// value; another one on standard input is refused, not ignored.
func TestATypedValueIsNotDroppedInSilence(t *testing.T) {
	w := newWorld(t)
	_, err := w.rotate(Options{})
	requireReason(t, err, Waiting)
	_, err = w.rotate(Options{Grace: noGrace, Typed: services.Credential{"api-key": secrets.NewValue([]byte(w.issuer.make("acct_1")))}})
	requireReason(t, err, Misused)
	require.Empty(t, w.retired)
	w.issuer.account = map[string]string{w.holds(entryPath): "acct_1", w.holds(PreviousPath(entryPath)): "acct_1"}
	w.rotated(w.rotate(Options{Grace: noGrace}))
}

// TestABadMomentOfTheServiceIsNoDeath: one refusal of a living value is neither
// a reason to call it dead in the plan nor the date of its death.
func TestABadMomentOfTheServiceIsNoDeath(t *testing.T) {
	w := newWorld(t)
	w.issuer.moody = 1
	r, err := w.rotate(Options{})
	requireReason(t, err, Waiting)
	require.False(t, w.last().OldDead)
	require.Equal(t, journal.Grace, r.State)
	w.issuer.moody, w.issuer.keeps = 1, true
	r, err = w.rotate(Options{Grace: noGrace})
	requireReason(t, err, Failed)
	require.Len(t, w.retired, 1, "the person was asked: the value lived")
	require.Empty(t, r.Revoked.ConfirmedAt)
}

// TestAValueWithoutADoorNeedsAPersonsWord: that the service refuses the other
// entry of the credential says nothing about this one.
func TestAValueWithoutADoorNeedsAPersonsWord(t *testing.T) {
	w := newWorld(t)
	w.pass.Insert(map[string]string{"acme/hook": "hook-1"})
	w.secret.Entries = append(w.secret.Entries, secrets.Entry{Path: "acme/hook", NoDoor: true})
	old := w.holds(entryPath)
	typed := services.Credential{"api-key": secrets.NewValue([]byte(w.issuer.make("acct_1"))), "hook": secrets.NewValue([]byte("hook-2"))}
	_, err := w.rotate(Options{Typed: typed})
	requireReason(t, err, Waiting)
	delete(w.issuer.account, old) // it expired by itself
	r, err := w.rotate(Options{Grace: noGrace})
	require.NoError(t, err)
	require.Len(t, w.retired, 1, "somebody was asked about the hook")
	require.Contains(t, r.Revoked.Evidence, "stated: old hook")
}

func TestAnEditDuringARotationIsNotOverwritten(t *testing.T) {
	w := newWorld(t)
	require.True(t, w.killedAt(4, Options{Grace: noGrace}))
	require.NotEmpty(t, w.holds(PendingPath(entryPath)))
	edited := w.issuer.make("acct_1")
	w.edit(edited)
	before := w.last().Number
	_, err := w.rotate(Options{Grace: noGrace})
	require.ErrorContains(t, err, "was edited since")
	require.Equal(t, edited, w.holds(entryPath))
	require.Equal(t, before, w.last().Number, "nothing was begun")
}

func TestHalfAPairIsRefused(t *testing.T) {
	w := newWorld(t)
	w.secret.Pair = true
	w.pass.Insert(map[string]string{"acme/user": "user-1"})
	w.secret.Entries = append(w.secret.Entries, secrets.Entry{Path: "acme/user"})
	_, err := w.rotate(Options{Entry: "user"})
	requireReason(t, err, Misused)
	_, err = w.rotate(Options{Typed: services.Credential{"api-key": secrets.NewValue([]byte(w.issuer.make("acct_1")))}})
	requireReason(t, err, Misused)
	require.Zero(t, w.last().Number)
}
