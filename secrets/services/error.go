package services

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Kind says what went wrong, as far as a caller acts on it.
type Kind string

// The kinds of Error.
const (
	// Auth: the service does not take the credential.
	Auth Kind = "auth"
	// Permission: it takes it, but not for this.
	Permission Kind = "permission"
	// NotFound: the thing asked for does not exist.
	NotFound Kind = "not-found"
	// NotDeployed: the Worker's newest version is not the one that serves, so
	// its secrets cannot be changed (10214, 10215, 10222).
	NotDeployed Kind = "not-deployed"
	// Busy: too many requests; RetryAfter says how long to wait, if known.
	Busy Kind = "busy"
	// Outage: no answer of the service itself: 5xx, timeout, network, a page
	// of something in between. What a write did is then unknown.
	Outage Kind = "outage"
	// Rejected: the service understood and refused; repeating will not help.
	Rejected Kind = "rejected"
	// Canceled: the caller gave up.
	Canceled Kind = "canceled"
)

// Error is the only kind of error that the clients return. It holds no value
// and no text of a service (but a container's error message, which is about its
// deployment): messages are written here, because services quote (masked) keys in
// theirs.
type Error struct {
	Service string
	Op      string // gerund phrase: "writing secrets of Worker x"
	Status  int    // HTTP status; 0: no answer
	Code    string // the service's own code
	Message string
	Kind    Kind
	// RetryAfter is what the service asked for; 0: it did not say.
	RetryAfter time.Duration
	// Next is the command or the step to take.
	Next string
	// Err is a context's or the network's error, never an SDK's.
	Err error
	// again: the same request may have another outcome soon.
	again bool
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Service)
	if e.Op != "" {
		b.WriteString(": " + e.Op)
	}
	b.WriteString(": " + e.Message)
	var facts []string
	if e.Status != 0 {
		facts = append(facts, fmt.Sprintf("HTTP %d", e.Status))
	}
	if e.Code != "" {
		facts = append(facts, "code "+e.Code)
	}
	if len(facts) > 0 {
		b.WriteString(" (" + strings.Join(facts, ", ") + ")")
	}
	return b.String()
}

// Unwrap makes errors.Is(err, context.Canceled) work.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of an error of this package, "" for another.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// Fault makes an *Error of what came back through an SDK. The transport has
// put its own Error into the chain; anything else is an SDK's complaint, whose
// text may quote the answer and is dropped.
func Fault(service, op string, err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		own := *e
		if own.Op == "" {
			own.Op = op
		}
		return &own
	}
	own := &Error{Service: service, Op: op}
	switch {
	case errors.Is(err, context.Canceled):
		own.Kind, own.Message, own.Err = Canceled, "canceled", context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		own.Kind, own.Message, own.Err = Outage, "no answer in time", context.DeadlineExceeded
		own.Next = nextLater
	default:
		own.Kind, own.Message = Outage, "the answer could not be read"
		own.Next = nextLater
	}
	return own
}

// The steps that more than one error names.
const (
	nextLater  = "try again later; go run . doctor shows which services answer"
	nextDoctor = "go run . doctor"
)

// byStatus is the error for a refusal whose code says nothing more.
func byStatus(status int) *Error {
	switch status {
	case http.StatusUnauthorized:
		return &Error{Kind: Auth, Message: "the credential is not accepted", Next: nextDoctor}
	case http.StatusForbidden:
		return &Error{Kind: Permission, Message: "the credential may not do this", Next: nextDoctor}
	case http.StatusNotFound:
		return &Error{Kind: NotFound, Message: "not found", Next: nextDoctor}
	}
	return &Error{Kind: Rejected, Message: "the service refused the request", Next: nextDoctor}
}
