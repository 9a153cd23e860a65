package rotation

import (
	"slices"
	"strings"
)

// Reason says why a rotation stopped; the command line turns it into its exit
// code.
type Reason int

// The reasons.
const (
	Failed Reason = iota
	// Misused: the call itself has to change.
	Misused
	// Untold: something could not be checked, so nothing was decided.
	Untold
	// Held: another rotation or update holds the lock.
	Held
	// Waiting for a person or for the end of the grace period.
	Waiting
)

// Wait is what a Waiting error waits for.
type Wait int

// What is waited for.
const (
	// ForPerson: somebody has to do or to say something.
	ForPerson Wait = iota
	// ForTime: the call did what it was for. The old value waits for the end of its
	// grace period, or of a hold that the call has asked for.
	ForTime
)

// Error says what happened, to which secret and step, and what to type next.
type Error struct {
	Reason Reason
	Secret string
	Step   string
	Detail string
	Wait   Wait
	// Next are commands, one a line; empty where Err carries its own.
	Next []string
	// Flags are added to the command that goes on with the rotation, by a Person
	// who waits for somebody.
	Flags []string
	Err   error
}

// Error says which secret, which step, and what happened, in one line.
func (e *Error) Error() string {
	text := e.Detail
	if e.Err != nil {
		if text != "" {
			text += ": "
		}
		text += e.Err.Error()
	}
	if e.Step != "" {
		text = e.Step + ": " + text
	}
	if e.Secret != "" && !strings.HasPrefix(text, e.Secret+" ") { // some begin with it
		text = e.Secret + ": " + text
	}
	return text
}

// SettledFor reports whether the call did for a secret what it was for, although
// err is not nil.
func SettledFor(err error, secret string) bool {
	switch e := err.(type) {
	case *Error:
		return e.Reason == Waiting && e.Wait == ForTime && e.Secret == secret
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), func(one error) bool { return SettledFor(one, secret) })
	}
	return false
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
