package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// LabelPrefix is how the labels begin that credentials get at their services, by
// which those of a run that was cut off are found.
const LabelPrefix = "rot/"

// label marks what a rotation has issued, so that an orphan is found.
func label(j *job) string { return LabelPrefix + j.secret.Name + "/" + j.id }

// issuer is the service's API, where the catalog wants it to be used.
func (r *run) issuer(j *job) (services.Issuer, bool) {
	if j.secret.Issuer != secrets.IssuerAPI || r.Issuer == nil {
		return nil, false
	}
	return r.Issuer(j.secret.Service)
}

// canIssue reports whether the service's API will make the new value. Where the
// present credential may not do that, a person does, and is told why.
func (r *run) canIssue(ctx context.Context, j *job) (bool, error) {
	issuer, ok := r.issuer(j)
	if !ok || len(r.only(j.secret.Entries)) != len(j.secret.Entries) {
		return false, nil
	}
	err := issuer.Ready(ctx, j.present())
	if err == nil {
		return true, nil
	}
	switch services.KindOf(err) {
	case services.Permission, services.Rejected, services.Auth:
		r.Watch.Begin(j.secret.Name, "").Warn("a person has to make the new value: " + err.Error())
		return false, nil
	}
	return false, &Error{Reason: Untold, Secret: j.secret.Name, Step: "asking " + j.secret.Service + " whether it can make a new value", Err: err, Next: []string{resumeCommand(r, j).String()}}
}

// present is the credential that consumers run with before the rotation.
func (j *job) present() services.Credential {
	if j.oldKnown() {
		return j.old
	}
	return j.current
}

// issueByAPI has the service make a second credential. What an earlier run had
// made and could not store is deleted first: nobody knows its value.
func (r *run) issueByAPI(ctx context.Context, j *job, issuer services.Issuer) error {
	line := r.Watch.Begin(j.secret.Name, "having "+j.secret.Service+" make a new value")
	err := r.effect(ctx, j, journal.Staging, "having "+j.secret.Service+" make a new value labelled "+label(j), func(ctx context.Context) error {
		if err := r.orphans(ctx, j, issuer, j.present()); err != nil {
			return err
		}
		made, err := issuer.Issue(ctx, j.present(), services.Order{Label: label(j), Expires: r.expiry(j)})
		if err != nil {
			// It may have been made although nobody told us.
			return errors.Join(err, r.orphans(ctx, j, issuer, j.present()))
		}
		j.newID = made.ID
		r.Hide(made.Values)
		for _, e := range j.moved {
			if err := r.accept(j, e, made.Values[e.Name()]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		line.Fail("no new value was made")
		var own *Error
		if errors.As(err, &own) {
			return err
		}
		return &Error{Reason: Failed, Secret: j.secret.Name, Step: "having " + j.secret.Service + " make a new value", Err: err, Next: []string{resumeCommand(r, j).String()}}
	}
	line.Done(j.secret.Service + " made a second credential")
	return nil
}

// expiry is the new credential's own end, long after its next rotation is due:
// one that nobody looks after dies by itself.
func (r *run) expiry(j *job) time.Time {
	if j.secret.MaxAge == 0 {
		return time.Time{}
	}
	return r.Now().Add(2*time.Duration(j.secret.MaxAge) + 24*time.Hour).UTC().Truncate(time.Second)
}

// orphans deletes what carries this rotation's label, except the credential that
// asks: it stays, whatever label it carries and whatever the record says.
func (r *run) orphans(ctx context.Context, j *job, issuer services.Issuer, with services.Credential) error {
	own, err := issuer.Identify(ctx, with)
	if err != nil {
		return fmt.Errorf("asking which credential stays: %w", err)
	}
	found, err := issuer.Labelled(ctx, with, label(j))
	if err != nil {
		return fmt.Errorf("looking for credentials of this rotation: %w", err)
	}
	for _, f := range found {
		if f.ID == own.ID {
			continue
		}
		if err := issuer.Delete(ctx, with, f.ID); err != nil {
			return fmt.Errorf("deleting orphan %s: %w", ending(f.ID), err)
		}
		r.Watch.Begin(j.secret.Name, "").Done("deleted " + ending(f.ID) + ", which an interrupted run had made")
	}
	return nil
}

// identify notes what the service calls the credential that is to be retired.
func (r *run) identify(ctx context.Context, j *job) error {
	issuer, ok := r.issuer(j)
	if !ok || j.back || !j.oldKnown() || j.oldDead {
		return nil
	}
	id, err := identifyLeaving(ctx, r, j, issuer)
	if err == nil {
		j.oldID = id
		return nil
	}
	if own := (*Error)(nil); errors.As(err, &own) {
		return err
	}
	switch services.KindOf(err) {
	case services.Permission, services.Rejected, services.Auth, services.NotFound:
		return nil // a person will retire it
	}
	return &Error{Reason: Untold, Secret: j.secret.Name, Step: "asking " + j.secret.Service + " which credential the present one is", Err: err, Next: []string{resumeCommand(r, j).String()}}
}

// deleteByAPI has the service kill the credential that leaves, authenticated by
// the one that stays. It reports false where a person has to do it.
func (r *run) deleteByAPI(ctx context.Context, j *job) (bool, error) {
	issuer, ok := r.issuer(j)
	if !ok {
		return false, nil
	}
	keep, err := r.kept(ctx, j, issuer)
	if err != nil {
		return false, r.notDead(ctx, j, services.Report{State: services.Unknown}, err)
	}
	id, err := identifyLeaving(ctx, r, j, issuer)
	own := (*Error)(nil)
	switch kind := services.KindOf(err); {
	case errors.As(err, &own):
		return false, err
	case kind == services.Auth:
		// Dead already. What carries the label is all that may be left of it.
		return !j.condemned, r.leftovers(ctx, j, issuer, keep)
	case errors.Is(err, errNotAtHand), kind == services.Permission, kind == services.Rejected, kind == services.NotFound:
		r.Watch.Begin(j.secret.Name, "").Warn("a person has to revoke the " + j.unwanted() + " value: " + err.Error())
		return false, r.leftovers(ctx, j, issuer, keep)
	case err != nil:
		return false, r.notDead(ctx, j, services.Report{State: services.Unknown}, err)
	case id == keep:
		return false, r.leftovers(ctx, j, issuer, keep)
	}
	return r.deleteIdentified(ctx, j, issuer, id)
}

// deleteIdentified deletes the credential with this id, which the service has just
// said is the one that leaves.
func (r *run) deleteIdentified(ctx context.Context, j *job, issuer services.Issuer, id string) (bool, error) {
	if err := r.disable(ctx, j, issuer, id); err != nil {
		return false, err
	}
	err := r.effect(ctx, j, j.revoking(), "deleting "+j.shownID(id)+" at "+j.secret.Service, func(ctx context.Context) error {
		if err := issuer.Delete(ctx, j.authority(), id); err != nil {
			return err
		}
		if j.condemned {
			return nil // nothing is left to ask with
		}
		return r.orphans(ctx, j, issuer, j.authority())
	})
	if services.KindOf(err) == services.Auth && j.condemned {
		return false, nil // dead already
	}
	if kind := services.KindOf(err); kind == services.Permission || kind == services.Rejected {
		r.Watch.Begin(j.secret.Name, "").Warn("a person has to retire it: " + err.Error())
		return false, nil
	}
	if err != nil {
		return false, r.notDead(ctx, j, services.Report{State: services.Unknown}, err)
	}
	return true, nil
}

// kept is what the service calls the credential that stays: it is never deleted,
// whatever label it carries and whatever the record says.
func (r *run) kept(ctx context.Context, j *job, issuer services.Issuer) (string, error) {
	if j.condemned && !j.allKnown(j.goal()) {
		return "", nil
	}
	found, err := issuer.Identify(ctx, j.goal())
	if err != nil {
		return "", fmt.Errorf("asking which credential the %s one is: %w", j.wanted(), err)
	}
	return found.ID, nil
}

// leftovers deletes what an interrupted run of this rotation had the API make,
// where a person made the value that came of it in the end.
func (r *run) leftovers(ctx context.Context, j *job, issuer services.Issuer, keep string) error {
	if !j.allKnown(j.goal()) {
		return nil
	}
	// One that may not list them has made none.
	found, err := issuer.Labelled(ctx, j.goal(), label(j))
	if err != nil || !slices.ContainsFunc(found, func(f services.Issued) bool { return f.ID != keep }) {
		return nil
	}
	return r.effect(ctx, j, j.revoking(), "deleting what carries the label "+label(j), func(ctx context.Context) error {
		return r.orphans(ctx, j, issuer, j.goal())
	})
}

// disable takes the credential out of force and asks every consumer again,
// before it is deleted for good: what still depends on it is found while it can
// be put back.
func (r *run) disable(ctx context.Context, j *job, issuer services.Issuer, id string) error {
	sw, ok := issuer.(services.Switch)
	if !ok || j.back || j.condemned || r.options.Unproven {
		return nil
	}
	err := r.effect(ctx, j, j.revoking(), stepDisabling+j.shownID(id)+" at "+j.secret.Service, func(ctx context.Context) error {
		return sw.Disable(ctx, j.authority(), id)
	})
	switch kind := services.KindOf(err); {
	case kind == services.NotFound || kind == services.Permission || kind == services.Rejected:
		return nil // gone already, or only deletion is allowed
	case kind != "":
		return r.notDead(ctx, j, services.Report{State: services.Unknown}, err)
	case err != nil:
		return err
	}
	bad := failing(askOnce(ctx, r, r.questions(j, j.goal(), true)))
	if len(bad) == 0 {
		return nil
	}
	return r.putBack(ctx, j, sw, id, "consumer "+bad[0].Consumer+" stopped when the old value was disabled",
		r.unproven(j, bad, "the old value was disabled for a moment and is in force again"))
}

// stepDisabling begins the step after which the old credential is out of force
// and not gone.
const stepDisabling = "disabling "

// reinstate puts an old credential back in force that a run which was cut off
// had disabled, when the consumers do not prove the new one after all.
func (r *run) reinstate(ctx context.Context, j *job, why error) error {
	issuer, ok := r.issuer(j)
	sw, can := issuer.(services.Switch)
	if !ok || !can || j.back || !strings.HasPrefix(j.log.Last().Step, stepDisabling) {
		return why
	}
	id, err := identifyLeaving(context.WithoutCancel(ctx), r, j, issuer)
	if err != nil {
		return errors.Join(&Error{Reason: Failed, Secret: j.secret.Name, Step: "putting the old value back in force", Err: err,
			Detail: "an earlier run has disabled it, and it was left so", Next: []string{"enable it at " + j.secret.Dashboard.URL, resumeCommand(r, j).String()}}, why)
	}
	return r.putBack(ctx, j, sw, id, "the old value was disabled, and not every consumer proved the new one", why)
}

// putBack enables the old credential again and leaves the rest to a person.
func (r *run) putBack(ctx context.Context, j *job, sw services.Switch, id, reason string, why error) error {
	ctx = context.WithoutCancel(ctx)
	if err := sw.Enable(ctx, j.authority(), id); err != nil {
		return &Error{Reason: Failed, Secret: j.secret.Name, Step: "putting the old value back in force", Detail: reason, Err: errors.Join(err, why), Next: []string{resumeCommand(r, j).String()}}
	}
	j.hold = &journal.Hold{By: "this program", At: r.Now().UTC().Truncate(time.Second), Reason: reason}
	if err := r.record(ctx, j, r.standing(j, journal.Blocked, "the old value is in force again")); err != nil {
		return err
	}
	if own := (*Error)(nil); errors.As(why, &own) {
		own.Next = append(own.Next, "when it is mended: "+holdOff(j.secret.Name).String())
	}
	return why
}

// authority is what the service's API is called with to kill a credential: the
// one that stays, or where there is none the one itself.
func (j *job) authority() services.Credential {
	if j.allKnown(j.goal()) {
		return j.goal()
	}
	return j.leaving()
}

// failing are the answers that are not good.
func failing(results []proof.Result) []proof.Result {
	var bad []proof.Result
	for _, res := range results {
		if res.Answer != proof.Match && res.Answer != proof.Present {
			bad = append(bad, res)
		}
	}
	return bad
}
