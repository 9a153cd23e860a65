package rotation

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	if r.options.Grace != nil {
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
	window := r.Window
	if r.Now().Sub(j.proven) < freshFor {
		window.Answers = 1 // the whole row was had a moment ago
	}
	answers, err := r.askWithin(ctx, j, r.questions(j, j.next, true), window)
	if err != nil {
		return err
	}
	e := r.standing(j, j.state, "every consumer proved the new value again")
	e.Answers = answers
	return r.record(ctx, j, e)
}

// freshFor is how long a whole row of proofs needs only one more to be fresh.
const freshFor = time.Minute

// kill retires the old value and tries it until its service refuses it. The
// evidence says what was seen and what is only somebody's word.
func (r *run) kill(ctx context.Context, j *job, line Line) (string, error) {
	checker, ok := r.Checker(j.secret.Service)
	tested := r.doors(j)
	if !ok || len(tested) == 0 || !j.oldKnown() {
		if err := r.retirePerson(ctx, j); err != nil {
			return "", err
		}
		return "stated: " + names(j.moved) + " retired at the dashboard; the service cannot be asked about it", nil
	}
	report, err := checker.Check(ctx, j.old)
	if err == nil && report.State == services.Dead {
		return r.evidence(j, tested), nil
	}
	if err := r.retirePerson(ctx, j); err != nil {
		return "", err
	}
	line.Say("trying the old value until " + j.secret.Service + " refuses it")
	deadline := time.Now().Add(r.Death.Limit)
	for {
		report, err = checker.Check(ctx, j.old)
		if err == nil && report.State == services.Dead {
			return r.evidence(j, tested), nil
		}
		if !time.Now().Before(deadline) {
			return "", r.debt(ctx, j, report, err)
		}
		if err := pause(ctx, r.Death.Every); err != nil {
			return "", err
		}
	}
}

// retirePerson has the old values of the entries that moved killed, and no
// other: what did not move is in use.
func (r *run) retirePerson(ctx context.Context, j *job) error {
	return r.effect(ctx, j, journal.Revoking, "retiring the old value", func(ctx context.Context) error {
		return r.Person.Retire(ctx, j.secret, j.retired())
	})
}

// retired are the values that may be killed: those of the entries that moved. An
// entry that did not move holds the same value before and after.
func (j *job) retired() services.Credential {
	out := services.Credential{}
	for _, e := range j.moved {
		if old := j.old[e.Name()]; !old.IsZero() && !old.Equal(j.next[e.Name()]) {
			out[e.Name()] = old
		}
	}
	return out
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

func (r *run) evidence(j *job, tested []secrets.Entry) string {
	text := fmt.Sprintf("%s refuses the old %s", j.secret.Service, names(tested))
	var stated []string
	for _, e := range j.moved {
		if e.NoDoor {
			stated = append(stated, e.Name())
		}
	}
	if len(stated) > 0 {
		text += "; stated: old " + strings.Join(stated, ", ") + " retired at the dashboard"
	}
	return text
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
