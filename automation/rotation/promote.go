package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// promote makes the new value the entry's and keeps the old one, in one commit;
// then the readers of pass are asked, which have it from this moment.
func (r *run) promote(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		step := r.promoteOne
		if j.back {
			step = r.restore
		}
		if err := step(ctx, j); err != nil {
			return err
		}
		j.rolled, j.redeploy = true, false
	}
	return nil
}

func (r *run) promoteOne(ctx context.Context, j *job) error {
	answers, err := r.makeCurrent(ctx, j, "Rotate "+j.secret.Name)
	if err != nil {
		return err
	}
	e := r.standing(j, j.atLeast(journal.Grace), "promoted")
	e.Answers = append(e.Answers, answers...)
	e.Promoted, e.PromotedAt = map[string]secrets.Fingerprint{}, r.Now().UTC().Truncate(time.Second)
	for _, entry := range j.secret.Entries {
		e.Promoted[entry.Name()] = j.next[entry.Name()].Fingerprint(r.Key)
	}
	// One that was promoted before, and deployed anew, keeps its end.
	if e.GraceUntil.IsZero() {
		e.GraceUntil = e.PromotedAt.Add(r.grace(j))
	}
	return r.record(ctx, j, e)
}

// makeCurrent makes the value that stays the entry's and keeps the one that
// leaves, in one commit, and asks the readers of pass, who have it from then on.
func (r *run) makeCurrent(ctx context.Context, j *job, commit string) ([]journal.Answer, error) {
	step := "making the " + j.wanted() + " value current in pass"
	line := r.Watch.Begin(j.secret.Name, step)
	err := r.effect(ctx, j, j.atLeast(journal.Promoted), step, func(ctx context.Context) error {
		changes, err := r.exchange(ctx, j)
		if err != nil {
			return err
		}
		if len(changes) > 0 {
			if err := r.Store.Write(ctx, fmt.Sprintf("%s: %s (rotation %s)", commit, names(j.moved), j.id), changes...); err != nil {
				return err
			}
		}
		return r.push(ctx, j)
	})
	if err != nil {
		line.Fail("pass was not updated")
		return nil, &Error{Reason: Failed, Secret: j.secret.Name, Step: step, Err: err, Next: []string{resumeCommand(r, j).String()}}
	}
	j.current = clone(j.goal())
	r.tellSteps(j, secrets.Consumer.ReadsPass)
	answers, err := r.ask(ctx, j, r.readers(j))
	if err != nil {
		line.Fail("readers of pass do not get the " + j.wanted() + " value")
		return nil, err
	}
	line.Done("pass holds the " + j.wanted() + " value; the " + j.unwanted() + " one is kept until it is revoked")
	r.fill(j)
	return answers, nil
}

// exchange are the changes in pass that are not made yet: a run that was killed
// between the commit and its record finds none.
func (r *run) exchange(ctx context.Context, j *job) ([]store.Change, error) {
	keep, drop := PreviousPath, PendingPath
	if j.back {
		keep, drop = drop, keep
	}
	var changes []store.Change
	for _, e := range j.moved {
		entry, err := r.Store.Read(ctx, e.Path)
		if err != nil {
			return nil, err
		}
		have, err := entry.Secret(e.Read)
		if err != nil {
			return nil, err
		}
		if err := r.foreign(j, e, have); err != nil {
			return nil, err
		}
		if stays := j.goal()[e.Name()]; !have.Equal(stays) {
			changes = append(changes, j.change(e, e.Path, entry.With(e.Read, stays)))
		}
		if leaves := j.leaving()[e.Name()]; !leaves.IsZero() && !r.Store.Exists(keep(e.Path)) {
			changes = append(changes, j.change(e, keep(e.Path), pendingContent(e, leaves)))
		}
	}
	return append(changes, r.removals(j, drop)...), nil
}

// readers are the questions to consumers that read pass themselves.
func (r *run) readers(j *job) (out []proofQuestion) {
	for _, q := range r.questions(j, j.goal(), true) {
		if q.Consumer.ReadsPass() {
			out = append(out, q)
		}
	}
	return out
}

// grace is how long the old value stays valid after the promotion.
func (r *run) grace(j *job) time.Duration {
	switch {
	case j.secret.Dashboard.KillsOld && j.source == fromPerson:
		return 0 // there is nothing left to be valid
	case r.options.Grace != nil:
		return *r.options.Grace
	case j.oldDead:
		return 0
	case r.NoGrace:
		return 0
	}
	return time.Duration(j.secret.Grace)
}

// closing are the jobs that only wait for the death of their old value, those
// of the credentials that the tool itself stands on last.
func (r *run) closing() []*job {
	var first, last []*job
	for _, j := range r.jobs {
		switch {
		case j.redeploy || j.state.Finished() || !j.rolled && !j.state.AtLeast(journal.Grace):
		case j.condemned:
		case r.standsOn(j.secret):
			last = append(last, j)
		default:
			first = append(first, j)
		}
	}
	return append(first, last...)
}

// standsOn: this program needs the credential itself.
func (r *run) standsOn(s secrets.Secret) bool { return len(r.Catalog.UsesOf(s)) > 0 }

// standsOnState: the credential opens the state backend.
func (r *run) standsOnState(s secrets.Secret) bool {
	return slices.Contains(r.Catalog.UsesOf(s), secrets.UseState)
}

// close retires what may be retired now, one credential at a time. Each report
// carries its own error; the gravest comes first, since it decides the exit code.
func (r *run) close(ctx context.Context) error {
	var failed []error
	for _, j := range r.closing() {
		err := r.retire(ctx, j)
		r.fill(j)
		if err != nil {
			if !SettledFor(err, j.secret.Name) {
				j.report.Error = err.Error()
			}
			var own *Error
			if errors.As(err, &own) {
				j.report.Next = own.Next
			}
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	slices.SortStableFunc(failed, func(a, b error) int { return gravity(a) - gravity(b) })
	return errors.Join(failed...)
}

// gravity orders errors: what failed before what could not be told, then waiting,
// and last what only waits for its grace period.
func gravity(err error) int {
	var own *Error
	if !errors.As(err, &own) {
		return 0
	}
	switch {
	case own.Reason == Untold:
		return 1
	case own.Reason == Waiting && own.Wait == ForPerson:
		return 2
	case own.Reason == Waiting:
		return 3
	}
	return 0
}
