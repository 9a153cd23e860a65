package rotation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// A deployment that is begun again with the same values has nothing to write, so
// its first time counts; another value or direction is another write.
func TestWrittenSince(t *testing.T) {
	hour := func(h int) time.Time { return time.Date(2026, 1, 1, h, 0, 0, 0, time.UTC) }
	event := func(h int, rotation string, state journal.State, step, to string) journal.Event {
		return journal.Event{Time: hour(h), Rotation: rotation, State: state, Step: step, Entries: map[string]journal.Move{"key": {From: "old", To: secrets.Fingerprint(to)}}}
	}
	log := []journal.Event{
		event(1, "a", journal.Planned, "planned", "x"), event(2, "a", journal.Deploying, stepDeploying+"s", "x"),
		event(3, "a", journal.Verified, "proved", "x"), event(4, "b", journal.Deploying, stepDeploying+"s", "x"),
		event(5, "b", journal.Deploying, stepDeploying+"s", "x"), event(6, "b", journal.Verified, "proved", "x"),
		event(7, "b", journal.Deploying, stepDeploying+"s", "y"), event(8, "b", journal.RollingBack, stepDeploying+"s", "y"),
	}
	for n, want := range map[int]int{2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 7, 8: 8} {
		require.Equal(t, hour(want), WrittenSince(log[:n]), n)
	}
	require.Zero(t, WrittenSince(log[:1]))
	require.Zero(t, WrittenSince([]journal.Event{event(1, "c", journal.Adopting, stepTakingOver+"s", "x")}), "nothing was written")
}
