package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// cut is a moment at which the program is killed: as soon as seen says so.
type cut struct {
	name string
	seen func(w *sandboxed) bool
}

// moments are inside a step, each told by its trace outside the journal.
func moments() map[string][]cut {
	return map[string][]cut{
		"at every service": {
			{"the new value is issued and stands nowhere yet", func(w *sandboxed) bool { return len(alive(w.truth(), "clerk", "secret-key")) > 1 }},
			{"stripe-backend is being updated", func(w *sandboxed) bool {
				return w.matches("state/.pulumi/locks/organization/stripe-backend/prod/*.json")
			}},
			{"pass holds the new value", func(w *sandboxed) bool { return w.matches("store/rotation/previous/verifieddit/clerk/secret-key.gpg") }},
			{"the old value is revoked", func(w *sandboxed) bool {
				return slices.ContainsFunc(w.truth().Credentials, func(c trueCredential) bool { return c.RevokedAt != nil && c.Service == "clerk" })
			}},
		},
		"between Cloudflare and Pulumi": {
			{"the Worker has the new value and its up goes on", func(w *sandboxed) bool { return len(w.truth().Workers[badges].Versions) > 1 }},
		},
	}
}

func (w *sandboxed) matches(pattern string) bool {
	found, err := filepath.Glob(filepath.Join(w.dir, filepath.FromSlash(pattern)))
	return err == nil && len(found) > 0
}

// Killed without warning at moments that only the far end shows, again and
// again: the same command ends well, and nobody ever stood without a
// credential. The moments between the program's own steps, each and every one,
// are those of `make test-kill`.
func TestKilledAnywhereTheSameCommandEndsWell(t *testing.T) {
	t.Parallel()
	for name, cuts := range moments() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			old := w.pass(clerkKey)
			w.never(starving, func() {
				for _, c := range cuts {
					w.killWhen(c, "rotate", "--secret", "clerk", "--yes")
				}
				w.goesOn(old)
			})
		})
	}
}

// killWhen starts the program and kills it the moment seen is true.
func (w *sandboxed) killWhen(c cut, args ...string) {
	w.t.Helper()
	cmd := w.command(shared.binary, append(args, "--sandbox="+w.dir)...)
	require.NoError(w.t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(patience); ; <-tick.C {
		select {
		case err := <-ended:
			require.FailNow(w.t, "it ended before it could be killed", "%s: %v", c.name, err)
		default:
		}
		if c.seen(w) {
			break
		}
		require.True(w.t, time.Now().Before(limit), "the moment never came: %s", c.name)
	}
	require.NoError(w.t, cmd.Process.Signal(syscall.SIGKILL))
	<-ended
}

// goesOn requires that the same command takes the same rotation to its end.
func (w *sandboxed) goesOn(old string) {
	w.t.Helper()
	r := w.run("rotate", "--secret", "clerk", "--yes")
	// A Pulumi CLI that the killed program had started may go on for a moment:
	// its lock is respected, and told.
	for limit := time.Now().Add(patience); r.code == 5 && time.Now().Before(limit); {
		require.Contains(w.t, r.stderr, "holds the stack's lock")
		r = w.run("rotate", "--secret", "clerk", "--yes")
	}
	require.Zero(w.t, r.code, tail(r.stderr, 25))
	events := w.events("clerk")
	require.Equal(w.t, journal.Done, events[len(events)-1].State)
	for _, e := range events {
		require.Equal(w.t, events[0].Rotation, e.Rotation, "a second rotation was begun")
	}
	now := w.swapped("clerk", clerkKey, old)
	for _, name := range []string{badges, payments} {
		require.Equal(w.t, now, w.truth().Consumers[name].RunsWith["CLERK_SECRET_KEY"], name)
	}
	w.storeHoldsNoLeftovers()
	preview := w.must("preview", "--secret", "clerk", "--json").stdout
	require.Contains(w.t, preview, badges)
	require.NotRegexp(w.t, `"op": *"(create|update|replace|delete)`, preview, "the stacks do not stand as their config says")
}

func (w *sandboxed) storeHoldsNoLeftovers() {
	w.t.Helper()
	require.Empty(w.t, w.passCommand("", "git", "status", "--porcelain").stdout)
	for _, left := range []string{"pending", "previous"} {
		require.NoDirExists(w.t, filepath.Join(w.dir, "store", "rotation", left))
	}
	here := w.passCommand("", "git", "rev-parse", "HEAD").stdout
	require.Equal(w.t, here, w.exec("", "git", "--git-dir="+filepath.Join(w.dir, "store.git"), "rev-parse", "main").stdout, "the store is not pushed")
}

// starving names the consumers that run without a living credential.
func starving(w *sandboxed) string {
	truth := w.truth()
	living := map[string]bool{}
	for _, c := range truth.Credentials {
		living[c.Value] = living[c.Value] || c.Alive
	}
	for name, c := range truth.Consumers {
		for variable, value := range c.RunsWith {
			if !living[value] {
				return name + " runs with a dead " + variable
			}
		}
		if len(c.RunsWith) != 3 {
			return fmt.Sprintf("%s runs with %v only", name, sorted(c.RunsWith))
		}
	}
	return ""
}

// never looks at the world every few milliseconds while f runs.
func (w *sandboxed) never(bad func(*sandboxed) string, f func()) {
	w.t.Helper()
	stop, found := make(chan struct{}), make(chan string, 1)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		looks := 0
		for {
			select {
			case <-stop:
				found <- ""
				return
			case <-tick.C:
				looks++
				if what := bad(w); what != "" {
					found <- fmt.Sprintf("%s (look %d)", what, looks)
					return
				}
			}
		}
	}()
	defer func() { require.Empty(w.t, <-found) }()
	defer close(stop)
	f()
}
