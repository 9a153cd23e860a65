package services

import (
	"context"
	"time"
)

// Issuer makes and deletes credentials of a service by its API. It holds none
// itself: every call is made with the credential given to it.
type Issuer interface {
	// Ready says, without changing anything, whether with may issue, list and
	// delete credentials of its own kind, and whether the quota has room for
	// one more. An *Error of kind Permission or Rejected means that a person
	// has to do it; every other kind that nothing could be told.
	Ready(ctx context.Context, with Credential) error
	// Identify is the service's own record of a living credential; its values
	// are left out. An *Error of kind Auth says that the service refuses it.
	Identify(ctx context.Context, cred Credential) (Issued, error)
	// Issue makes a second credential with all that with may do, at the same
	// account. Nothing tells whether it was made where the error's kind is
	// Outage or Busy: look with Labelled.
	Issue(ctx context.Context, with Credential, o Order) (Issued, error)
	// Labelled lists the living credentials whose label is exactly this one,
	// values left out.
	Labelled(ctx context.Context, with Credential, label string) ([]Issued, error)
	// Delete kills the credential with this id. One that is gone is no error.
	Delete(ctx context.Context, with Credential, id string) error
}

// Lister is a service that shows all credentials of one kind: those that with may
// see at its own place.
type Lister interface {
	// List gives every one that the service still has, values left out, oldest
	// first; those that are disabled or whose time is over are among them, and
	// with itself is. An *Error of kind Permission says that with may not list
	// them.
	List(ctx context.Context, with Credential) ([]Issued, error)
}

// Switch is an Issuer whose credentials can be taken out of force and put back.
type Switch interface {
	// Disable has the service refuse the credential from now on.
	Disable(ctx context.Context, with Credential, id string) error
	// Enable undoes Disable.
	Enable(ctx context.Context, with Credential, id string) error
	// IdentifyDisabled is Identify for a credential that may be out of force: the
	// service refuses it for everything but telling which one it is. An *Error of
	// kind Auth says that it does not know the value.
	IdentifyDisabled(ctx context.Context, cred Credential) (Issued, error)
}

// Order is what a new credential gets beside the rights of the present one.
type Order struct {
	// Label names the rotation, rot/SECRET/ROTATION: an orphan of a run that
	// was killed is found by it. At most 120 bytes.
	Label string
	// Expires is its own end, a dead man's switch: a credential that nobody
	// looks after dies by itself. Zero: none.
	Expires time.Time
}

// Issued is a credential as its service records it.
type Issued struct {
	// ID is what the service calls it, and Delete takes; never secret.
	ID    string
	Label string
	// Values are only there right after Issue, by entry name.
	Values  Credential
	Created time.Time
	// Expires and LastUsed are zero where there is none, or none is known.
	Expires, LastUsed time.Time
	// Disabled: the service refuses it, and would take it again.
	Disabled bool
}
