package rotation

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
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
		var warnings []string
		out, err := t.TakeOver(ctx, hold, send, r.message(), func(e engine.Event) {
			say("up: " + doing(e))
			if e.Kind == engine.EventMessage {
				warnings = append(warnings, services.Printable(e.Text))
			}
		})
		if err == nil {
			r.ups.note(t.Entry.Name, warnings, r.releaseLock(ctx, t))
		}
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

// releaseLock looks whether the update that has just ended took its lock away,
// and does so where it did not. The error says that the lock stays.
func (r *run) releaseLock(ctx context.Context, t *rollout.Target) error {
	deployments, err := r.deployments(ctx, t)
	if err != nil || t.Reload(ctx) != nil {
		return nil // the next step that needs them says so
	}
	left, _ := deployments.abandoned(t.State.Locks, nil)
	if len(left) == 0 {
		return nil
	}
	return t.Unlock(ctx, left)
}

// upNotes is what the ups of a run have left to tell, by stack of the catalog.
type upNotes struct {
	mu       sync.Mutex
	warnings map[string][]string
	locked   map[string]error
}

// note keeps an up's warnings, and why its lock stays.
func (n *upNotes) note(stack string, warnings []string, locked error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.warnings == nil {
		n.warnings, n.locked = map[string][]string{}, map[string]error{}
	}
	n.warnings[stack] = append(n.warnings[stack], warnings...)
	if locked != nil {
		n.locked[stack] = locked
	}
}

// lockedError says which stacks stay locked although everything was done; nil if
// none does.
func (n *upNotes) lockedError() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.locked) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(n.locked))
	e := &Error{Reason: Untold, Step: "releasing the lock of stack " + strings.Join(names, ", "), Err: n.locked[names[0]],
		Detail: "everything else was done, but the next up of it will find it locked", Next: []string{"go run . doctor"}}
	for _, name := range names {
		e.Next = append(e.Next, "go run . unlock --stack "+name)
	}
	return e
}

// warned is what the up of a consumer's stack warned of, to be put after why the
// consumer proves nothing: a container that did not come up runs on as it was,
// and only its service knows why. Empty where there was no warning.
func (r *run) warned(j *job, consumer string) string {
	r.ups.mu.Lock()
	defer r.ups.mu.Unlock()
	for _, c := range j.secret.Consumers {
		if texts := r.ups.warnings[c.Stack]; c.Name == consumer && c.Stack != "" && len(texts) > 0 {
			return "; the up of " + c.Stack + " warned: " + strings.Join(texts, "; ")
		}
	}
	return ""
}
