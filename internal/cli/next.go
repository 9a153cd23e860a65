package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/internal/hint"
	"github.com/sanmarcsoft/secret-rotation/internal/notify"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// nextOf collects the commands that an error says to type next.
func nextOf(err error) []string {
	var next []string
	add := func(commands ...string) {
		for _, c := range commands {
			if c = strings.TrimSpace(c); c != "" && !contains(next, c) {
				next = append(next, c)
			}
		}
	}
	if errors.Is(err, engine.ErrNotInstalled) {
		add("go run . setup   (with a network or with Go; or name a CLI: --pulumi PATH)")
	}
	walk(err, func(err error) {
		switch e := err.(type) {
		case *usageError:
			add(e.next...)
		case *rotation.Error:
			add(e.Next...)
		case *engine.Error:
			add(e.Next)
		case *store.Error:
			add(e.Next)
		case *services.Error:
			add(e.Next)
		case *notify.Error:
			add(e.Next)
		case *worldError:
			add(e.next)
		case *secrets.CatalogError:
			add("mend the file, then: go run . catalog validate")
		case *journal.DamagedError:
			add(afterDamage(e))
		case *journal.KeyError:
			add(repairOf(e.Name))
		case *journal.TakenError, *journal.HeldError:
			if len(next) == 0 {
				add("wait for it to end, then the same command again")
			}
		}
	})
	return next
}

// walk visits an error and everything it wraps, innermost last.
func walk(err error, visit func(error)) {
	if err == nil {
		return
	}
	visit(err)
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		walk(e.Unwrap(), visit)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			walk(inner, visit)
		}
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// nextOf are the commands to type after err, as they must be typed: what goes
// on in a sandbox, or with another catalog or root, does so again.
func (a *app) nextOf(err error) []string {
	out := []string{}
	if refused := (*backend.S3Error)(nil); errors.As(err, &refused) {
		for _, next := range a.afterS3(refused) {
			out = append(out, a.inPlace(next))
		}
		return out
	}
	for _, next := range nextOf(err) {
		out = append(out, a.inPlace(next))
	}
	if len(out) == 0 {
		out = append(out, a.inPlace(a.anyNext(err)))
	}
	return out
}

// anyNext is for errors that say nothing of what to type: there always is
// something to look at.
func (a *app) anyNext(err error) string {
	var at *fs.PathError
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "df -h   (free some space, then the same command again)"
	case errors.As(err, &at) && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)):
		return "ls -ld " + quoted(filepath.Dir(at.Path))
	case a.opts.pulumi != "":
		return "the same command without --pulumi, which then takes the pinned CLI: go run . setup"
	}
	return "go run . doctor"
}

// inPlace adds the flags of this call that say which world is meant to a
// command of ours, and to one of pass, gpg or pulumi the variables of the
// sandbox: without them it would reach the company's own store.
func (a *app) inPlace(command string) string {
	command = a.withFlags(command)
	if a.opts.sandbox == "" {
		return command
	}
	dir := a.sandboxDir()
	steps := strings.Split(command, " && ")
	for i, step := range steps {
		switch program, _, _ := strings.Cut(step, " "); program {
		case "pass":
			steps[i] = fmt.Sprintf("PASSWORD_STORE_DIR=%s GNUPGHOME=%s %s", quoted(filepath.Join(dir, "store")), quoted(filepath.Join(dir, "gnupg")), step)
		case "gpg":
			steps[i] = fmt.Sprintf("GNUPGHOME=%s %s", quoted(filepath.Join(dir, "gnupg")), step)
		}
	}
	return strings.Join(steps, " && ")
}

// withFlags adds the flags alone, in a text that names commands of ours.
func (a *app) withFlags(command string) string {
	place := hint.Place{Sandbox: a.opts.sandbox, Catalog: a.opts.catalog, Root: a.opts.root, Pulumi: a.opts.pulumi, ShellCredentials: a.opts.shellCredentials}
	return place.In(command)
}

// quotedAll are the words of a call as a shell takes them.
func quotedAll(words []string) []string {
	out := make([]string, 0, len(words))
	for _, w := range words {
		out = append(out, quoted(w))
	}
	return out
}

// quoted is a word that a shell takes as it is.
func quoted(word string) string { return hint.Quote(word) }

// brokenWorld says what to do about a sandbox that cannot be opened.
func (a *app) brokenWorld(err error) error {
	if errors.Is(err, context.Canceled) || len(nextOf(err)) > 0 {
		return err
	}
	next := "go run . sandbox reset"
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		next = "df -h " + quoted(a.sandboxDir())
	case errors.Is(err, sandbox.ErrInUse):
		next = "end the other command, such as go run . sandbox serve, then: " + next
	case errors.Is(err, sandbox.ErrForeign), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS),
		errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EEXIST):
		next = "the same command with another folder: --sandbox=DIR"
	}
	return &worldError{err: err, next: next}
}

// worldError is a world, such as a sandbox, that cannot be opened, with what to
// type next.
type worldError struct {
	err  error
	next string
}

func (e *worldError) Error() string { return e.err.Error() }

func (e *worldError) Unwrap() error { return e.err }
