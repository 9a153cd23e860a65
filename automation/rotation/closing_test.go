package rotation

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// refuseCommits has pass's remote refuse every push whose newest commit has this
// word in its subject, until the returned function is called.
func (w *world) refuseCommits(word string) (accept func()) {
	hook := filepath.Join(w.pass.Remote, "hooks", "pre-receive")
	require.NoError(w.t, os.MkdirAll(filepath.Dir(hook), 0o755))
	script := "#!/bin/sh\nread old new ref\ngit log -1 --format=%s \"$new\" | grep -q '" + word + "' && exit 1\nexit 0\n"
	require.NoError(w.t, os.WriteFile(hook, []byte(script), 0o755))
	return func() { require.NoError(w.t, os.Remove(hook)) }
}

// The remote refuses the very last push, also of the next run, which has nothing to
// commit any more: no record is closed before the remote has it.
func TestNoRecordIsClosedBeforeTheRemoteHasPass(t *testing.T) {
	for name, tc := range map[string]struct {
		begin, call func(*world) (Report, error)
		open, end   journal.State
	}{
		"rotation": {func(*world) (Report, error) { return Report{}, nil },
			func(w *world) (Report, error) { return w.rotate(Options{Grace: noGrace}) }, journal.Revoking, journal.Done},
		"rollback": {func(w *world) (Report, error) { return w.rotate(Options{Grace: aDay}) },
			(*world).rollback, journal.RollingBack, journal.RolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, _ = tc.begin(w)
			accept := w.refuseCommits("is dead")
			for range 3 {
				r, err := tc.call(w)
				require.Error(t, err)
				require.Equal(t, tc.open, w.last().State)
				require.Len(t, r.Debts, 1)
			}
			accept()
			_, err := tc.call(w)
			require.NoError(t, err)
			require.Equal(t, tc.end, w.last().State)
			require.Empty(t, w.last().Debts)
			sync, err := w.pass.Store.Sync(t.Context())
			require.NoError(t, err)
			require.NoError(t, sync.Pushed())
		})
	}
}

// The key of the fingerprints, say, was committed by a run that was cut off.
func TestNothingIsAdoptedBeforeTheRemoteHasPass(t *testing.T) {
	w := newWorld(t)
	w.pass.Pass("note\n", "insert", "-m", "acme/note")
	accept := w.refuseCommits("note")
	adopt := func() error {
		_, err := w.rotator().Adopt(t.Context(), []string{"acme"}, Options{})
		return err
	}
	require.Error(t, adopt())
	require.NotEqual(t, journal.Adopted, w.last().State)
	accept()
	require.NoError(t, adopt())
	require.Equal(t, journal.Adopted, w.last().State)
}
