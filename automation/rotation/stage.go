package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// begin writes the intent of every rotation that is new, or was taken over.
func (r *run) begin(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		if r.options.Hold && j.hold == nil && !j.back {
			j.hold = &journal.Hold{By: journal.Self().String(), At: r.Now().UTC().Truncate(time.Second)}
		}
		step := "plan agreed to"
		if j.continued {
			step = "going on"
		}
		if err := r.record(ctx, j, r.standing(j, j.state, step)); err != nil {
			return err
		}
	}
	return nil
}

// stage makes sure that every new value is at hand and safe in pass, encrypted
// and pushed, before anything else happens. Where issuing kills the old value
// at once, it is asked for last.
func (r *run) stage(ctx context.Context, jobs []*job) error {
	ordered := forward(jobs)
	slices.SortStableFunc(ordered, func(a, b *job) int {
		return order(a.secret.Dashboard.KillsOld) - order(b.secret.Dashboard.KillsOld)
	})
	for _, j := range ordered {
		if err := r.stageOne(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// forward are the jobs that bring a new value.
func forward(jobs []*job) []*job {
	return slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.back })
}

func order(last bool) int {
	if last {
		return 1
	}
	return 0
}

func (r *run) stageOne(ctx context.Context, j *job) error {
	if j.known() && (j.source == fromPass || j.state.AtLeast(journal.Pretest)) {
		return nil
	}
	issued := false
	if !j.known() {
		if err := r.issue(ctx, j); err != nil {
			return err
		}
		issued = true
	}
	if len(j.retired()) == 0 && j.oldKnown() {
		return &Error{Reason: Misused, Secret: j.secret.Name, Step: "taking the new value", Detail: "it is the present one", Next: []string{rotateCommand(r, j.secret.Name).With("--new").String()}}
	}
	if j.source == fromPending && !issued {
		return nil
	}
	if issued || j.source == fromTyped {
		// Only this process has the value: it is stored also when the run was
		// interrupted, and the run ends after that.
		ctx = context.WithoutCancel(ctx)
	}
	err := r.keep(ctx, j)
	if err != nil && (issued || j.source == fromTyped) {
		err = r.unstored(ctx, j, err)
	}
	return err
}

// issue gets new values from a person, or from standard input when a rotation
// that had none yet goes on.
func (r *run) issue(ctx context.Context, j *job) error {
	var wanted []secrets.Entry
	for _, e := range j.moved {
		if typed, ok := r.options.Typed[e.Name()]; ok {
			if err := r.accept(j, e, typed); err != nil {
				return err
			}
			j.source, j.newID = fromTyped, "" // whatever was made before is none of it
		}
		if j.next[e.Name()].IsZero() {
			wanted = append(wanted, e)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	if issuer, ok := r.issuer(j); ok && j.source == fromIssuer {
		err := r.issueByAPI(ctx, j, issuer)
		if kind := services.KindOf(err); kind != services.Permission && kind != services.Rejected {
			return err
		}
		// Some services show only now that the credential may not, or that there
		// is no room.
		r.Watch.Begin(j.secret.Name, "").Warn("a person has to make the new value: " + err.Error())
		j.source = fromPerson
	}
	return r.effect(ctx, j, journal.Staging, "asking for new "+names(wanted), func(ctx context.Context) error {
		got, err := r.asked(ctx, j, wanted)
		if err != nil {
			return err
		}
		for _, e := range wanted {
			if err := r.accept(j, e, got[e.Name()]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *run) asked(ctx context.Context, j *job, wanted []secrets.Entry) (services.Credential, error) {
	issue := r.Person.Issue
	if again, ok := r.Person.(Repeater); ok && j.askedBefore {
		issue = again.IssueAgain
	}
	got, err := issue(ctx, j.secret, wanted)
	return got, askedPerson(r, j, err)
}

// keep stores the new values in rotation/pending and pushes the store: from
// here on they cannot be lost with this process.
func (r *run) keep(ctx context.Context, j *job) error {
	line := r.Watch.Begin(j.secret.Name, "storing the new value in pass")
	err := r.effect(ctx, j, journal.Staging, "storing new "+names(j.moved)+" in pass", func(ctx context.Context) error {
		var changes []store.Change
		for _, e := range j.moved {
			changes = append(changes, j.change(e, PendingPath(e.Path), pendingContent(e, j.next[e.Name()])))
		}
		if err := r.Store.Write(ctx, fmt.Sprintf("Stage new %s of %s (rotation %s)", names(j.moved), j.secret.Name, j.id), changes...); err != nil {
			return err
		}
		return r.push(ctx, j)
	})
	if err != nil {
		line.Fail("storing the new value failed")
		return &Error{Reason: Failed, Secret: j.secret.Name, Step: "storing the new value in pass", Err: err, Next: []string{resumeCommand(r, j).String()}}
	}
	r.fill(j)
	line.Done("new " + names(j.moved) + " stored in pass as pending")
	return nil
}

// pendingContent is laid out like the entry, so that the same format reads it.
func pendingContent(e secrets.Entry, v secrets.Value) secrets.Value {
	return store.NewEntry(PendingPath(e.Path), secrets.Value{}).With(e.Read, v)
}

// pretest tries the new values at their services, with a negative control,
// before any consumer gets them.
func (r *run) pretest(ctx context.Context, jobs []*job) error {
	for _, j := range forward(jobs) {
		if j.state.AtLeast(journal.Deploying) {
			continue
		}
		if err := r.pretestOne(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) pretestOne(ctx context.Context, j *job) error {
	if err := r.fits(j); err != nil {
		return err
	}
	checker, ok := r.Checker(j.secret.Service)
	tested := r.doors(j)
	if !ok || len(tested) == 0 {
		return r.record(ctx, j, r.standing(j, journal.Pretest, "format tested; the service has no door to try it at"))
	}
	line := r.Watch.Begin(j.secret.Name, "trying the new value at "+j.secret.Service)
	if err := r.record(ctx, j, r.standing(j, journal.Pretest, "trying the new value at "+j.secret.Service)); err != nil {
		return err
	}
	report, err := r.alive(ctx, checker, j.next)
	if err != nil {
		line.Fail(j.secret.Service + " could not be asked")
		return &Error{Reason: Untold, Secret: j.secret.Name, Step: "trying the new value", Err: err, Next: []string{resumeCommand(r, j).String()}}
	}
	if flaw := unfit(report, j); flaw != "" {
		line.Fail("the new value is not fit: " + flaw)
		return r.abandon(ctx, j, flaw)
	}
	control, err := checker.Check(ctx, services.Wrong(j.next, tested[0].Name()))
	if err != nil || control.State != services.Dead {
		line.Fail("the negative control failed")
		return &Error{Reason: Untold, Secret: j.secret.Name, Step: "trying a wrong value at " + j.secret.Service,
			Detail: "it was not refused, so the check proves nothing", Err: err, Next: []string{"go run . doctor", resumeCommand(r, j).String()}}
	}
	if err := r.otherDoors(ctx, j); err != nil {
		line.Fail("another door does not open")
		return err
	}
	line.Done(j.secret.Service + " accepts the new value and refuses a wrong one")
	return nil
}

// otherDoors tries the new value where it is logged in with: the registry and
// the state backend, which learn of it in their own time.
func (r *run) otherDoors(ctx context.Context, j *job) error {
	for _, c := range j.secret.Consumers {
		if c.Probe.By != "login" {
			continue
		}
		report, err := r.alive(ctx, door{r.Asker, c}, j.next)
		if err != nil && j.oldDead {
			continue // what cannot be asked is owed later
		}
		if err != nil {
			return &Error{Reason: Untold, Secret: j.secret.Name, Step: "trying the new value at " + c.Name, Err: err, Next: []string{resumeCommand(r, j).String()}}
		}
		if report.State == services.Dead {
			return r.abandon(ctx, j, c.Name+" refuses it: "+report.Detail)
		}
		wrong := j.next
		for _, e := range j.moved {
			wrong = services.Wrong(wrong, e.Name())
		}
		if control, err := r.Asker.Login(ctx, c, wrong); err != nil || control.State != services.Dead {
			return &Error{Reason: Untold, Secret: j.secret.Name, Step: "trying a wrong value at " + c.Name,
				Detail: "it was not refused, so the check proves nothing", Err: err, Next: []string{"go run . doctor", resumeCommand(r, j).String()}}
		}
	}
	return nil
}

// door is a consumer that is logged in at, as something that checks.
type door struct {
	asker    *proof.Asker
	consumer secrets.Consumer
}

func (d door) Check(ctx context.Context, cred services.Credential) (services.Report, error) {
	return d.asker.Login(ctx, d.consumer, cred)
}

// doors are the entries that move and that the service can be asked about.
func (r *run) doors(j *job) []secrets.Entry {
	return slices.DeleteFunc(slices.Clone(j.moved), func(e secrets.Entry) bool { return e.NoDoor })
}

// alive checks a new value until it is accepted or its time is over: services
// need some seconds to learn of a new credential.
func (r *run) alive(ctx context.Context, checker services.Checker, cred services.Credential) (services.Report, error) {
	deadline := time.Now().Add(r.Settle.Limit)
	for {
		report, err := checker.Check(ctx, cred)
		if err != nil || report.State == services.Alive || !time.Now().Before(deadline) {
			return report, err
		}
		if err := pause(ctx, r.Settle.Every); err != nil {
			return report, err
		}
	}
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// unfit says in words why a new value cannot replace the old one.
func unfit(now services.Report, j *job) string {
	before := j.before
	switch {
	case now.State != services.Alive:
		return j.secret.Service + " refuses it: " + now.Detail
	case before.State != services.Alive:
		return ""
	case before.Account != "" && now.Account == "":
		return fmt.Sprintf("it may not say which account it belongs to; the present one belongs to %s and may", before.Account)
	case before.Account != "" && now.Account != before.Account:
		return fmt.Sprintf("it belongs to account %s, the present one to %s", now.Account, before.Account)
	case now.Mode != before.Mode:
		return fmt.Sprintf("it is a %s key, the present one a %s key", now.Mode, before.Mode)
	}
	var lost []string
	for _, m := range now.Missing {
		if !slices.Contains(before.Missing, m) {
			lost = append(lost, m)
		}
	}
	if len(lost) > 0 {
		return fmt.Sprintf("it may not do what the present one may: %v", lost)
	}
	return ""
}

// abandon ends a rotation whose new value no consumer has seen: a value that
// the service refuses must not be tried again for ever (failures 59).
func (r *run) abandon(ctx context.Context, j *job, flaw string) error {
	if j.secret.Dashboard.KillsOld && j.source == fromPerson {
		// The old value died when this one was made: dropping it would leave
		// nothing. It stays in pass as pending.
		return &Error{Reason: Untold, Secret: j.secret.Name, Step: "trying the new value", Detail: flaw + "; the old value is dead, so the new one is kept in pass and tried again",
			Next: []string{resumeCommand(r, j).String(), "if it was mistyped, make or type it anew: " + rotateCommand(r, j.secret.Name).With("--new").String()}}
	}
	fresh := rotateCommand(r, j.secret.Name).With(sourceFlags(r.options)...).String() // this one is given up
	out := &Error{Reason: Failed, Secret: j.secret.Name, Step: "trying the new value", Detail: flaw + "; no consumer has it, the present value stays",
		Next: []string{rotateCommand(r, j.secret.Name).With("--new").String()}}
	if j.source == fromIssuer {
		out.Next = []string{fresh}
	}
	if j.source == fromPass {
		out.Next = []string{"pass edit " + store.Quote(j.moved[0].Path), fresh}
		return errors.Join(out, r.record(ctx, j, r.standing(j, journal.Abandoned, "the value in pass is not fit: "+flaw)))
	}
	e := r.standing(j, journal.Abandoned, "the new value is not fit: "+flaw)
	err := r.effect(ctx, j, j.state, "removing the unfit value from pass", func(ctx context.Context) error {
		if issuer, ok := r.issuer(j); ok && j.source == fromIssuer {
			if err := r.orphans(ctx, j, issuer, j.present()); err != nil {
				return err
			}
		}
		if err := r.Store.Write(ctx, fmt.Sprintf("Drop unfit %s of %s (rotation %s)", names(j.moved), j.secret.Name, j.id), r.removals(j, PendingPath)...); err != nil {
			return err
		}
		return r.Store.Push(ctx)
	})
	if err == nil {
		err = r.record(ctx, j, e)
	}
	return errors.Join(out, err)
}

// removals deletes the moved entries' copies under another path.
func (r *run) removals(j *job, at func(string) string) []store.Change {
	var changes []store.Change
	for _, e := range j.moved {
		if r.Store.Exists(at(e.Path)) {
			changes = append(changes, store.Change{Path: at(e.Path), Delete: true})
		}
	}
	return changes
}
