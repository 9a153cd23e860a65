package rotation

import (
	"context"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Rollback takes every consumer of these secrets back to the value from before
// their unfinished rotation, and retires the new one. It works until the old
// value is being retired, and while its service still accepts it.
func (r *Rotator) Rollback(ctx context.Context, names []string, o Options) ([]Report, error) {
	return r.carry(ctx, names, &run{Rotator: r, verb: toRollBack, options: o})
}

// turn makes an unfinished rotation go back, or says why it cannot.
func (r *run) turn(j *job, last journal.Event) error {
	no := func(why string, next ...string) error {
		return &Error{Reason: Failed, Secret: j.secret.Name, Step: "rolling back rotation " + j.id, Detail: why, Next: append(next, rotateCommand(r, j.secret.Name).String())}
	}
	switch {
	case last.State == journal.RollingBack:
	case last.State.AtLeast(journal.Revoking), !last.RevokedAt.IsZero(), last.Stated:
		return no("it is past the point of no return: its old value is being retired; it can only go on")
	case last.OldDead:
		return no("the service refuses its old value, so nothing is left to go back to; it can only go on")
	case !j.oldKnown():
		return no("its old value stands nowhere any more: not in pass, not in its history, not in a stack's config; it can only go on")
	}
	j.back = false
	r.settle(j, r.notDeadYet(j)) // the old one, which is to live now
	j.state, j.back = journal.RollingBack, true
	return nil
}

func (r *run) nothingToRollBack(j *job, last journal.Event) error {
	why := "it was never rotated by this program"
	switch last.State {
	case journal.Done:
		why = "its last rotation is done: " + last.Evidence + " since " + last.RevokedAt.Format(time.DateOnly)
	case journal.RolledBack:
		return &nothingError{"its last rotation is rolled back already"}
	case journal.Adopting, journal.Adopted:
		why = "it was taken over as it is, and never rotated by this program"
	case journal.Abandoned:
		why = "its last rotation was given up before any consumer had the new value"
	}
	return &Error{Reason: Misused, Secret: j.secret.Name, Step: "rolling back", Detail: why + "; there is nothing to go back to", Next: []string{rotateCommand(r, j.secret.Name).With("--new").String()}}
}

// mayGoBack decides by what the service says of the old value. A rollback whose
// old value died on the way turns round once more.
func (r *run) mayGoBack(ctx context.Context, j *job) error {
	switch {
	case !j.back || j.before.State == services.Alive:
		return nil
	case j.before.State == services.Unknown:
		return &Error{Reason: Untold, Secret: j.secret.Name, Step: "asking " + j.secret.Service + " about the old value", Detail: j.before.Detail, Next: []string{rollbackCommand(r, j.secret.Name).String()}}
	case j.log.Last().State != journal.RollingBack || !j.known():
		return &Error{Reason: Failed, Secret: j.secret.Name, Step: "rolling back rotation " + j.id, Detail: j.secret.Service + " refuses the old value, so nothing is left to go back to; it can only go on", Next: []string{rotateCommand(r, j.secret.Name).String()}}
	}
	r.settle(j, r.notDeadYet(j)) // it is to live now
	j.back, j.oldDead, j.state = false, true, journal.Deploying
	if !r.refusedNow(ctx, j, j.next, nil) {
		r.Watch.Begin(j.secret.Name, "").Warn("the old value has died meanwhile: going on with the new one instead of back")
		return nil
	}
	r.Watch.Begin(j.secret.Name, "").Warn("the old value has died meanwhile, and the new one is dead too: another one is needed")
	j.state, j.restarted, j.newID, j.source = journal.Staging, true, "", fromPerson
	return r.without(j)
}

// restore makes the old value the entry's again; the new one is kept until it is
// proven dead.
func (r *run) restore(ctx context.Context, j *job) error {
	_, err := r.makeCurrent(ctx, j, "Roll back "+j.secret.Name)
	return err
}

// unpromote gives the record the values and the date of the rotation before
// this one: a rotation that was rolled back never happened.
func (r *run) unpromote(ctx context.Context, j *job, e *journal.Event) error {
	events, err := j.log.Events(ctx)
	if err != nil {
		return err
	}
	e.Promoted, e.PromotedAt, e.RevokedAt, e.GraceUntil = nil, time.Time{}, time.Time{}, time.Time{}
	for _, before := range events {
		if before.Rotation != j.id && len(before.Promoted) > 0 {
			e.Promoted, e.PromotedAt = before.Promoted, before.PromotedAt
		}
	}
	if e.Promoted != nil {
		return nil
	}
	e.Promoted = map[string]secrets.Fingerprint{}
	for _, entry := range j.secret.Entries {
		e.Promoted[entry.Name()] = j.old[entry.Name()].Fingerprint(r.Key)
	}
	return nil
}
