package rotation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/internal/hint"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Repair accepts a damaged journal of a secret as it stands. Consumers and service
// are asked what can be verified now, the secret's name is typed, and one event is
// appended: no object is deleted or written anew. What every consumer proved is the
// value promoted from then on; else the next rotation finds out as the first one
// does. It reports whether there was anything to repair.
func (r *Rotator) Repair(ctx context.Context, name string) (Report, bool, error) {
	run := &run{Rotator: r, verb: toLook}
	defer run.release(ctx)
	s, ok := r.Catalog.Secret(name)
	if !ok {
		return Report{}, false, fmt.Errorf("secret %s is not in the catalog", name)
	}
	if err := run.mended(ctx); err != nil {
		return Report{}, false, err
	}
	if err := run.syncedOnline(ctx); err != nil {
		return Report{}, false, err
	}
	j := &job{secret: s, log: &journal.Log{}, id: r.NewID(), moved: s.Entries, report: newReport(name)}
	audit, lost, err := run.damage(ctx, s)
	if err != nil || audit.Whole() && len(lost) == 0 {
		return j.report, false, err
	}
	if j.current, err = run.read(ctx, s, func(path string) string { return path }); err != nil {
		return j.report, true, err
	}
	j.old, j.next = clone(j.current), clone(j.current)
	run.jobs = []*job{j}
	results := r.Asker.AskAll(ctx, run.questions(j, j.current, true))
	j.report.Consumers = consumers(results)
	lines, proven := run.verifiable(ctx, j, audit, lost, results)
	err = r.Person.Confirm(ctx, Confirmation{Secret: name, Type: name, Lines: lines, Action: "Accept it",
		Title: "The journal of " + name + " is accepted as it stands; no event is deleted."})
	if err != nil {
		return j.report, true, err
	}
	return j.report, true, run.accepted(ctx, j, audit, lost, results, proven)
}

// repairCommand accepts a damaged journal.
func repairCommand(name string) string {
	return hint.Command{Verb: "journal repair", Secrets: []string{name}}.String()
}

// syncedOnline is synced for what is no emergency.
func (r *run) syncedOnline(ctx context.Context) error {
	if err := r.synced(ctx); err != nil {
		return err
	}
	if r.offline != nil {
		return &Error{Reason: Untold, Step: "comparing pass with its remote", Err: r.offline, Next: []string{"pass git fetch"}}
	}
	return nil
}

// damage is what is wrong with a log, and which rotations pass's commits name that
// it does not have.
func (r *run) damage(ctx context.Context, s secrets.Secret) (*journal.Audit, []string, error) {
	audit, err := r.Journal.Audit(ctx, s.Name)
	if err != nil {
		return nil, nil, err
	}
	var lost []string
	for _, e := range s.Entries {
		ids, err := r.Store.RotationIDs(ctx, e.Path)
		if err != nil {
			return nil, nil, err
		}
		for _, id := range ids {
			if !journal.Knows(audit.Events, id) && !slices.Contains(lost, id) {
				lost = append(lost, id)
			}
		}
	}
	return audit, lost, nil
}

// verifiable says what is wrong and what can be verified now; proven where every
// consumer proved the value in pass and its service accepts it.
func (r *run) verifiable(ctx context.Context, j *job, audit *journal.Audit, lost []string, results []proof.Result) (lines []string, proven bool) {
	lines, proven = audit.Found(), len(results) > 0
	for _, id := range lost {
		lines = append(lines, "rotation "+id+", which wrote to pass, has no event")
	}
	for _, res := range results {
		line := "consumer " + res.Consumer + ": " + string(res.Answer)
		if res.Detail != "" {
			line += ", " + res.Detail
		}
		lines, proven = append(lines, line), proven && res.Answer == proof.Match
	}
	if checker, ok := r.Checker(j.secret.Service); ok && j.allKnown(j.current) {
		report, err := checker.Check(ctx, j.current)
		line := j.secret.Service + ": the value in pass is " + string(report.State)
		if err != nil {
			line += ", " + err.Error()
		}
		lines, proven = append(lines, line), proven && err == nil && report.State != services.Dead
	}
	if !proven {
		lines = append(lines, "not every consumer proved the value in pass, so that no value is recorded as promoted")
	}
	return lines, proven
}

// accepted appends the event, under the lease and to what was looked at.
func (r *run) accepted(ctx context.Context, j *job, audit *journal.Audit, lost []string, results []proof.Result, proven bool) error {
	lease, err := r.Journal.Acquire(ctx, leased([]secrets.Secret{j.secret})...)
	if err != nil {
		return r.barred(j.secret.Name, err)
	}
	r.lease = lease
	if err := r.keepKey(ctx); err != nil {
		return err
	}
	now, err := r.Journal.Audit(ctx, j.secret.Name)
	if err != nil {
		return err
	}
	if !slices.Equal(now.Found(), audit.Found()) || len(now.Events) != len(audit.Events) {
		return &Error{Reason: Held, Secret: j.secret.Name, Detail: "its journal was written to meanwhile", Next: []string{repairCommand(j.secret.Name)}}
	}
	e := r.standing(j, journal.Abandoned, "the damaged journal was accepted as it stands; no value is known to be promoted")
	for _, res := range results {
		e.Answers = append(e.Answers, journal.Answer{Consumer: res.Consumer, Proof: res.Proof, Answer: string(res.Answer), At: res.At})
	}
	if proven {
		e.State, e.Step = journal.Adopted, "the damaged journal was accepted: every consumer proved the value in pass"
		e.Promoted, e.PromotedAt = map[string]secrets.Fingerprint{}, r.Now().UTC().Truncate(time.Second)
		for _, entry := range j.secret.Entries {
			e.Promoted[entry.Name()] = j.current[entry.Name()].Fingerprint(r.Key)
		}
	}
	// What an unfinished or a lost rotation may have left alive is looked for by the next one.
	if n := len(audit.Events); len(lost) > 0 || n > 0 && !audit.Events[n-1].State.Finished() {
		e.Debts = append(e.Debts, "credentials of the rotations before the repair may still be valid"+since+stamp(r.Now()))
	}
	if err := r.Journal.Repair(ctx, now, e, lost); err != nil {
		return err
	}
	j.report.Rotation, j.report.State, j.report.Debts = j.id, e.State, append([]string{}, e.Debts...)
	j.report.Next = []string{hint.Command{Verb: "rotate", Secrets: []string{j.secret.Name}, Flags: []string{"--new"}}.String(), hint.Command{Verb: "drift"}.String()}
	return nil
}

// Release takes the leases on a secret and its stacks away from whoever holds
// them, after the secret's name was typed. It reports whether any was held.
func (r *Rotator) Release(ctx context.Context, name string) (bool, error) {
	s, ok := r.Catalog.Secret(name)
	if !ok {
		return false, fmt.Errorf("secret %s is not in the catalog", name)
	}
	holders, err := Leases(ctx, r.Journal, s)
	if err != nil {
		return false, err
	}
	var lines, held []string
	for _, by := range holders {
		held = append(held, by.Name)
		lines = append(lines, by.Error()+"; it ends by itself on "+by.Free.Local().Format("2006-01-02 15:04:05 MST"))
	}
	if len(held) == 0 {
		return false, nil
	}
	err = r.Person.Confirm(ctx, Confirmation{Secret: name, Type: name, Lines: lines, Action: "Release it",
		Title: "The lease on " + name + " is released. If its holder still runs, two rotations write at once."})
	if err != nil {
		return true, err
	}
	return true, r.Journal.Free(ctx, held...)
}
