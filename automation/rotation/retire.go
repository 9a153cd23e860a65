package rotation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

type proofQuestion = proof.Question

// retire has the old value killed and proves that it is dead. It goes ahead
// only on fresh proof from every consumer and with pass pushed.
func (r *run) retire(ctx context.Context, j *job) error {
	last := j.log.Last()
	if !last.RevokedAt.IsZero() {
		return r.finish(ctx, j)
	}
	if until := r.graceEnd(j, last); r.Now().Before(until) {
		j.report.Next = []string{fmt.Sprintf("after %s: %s", until.Local().Format("2 January 15:04"), again(j.secret.Name)), "or at once: " + again(j.secret.Name) + " --grace 0"}
		return &Error{Reason: Waiting, Secret: j.secret.Name, Detail: "promoted; the old value stays valid until " + until.Local().Format("2 January 2006 15:04 MST"), Next: j.report.Next}
	}
	if err := r.safeToRetire(ctx, j); err != nil {
		return err
	}
	line := r.Watch.Begin(j.secret.Name, "retiring the old value")
	evidence, err := r.kill(ctx, j, line)
	if err != nil {
		line.Fail("the old value is not proven dead")
		return err
	}
	if err := r.aliveAfter(ctx, j); err != nil {
		line.Fail("a consumer stopped working")
		return err
	}
	e := r.standing(j, journal.Revoking, "the old value is dead")
	e.RevokedAt, e.Evidence = r.Now().UTC().Truncate(time.Second), evidence
	if err := r.record(ctx, j, e); err != nil {
		return err
	}
	line.Done(evidence)
	return r.finish(ctx, j)
}

// graceEnd honours a shorter --grace of this call.
func (r *run) graceEnd(j *job, last journal.Event) time.Time {
	if r.options.Grace != nil && last.GraceUntil.After(last.PromotedAt) {
		return last.PromotedAt.Add(*r.options.Grace)
	}
	return last.GraceUntil
}

// safeToRetire is the last gate before the point of no return: exact or works
// from every consumer, now, and the store pushed.
func (r *run) safeToRetire(ctx context.Context, j *job) error {
	sync, err := r.Store.Sync(ctx)
	if err == nil {
		err = errors.Join(sync.Ready(), sync.Pushed())
	}
	if err != nil {
		return &Error{Reason: Failed, Secret: j.secret.Name, Step: "before retiring the old value", Detail: "pass is not pushed, the old value is left alive", Err: err, Next: []string{again(j.secret.Name)}}
	}
	for _, c := range j.secret.Consumers {
		if c.Probe.Kind == secrets.ProofPresent {
			return &Error{Reason: Waiting, Secret: j.secret.Name, Step: "before retiring the old value",
				Detail: "consumer " + c.Name + " can only show that it has the name, not which value; the old value is left alive",
				Next:   []string{"give it an exact or works probe in the catalog, then: " + again(j.secret.Name)}}
		}
	}
	answers, err := r.ask(ctx, j, r.questions(j, j.next, true))
	if err != nil {
		return err
	}
	e := r.standing(j, j.state, "every consumer proved the new value again")
	e.Answers = answers
	return r.record(ctx, j, e)
}

// debt records that the old value still lives, or might.
func (r *run) debt(ctx context.Context, j *job, report services.Report, err error) error {
	text := fmt.Sprintf("old %s not proven dead since %s", names(j.moved), stamp(r.Now()))
	e := r.standing(j, journal.Revoking, "the old value is not proven dead")
	e.Debts = []string{text}
	out := &Error{Reason: Failed, Secret: j.secret.Name, Step: "trying the old value", Detail: j.secret.Service + " still accepts it after it was retired",
		Next: append(append([]string{}, j.secret.Dashboard.Retire...), again(j.secret.Name))}
	if err != nil {
		out.Reason, out.Detail, out.Err = Untold, "it could not be tried", err
	} else if report.State == services.Unknown {
		out.Reason, out.Detail = Untold, "it could not be told: "+report.Detail
	}
	if recordErr := r.record(ctx, j, e); recordErr != nil {
		return recordErr
	}
	return out
}

// aliveAfter asks every consumer once more: the old value is dead, so whoever
// still depended on it shows now.
func (r *run) aliveAfter(ctx context.Context, j *job) error {
	results := r.Asker.AskAll(ctx, r.questions(j, j.next, true))
	j.report.Consumers = merge(j.report.Consumers, consumers(results))
	var bad []proof.Result
	for _, res := range results {
		if res.Answer != proof.Match && res.Answer != proof.Present {
			bad = append(bad, res)
		}
	}
	if len(bad) > 0 {
		return r.unproven(j, bad, "the old value is dead already: mend this consumer now")
	}
	return nil
}

// finish takes the dead value out of pass and closes the record; the date is
// the moment at which the service was seen to refuse the old value.
func (r *run) finish(ctx context.Context, j *job) error {
	date := j.log.Last().RevokedAt.Format(time.DateOnly)
	changes := r.removals(j, PreviousPath)
	if len(changes) > 0 {
		err := r.effect(ctx, j, journal.Revoking, "removing the dead value from pass", func(ctx context.Context) error {
			err := r.Store.Write(ctx, fmt.Sprintf("Rotated %s on %s: old %s is dead (rotation %s)", j.secret.Name, date, names(j.moved), j.id), changes...)
			if err != nil {
				return err
			}
			return r.Store.Push(ctx)
		})
		if err != nil {
			return &Error{Reason: Failed, Secret: j.secret.Name, Step: "removing the dead value from pass", Err: err, Next: []string{again(j.secret.Name)}}
		}
	}
	e := r.standing(j, journal.Done, "rotated")
	e.Debts = nil
	if err := r.record(ctx, j, e); err != nil {
		return err
	}
	j.report.Next = []string{}
	r.Watch.Begin(j.secret.Name, "").Done("rotated on " + date)
	return nil
}
