//go:build slow

package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// killed is a command that is killed, and the one that is typed after it.
type killed struct {
	subject     subject
	first, then []string
	// prepared makes the world that each kill gets a copy of, and says what it
	// was before.
	prepared func(t *testing.T) *origin
}

// origin is a world to copy, and what it was before anything was done in it.
type origin struct {
	dir    string
	before world.Truth
	old    map[string]string
	runs   []ranOnce
	base   string
}

func killedCommands() map[string]killed {
	rotate := func(name string) []string { return []string{"rotate", "--secret", name, "--yes", "--grace", "0"} }
	return map[string]killed{
		"rotate clerk":      {subjects()["clerk"], rotate("clerk"), rotate("clerk"), nil},
		"rotate cloudflare": {subjects()["cloudflare"], rotate("cloudflare"), rotate("cloudflare"), nil},
		"rollback clerk":    {subjects()["clerk"], []string{"rollback", "--secret", "clerk", "--yes"}, rotate("clerk"), inGrace},
	}
}

// inGrace is a world whose clerk key is rotated and whose old one still lives.
func inGrace(t *testing.T) *origin {
	w := newWorld(t)
	o := unwatched(w, subjects()["clerk"], w.truth()).first()
	_, r := o.runKilled("", "rotate", "--secret", "clerk", "--yes", "--grace", "24h")
	require.Equal(t, 6, r.code, tail(r.stderr, 20))
	endAgents(w.dir)
	return &origin{dir: w.dir, before: o.before, old: o.old, runs: o.runs, base: o.base}
}

// world is a fresh one for one kill.
func (k killed) world(t *testing.T, from *origin) *observed {
	t.Helper()
	if from == nil {
		w := newWorld(t)
		return observe(w, k.subject, w.truth()).first()
	}
	w := emptyWorld(t)
	require.NoError(t, copyWorld(from.dir, w.dir))
	o := observe(w, k.subject, from.before)
	o.old, o.runs, o.base = from.old, slices.Clone(from.runs), from.base
	o.rest()
	return o
}

// enough ends an enumeration that does not end by itself.
const enough = 40

// Killed without warning before and after every event of the journal, the same
// command ends well, and all that was ever seen from outside obeys I1..I17.
func TestKillAtEveryEvent(t *testing.T) {
	for name, k := range killedCommands() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var from *origin
			if k.prepared != nil {
				from = k.prepared(t)
			}
			for _, moment := range []string{"before", "after"} {
				t.Run(moment, func(t *testing.T) {
					t.Parallel()
					k.everyEvent(t, from, moment)
				})
			}
		})
	}
}

func (k killed) everyEvent(t *testing.T, from *origin, moment string) {
	for n := 1; ; n++ {
		require.Less(t, n, enough, "it never ended by itself")
		died := false
		t.Run(fmt.Sprint(moment, ":", n), func(t *testing.T) {
			o := k.world(t, from)
			died, _ = o.runKilled(fmt.Sprint(moment, ":", n), k.first...)
			if died {
				if moment == "before" {
					o.look() // after the others the next run comes at once
				}
				o.untilItEnds(k.then...)
			}
			o.endsWell(died)
		})
		if !died {
			require.Greater(t, n, 9, "the journal is not written before every effect")
			return
		}
		require.False(t, t.Failed() && n > 3, "more of the same is not wanted")
	}
}

// endsWell checks the history; one that nobody cut off ends at its first run.
func (o *observed) endsWell(died bool) {
	o.t.Helper()
	h := o.holdsInvariants()
	if !died {
		require.Zero(o.t, o.runs[len(o.runs)-1].code)
	}
	require.Contains(o.t, []journal.State{journal.Done, journal.RolledBack}, h.last().State)
	require.Empty(o.t, h.last().Debts)
}

// Killed, and killed again while it goes on, at moments drawn by lot.
func TestKillTwice(t *testing.T) {
	const draws = 4
	for name, k := range killedCommands() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var from *origin
			if k.prepared != nil {
				from = k.prepared(t)
			}
			lot := rand.New(rand.NewPCG(3, uint64(len(name))))
			draw := func() string { return fmt.Sprint([]string{"before", "after"}[lot.IntN(2)], ":", 1+lot.IntN(9)) }
			for range draws {
				first, second := draw(), draw()
				t.Run(first+" "+second, func(t *testing.T) {
					o := k.world(t, from)
					died, _ := o.runKilled(first, k.first...)
					require.True(t, died)
					died, r := o.runKilled(second, k.then...)
					if !died {
						require.Zero(t, r.code, tail(r.stderr, 20))
					} else {
						o.untilItEnds(k.then...)
					}
					o.endsWell(true)
				})
			}
		})
	}
}
