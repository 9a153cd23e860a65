package rotation

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// What a run may owe. Each debt is recorded with its date, "WHAT since DATE",
// and keeps the rotation from being done until it is settled.
const notPushed = "pass is not pushed"

func notProven(consumer string) string { return "consumer " + consumer + " is not proven" }

func (r *run) notDeadYet(j *job) string {
	return j.unwanted() + " " + names(j.moved) + " not proven dead"
}

const since = " since "

// owe notes a debt; one that is known already keeps its date.
func (r *run) owe(j *job, what string) {
	if slices.ContainsFunc(j.debts, func(d string) bool { return strings.HasPrefix(d, what+since) }) {
		return
	}
	j.debts = append(j.debts, what+since+stamp(r.Now()))
	j.report.Debts = slices.Clone(j.debts)
}

// settle takes a debt off.
func (r *run) settle(j *job, what string) {
	j.debts = slices.DeleteFunc(slices.Clone(j.debts), func(d string) bool { return strings.HasPrefix(d, what+since) })
	j.report.Debts = append([]string{}, j.debts...)
}

func (j *job) owes(what string) bool {
	return slices.ContainsFunc(j.debts, func(d string) bool { return strings.HasPrefix(d, what+since) })
}

// emergency: the old value shall die now, so what cannot be reached is a debt
// and no reason to wait.
func (r *run) emergency() bool {
	return r.options.Unproven || r.options.Grace != nil && *r.options.Grace == 0
}

// onlineOrEmergency decides about a remote of pass that cannot be reached, once
// it is known whether the old values are dead.
func (r *run) onlineOrEmergency(jobs []*job) error {
	if r.offline == nil {
		return nil
	}
	for _, j := range jobs {
		if !r.emergency() && !j.oldDead {
			return r.offline
		}
	}
	r.Watch.Begin("pass", "").Warn("its remote cannot be reached; going on, since this is an emergency; an old value that still lives stays until pass is pushed")
	return nil
}

// push pushes the store. In an emergency a remote that cannot be reached is a
// debt: the value is safe on this disk.
func (r *run) push(ctx context.Context, j *job) error {
	err := r.Store.Push(ctx)
	if offline := (*store.Error)(nil); errors.As(err, &offline) && offline.Kind == store.Unreachable && (r.emergency() || j.oldDead) {
		r.owe(j, notPushed)
		return nil
	}
	if err == nil {
		r.settle(j, notPushed)
	}
	return err
}

// owed turns consumers that cannot be asked into debts, where the old value is
// dead anyway or has to die whoever breaks. A consumer that proves another
// value is no debt.
func (r *run) owed(j *job, bad []proof.Result) bool {
	if j.back || !j.oldDead && !r.options.Unproven {
		return false
	}
	for _, b := range bad {
		if b.Answer == proof.Differs && !r.options.Unproven {
			return false
		}
	}
	for _, b := range bad {
		r.owe(j, notProven(b.Consumer))
	}
	return true
}

// settled pays what can be paid now. What is left keeps the rotation open.
func (r *run) settled(ctx context.Context, j *job) error {
	if len(j.debts) == 0 {
		return nil
	}
	if err := r.push(ctx, j); err != nil {
		r.owe(j, notPushed)
	}
	toCommit := r.repay(ctx, j)
	questions := r.questions(j, j.goal(), true)
	gone := r.forget(j, questions)
	for _, q := range questions {
		if !j.owes(notProven(q.Consumer.Name)) && !gone {
			continue
		}
		results := r.Asker.Watch(ctx, r.Window, []proof.Question{q}, func(proof.Result) {})
		j.report.Consumers = merge(j.report.Consumers, consumers(results))
		if len(failing(results)) == 0 {
			r.settle(j, notProven(q.Consumer.Name))
		} else {
			r.owe(j, notProven(q.Consumer.Name))
		}
	}
	if err := r.record(ctx, j, r.standing(j, j.state, "settling what is owed")); err != nil {
		return err
	}
	if len(j.debts) == 0 {
		return nil
	}
	next := toCommit
	if j.owes(notPushed) {
		next = append(next, "pass git push")
	}
	if strings.Contains(strings.Join(j.debts, " "), "consumer ") {
		next = append(next, verifySecret(j.secret.Name).String())
	}
	next = append(next, resumeCommand(r, j).String())
	j.report.Next = next
	return &Error{Reason: Untold, Secret: j.secret.Name, Detail: "the " + j.unwanted() + " value is revoked" + onWord(j.log.Last()) + "; still owed: " + strings.Join(j.debts, "; "), Next: next}
}

// forget drops the debts of consumers that the catalog does not have any more;
// all that it has are asked instead.
func (r *run) forget(j *job, questions []proof.Question) (gone bool) {
	for _, d := range slices.Clone(j.debts) {
		known := !strings.HasPrefix(d, "consumer ") || slices.ContainsFunc(questions, func(q proof.Question) bool { return strings.HasPrefix(d, notProven(q.Consumer.Name)+since) })
		if known {
			continue
		}
		what, _, _ := strings.Cut(d, since)
		r.settle(j, what)
		r.Watch.Begin(j.secret.Name, "").Warn("dropped the debt \"" + d + "\": the catalog has no such consumer; those that it has are asked")
		gone = true
	}
	return gone
}

// sacrifice stands for safeToRetire when a leaked value must die now: who breaks
// is listed, the secret's name is typed, and what cannot be reached is a debt.
func (r *run) sacrifice(ctx context.Context, j *job) error {
	if j.agreed {
		return nil
	}
	results := r.Asker.AskAll(ctx, r.questions(j, j.goal(), true))
	j.report.Consumers = merge(j.report.Consumers, consumers(results))
	lines := []string{}
	for _, b := range failing(results) {
		lines = append(lines, b.Consumer+" may break: "+string(b.Answer)+", "+b.Detail)
	}
	for _, b := range results {
		switch {
		case b.Answer == proof.Present:
			lines = append(lines, b.Consumer+" may break: it lists the name, and nothing proves the value")
		case b.Answer == proof.Match && b.Proof == secrets.ProofConfigured:
			lines = append(lines, b.Consumer+" may break: "+b.Detail)
		}
	}
	if len(lines) == 0 {
		lines = append(lines, "every consumer runs with the new value")
	}
	if r.refusedNow(ctx, j, j.goal(), nil) {
		lines = append(lines, j.secret.Service+" refuses the new value too: everything will stand without a working one")
	}
	if err := r.reauth(ctx, j); err != nil {
		return err
	}
	err := askedPerson(r, j, r.Person.Confirm(ctx, Confirmation{Secret: j.secret.Name, Type: j.secret.Name, Lines: lines,
		Title: "The old value of " + j.secret.Name + " dies now, without proof from every consumer."}))
	if err != nil {
		return err
	}
	r.owed(j, failing(results))
	sync, err := r.Store.Sync(ctx)
	if err == nil {
		err = sync.Pushed()
	}
	if err != nil {
		r.owe(j, notPushed)
	}
	if err := r.committed(ctx, j); err != nil {
		return err
	}
	return r.record(ctx, j, r.standing(j, j.state, "a person wants the old value dead now"))
}
