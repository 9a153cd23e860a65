package rotation

import (
	"context"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// restart lets a rotation take another new value where its service refuses the
// one that consumers have or are to get: somebody killed it, and without this
// nothing could ever end. Where the old value still lives, going back is the
// shorter way, and a person chooses.
func (r *run) restart(ctx context.Context, j *job) (bool, error) {
	if r.verb != toRotate || !j.state.AtLeast(journal.Deploying) || !r.refusedNow(ctx, j, j.next, nil) {
		return false, nil
	}
	edited := slices.ContainsFunc(j.moved, func(e secrets.Entry) bool {
		v := j.current[e.Name()]
		return !v.Equal(j.next[e.Name()]) && !v.Equal(j.old[e.Name()])
	})
	oldDead := j.oldDead || j.oldKnown() && r.refusedNow(ctx, j, j.old, nil)
	if !oldDead && !edited && !r.options.New && len(r.options.Typed) == 0 && !j.state.AtLeast(journal.Revoking) {
		return false, &Error{Reason: Failed, Secret: j.secret.Name, Step: "going on with rotation " + j.id,
			Detail: j.secret.Service + " refuses the new value, and still accepts the old one, which was left alive",
			Next:   []string{rollbackCommand(r, j.secret.Name).String(), "or bring another new one: " + rotateCommand(r, j.secret.Name).With("--new").String()}}
	}
	r.Watch.Begin(j.secret.Name, "").Warn(j.secret.Service + " refuses the new value: the rotation takes another one")
	j.state, j.oldDead, j.restarted, j.newID = journal.Staging, oldDead, true, ""
	if edited {
		j.source, j.next = fromPass, clone(j.current)
		return true, nil
	}
	j.source = fromPerson
	if err := r.without(j); err != nil {
		return true, err
	}
	for name, v := range r.options.Typed {
		e, ok := j.secret.Entry(name)
		if !ok || !j.moves(name) {
			continue
		}
		if err := r.accept(j, e, v); err != nil {
			return true, err
		}
		j.source = fromTyped
	}
	if j.source == fromTyped || oldDead {
		return true, nil
	}
	byAPI, err := r.canIssue(ctx, j)
	if byAPI {
		j.source = fromIssuer
	}
	return true, err
}

// refusedNow: the service refuses a whole credential, several times in a row,
// and accepts the living one in between, where there is one. What cannot be told
// is false.
func (r *run) refusedNow(ctx context.Context, j *job, c, living services.Credential) bool {
	checker, ok := r.Checker(j.secret.Service)
	if !ok || !j.allKnown(c) || len(r.doors(j)) == 0 {
		return false
	}
	report, err := r.dead(ctx, checker, c, living)
	return err == nil && report.State == services.Dead
}

// stays makes sure that the value that consumers run with is one that its
// service accepts: to prove which value one holds is not to prove that it works.
func (r *run) stays(ctx context.Context, j *job) error {
	if !r.refusedNow(ctx, j, j.goal(), nil) {
		return nil
	}
	next := []string{resumeCommand(r, j).String()}
	if !j.back && !j.state.AtLeast(journal.Revoking) {
		next = []string{rollbackCommand(r, j.secret.Name).String(), "or bring another new one: " + rotateCommand(r, j.secret.Name).With("--new").String()}
	}
	return &Error{Reason: Failed, Secret: j.secret.Name, Step: "before retiring the " + j.unwanted() + " value", Next: next,
		Detail: j.secret.Service + " refuses the " + j.wanted() + " value, which every consumer runs with; the " + j.unwanted() + " one was left alive"}
}
