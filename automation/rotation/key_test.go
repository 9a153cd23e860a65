package rotation

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

const keyFile = secrets.FingerprintKeyPath + ".gpg"

// noKey takes the key out of the world's pass, as before a first rotation.
func (w *world) noKey() *world {
	w.pass.Git("rm", "-q", "--", keyFile)
	w.pass.Git("commit", "-qm", "no key")
	w.pass.Git("push", "-q")
	return w
}

// fresh is a world whose pass never held a key of fingerprints.
func fresh(t *testing.T) *world {
	w := newWorld(t)
	w.pass.Git("reset", "-q", "--hard", "HEAD")
	return w.noKey()
}

// A run was killed when the key stood in the work tree and in no commit: it is
// undone by the recovery, and the rotation that follows is whole.
func TestAKeyThatWasNeverCommittedIsNotUsed(t *testing.T) {
	w := fresh(t)
	require.NoError(t, os.MkdirAll(filepath.Join(w.pass.Store.Dir(), "rotation"), 0o700))
	ciphertext, err := os.ReadFile(filepath.Join(w.pass.Store.Dir(), entryPath+".gpg"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(w.pass.Store.Dir(), keyFile), ciphertext, 0o600))
	r := w.rotator()
	key, err := r.Keys.Key(t.Context())
	require.NoError(t, err)
	require.True(t, key.IsZero(), "what is in no commit is no key")
	_, err = r.Rotate(t.Context(), []string{"acme"}, Options{Grace: noGrace})
	require.Error(t, err, "a file that nobody committed is left to a person")
	require.Zero(t, w.last().Number)

	require.NoError(t, os.Remove(filepath.Join(w.pass.Store.Dir(), keyFile)))
	w.rotated(w.rotate(Options{Grace: noGrace}))
	signer, err := secrets.NewSigner(must(w.rotator().Keys.Key(t.Context())))
	require.NoError(t, err)
	require.Equal(t, signer.KeyID(), w.last().KeyID)
	shared, err := store.Shared(t.Context(), w.pass.Store, secrets.FingerprintKeyPath)
	require.NoError(t, err)
	require.True(t, shared, "the key is at the remote")
	w.rotated(w.rotate(Options{Grace: noGrace}))
	require.Len(t, w.retired, 2, "the second rotation moved a value, too")
}

// An event under a key that only this clone has could be read by nobody else: the
// remote has the key first.
func TestNoEventBeforeTheKeyIsAtTheRemote(t *testing.T) {
	w := fresh(t)
	issued := w.issuer.issued
	accept := w.refuseCommits("fingerprints")
	_, err := w.rotate(Options{Grace: noGrace})
	require.Error(t, err)
	require.Zero(t, w.last().Number)
	require.Equal(t, issued, w.issuer.issued)
	accept()
	w.rotated(w.rotate(Options{Grace: noGrace}))
}

// Events of before signatures name no key. Their values are known under one all the
// same, and pass does not get another.
func TestNoNewKeyBesideAnUnsignedJournal(t *testing.T) {
	w := newWorld(t)
	log, err := journal.InDir(w.journal).Open(t.Context(), "other")
	require.NoError(t, err)
	require.NoError(t, log.Append(t.Context(), journal.Event{Rotation: "r", State: journal.Done}))
	w.noKey()
	_, err = w.rotate(Options{Grace: noGrace})
	var key *journal.KeyError
	require.ErrorAs(t, err, &key)
	require.Equal(t, "other", key.Name)
	require.NotContains(t, err.Error(), "key ,", "it has no id to name")
	require.False(t, w.pass.Store.Exists(secrets.FingerprintKeyPath))
	var own *Error
	require.ErrorAs(t, err, &own)
	require.Contains(t, own.Next[0], "pass git checkout ")
}

func must(v secrets.Value, err error) secrets.Value {
	if err != nil {
		panic(err)
	}
	return v
}

// The key is exchanged or removed in pass: nothing is rotated with another one, and
// the way out is a command that brings it back.
func TestAnotherKeyIsRefusedWithTheCommandThatRestoresTheRightOne(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"removed": func(w *world) { w.noKey() },
		"exchanged": func(w *world) {
			w.pass.Insert(map[string]string{secrets.FingerprintKeyPath: "another key"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.rotated(w.rotate(Options{Grace: noGrace}))
			events, value := w.last().Number, w.holds(entryPath)
			change(w)
			_, err := w.rotate(Options{Grace: noGrace})
			requireReason(t, err, Failed)
			var key *journal.KeyError
			require.ErrorAs(t, err, &key)
			require.Equal(t, events, w.last().Number, "nothing was written")
			require.Equal(t, value, w.holds(entryPath))

			var own *Error
			require.True(t, errors.As(err, &own))
			command, ok := strings.CutPrefix(own.Next[0], "pass git checkout ")
			require.True(t, ok, own.Next[0])
			commit, _, _ := strings.Cut(command, " ")
			w.pass.Git("checkout", commit, "--", keyFile)
			w.pass.Git("commit", "-qm", "restored", "--", keyFile)
			w.pass.Git("push", "-q")
			w.rotated(w.rotate(Options{Grace: noGrace}))
		})
	}
}

// Two clones rotate for the first time at one moment: the second finds its push
// refused, and takes the first one's key.
func TestTheSecondOfTwoFirstRotationsTakesTheKeyOfTheFirst(t *testing.T) {
	for name, killed := range map[string]bool{"refused push": false, "killed before its push": true} {
		t.Run(name, func(t *testing.T) {
			w := fresh(t)
			other := w.pass.Clone()
			theirs := secrets.NewValue([]byte("theirs"))
			push := func() {
				require.NoError(t, other.Store.Write(t.Context(), "their key", store.Change{Path: secrets.FingerprintKeyPath, Content: theirs}))
				require.NoError(t, other.Store.Push(t.Context()))
			}
			r := w.rotator()
			if killed {
				require.NoError(t, w.pass.Store.Write(t.Context(), "our key", store.Change{Path: secrets.FingerprintKeyPath, Content: secrets.NewValue([]byte("ours"))}))
				push()
			} else {
				r.Person = &pushing{world: w, push: push}
			}
			_, err := r.Rotate(t.Context(), []string{"acme"}, Options{Grace: noGrace})
			require.NoError(t, err)
			require.Equal(t, journal.Done, w.last().State)
			signer, err := secrets.NewSigner(theirs)
			require.NoError(t, err)
			require.Equal(t, signer.KeyID(), w.last().KeyID)
			require.Equal(t, "theirs", w.holds(secrets.FingerprintKeyPath))
		})
	}
}

// pushing is a person during whose answer another clone pushes.
type pushing struct {
	*world
	push func()
}

func (p *pushing) Agree(ctx context.Context, plan *Plan) error {
	p.push()
	return p.world.Agree(ctx, plan)
}

// Every consumer runs with pass's value already, and the value before it is nowhere:
// that is no rotation, whatever a person says.
func TestWhatMovedNoValueIsTakenOverAtMost(t *testing.T) {
	w := newWorld(t)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	r := w.rotator()
	run := &run{Rotator: r}
	s := w.secret
	v := secrets.NewValue([]byte(w.holds(entryPath)))
	j := &job{secret: s, source: fromPass, moved: s.Entries, report: newReport("acme"),
		next: map[string]secrets.Value{"api-key": v}, old: map[string]secrets.Value{}, current: map[string]secrets.Value{"api-key": v}}
	run.inUse(t.Context(), j)
	require.Equal(t, fromUse, j.source)
	require.True(t, takenOver(j))

	log, err := r.Journal.Open(t.Context(), "acme")
	require.NoError(t, err)
	j.log, j.id, j.state = log, "sham", journal.Promoted
	require.NoError(t, run.retire(t.Context(), j))
	require.Equal(t, journal.Adopted, w.last().State)
	require.Zero(t, w.last().RevokedAt)
	require.Len(t, w.retired, 1, "nobody was asked to revoke what is not known")

	// Where the old value is known, it is a rotation.
	j.old["api-key"], j.source = secrets.NewValue([]byte("key_00000000000000000000000000")), fromPass
	run.inUse(t.Context(), j)
	require.Equal(t, fromPass, j.source)
}

// The journal says that the old value is dead, and the service accepts it: the
// record is not closed on its own word.
func TestTheOldValueIsTriedAgainBeforeTheRecordIsClosed(t *testing.T) {
	w := newWorld(t)
	old := w.holds(entryPath)
	day := 24 * time.Hour
	_, err := w.rotate(Options{Grace: &day})
	requireReason(t, err, Waiting)
	w.forge(func(e *journal.Event) {
		e.State, e.RevokedAt, e.Evidence = journal.Revoking, w.now, "acme refuses the old api-key"
	})
	require.Contains(t, w.issuer.alive(), old)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	require.NotContains(t, w.issuer.alive(), old, "it was revoked before the record was closed")
	require.Equal(t, []string{old}, w.retired)
}

// An altered record stops every command that would act before anything is issued,
// and one command accepts it after the name was typed.
func TestADamagedRecordIsRefusedBeforeAnythingIsIssuedAndCanBeRepaired(t *testing.T) {
	w := newWorld(t)
	w.rotated(w.rotate(Options{Grace: noGrace}))
	file := filepath.Join(w.journal, journal.Root, "acme", "000002.json")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(data), `"step": "`, `"step": "x`, 1)), 0o600))
	issued, n := w.issuer.issued, w.last().Number
	for verb, call := range map[string]func() error{
		"rotate":   func() error { _, err := w.rotate(Options{Grace: noGrace, New: true}); return err },
		"rollback": func() error { _, err := w.rollback(); return err },
		"revoke": func() error {
			_, err := w.rotator().Revoke(t.Context(), []string{"acme"}, Options{Unproven: true})
			return err
		},
		"adopt": func() error { _, err := w.rotator().Adopt(t.Context(), []string{"acme"}, Options{}); return err },
	} {
		var damaged *journal.DamagedError
		require.ErrorAs(t, call(), &damaged, verb)
	}
	require.Equal(t, issued, w.issuer.issued)
	require.Equal(t, n, w.last().Number)

	w.refuse = true
	_, _, err = w.rotator().Repair(t.Context(), "acme")
	requireReason(t, err, Waiting)
	require.Equal(t, n, w.last().Number)
	w.refuse = false
	report, damaged, err := w.rotator().Repair(t.Context(), "acme")
	require.NoError(t, err)
	require.True(t, damaged)
	require.Equal(t, journal.Adopted, report.State)
	require.Equal(t, n+1, w.last().Number)
	require.NotEmpty(t, w.last().Promoted)
	w.rotated(w.rotate(Options{Grace: noGrace, New: true}))
	_, damaged, err = w.rotator().Repair(t.Context(), "acme")
	require.NoError(t, err)
	require.False(t, damaged, "there is nothing to repair any more")
}

// The wrong clock of a run before does not keep the old value alive in an emergency.
func TestGraceThatBeganInTheFutureEndsAtOnce(t *testing.T) {
	w := newWorld(t)
	now := w.now
	w.now = now.AddDate(70, 0, 0)
	day := 24 * time.Hour
	_, err := w.rotate(Options{Grace: &day})
	requireReason(t, err, Waiting)
	w.now = now
	require.True(t, w.last().PromotedAt.Before(now.Add(time.Hour)), "the store's clock says when it was written")
	w.rotated(w.rotate(Options{Grace: noGrace}))
}

func TestAnIDThatIsHalfOfTheCredentialStandsInNoEvent(t *testing.T) {
	key := secrets.NewValue([]byte("k"))
	r := &run{Rotator: &Rotator{Key: key}}
	half := "SCWABCDEFGHIJKLMNOPQ"
	j := &job{old: map[string]secrets.Value{"access-key": secrets.NewValue([]byte(half)), "api-secret": secrets.NewValue([]byte("s"))}}
	recorded := r.recordedID(j, half)
	require.NotContains(t, recorded, half)
	require.True(t, recordNames(recorded, half, key))
	require.True(t, recordNames(half, half, key), "a journal of before")
	require.False(t, recordNames(recorded, "SCWQPONMLKJIHGFEDCBA", key))
	require.NotContains(t, j.shownID(half), half[:8])
	require.Equal(t, "tok_1", r.recordedID(j, "tok_1"), "an id of its own stays as it is")
}
