package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// An update that a killed run had started goes on without it, or fails in its
// own time, and is waited for: existing projects' plugins are still at work.
const (
	orphanPatience = 2 * time.Minute
	orphanEvery    = 200 * time.Millisecond
)

// awaitOrphans waits until no update of a killed run of ours is at work on the
// stack, takes away the locks that such updates have left behind, and refuses a
// stack that somebody else updates. The CLI of a killed run may take its lock
// at any time until it ends, so that the absence of a lock says nothing.
func (r *run) awaitOrphans(ctx context.Context, t *rollout.Target) error {
	if err := t.Free(); r.options.PreviewOnly || err == nil && len(t.Orphans()) == 0 {
		return err
	}
	deployments, err := r.deployments(ctx, t)
	if err != nil {
		return err
	}
	line := r.Watch.Begin(t.Name, "waiting for the update that a killed run had started")
	for deadline := time.Now().Add(orphanPatience); ; {
		atWork := t.Orphans()
		if err := t.Reload(ctx); err != nil {
			line.Fail("its state cannot be read")
			return err
		}
		left, others := deployments.abandoned(t.State.Locks, atWork)
		if len(others) > 0 {
			line.Fail("another update holds its lock")
			return t.Free()
		}
		if err := t.Unlock(ctx, left); err != nil {
			line.Fail("its lock could not be taken away")
			return err
		}
		if len(atWork) == 0 && len(t.State.Locks) == 0 {
			line.Done("the update that a killed run had started has ended")
			return nil
		}
		if !time.Now().Before(deadline) {
			line.Fail("the update that a killed run had started goes on")
			return errors.Join(t.Free(), stillAtWork(t, atWork))
		}
		if err := pause(ctx, orphanEvery); err != nil {
			return err
		}
	}
}

func stillAtWork(t *rollout.Target, pids []int) error {
	if len(pids) == 0 {
		return nil
	}
	return &engine.Error{Kind: engine.Locked, Stack: t.Name, Step: "waiting for an update",
		Err:  fmt.Errorf("the Pulumi CLI of a killed run still works on it (process %d)", pids[0]),
		Next: fmt.Sprintf("look what it waits for; to end it: kill -INT %d", pids[0])}
}

// deployments are the events with which the unfinished rotations of a stack's
// secrets began to update it, oldest first.
type deployments []journal.Event

// deployments reads them, also of secrets that this run does not rotate: what
// their killed runs have left is as much in the way.
func (r *run) deployments(ctx context.Context, t *rollout.Target) (deployments, error) {
	var out deployments
	for _, s := range r.Catalog.Secrets {
		if !slices.ContainsFunc(s.Consumers, func(c secrets.Consumer) bool { return c.Stack == t.Entry.Name }) {
			continue
		}
		log, err := r.Journal.Open(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		if log.Last().State.Finished() {
			continue
		}
		events, err := log.Events(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, deploymentsOf(events)...)
	}
	slices.SortStableFunc(out, func(a, b journal.Event) int { return a.Time.Compare(b.Time) })
	return out, nil
}

// deploymentsOf are those of the last rotation in a secret's log.
func deploymentsOf(events []journal.Event) (out deployments) {
	for _, e := range events {
		began := strings.HasPrefix(e.Step, stepDeploying) || strings.HasPrefix(e.Step, stepTakingOver)
		if began && e.Rotation == events[len(events)-1].Rotation {
			out = append(out, e)
		}
	}
	return out
}

// abandoned tells the locks that updates of these rotations have left behind,
// whose processes are proven dead, from those of somebody else. One that is in
// neither list belongs to an update of a killed run that still goes on.
func (d deployments) abandoned(locks []engine.Lock, atWork []int) (left, others []engine.Lock) {
	for _, l := range locks {
		// A rotation may have been killed more than once: which of its runs took
		// the lock cannot be told, only that none did before its first deployment.
		before := slices.Collect(func(yield func(journal.Event) bool) {
			for _, e := range d {
				if e.Holder.Host == l.Host && e.Holder.User == l.User && !l.Time.Before(e.Time) && !yield(e) {
					return
				}
			}
		})
		switch killed := func(e journal.Event) bool { return e.Holder.Dead() }; {
		case slices.Contains(atWork, l.Pid):
		case len(before) == 0:
			others = append(others, l)
		case !slices.ContainsFunc(before, func(e journal.Event) bool { return !processEnded(l, e.Holder) }):
			left = append(left, l)
		case !slices.ContainsFunc(before, killed):
			others = append(others, l)
		}
	}
	return left, others
}

// processEnded: the process that took the lock is proven dead, if it ran where
// the holder did: its id means nothing in another container or on another
// machine of the same name.
func processEnded(l engine.Lock, where journal.Holder) bool {
	where.PID, where.Started = l.Pid, ""
	return where.Dead()
}
