package rotation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
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

// kill retires the old value and tries it until its service refuses it. The
// evidence says what was seen and what is only somebody's word.
func (r *run) kill(ctx context.Context, j *job, line Line) (string, error) {
	checker, ok := r.Checker(j.secret.Service)
	tested := r.doors(j)
	if !ok || len(tested) == 0 || !j.oldKnown() {
		if err := r.stated(ctx, j); err != nil {
			return "", err
		}
		return "stated: " + names(j.moved) + " retired at the dashboard; the service cannot be asked about it", nil
	}
	report, err := r.dead(ctx, checker, j.old, j.next)
	if gone := err == nil && report.State == services.Dead; gone && len(untested(j)) == 0 {
		return r.evidence(j, tested), nil
	} else if gone {
		err = r.stated(ctx, j)
	} else {
		err = r.retirePerson(ctx, j)
	}
	if err != nil {
		return "", err
	}
	line.Say("trying the old value until " + j.secret.Service + " refuses it")
	deadline := time.Now().Add(r.Death.Limit)
	for {
		report, err = r.dead(ctx, checker, j.old, j.next)
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

// stated has a person retire the old value, unless the journal holds that word
// already.
func (r *run) stated(ctx context.Context, j *job) error {
	if j.log.Last().Stated {
		return nil
	}
	return r.retirePerson(ctx, j)
}

// retirePerson has the old values of the entries that moved killed, and records
// that a person said so.
func (r *run) retirePerson(ctx context.Context, j *job) error {
	err := r.effect(ctx, j, journal.Revoking, "retiring the old value", func(ctx context.Context) error {
		return r.Person.Retire(ctx, j.secret, j.retired())
	})
	if err != nil {
		return err
	}
	e := r.standing(j, journal.Revoking, "a person said that the old value is retired")
	e.Stated = true
	return r.record(context.WithoutCancel(ctx), j, e)
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
	text := fmt.Sprintf("%s refuses the old %s", j.secret.Service, names(tested))
	var stated []string
	for _, e := range untested(j) {
		stated = append(stated, e.Name())
	}
	if len(stated) > 0 {
		text += "; stated: old " + strings.Join(stated, ", ") + " retired at the dashboard"
	}
	return text
}
