// Package services is what the clients of the outside services have in common;
// its sub-packages, one per service, are the only code that talks to them.
// Every client goes through the http.Client made here, so that time limits,
// repeats, redirects, firewalls' pages and cut answers are handled once, and no
// SDK ever sees an answer that is not the service's own.
package services

import (
	"context"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Credential is what a service's check needs, by the name of the pass entry:
// {"secret-key": …}, {"access-key": …, "api-secret": …}.
type Credential map[string]secrets.Value

// State is what a service says about a credential.
type State string

// The states. Dead is only said when the service itself refused the value in
// its own words; an outage, a proxy's page or a timeout is Unknown.
const (
	Alive   State = "alive"
	Dead    State = "dead"
	Unknown State = "unknown"
)

// Report is the outcome of a check.
type Report struct {
	State State
	// Account is who the credential belongs to, in the service's own ids; empty
	// where the service does not say.
	Account string
	// Mode is "live" or "test", or Clerk's "production" or "development";
	// empty where the service has none.
	Mode string
	// Detail is a sentence for people: why it is dead, or what could not be
	// learned.
	Detail string
	// Missing lists what the credential may not do, in the service's words. A
	// live credential with something missing is not fit to replace another
	// that has it.
	Missing []string
	// Writes lists what the credential may do beyond reading, in the service's
	// words; empty also where the service does not say.
	Writes []string
	// Checked names the entries that the outcome is about, and so those whose
	// wrong value must come back Dead; an entry that is not among them has no
	// door to knock at (a webhook's signing secret).
	Checked []string
}

// Checker asks a service about a credential, without any side effect.
type Checker interface {
	// Check returns an error, an *Error, only where the service gave no
	// answer that tells alive from dead; the report's state is then Unknown.
	Check(ctx context.Context, cred Credential) (Report, error)
}

// Need returns the values of those entries, or an *Error naming the first that
// is missing or empty.
func Need(service string, cred Credential, entries ...string) ([]secrets.Value, error) {
	values := make([]secrets.Value, len(entries))
	for i, name := range entries {
		v := cred[name]
		if v.IsZero() {
			return nil, &Error{
				Service: service, Op: "checking", Kind: Rejected,
				Message: "entry " + name + " is missing or empty",
				Next:    "go run . doctor",
			}
		}
		values[i] = v
	}
	return values, nil
}

// CannotTell is the pair that Check returns when there was no answer.
func CannotTell(service, op string, err error) (Report, error) {
	fault := Fault(service, op, err)
	return Report{State: Unknown, Detail: fault.Message}, fault
}
