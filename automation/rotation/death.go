package rotation

import (
	"context"
	"fmt"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// refusals is how often in a row a service must refuse a value to be believed.
const refusals = 3

// dead asks whether a service refuses a value, several times in a row and, where
// a living one is known, with that one accepted in between: one refusal may be a
// bad moment of the service, and a date that rests on it would be false. The
// report is Dead only if it was refused every time.
func (r *run) dead(ctx context.Context, checker services.Checker, value, living services.Credential) (services.Report, error) {
	for n := 1; ; n++ {
		report, err := checker.Check(ctx, value)
		if err != nil || report.State != services.Dead || n == refusals {
			return report, err
		}
		if living != nil {
			control, err := checker.Check(ctx, living)
			if err != nil {
				return services.Report{State: services.Unknown, Detail: "the new value could not be tried beside it"}, err
			}
			if control.State != services.Alive {
				return services.Report{State: services.Unknown, Detail: "the service refuses the new value too"}, nil
			}
		}
		if err := pause(ctx, r.Settle.Every); err != nil {
			return services.Report{State: services.Unknown}, err
		}
	}
}

// kill retires the value that leaves and tries it until its service refuses it.
// The evidence says what was seen and what is only somebody's word.
func (r *run) kill(ctx context.Context, j *job, line Line) (string, error) {
	if len(j.retired()) == 0 && j.back {
		return r.neverMade(ctx, j)
	}
	byAPI, err := r.deleteByAPI(ctx, j)
	if err != nil {
		return "", err
	}
	checker, ok := r.Checker(j.secret.Service)
	tested := r.doors(j)
	if !ok || len(tested) == 0 || !j.allKnown(j.leaving()) {
		return r.unseen(ctx, j, byAPI)
	}
	report, err := r.refused(ctx, j, checker)
	if gone := err == nil && report.State == services.Dead; gone && (byAPI || len(untested(j)) == 0) {
		return r.evidence(j, tested), nil
	} else if gone {
		err = r.stated(ctx, j)
	} else if byAPI {
		err = nil // it dies in a moment
	} else {
		err = r.retirePerson(ctx, j)
	}
	if err != nil {
		return "", err
	}
	line.Say("trying the " + j.unwanted() + " value until " + j.secret.Service + " refuses it")
	deadline := time.Now().Add(r.Death.Limit)
	for {
		report, err = r.refused(ctx, j, checker)
		if err == nil && report.State == services.Dead {
			return r.evidence(j, tested), nil
		}
		if !time.Now().Before(deadline) {
			return "", r.notDead(ctx, j, report, err)
		}
		if err := pause(ctx, r.Death.Every); err != nil {
			return "", err
		}
	}
}

// refused is dead for the value that leaves, at its service and at every other
// door that is logged in at with it: each learns of its end in its own time.
func (r *run) refused(ctx context.Context, j *job, checker services.Checker) (services.Report, error) {
	report, err := r.dead(ctx, checker, j.leaving(), j.living())
	if err != nil || report.State != services.Dead {
		return report, err
	}
	for _, c := range j.secret.Consumers {
		if c.Probe.By != "login" {
			continue
		}
		at, err := r.Asker.Login(ctx, c, j.leaving())
		if err != nil && (j.oldDead || r.options.Unproven) {
			continue // its own service refuses it; that this door was closed is owed
		}
		if err != nil || at.State != services.Dead {
			at.Detail = c.Name + " does not refuse it: " + at.Detail
			return at, err
		}
	}
	return report, nil
}

// living is the credential that the service must go on accepting; nil where
// there is none.
func (j *job) living() services.Credential {
	if !j.allKnown(j.goal()) {
		return nil
	}
	return j.goal()
}

// unseen is the evidence where no service can be asked about the value.
func (r *run) unseen(ctx context.Context, j *job, byAPI bool) (string, error) {
	if byAPI {
		return j.secret.Service + " deleted it; its value could not be tried", nil
	}
	if err := r.stated(ctx, j); err != nil {
		return "", err
	}
	return "stated: " + j.unwanted() + " " + names(j.moved) + " revoked at the dashboard (confirmed by " + j.log.Last().StatedBy + "); no service was asked", nil
}

// neverMade: a rollback found no new value. What the service's API may have made
// for an interrupted run is deleted all the same.
func (r *run) neverMade(ctx context.Context, j *job) (string, error) {
	if issuer, ok := r.issuer(j); ok {
		err := r.effect(ctx, j, j.revoking(), "deleting what carries the label "+label(j), func(ctx context.Context) error {
			return r.orphans(ctx, j, issuer, j.goal())
		})
		if err != nil {
			return "", r.notDead(ctx, j, services.Report{State: services.Unknown}, err)
		}
	}
	if j.source == fromPerson {
		r.Watch.Begin(j.secret.Name, "").Warn("if you made a new value at " + j.secret.Dashboard.URL + ", delete it there: it was never stored")
	}
	return "no new value was ever stored", nil
}

// stated has a person retire the value, unless the journal holds that word
// already.
func (r *run) stated(ctx context.Context, j *job) error {
	if j.log.Last().Stated {
		return nil
	}
	return r.retirePerson(ctx, j)
}

// retirePerson has the values that leave killed, of the entries that moved, and
// records that a person said so.
func (r *run) retirePerson(ctx context.Context, j *job) error {
	err := r.effect(ctx, j, j.revoking(), "retiring the "+j.unwanted()+" value", func(ctx context.Context) error {
		return askedPerson(r, j, r.Person.Retire(ctx, j.secret, Retirement{Values: j.retired(), Back: j.back, Works: worksOnly(j.secret), Unproven: r.options.Unproven}))
	})
	if err != nil {
		return err
	}
	e := r.standing(j, j.revoking(), "a person said that the "+j.unwanted()+" value is retired")
	e.Stated, e.StatedBy, e.StatedEntries = true, r.speaker(), nil
	return r.record(context.WithoutCancel(ctx), j, e)
}

// retired are the values that may be killed: those of the entries that moved. An
// entry that did not move holds the same value before and after.
func (j *job) retired() services.Credential {
	out := services.Credential{}
	for _, e := range j.moved {
		if v := j.leaving()[e.Name()]; !v.IsZero() && !v.Equal(j.goal()[e.Name()]) {
			out[e.Name()] = v
		}
	}
	return out
}

// untested are the entries that moved and that no service can be asked about.
func untested(j *job) []secrets.Entry {
	var out []secrets.Entry
	for _, e := range j.moved {
		if e.NoDoor {
			out = append(out, e)
		}
	}
	return out
}

func (r *run) evidence(j *job, tested []secrets.Entry) string {
	text := fmt.Sprintf("%s refuses the %s %s", j.secret.Service, j.unwanted(), names(tested))
	left := untested(j)
	switch last := j.log.Last(); {
	case len(left) == 0:
		return text
	case last.Stated:
		return text + "; stated: " + j.unwanted() + " " + names(left) + " revoked at the dashboard (confirmed by " + last.StatedBy + ")"
	}
	return text + "; " + j.secret.Service + " deleted " + names(left) + " with it, which could not be tried"
}
