package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/internal/notify"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// The exit codes (DESIGN section 9). They are a contract with other programs.
const (
	exitOK         = 0
	exitFailed     = 1
	exitUsage      = 2
	exitDrift      = 3
	exitCannotTell = 4
	exitHeld       = 5
	exitWaiting    = 6
	// exitInterrupted is what a shell gives a program that Ctrl-C ended: 128 and
	// the number of SIGINT.
	exitInterrupted = 130
)

// usageError is a call that has to change; next is what to type instead.
type usageError struct {
	text string
	next []string
}

func (e *usageError) Error() string { return e.text }

func misused(next, format string, args ...any) error {
	e := &usageError{text: fmt.Sprintf(format, args...)}
	if next != "" {
		e.next = []string{next}
	}
	return e
}

// statusError carries an exit code for a result that was printed already.
type statusError struct{ code int }

func (e *statusError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// codedError is an error with an exit code of its own.
type codedError struct {
	error
	code int
}

func (e *codedError) Unwrap() error { return e.error }

// exitCode decides the code of an error, in this one place.
func exitCode(err error) int {
	var (
		usage    *usageError
		status   *statusError
		coded    *codedError
		rotated  *rotation.Error
		pulumi   *engine.Error
		taken    *journal.TakenError
		held     *journal.HeldError
		catalog  *secrets.CatalogError
		answered *services.Error
		notice   *notify.Error
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return status.code
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &usage), errors.As(err, &catalog), errors.As(err, &notice) && notice.Misused:
		return exitUsage
	case errors.As(err, &taken), errors.As(err, &held), store.KindOf(err) == store.Busy && !errors.Is(err, context.Canceled):
		return exitHeld
	case isInterrupted(err):
		return exitInterrupted
	case errors.As(err, &rotated):
		return rotationCode(rotated)
	case errors.As(err, &pulumi) && pulumi.Kind == engine.Locked:
		return exitHeld
	case errors.As(err, &answered) && (answered.Kind == services.Outage || answered.Kind == services.Busy):
		return exitCannotTell
	}
	return exitFailed
}

// isInterrupted reports whether a person stopped the run: by Ctrl-C (or the
// signal that a service manager sends), or by leaving a question unanswered.
func isInterrupted(err error) bool {
	var declined *declinedError
	return errors.Is(err, ui.ErrAborted) || errors.Is(err, context.Canceled) || errors.As(err, &declined) && declined.aborted
}

func rotationCode(e *rotation.Error) int {
	switch e.Reason {
	case rotation.Misused:
		return exitUsage
	case rotation.Untold:
		return exitCannotTell
	case rotation.Held:
		return exitHeld
	case rotation.Waiting:
		return exitWaiting
	}
	if e.Err != nil {
		if inner := exitCode(e.Err); inner != exitUsage {
			return inner
		}
	}
	return exitFailed
}
