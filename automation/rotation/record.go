package rotation

import (
	"context"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// stillAccepted asks the service once more about an old value that the record
// says it refuses, before the record is closed on that word. Where it accepts the
// value, what the record says of its end is taken back and it is to be revoked.
// A value that is not at hand any more, or that no service can be asked about,
// is as it was recorded.
func (r *run) stillAccepted(ctx context.Context, j *job) (bool, error) {
	checker, ok := r.Checker(j.secret.Service)
	if !ok || len(r.doors(j)) == 0 || !j.allKnown(j.leaving()) {
		return false, nil
	}
	report, err := r.dead(ctx, checker, j.leaving(), j.living())
	switch {
	case err == nil && report.State == services.Dead:
		return false, nil
	case err != nil || report.State != services.Alive:
		return false, &Error{Reason: Untold, Secret: j.secret.Name, Step: "trying the old value before the record is closed", Detail: report.Detail, Err: err, Next: []string{resumeCommand(r, j).String()}}
	}
	r.Watch.Begin(j.secret.Name, "").Warn("the journal says that " + j.secret.Service + " rejects the old value, and it accepts it: it is revoked now")
	r.owe(j, r.notDeadYet(j))
	e := r.standing(j, j.state, "the service accepts the old value after all")
	e.RevokedAt, e.Evidence, j.oldDead, e.OldDead = time.Time{}, "", false, false
	e.Stated, e.StatedBy, e.StatedEntries = false, "", nil
	return true, r.record(ctx, j, e)
}

// fromUse is the source of a value that every consumer ran with already, while
// nothing tells which value was in use before: it can be taken over, and nothing
// can be said of the end of an old one.
const fromUse = "use"

// inUse looks whether a value that was put into pass is what every consumer runs
// with, where the value before it is not known.
func (r *run) inUse(ctx context.Context, j *job) {
	if j.continued || j.source != fromPass || j.oldKnown() || !j.known() {
		return
	}
	results := r.Asker.AskAll(ctx, r.questions(j, j.next, true))
	for _, res := range results {
		if res.Answer != proof.Match {
			return
		}
	}
	if len(results) > 0 {
		j.source = fromUse
	}
}

func takenOver(j *job) bool { return j.source == fromUse && !j.back && !j.oldKnown() }

// closeTakenOver ends a rotation that moved no value: it is no rotation, and has
// no date.
func (r *run) closeTakenOver(ctx context.Context, j *job) error {
	if err := r.settled(ctx, j); err != nil {
		return err
	}
	if err := confirmPushed(ctx, r.Store); err != nil {
		return r.notConfirmed(ctx, j, err)
	}
	if err := r.record(ctx, j, r.standing(j, journal.Adopted, "taken over: every consumer ran with it already, and the value before it is not known")); err != nil {
		return err
	}
	j.report.Next = append([]string{}, j.secret.Dashboard.Retire...)
	r.Watch.Begin(j.secret.Name, "").Warn("taken over, not rotated: which value was in use before is not known, so nothing was revoked")
	return nil
}
