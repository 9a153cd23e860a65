package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
)

// Free refuses a stack on which an update is under way, or was cut off.
func (t *Target) Free() error {
	if len(t.State.Locks) > 0 {
		l := t.State.Locks[0]
		return &engine.Error{Kind: engine.Locked, Stack: t.Name, Step: "looking at the state",
			Holder: fmt.Sprintf("%s on %s (process %d, since %s)", l.User, l.Host, l.Pid, l.Time.Format(time.RFC3339)),
			Err:    errors.New("another update holds the stack's lock"),
			Next:   "wait for it to end; if it is dead: go run . unlock --stack " + t.Entry.Name}
	}
	return nil
}

// Unlock takes these locks away and reads the state anew. It is for locks whose
// holders are proven dead.
func (t *Target) Unlock(ctx context.Context, locks []engine.Lock) error {
	for _, l := range locks {
		if err := t.stack.Unlock(ctx, l); err != nil {
			return err
		}
	}
	return t.Reload(ctx)
}

// Reload reads the state anew.
func (t *Target) Reload(ctx context.Context) (err error) {
	t.State, err = t.stack.State(ctx)
	return err
}

// Orphans are the CLIs that killed runs have left at work on the stack, by
// process id; one may not have taken its lock yet.
func (t *Target) Orphans() []int { return t.stack.Orphans() }

// CheckSpace returns an error where an up of the stack would find its disk full.
func (t *Target) CheckSpace(ctx context.Context) error { return t.stack.CheckSpace(ctx) }
