package rotation

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// deadPID is the number of a process that has ended.
func deadPID(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	require.NoError(t, cmd.Run())
	return cmd.Process.Pid
}

// A killed run's CLI takes its lock when the next run has written events of its
// own already: it is ours all the same. What counts is when the rotation first
// deployed, where, and that the process is dead.
func TestLocksOfKilledRunsAreToldFromOthers(t *testing.T) {
	self, dead := journal.Self(), deadPID(t)
	killed := self
	killed.PID, killed.Started = dead, ""
	elsewhere := killed
	elsewhere.Namespace = "pid:[1]"
	at := func(seconds int) time.Time { return time.Date(2026, 1, 1, 0, 0, seconds, 0, time.UTC) }
	event := func(seconds int, holder journal.Holder, step string) journal.Event {
		return journal.Event{Rotation: "r", Time: at(seconds), State: journal.Deploying, Step: step, Holder: holder}
	}
	lock := func(seconds, pid int) engine.Lock {
		return engine.Lock{Host: self.Host, User: self.User, Pid: pid, Time: at(seconds)}
	}
	foreign := lock(15, dead)
	foreign.User = "ann"
	first, again := event(10, killed, stepDeploying+"s"), event(20, self, stepDeploying+"s")
	other := first
	other.Rotation = "before"
	for name, c := range map[string]struct {
		events []journal.Event
		lock   engine.Lock
		atWork []int
		want   string
	}{
		"taken after the rerun's own event":             {[]journal.Event{first, again}, lock(21, dead), nil, "left"},
		"taken between the two":                         {[]journal.Event{first, again}, lock(15, dead), nil, "left"},
		"of an adoption":                                {[]journal.Event{event(10, killed, stepTakingOver+"s")}, lock(15, dead), nil, "left"},
		"from before the first deployment":              {[]journal.Event{first, again}, lock(9, dead), nil, "others"},
		"from the rotation before":                      {[]journal.Event{other, event(20, self, stepDeploying+"s")}, lock(15, dead), nil, "others"},
		"no deployment has begun":                       {[]journal.Event{event(10, killed, "planned")}, lock(15, dead), nil, "others"},
		"another user's":                                {[]journal.Event{first, again}, foreign, nil, "others"},
		"alive, and a run was killed":                   {[]journal.Event{first, again}, lock(15, self.PID), nil, "waited for"},
		"alive, and no run was killed":                  {[]journal.Event{again}, lock(21, self.PID), nil, "others"},
		"of a process that is known to be a killed run": {nil, lock(5, self.PID), []int{self.PID}, "waited for"},
		"perhaps of another container":                  {[]journal.Event{event(10, elsewhere, stepDeploying+"s"), again}, lock(21, dead), nil, "others"},
	} {
		t.Run(name, func(t *testing.T) {
			var d deployments
			if len(c.events) > 0 {
				d = deploymentsOf(c.events)
			}
			left, others := d.abandoned([]engine.Lock{c.lock}, c.atWork)
			got := "waited for"
			switch {
			case len(left) == 1:
				got = "left"
			case len(others) == 1:
				got = "others"
			}
			require.Equal(t, c.want, got)
		})
	}
}
