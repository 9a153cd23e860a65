package rotation

import (
	"context"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// Person is who sits at the dashboards, and who is asked before anything
// changes. To an Error that it returns the command that goes on is added here.
type Person interface {
	// Agree shows the plan and returns nil for a yes.
	Agree(ctx context.Context, p *Plan) error
	// Issue has new values made for the named entries and returns them by
	// entry name.
	Issue(ctx context.Context, s secrets.Secret, entries []secrets.Entry) (services.Credential, error)
	// Retire has values killed; it returns when that is said to be so.
	Retire(ctx context.Context, s secrets.Secret, gone Retirement) error
	// Tell decides what nothing else can: whether the value in pass was never
	// rolled out.
	Tell(ctx context.Context, s secrets.Secret) (neverRolledOut bool, err error)
	// Confirm asks for a word that only a person can give.
	Confirm(ctx context.Context, q Confirmation) error
}

// Retirement is what a person kills at the dashboard.
type Retirement struct {
	// Values has the entries that moved and no other, an empty value where it
	// is not known.
	Values services.Credential
	// Back: it is the new value that dies, since consumers went back to the old.
	Back bool
	// Works are the consumers that have proven no value, only that they work: one of
	// them may still use the value that dies.
	Works []string
	// Unproven: it dies although not every consumer has proven another one.
	Unproven bool
}

// Confirmation is a question of consequence.
type Confirmation struct {
	Secret string
	// Title and Lines say what is to be confirmed.
	Title string
	Lines []string
	// Type is what has to be typed; empty where a yes is enough.
	Type string
	// Own: only a person can know it, and --yes does not stand for it.
	Own bool
	// Action is the yes, such as "Retire it now".
	Action string
}

// Repeater is a Person who knows that a run which was cut off may have asked for
// the same already: a value made then is to be used, or it lives on unseen.
type Repeater interface {
	// IssueAgain is Issue after a run that was cut off between asking for new
	// values and storing them.
	IssueAgain(ctx context.Context, s secrets.Secret, entries []secrets.Entry) (services.Credential, error)
}
