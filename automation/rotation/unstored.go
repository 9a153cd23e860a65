package rotation

import (
	"context"
	"errors"
	"fmt"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// storable tries, before anything is issued, whether pass will take the new values:
// their recipients, gpg and the disk.
func (r *run) storable(ctx context.Context, j *job) error {
	if j.back || r.verb != toRotate || j.source == fromPass || j.state.AtLeast(journal.Pretest) {
		return nil
	}
	trial := make([]store.Change, 0, len(j.moved))
	for _, e := range j.moved {
		trial = append(trial, j.change(e, PendingPath(e.Path), secrets.Value{}))
	}
	if err := store.Rehearse(ctx, r.Store, trial...); err != nil {
		return &Error{Reason: Failed, Secret: j.secret.Name, Step: "trying to store a value in pass", Detail: "nothing was issued", Err: err}
	}
	return nil
}

// storeAgain is how often a value that somebody typed is offered to be stored again.
const storeAgain = 3

// unstored goes on where a value that has just been made could not be stored: what
// the service's API made is revoked, what a person typed can be stored again while
// this process still has it.
func (r *run) unstored(ctx context.Context, j *job, err error) error {
	stored, readErr := r.read(context.WithoutCancel(ctx), j.secret, PendingPath)
	kept := readErr == nil
	for _, e := range j.moved {
		kept = kept && stored[e.Name()].Equal(j.next[e.Name()])
	}
	if kept {
		return err // only the push failed
	}
	if issuer, ok := r.issuer(j); ok && j.source == fromIssuer {
		return r.takeBack(context.WithoutCancel(ctx), j, issuer, err)
	}
	for range storeAgain {
		ask := Confirmation{Secret: j.secret.Name, Own: true, Action: "Store it again", Lines: []string{err.Error()},
			Title: "The new " + names(j.moved) + " could not be stored in pass. This run still has it: free the cause, then store it again."}
		if r.Person.Confirm(ctx, ask) != nil {
			break
		}
		if err = r.keep(ctx, j); err == nil {
			return nil
		}
	}
	lost := &Error{Reason: Failed, Secret: j.secret.Name, Step: "storing the new value in pass", Err: err,
		Detail: "the new " + names(j.moved) + " was NOT stored and is lost to this program; no consumer has it",
		Next:   []string{resumeCommand(r, j).String() + "   (give the same value again)", "or delete it at " + j.secret.Dashboard.URL}}
	return lost
}

// takeBack revokes a credential that the service has just made and whose value could
// not be stored: nobody will ever know it.
func (r *run) takeBack(ctx context.Context, j *job, issuer services.Issuer, err error) error {
	made, gone := j.newID, errors.New("the service did not say which credential it made")
	if made != "" {
		gone = issuer.Delete(ctx, j.present(), made)
	}
	out := &Error{Reason: Failed, Secret: j.secret.Name, Step: "storing the new value in pass", Err: err, Next: []string{resumeCommand(r, j).String()},
		Detail: "what " + j.secret.Service + " had just made was revoked again"}
	if gone != nil {
		out.Detail = fmt.Sprintf("credential %s, which %s had just made, lives on without anybody who knows its value (%v); the next run deletes it", ending(made), j.secret.Service, gone)
		return out
	}
	j.newID = ""
	return out
}
