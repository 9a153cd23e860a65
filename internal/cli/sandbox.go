package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/internal/printable"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
)

func (a *app) sandboxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "A local copy of the whole world to try things in",
		Long: `A world of its own in a folder (.sandbox, or --sandbox=DIR): a throwaway GPG key
and pass store, the services' APIs, consumers that use their secrets, Pulumi
projects and their state. The credentials are fake and really checked.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		a.sandboxServe(), a.sandboxReset(),
		a.inSandbox("env", "Print shell exports for the world (those of a running serve work)", "env", cobra.NoArgs, func(ctx context.Context, w *sandbox.Sandbox, _ []string) error {
			text, err := w.Exports(ctx)
			if err == nil {
				_, err = fmt.Fprint(a.env.Stdout, text)
			}
			return err
		}),
		a.inSandbox("roll SECRET", "Play the human who rolls a key at the dashboard; prints the new values and stores them nowhere", "roll stripe", a.oneSecret, a.roll),
		a.inSandbox("world", "Print the truth as JSON, values included (they are fake)", "world", cobra.NoArgs, func(_ context.Context, w *sandbox.Sandbox, _ []string) error {
			return a.printBytes(w.WorldJSON())
		}),
		a.inSandbox("requests", "Print the log of API requests, one JSON object a line", "requests", cobra.NoArgs, func(_ context.Context, w *sandbox.Sandbox, _ []string) error {
			return a.printBytes(w.Requests())
		}),
		a.kinds("tamper", "Change something behind everybody's back", sandbox.TamperUsage(), func(ctx context.Context, w *sandbox.Sandbox, kind string, args ...string) (string, error) {
			return w.Tamper(ctx, kind, args...)
		}),
		a.kinds("fault", "Let the next API requests fail", sandbox.FaultUsage(), func(_ context.Context, w *sandbox.Sandbox, kind string, args ...string) (string, error) {
			return "", w.Fault(kind, args...)
		}),
	)
	return cmd
}

// world opens the sandbox of --sandbox, or the default one.
func (a *app) world(ctx context.Context) (*sandbox.Sandbox, error) { return a.worldOn(ctx, "") }

// worldOn opens it and wants its state on backend; empty: wherever it is.
func (a *app) worldOn(ctx context.Context, backend string) (*sandbox.Sandbox, error) {
	if a.opts.sandbox == "" {
		a.opts.sandbox = defaultSandbox
	}
	progress := ui.NewProgress(printable.Raw(a.env.Stderr), a.style(), a.interactive())
	defer progress.Close()
	cli, err := a.toolchain(progress).Ensure(ctx)
	if err != nil {
		return nil, err
	}
	var line *ui.Line
	w, err := sandbox.Open(ctx, sandbox.Options{Dir: a.sandboxDir(), Backend: backend, CLI: cli, Progress: func(text string) {
		if line == nil {
			line = progress.Start("sandbox", text)
			return
		}
		line.Say(text)
	}})
	if errors.Is(err, sandbox.ErrBackend) {
		return nil, misused("go run . sandbox reset --backend "+backend, "%v", err)
	}
	if err != nil {
		return nil, a.brokenWorld(err)
	}
	return w, nil
}

// onBackend adds --backend to a command.
func onBackend(cmd *cobra.Command, backend *string) *cobra.Command {
	cmd.Flags().StringVar(backend, "backend", "", "`KIND` of a fresh world's state: file (default), or s3, a real S3 server whose accounts are its Scaleway keys")
	return cmd
}

func knownBackend(command, backend string) error {
	switch backend {
	case "", sandbox.BackendFile, sandbox.BackendS3:
		return nil
	}
	return misused("go run . sandbox "+command+" --backend s3", "--backend is file or s3, not %q", backend)
}

func (a *app) inSandbox(use, short, example string, args cobra.PositionalArgs, do func(context.Context, *sandbox.Sandbox, []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Example: "  go run . sandbox " + example, Args: explainArgs(args, use, example), RunE: func(cmd *cobra.Command, args []string) error {
		w, err := a.world(cmd.Context())
		if err != nil {
			return err
		}
		return errors.Join(do(cmd.Context(), w, args), w.Close())
	}}
}

// explainArgs makes cobra's complaint about arguments a usage error.
func explainArgs(check cobra.PositionalArgs, use, example string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil || exitCode(err) == exitUsage {
			return err
		}
		return misused("go run . sandbox "+example, "it is sandbox %s, and %d argument(s) were given", use, len(args))
	}
}

func (a *app) kinds(name, short string, usage []string, do func(ctx context.Context, w *sandbox.Sandbox, kind string, args ...string) (string, error)) *cobra.Command {
	cmd := a.inSandbox(name+" KIND [ARG...]", short, name+" "+strings.SplitN(usage[0], ":", 2)[0], knownKind(name, usage),
		func(ctx context.Context, w *sandbox.Sandbox, args []string) error {
			text, err := do(ctx, w, args[0], args[1:]...)
			if err != nil {
				return misused("go run . sandbox "+name+" --help", "%v", err)
			}
			return a.printBytes([]byte(text), nil)
		})
	cmd.Long = short + ".\n\nKinds:\n  " + strings.Join(usage, "\n  ") + "\n\nAn argument that begins with a dash goes behind --, and so do all after it."
	return cmd
}

// knownKind refuses another kind before a world is opened, or made, for it.
func knownKind(command string, usage []string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return misused(typed("sandbox", command, "--help"), "sandbox %s takes a kind and its arguments", command)
		}
		var known []string
		for _, line := range usage {
			known = append(known, kindOf(line))
		}
		if at := slices.Index(known, args[0]); at >= 0 {
			if takes, _, _ := strings.Cut(usage[at], ":"); command == "tamper" && len(strings.Fields(takes)) != len(args) {
				return misused(typed("sandbox", command, "--help"), "it is sandbox %s %s, and %d argument(s) were given", command, usage[at], len(args)-1)
			}
			return knownService(command, args)
		}
		text, _ := notFound("kind", args[0], known)
		return misused(typed("sandbox", command, "--help"), "%s; there are %s", text, strings.Join(known, ", "))
	}
}

// knownService refuses a fault that would fit no request.
func knownService(command string, args []string) error {
	if command != "fault" || len(args) < 2 || args[0] == "clear" || slices.Contains(faultServices(), args[1]) {
		return nil
	}
	text, meant := notFound("service", args[1], faultServices())
	if meant == "" {
		return misused(typed("sandbox", command, "--help"), "%s; there are %s", text, strings.Join(faultServices(), ", "))
	}
	return misused(typed("sandbox", command, args[0], meant, strings.Join(quotedAll(args[2:]), " ")), "%s", text)
}

// oneSecret is tested before a world is opened, or made.
func (a *app) oneSecret(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(cmd, args); err != nil {
		return err
	}
	cat, err := a.loadCatalog()
	if err != nil {
		return err
	}
	_, err = chosen(cat, args, false, "sandbox roll")
	return err
}

func (a *app) roll(ctx context.Context, w *sandbox.Sandbox, args []string) error {
	cat, err := a.loadCatalog()
	if err != nil {
		return err
	}
	names, err := chosen(cat, args, false, "sandbox roll")
	if err != nil {
		return err
	}
	s, _ := cat.Secret(names[0])
	return a.printBytes(w.Roll(ctx, s))
}

func (a *app) printBytes(data []byte, err error) error {
	if err != nil {
		return err
	}
	_, err = a.env.Stdout.Write(data)
	return err
}

func (a *app) sandboxServe() *cobra.Command {
	var backend string
	return onBackend(&cobra.Command{
		Use:   "serve",
		Short: "Keep the world running for other clients until Ctrl-C",
		Long: `Keeps the world's servers running on loopback and writes DIR/env: source it, and
pass, curl, pulumi and wrangler work against the world. A world is served by one
process: a second one is refused (exit code 5), and sandbox env prints the exports
of the first. A world remembers its --backend; one that has another is refused.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := knownBackend("serve", backend); err != nil {
				return err
			}
			w, err := a.worldOn(cmd.Context(), backend)
			if err != nil {
				return err
			}
			err = w.Serve(cmd.Context(), func(envFile string) {
				_, _ = fmt.Fprintf(a.env.Stdout, "serving; in another shell:  . %s\n", envFile)
			})
			err = errors.Join(err, w.Close())
			if errors.Is(err, sandbox.ErrServed) {
				return &codedError{&worldError{err: err, next: "go run . sandbox env"}, exitHeld}
			}
			return err
		},
	}, &backend)
}

func (a *app) sandboxReset() *cobra.Command {
	var backend string
	return onBackend(&cobra.Command{Use: "reset", Short: "Throw the world away; the next use makes a fresh one, with --backend this command does", Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		if err := knownBackend("reset", backend); err != nil {
			return err
		}
		if a.opts.sandbox == "" {
			a.opts.sandbox = defaultSandbox
		}
		if err := sandbox.Reset(cmd.Context(), a.sandboxDir()); err != nil {
			return a.brokenWorld(err)
		}
		if backend == "" {
			return nil
		}
		w, err := a.worldOn(cmd.Context(), backend)
		if err != nil {
			return err
		}
		return w.Close()
	}}, &backend)
}
