package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// TestExitCodes: a contract with other programs.
func TestExitCodes(t *testing.T) {
	outage, busy := &services.Error{Kind: services.Outage}, &services.Error{Kind: services.Busy}
	locked := &engine.Error{Kind: engine.Locked}
	for name, c := range map[string]struct {
		err  error
		code int
	}{
		"nothing":                   {nil, 0},
		"anything":                  {errors.New("x"), 1},
		"usage":                     {misused("n", "x"), 2},
		"a wrong catalog":           {&secrets.CatalogError{}, 2},
		"misused":                   {&rotation.Error{Reason: rotation.Misused}, 2},
		"a result with drift":       {&statusError{3}, 3},
		"untold":                    {&rotation.Error{Reason: rotation.Untold}, 4},
		"an outage":                 {fmt.Errorf("x: %w", outage), 4},
		"too many requests":         {busy, 4},
		"an outage in a rotation":   {&rotation.Error{Reason: rotation.Failed, Err: outage}, 4},
		"a token that may not":      {&services.Error{Kind: services.Permission}, 1},
		"held":                      {&rotation.Error{Reason: rotation.Held}, 5},
		"a stack's lock":            {&rotation.Error{Reason: rotation.Failed, Err: locked}, 5},
		"the journal's lock":        {fmt.Errorf("x: %w", &journal.TakenError{}), 5},
		"the store's lock":          {&rotation.Error{Reason: rotation.Failed, Err: &store.Error{Kind: store.Busy, Err: context.DeadlineExceeded}}, 5},
		"a person":                  {&rotation.Error{Reason: rotation.Waiting}, 6},
		"the store behind":          {&store.Error{Kind: store.Behind}, 1},
		"Ctrl-C at a question":      {ui.ErrAborted, 130},
		"interrupted":               {&rotation.Error{Reason: rotation.Untold, Err: context.Canceled}, 130},
		"a plan left unanswered":    {&declinedError{&rotation.Error{Reason: rotation.Failed}, true}, 130},
		"a plan answered with no":   {&declinedError{&rotation.Error{Reason: rotation.Failed}, false}, 1},
		"a failure and its cleanup": {errors.Join(&rotation.Error{Reason: rotation.Held}, nil), 5},
	} {
		require.Equal(t, c.code, exitCode(c.err), name)
	}
}

// TestThereIsAlwaysANextCommand, one for each kind of error that names none.
func TestThereIsAlwaysANextCommand(t *testing.T) {
	a := &app{env: Env{Dir: "/d"}}
	full := &fs.PathError{Op: "write", Path: "/d/x/y", Err: syscall.ENOSPC}
	closed := &fs.PathError{Op: "open", Path: "/d/x/y", Err: syscall.EROFS}
	for want, err := range map[string]error{
		"go run . doctor":           errors.New("x"),
		"df -h":                     fmt.Errorf("journal: %w", full),
		"ls -ld /d/x":               fmt.Errorf("journal: %w", closed),
		"go run . setup":            fmt.Errorf("x: %w", engine.ErrNotInstalled),
		"go run . catalog validate": &secrets.CatalogError{},
		"the same command again":    &journal.TakenError{},
		"go run . sandbox reset":    a.brokenWorld(fmt.Errorf("x: %w", sandbox.ErrDamaged)),
		"another folder":            a.brokenWorld(fmt.Errorf("x: %w", sandbox.ErrForeign)),
		"end the other command":     a.brokenWorld(fmt.Errorf("x: %w", sandbox.ErrInUse)),
		"df -h /d":                  a.brokenWorld(full),
		"pass git push":             errors.Join(errors.New("x"), &store.Error{Next: "pass git push"}),
	} {
		require.Contains(t, a.nextOf(err)[0], want)
	}
	both := &rotation.Error{Next: []string{"one"}, Err: &store.Error{Next: "two"}}
	require.Equal(t, []string{"one", "two"}, a.nextOf(both), "the nearest to the operator first")
}
