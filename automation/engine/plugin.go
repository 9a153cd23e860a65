package engine

import (
	"context"
	"errors"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/toolchain"
)

// EnsurePlugin provides a provider's plugin for a stack, which names the error:
// of kind NoPlugin where it cannot be had.
func (e *Engine) EnsurePlugin(ctx context.Context, stack string, p Plugin) error {
	err := e.opts.CLI.EnsurePlugin(ctx, p)
	if err == nil {
		return nil
	}
	fail := &Error{Kind: Failed, Stack: stack, Step: "providing the registry's plugin", Err: err}
	switch {
	case ctx.Err() != nil:
		fail.Kind = Canceled
	case errors.Is(err, toolchain.ErrNoPlugin):
		fail.Kind = NoPlugin
		fail.Next = e.opts.CLI.Command(p) + "   (with a network; or put pulumi-resource-" + p.Name + " " + p.Version +
			" on PATH, or set `providers: hosted` for the stack in the catalog, which needs no plugin)"
	}
	return fail
}
