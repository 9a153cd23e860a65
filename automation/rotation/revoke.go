package rotation

import (
	"context"
	"fmt"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Revoke retires old values that wait for their end, and nothing else. With
// o.Due it takes only those whose time is over and that nobody holds, and says
// nothing of the others. With o.Unproven a leaked value dies now: the old one of
// a rotation under way, else the present one, after the secret's name was typed.
func (r *Rotator) Revoke(ctx context.Context, names []string, o Options) ([]Report, error) {
	return r.carry(ctx, names, &run{Rotator: r, verb: toRevoke, options: o})
}

// nothingToRevoke: no rotation is under way. Where the present value has to die,
// a rotation is begun with its death.
func (r *run) nothingToRevoke(ctx context.Context, j *job, last journal.Event) error {
	if r.options.Due {
		return &nothingError{"nothing waits for its end"}
	}
	if !r.options.Unproven {
		return &Error{Reason: Misused, Secret: j.secret.Name, Detail: "no old value of it waits for its end",
			Next: []string{rotateCommand(r, j.secret.Name).String(), "if the present value has leaked and must die before there is a new one: " + forcedRevoke(j.secret.Name).String()}}
	}
	return r.condemn(ctx, j, last)
}

// condemn makes the present value the one to kill.
func (r *run) condemn(ctx context.Context, j *job, last journal.Event) error {
	if r.standsOnState(j.secret) {
		return &Error{Reason: Misused, Secret: j.secret.Name, Detail: "its death would lock this program out of its own state, and nothing could be rolled out any more",
			Next: []string{rotateCommand(r, j.secret.Name).With("--new", "--grace 0").String()}}
	}
	j.condemned = true
	if last.State.Finished() || last.State == journal.Adopting {
		j.id, j.state, j.source = r.NewID(), journal.Planned, fromPerson
		j.moved, j.old, j.next = j.secret.Entries, clone(j.current), services.Credential{}
		// Where pass holds a value that was never rolled out, the present one is
		// the one that consumers run with.
		told, found, err := r.told(ctx, j)
		if err != nil {
			return err
		}
		if !told {
			return r.whichOne(j)
		}
		for name, v := range found {
			j.old[name] = v
		}
	}
	if !j.oldKnown() {
		return r.whichOne(j)
	}
	return nil
}

// whichOne refuses to kill a value that may not be the one that consumers have.
func (r *run) whichOne(j *job) error {
	return &Error{Reason: Untold, Secret: j.secret.Name, Detail: "nothing tells which value its consumers run with, so none was killed",
		Next: append(append([]string{}, j.secret.Dashboard.Retire...), rotateCommand(r, j.secret.Name).With("--new", "--grace 0").String())}
}

// notYet says why an unfinished rotation has no old value to retire now.
func (r *run) notYet(ctx context.Context, j *job, last journal.Event) error {
	switch {
	case j.back && r.options.Due:
		return &nothingError{"it is being rolled back; go on with that: " + rollbackCommand(r, j.secret.Name).String()}
	case j.back:
		return &Error{Reason: Waiting, Secret: j.secret.Name, Detail: "rotation " + j.id + " is being rolled back: its old value is the one that stays",
			Next: []string{rollbackCommand(r, j.secret.Name).String(), "if the old value has leaked, kill it at the dashboard: the rollback then turns round"}}
	case r.options.Unproven && last.State.AtLeast(journal.Deploying):
		return nil
	case r.options.Unproven:
		return r.condemn(ctx, j, last)
	case last.State.AtLeast(journal.Grace) && r.options.Due && (j.hold != nil || r.Now().Before(last.GraceUntil)):
		return &nothingError{"its old value is not due: " + dueText(j, last)}
	case last.State.AtLeast(journal.Grace):
		return nil
	case r.options.Due:
		return &nothingError{fmt.Sprintf("its rotation stands at %s; go on with it: %s", last.State, rotateCommand(r, j.secret.Name).String())}
	}
	return &Error{Reason: Waiting, Secret: j.secret.Name, Detail: fmt.Sprintf("rotation %s stands at %s: not every consumer has the new value, so the old one stays", j.id, last.State),
		Next: []string{rotateCommand(r, j.secret.Name).String(), "if the old value has leaked and must die now, whoever breaks: " + forcedRevoke(j.secret.Name).String()}}
}

func dueText(j *job, last journal.Event) string {
	if j.hold != nil {
		return j.hold.String()
	}
	return "it stays valid until " + last.GraceUntil.Local().Format("2 January 2006 15:04 MST")
}

// unproved carries out `revoke --unproven` where consumers or pass do not have
// the new value yet: pass gets it first, so that it is what everybody finds.
func (r *run) unproved(ctx context.Context) error {
	for _, j := range r.rolling() {
		if j.condemned {
			if err := r.execute(ctx, j); err != nil {
				return err
			}
			continue
		}
		if err := r.sacrifice(ctx, j); err != nil {
			return err
		}
		j.agreed = true
		if err := r.promote(ctx, []*job{j}); err != nil {
			return err
		}
	}
	return nil
}

// execute kills the present value of a secret that has no newer one. What is
// left is a rotation whose old value is dead.
func (r *run) execute(ctx context.Context, j *job) error {
	results := r.Asker.AskAll(ctx, r.questions(j, j.old, true))
	j.report.Consumers = consumers(results)
	lines := []string{}
	for _, res := range results {
		lines = append(lines, res.Consumer+" stands without a working value until it is rotated")
	}
	err := askedPerson(r, j, r.Person.Confirm(ctx, Confirmation{Secret: j.secret.Name, Type: j.secret.Name, Lines: lines,
		Title: "The present value of " + j.secret.Name + " dies now, and there is no new one."}))
	if err != nil {
		return err
	}
	if err := r.identify(ctx, j); err != nil {
		return err
	}
	line := r.Watch.Begin(j.secret.Name, "retiring the present value")
	evidence, err := r.kill(ctx, j, line)
	if err != nil {
		line.Fail("the present value is not proven dead")
		return err
	}
	j.oldDead = true
	for _, res := range results {
		r.owe(j, notProven(res.Consumer))
	}
	e := r.standing(j, journal.Planned, "the present value was killed: "+evidence)
	e.Evidence = evidence
	if e.StatedEntries = r.statedEntries(j); len(e.StatedEntries) == 0 {
		e.StatedBy = ""
	}
	if err := r.record(ctx, j, e); err != nil {
		return err
	}
	line.Done(evidence)
	j.rolled = true
	r.fill(j)
	j.report.Revoked = RevokedReport{ConfirmedAt: stamp(r.Now()), Evidence: evidence, StatedBy: e.StatedBy}
	for i := range j.report.Consumers {
		j.report.Consumers[i].Answer, j.report.Consumers[i].Detail = proof.Differs, "it stands without a working value"
	}
	return &Error{Reason: Untold, Secret: j.secret.Name, Detail: "the present value is dead, and there is no new one yet: its consumers stand without a working value",
		Next: []string{rotateCommand(r, j.secret.Name).With("--new", "--grace 0").String()}}
}

// Hold keeps the old value of a secret alive until the hold is taken off. It is
// in force for a rotation that runs at this moment, which ends where it would
// retire the old value, and for the next one where none is under way.
func (r *Rotator) Hold(ctx context.Context, name string, off bool) (Report, error) {
	log, err := r.Journal.Open(ctx, name)
	if err != nil {
		return Report{}, err
	}
	last := log.Last()
	report := newReport(name)
	report.Rotation, report.State, report.Debts = last.Rotation, last.State, append([]string{}, last.Debts...)
	if off == (last.Hold == nil) {
		return report, nil
	}
	if last.Number == 0 {
		// It is the first event of all, perhaps, and so the key has to be there.
		s, _ := r.Catalog.Secret(name)
		run := &run{Rotator: r, verb: toLook, jobs: []*job{{secret: s, log: log, report: report}}}
		if err := run.syncedOnline(ctx); err != nil {
			return report, err
		}
		if err := run.keepKey(ctx); err != nil {
			return report, err
		}
	}
	e := last
	e.Step, e.Hold = journal.StepHoldOff, nil
	if !off {
		e.Step, e.Hold = journal.StepHold, &journal.Hold{By: journal.Self().String(), At: r.Now().UTC().Truncate(time.Second)}
	}
	if e.State == journal.Blocked && off {
		e.State, report.State = journal.Grace, journal.Grace
	}
	if err := log.Append(ctx, e); err != nil {
		return report, err
	}
	if report.Hold = ""; e.Hold != nil {
		report.Hold = e.Hold.String()
		report.Next = []string{"to end it: " + holdOff(name).String()}
	} else if last.State.AtLeast(journal.Grace) && !r.Now().Before(last.GraceUntil) {
		report.Next = []string{revokeSecret(name).String()}
	}
	return report, nil
}
