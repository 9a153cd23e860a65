package rotation

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// failsToStore has pass refuse so many commits that stage a value.
func (w *world) failsToStore(times int) {
	left := filepath.Join(w.t.TempDir(), "left")
	hook := filepath.Join(w.pass.Dir, ".git", "hooks", "commit-msg")
	require.NoError(w.t, os.MkdirAll(filepath.Dir(hook), 0o755))
	for range times {
		f, err := os.OpenFile(left, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(w.t, err)
		_, err = f.WriteString("x\n")
		require.NoError(w.t, err)
		require.NoError(w.t, f.Close())
	}
	script := "#!/bin/sh\ngrep -q '^Stage' \"$1\" || exit 0\n[ -s '" + left + "' ] || exit 0\nsed -i 1d '" + left + "'\nexit 1\n"
	require.NoError(w.t, os.WriteFile(hook, []byte(script), 0o755))
}

// A credential whose value could not be stored is revoked at once.
func TestWhatCouldNotBeStoredIsRevoked(t *testing.T) {
	w := newWorld(t).byAPI()
	old := w.holds(entryPath)
	w.failsToStore(1)
	_, err := w.rotate(Options{Grace: noGrace})
	requireReason(t, err, Failed)
	require.Equal(t, []string{old}, w.living())
	w.rotated(w.rotate(Options{Grace: noGrace}))
}

// A typed value is stored again by the same run, if a person says so.
func TestATypedValueIsStoredAgain(t *testing.T) {
	for name, made := range map[string]func(*world) Options{
		"at a prompt": func(*world) Options { return Options{Grace: noGrace} },
		"on standard input": func(w *world) Options {
			return Options{Grace: noGrace, Typed: services.Credential{"api-key": secrets.NewValue([]byte(w.issuer.make("acct_1")))}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.failsToStore(2)
			w.rotated(w.rotate(made(w)))
			require.Equal(t, 2, w.issuer.issued)
			require.Len(t, w.confirmed, 2)
		})
	}
	w := newWorld(t)
	w.failsToStore(1)
	w.refuse = true
	_, err := w.rotate(Options{Grace: noGrace})
	requireReason(t, err, Failed)
	require.ErrorContains(t, err, "NOT stored")
}

// Wrong recipients show before anything is issued.
func TestNothingIsIssuedThatCouldNotBeStored(t *testing.T) {
	w := newWorld(t).byAPI()
	require.NoError(t, os.WriteFile(filepath.Join(w.pass.Dir, ".gpg-id"), []byte("nobody@example.invalid\n"), 0o600))
	w.pass.Run("", "sh", "-c", "cd '"+w.pass.Dir+"' && git add -A && git commit -qm ids && git push -q")
	_, err := w.rotate(Options{Grace: noGrace})
	require.Error(t, err)
	require.Equal(t, 1, w.issuer.issued)
	require.Empty(t, w.last().State)
	left, err := filepath.Glob(filepath.Join(w.pass.Dir, ".*trial*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// interrupts ends the run's context as a step begins.
type interrupts struct {
	Watcher
	step string
	stop context.CancelFunc
}

func (i interrupts) Begin(secret, step string) Line {
	if step == i.step {
		i.stop()
	}
	return i.Watcher.Begin(secret, step)
}

// A run that is interrupted just after a value was made stores it before it ends:
// the next run goes on with it, and none is made twice.
func TestAnInterruptedRunStoresWhatWasJustMade(t *testing.T) {
	for name, w := range map[string]*world{"at a prompt": newWorld(t), "by the service's API": newWorld(t).byAPI()} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			r := w.rotator()
			r.Watch = interrupts{r.Watch, "storing the new value in pass", stop}
			_, err := r.Rotate(ctx, []string{"acme"}, Options{Grace: noGrace})
			require.ErrorIs(t, err, context.Canceled)
			require.NotEmpty(t, w.holds(PendingPath(entryPath)))
			w.rotated(w.rotate(Options{Grace: noGrace}))
			require.Equal(t, 2, w.issuer.issued)
		})
	}
}
