//go:build slow

package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// Killed at every event of its journal, an adoption goes on with the same
// command, with another value at the Worker that --roll replaces; and it is not
// in the way of a rotation.
func TestKillAnAdoptionAtEveryEvent(t *testing.T) {
	for name, then := range map[string]journal.State{"adopt": journal.Adopted, "rotate": journal.Done} {
		for _, moment := range []string{"before", "after"} {
			t.Run(name+" "+moment, func(t *testing.T) {
				t.Parallel()
				for n := 1; ; n++ {
					require.Less(t, n, enough, "it never ended by itself")
					if !adoptionEndsWell(t, fmt.Sprint(moment, ":", n), name, then) {
						require.Greater(t, n, 2, "the journal is not written before every effect")
						return
					}
				}
			})
		}
	}
}

// adoptionEndsWell reports whether the adoption was killed at that moment.
func adoptionEndsWell(t *testing.T, moment, then string, end journal.State) bool {
	w := newWorld(t)
	if then == "adopt" {
		w.disturb("tamper", "worker-secret", badges, "CLERK_SECRET_KEY", "sk_live_somebodyelsesvalue0000000")
	}
	program, err := crashing()
	require.NoError(t, err)
	r := w.with("SECRET_ROTATION_CRASH="+moment).exec("", program, "adopt", "--secret", "clerk", "--roll", "--yes", "--sandbox="+w.dir)
	died := r.code != 0
	if then == "adopt" {
		w.patiently("adopt", "--secret", "clerk", "--roll", "--yes")
	} else {
		w.patiently("rotate", "--secret", "clerk", "--new", "--yes")
	}
	events := w.events("clerk")
	require.Equal(t, end, events[len(events)-1].State)
	require.Equal(t, w.pass(clerkKey), w.truth().Consumers[badges].RunsWith["CLERK_SECRET_KEY"])
	require.Equal(t, w.pass(clerkKey), w.truth().Consumers[payments].RunsWith["CLERK_SECRET_KEY"])
	return died
}
