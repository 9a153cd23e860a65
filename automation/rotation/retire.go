package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/internal/hint"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

type proofQuestion = proof.Question

// retire has the value that leaves killed and proves that it is dead. It goes
// ahead only on fresh proof from every consumer and with pass pushed.
func (r *run) retire(ctx context.Context, j *job) error {
	last := j.log.Last()
	if takenOver(j) {
		return r.closeTakenOver(ctx, j)
	}
	if !last.RevokedAt.IsZero() && !j.back {
		accepted, err := r.stillAccepted(ctx, j)
		if err != nil {
			return err
		}
		if !accepted {
			// A run that was cut off may not have asked the consumers any more.
			if err := r.aliveAfter(ctx, j); err != nil {
				return err
			}
			return r.finish(ctx, j)
		}
		last = j.log.Last()
	}
	if err := r.mayRetire(ctx, j, last); err != nil {
		return err
	}
	safe := r.safeToRetire
	if r.options.Unproven {
		safe = r.sacrifice
	}
	if err := safe(ctx, j); err != nil {
		return r.reinstate(ctx, j, err)
	}
	line := r.Watch.Begin(j.secret.Name, "retiring the "+j.unwanted()+" value")
	evidence, err := r.kill(ctx, j, line)
	if err != nil {
		line.Fail("the " + j.unwanted() + " value is not proven dead")
		return err
	}
	r.settle(j, r.notDeadYet(j))
	e := r.standing(j, j.revoking(), "")
	if e.StatedEntries = r.statedEntries(j); len(e.StatedEntries) == 0 {
		e.StatedBy = ""
	}
	e.Step = "the " + j.unwanted() + " value is " + revoked(e)
	if e.Evidence = evidence; !j.back {
		e.RevokedAt = r.Now().UTC().Truncate(time.Second)
	}
	if err := r.record(ctx, j, e); err != nil {
		return err
	}
	if err := r.aliveAfter(ctx, j); err != nil {
		line.Fail("a consumer stopped working")
		return err
	}
	line.Done(evidence)
	return r.finish(ctx, j)
}

// mayRetire keeps the old value through its grace period, and while somebody
// holds it.
func (r *run) mayRetire(ctx context.Context, j *job, last journal.Event) error {
	if j.back || r.options.Unproven {
		return nil
	}
	if j.hold != nil {
		return r.held(j)
	}
	until := r.graceEnd(j, last)
	if !r.Now().Before(until) || r.goneAlready(ctx, j) {
		return nil
	}
	if r.verb == toRevoke {
		return askedPerson(r, j, r.Person.Confirm(ctx, Confirmation{Secret: j.secret.Name, Action: "Retire it now", Lines: worksLines(j.secret),
			Title: "The old value of " + j.secret.Name + " is meant to stay valid until " + until.Local().Format("2 January 2006 15:04 MST") + "."}))
	}
	j.report.Next = []string{fmt.Sprintf("after %s: %s", until.Local().Format("2 January 15:04"), revokeSecret(j.secret.Name)), "or at once: " + rotateCommand(r, j.secret.Name).With("--grace 0").String()}
	return &Error{Reason: Waiting, Wait: ForTime, Secret: j.secret.Name, Detail: "promoted; the old value stays valid until " + until.Local().Format("2 January 2006 15:04 MST"), Next: j.report.Next}
}

func (r *run) held(j *job) error {
	wait := ForPerson
	if r.options.Hold {
		wait = ForTime
	}
	return &Error{Reason: Waiting, Wait: wait, Secret: j.secret.Name, Detail: "promoted; the old value is " + j.hold.String(),
		Next: []string{holdOff(j.secret.Name).String(), resumeCommand(r, j).Without("--hold").String()}}
}

// goneAlready: the service refuses the old value, so no grace keeps it alive.
func (r *run) goneAlready(ctx context.Context, j *job) bool {
	return r.refusedNow(ctx, j, j.old, j.living())
}

// graceEnd honours a shorter --grace of this call.
func (r *run) graceEnd(j *job, last journal.Event) time.Time {
	if r.options.Grace != nil && last.GraceUntil.After(last.PromotedAt) {
		begun := last.PromotedAt
		if now := r.Now(); begun.After(now) {
			begun = now // written with a wrong clock
		}
		return begun.Add(*r.options.Grace)
	}
	return last.GraceUntil
}

// safeToRetire is the last gate before the point of no return: a history that
// nobody has touched, the store pushed, this program itself at home with the
// credential that stays, and exact or works from every consumer, now.
func (r *run) safeToRetire(ctx context.Context, j *job) error {
	if _, err := j.log.Events(ctx); err != nil {
		return &Error{Reason: Failed, Secret: j.secret.Name, Step: "before retiring the " + j.unwanted() + " value", Err: err, Next: []string{hint.Command{Verb: "history", Secrets: []string{j.secret.Name}}.String()}}
	}
	if err := r.pushed(ctx, j); err != nil {
		return err
	}
	if err := r.committed(ctx, j); err != nil {
		return err
	}
	if err := r.reauth(ctx, j); err != nil {
		return err
	}
	if err := r.stays(ctx, j); err != nil {
		return err
	}
	answers, err := r.ask(ctx, j, r.questions(j, j.goal(), true))
	if err != nil {
		return err
	}
	if answers, err = r.vouched(ctx, j, answers); err != nil {
		return err
	}
	e := r.standing(j, j.state, verifiedStep(j, answers))
	e.Answers = answers
	return r.record(ctx, j, e)
}

// pushed makes sure that the value that stays is not on this disk alone.
func (r *run) pushed(ctx context.Context, j *job) error {
	sync, err := r.Store.Sync(ctx)
	if err == nil {
		err = sync.Ready()
	}
	if err == nil && j.owes(notPushed) {
		err = r.Store.Push(ctx) // our own commits, made while the remote was away
	} else if err == nil {
		err = sync.Pushed()
	}
	if err == nil {
		r.settle(j, notPushed)
		return nil
	}
	if offline := (*store.Error)(nil); j.oldDead && !j.back && errors.As(err, &offline) && offline.Kind == store.Unreachable {
		r.owe(j, notPushed)
		return nil // there is nothing left to retire
	}
	return &Error{Reason: Failed, Secret: j.secret.Name, Step: "before retiring the " + j.unwanted() + " value", Detail: "pass is not pushed, so it is left alive", Err: err, Next: r.unpushedNext(j)}
}

// unpushedNext is what to type about a store that is not pushed.
func (r *run) unpushedNext(j *job) []string {
	next := []string{"pass git push", resumeCommand(r, j).String()}
	if r.emergency() && !j.back {
		next = append(next, "if the old value has leaked and must die before that: "+forcedRevoke(j.secret.Name).String())
	}
	return next
}

// reauth: what this program itself stands on is retired only after it has gone
// over to the successor at every door.
func (r *run) reauth(ctx context.Context, j *job) error {
	if !r.standsOn(j.secret) || r.Reauth == nil {
		return nil
	}
	if err := r.Reauth(ctx, j.secret); err != nil {
		return &Error{Reason: Untold, Secret: j.secret.Name, Step: "going over to the " + j.wanted() + " value myself", Detail: "the " + j.unwanted() + " value was left alive", Err: err, Next: []string{resumeCommand(r, j).String()}}
	}
	return nil
}

// notDead records that the value that leaves still lives, or might.
func (r *run) notDead(ctx context.Context, j *job, report services.Report, err error) error {
	r.owe(j, r.notDeadYet(j))
	out := &Error{Reason: Failed, Secret: j.secret.Name, Step: "trying the " + j.unwanted() + " value", Detail: j.secret.Service + " still accepts it after it was retired",
		Next: append(append([]string{}, j.secret.Dashboard.Retire...), resumeCommand(r, j).String())}
	if err != nil {
		out.Reason, out.Detail, out.Err = Untold, "it could not be tried", err
	} else if report.State == services.Unknown {
		out.Reason, out.Detail = Untold, "it could not be told: "+report.Detail
	}
	if recordErr := r.record(ctx, j, r.standing(j, j.revoking(), "the "+j.unwanted()+" value is not proven dead")); recordErr != nil {
		return errors.Join(recordErr, err)
	}
	return out
}

// aliveAfter asks every consumer once more: the value is dead, so whoever still
// depended on it shows now. Such a consumer is outstanding until it has given the
// longest row of answers. Those that are outstanding already are asked with the
// rest of what is.
func (r *run) aliveAfter(ctx context.Context, j *job) error {
	questions := slices.DeleteFunc(r.questions(j, j.goal(), true), func(q proof.Question) bool { return j.owes(notProven(q.Consumer.Name)) })
	results := askOnce(ctx, r, questions)
	j.report.Consumers = merge(j.report.Consumers, consumers(results))
	bad := failing(results)
	if len(bad) == 0 || r.owed(j, bad) {
		return nil
	}
	noteStale(j, results)
	for _, b := range bad {
		r.owe(j, notProven(b.Consumer))
	}
	e := r.standing(j, j.revoking(), "a consumer stopped working after the revocation")
	return errors.Join(r.unproven(j, bad, "the "+j.unwanted()+" value is revoked already: mend this consumer now"), r.record(context.WithoutCancel(ctx), j, e))
}

// finish takes the revoked value out of pass and closes the record; the date is
// the moment at which the service was seen to refuse the old value, or a person
// had said that it is revoked.
func (r *run) finish(ctx context.Context, j *job) error {
	if err := r.settled(ctx, j); err != nil {
		return err
	}
	last := j.log.Last()
	date := last.RevokedAt.Format(time.DateOnly)
	at, end, said, commit := PreviousPath, journal.Done, "rotated on "+date, "Rotated "+j.secret.Name+" on "+date
	if j.back {
		at, end, said, commit = PendingPath, journal.RolledBack, "rolled back", "Rolled back "+j.secret.Name
	}
	changes := r.removals(j, at)
	if len(changes) > 0 {
		step := "removing the " + j.unwanted() + " value from pass"
		err := r.effect(ctx, j, j.revoking(), step, func(ctx context.Context) error {
			return r.Store.Write(ctx, fmt.Sprintf("%s: %s (rotation %s)", commit, j.outcome(), j.id), changes...)
		})
		if err != nil {
			return &Error{Reason: Failed, Secret: j.secret.Name, Step: step, Err: err, Next: []string{resumeCommand(r, j).String()}}
		}
	}
	if err := confirmPushed(ctx, r.Store); err != nil {
		return r.notConfirmed(ctx, j, err)
	}
	e := r.standing(j, end, said)
	if j.back {
		if err := r.unpromote(ctx, j, &e); err != nil {
			return err
		}
	}
	if err := r.record(ctx, j, e); err != nil {
		return err
	}
	j.report.Next = []string{}
	r.Watch.Begin(j.secret.Name, "").Done(said + onWord(last))
	return nil
}
