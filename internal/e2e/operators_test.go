//go:build slow

package e2e

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// rounds is how often two operators start at the same moment.
const rounds = 20

// operator is one of two who rotate at the same moment.
type operator struct {
	secret string
	pid    int
	result
}

// TestKillTwoOperators: two at once, on one secret or on two that share a stack.
// One proceeds, the other is refused and told who it is.
func TestKillTwoOperators(t *testing.T) {
	for name, secrets := range map[string][2]string{
		"the same secret":                {"clerk", "clerk"},
		"two secrets that share a stack": {"clerk", "stripe"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for range rounds / 2 {
				one, other := w.atOnce(secrets)
				if one.code != 0 {
					one, other = other, one
				}
				w.onlyOne(one, other)
			}
			for _, secret := range secrets {
				require.Len(t, alive(w.truth(), secret, "secret-key"), 1, "a second key lives")
			}
			w.storeHoldsNoLeftovers()
		})
	}
}

// atOnce has both rotate, the one beside the other.
func (w *sandboxed) atOnce(secrets [2]string) (operator, operator) {
	w.t.Helper()
	ended := make(chan operator)
	for i, secret := range secrets {
		go func() {
			file := filepath.Join(w.root, fmt.Sprint("pid", i))
			// The shell writes down its process id and becomes the program.
			r := w.exec("", "sh", "-c", `echo $$ >"$0"; exec "$@"`, file, shared.binary, "rotate", "--secret", secret, "--yes", "--grace", "0", "--sandbox="+w.dir)
			o := operator{secret: secret, result: r}
			raw, err := os.ReadFile(file)
			if err == nil {
				_, _ = fmt.Sscan(string(raw), &o.pid)
			}
			ended <- o
		}()
	}
	return <-ended, <-ended
}

// onlyOne requires that the winner came to its end alone, and that the loser
// was refused before it changed anything, with the winner's name.
func (w *sandboxed) onlyOne(winner, loser operator) {
	w.t.Helper()
	require.Equal(w.t, []int{0, 5}, []int{winner.code, loser.code}, "%s\n%s", tail(winner.stderr, 12), tail(loser.stderr, 12))
	host, err := os.Hostname()
	require.NoError(w.t, err)
	me, err := user.Current()
	require.NoError(w.t, err)
	require.Contains(w.t, loser.stderr, fmt.Sprintf("%s on %s (process %d", me.Username, host, winner.pid), "the holder is not named")
	require.Contains(w.t, loser.stderr, "next: ")
	events := w.events(winner.secret)
	last := events[len(events)-1]
	require.Equal(w.t, journal.Done, last.State)
	for _, e := range events {
		require.NotEqual(w.t, loser.pid, e.Holder.PID, "the one who was refused wrote event %d", e.Number)
		if e.Rotation == last.Rotation {
			require.Equal(w.t, winner.pid, e.Holder.PID)
		}
	}
	if loser.secret != winner.secret {
		for _, e := range w.events(loser.secret) {
			require.NotEqual(w.t, loser.pid, e.Holder.PID)
		}
	}
}
