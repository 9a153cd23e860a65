package rotation

import (
	"context"
	"slices"
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
	orphanEvery    = 500 * time.Millisecond
)

// free refuses a stack that somebody updates. The update of a run of ours that
// was killed is not somebody's: it is waited for, and where it ended without
// taking its lock away, that is done here.
func (r *run) free(ctx context.Context, t *rollout.Target, jobs []*job) error {
	err := t.Free()
	if err == nil || r.options.PreviewOnly || !cutOff(t, jobs) {
		return err
	}
	line := r.Watch.Begin(t.Name, "waiting for the update that a killed run had started")
	for deadline := time.Now().Add(orphanPatience); ; {
		ended := slices.DeleteFunc(slices.Clone(t.State.Locks), func(l engine.Lock) bool { return !gone(l) })
		if err := t.Unlock(ctx, ended); err != nil {
			line.Fail("its lock could not be taken away")
			return err
		}
		err := t.Free()
		if err == nil {
			line.Done("the update that a killed run had started has ended; its lock is taken away")
			return nil
		}
		if !time.Now().Before(deadline) {
			line.Fail("the update that a killed run had started goes on")
			return err
		}
		if err := pause(ctx, orphanEvery); err != nil {
			return err
		}
	}
}

// cutOff: every lock was taken on this host by an update that a rotation of one
// of these secrets, whose process is proven dead, was in the middle of.
func cutOff(t *rollout.Target, jobs []*job) bool {
	ours := func(l engine.Lock) bool {
		return slices.ContainsFunc(jobs, func(j *job) bool {
			last := j.log.Last()
			uses := slices.ContainsFunc(j.secret.Consumers, func(c secrets.Consumer) bool { return c.Stack == t.Entry.Name })
			if !uses || last.State.Finished() || l.Host != last.Holder.Host || l.User != last.Holder.User {
				return false
			}
			// Our run may have ended well, and only the CLI under it was killed.
			return (last.Holder.Dead() || gone(l)) && !l.Time.Before(last.Time)
		})
	}
	return !slices.ContainsFunc(t.State.Locks, func(l engine.Lock) bool { return !ours(l) })
}

func gone(l engine.Lock) bool { return journal.Holder{Host: l.Host, PID: l.Pid}.Dead() }
