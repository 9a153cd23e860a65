package rotation

import (
	"context"
	"errors"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// busyEvery is how long an up waits before it begins again because a service had
// not finished an earlier change.
const busyEvery = 2 * time.Second

// up runs one update of the stack, and again where what stopped it passes by
// itself: the lock of a killed run's update, or an earlier change of a container
// that is still under way. Both leave an update that can be repeated.
func (r *run) up(ctx context.Context, t *rollout.Target, hold, send map[string]secrets.Value, say func(string)) (rollout.Outcome, error) {
	began := time.Now()
	for {
		out, err := t.TakeOver(ctx, hold, send, r.message(), func(e engine.Event) { say("up: " + doing(e)) })
		var met *engine.Error
		if !errors.As(err, &met) {
			return out, err
		}
		var wait error
		switch since := time.Since(began); {
		case met.Kind == engine.Locked && out.Outcome == engine.NotApplied && since < orphanPatience:
			say("waiting for the update that a killed run had started")
			if wait = errors.Join(pause(ctx, orphanEvery), t.Reload(ctx)); wait == nil {
				wait = r.awaitOrphans(ctx, t)
			}
		case met.Kind == engine.Busy && since < r.Window.Limit:
			say("waiting for an earlier change to be finished")
			wait = errors.Join(pause(ctx, min(busyEvery, r.Window.Limit/10)), t.Reload(ctx))
		default:
			return out, err
		}
		if wait != nil {
			return out, wait
		}
		// The wait may have outlasted the lease.
		if r.lease != nil && r.lease.Check() != nil {
			return out, err
		}
	}
}
