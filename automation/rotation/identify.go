package rotation

import (
	"context"
	"errors"
	"fmt"

	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// errNotAtHand: the value that is to be revoked is known by its fingerprint alone,
// so nothing shows which credential of the service it is.
var errNotAtHand = errors.New("its value is not at hand, so nothing shows which credential it is")

// identifyLeaving asks the service, at this moment, which of its credentials the
// value that leaves belongs to. That answer alone is what may be revoked: the id in
// the journal is only compared with it, since whoever can write to the state could
// have exchanged it for a credential of somebody else.
//
// The error is errNotAtHand; or an *Error where service and journal differ; or the
// service's: of kind Auth where it refuses the value, so that nothing is left to
// revoke.
func identifyLeaving(ctx context.Context, r *run, j *job, issuer services.Issuer) (string, error) {
	if !j.allKnown(j.leaving()) {
		return "", errNotAtHand
	}
	found, err := ownerOf(ctx, issuer, j.leaving())
	if err != nil {
		return "", err
	}
	if recorded := j.leavingID(); recorded != "" && !recordNames(recorded, found.ID, r.Key) {
		return "", mismatch(r, j, recorded, found.ID)
	}
	return found.ID, nil
}

// ownerOf is the service's record of the credential that a value belongs to, also
// where it is out of force and would be taken again.
func ownerOf(ctx context.Context, issuer services.Issuer, value services.Credential) (services.Issued, error) {
	found, err := issuer.Identify(ctx, value)
	if sw, ok := issuer.(services.Switch); ok && services.KindOf(err) == services.Auth {
		return sw.IdentifyDisabled(ctx, value)
	}
	return found, err
}

// mismatch refuses to touch either credential: the record or the value is wrong.
func mismatch(r *run, j *job, recorded, found string) error {
	which := j.unwanted()
	return &Error{
		Reason: Failed, Secret: j.secret.Name, Step: "identifying the " + which + " value at " + j.secret.Service,
		Detail: fmt.Sprintf("%s says that it belongs to credential %s, and the journal names %s: its record may have been changed, so neither was revoked",
			j.secret.Service, ending(found), ending(recorded)),
		Next: []string{
			"go run . history --secret " + j.secret.Name,
			fmt.Sprintf("revoke %s (not %s) at %s, then: %s", ending(found), ending(recorded), j.secret.Dashboard.URL, resumeCommand(r, j).String()),
		},
	}
}

// ending is enough of an id to find it in a list. An id may be half of the
// credential, which belongs into no message.
func ending(id string) string {
	if len(id) <= shownEnd {
		return id
	}
	return "…" + id[len(id)-shownEnd:]
}

// shownEnd is how many characters a dashboard's list shows of an id.
const shownEnd = 4
