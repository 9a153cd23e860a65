// Package cli is the command line: a file per command, the session that a
// command works in, and the rules for output and exit codes. stdout is the
// result, stderr is everything else.
package cli

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/internal/printable"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// globals are the flags that every command has.
type globals struct {
	sandbox, root, pulumi, catalog              string
	yes, json, noColor, verbose, noninteractive bool
	shellCredentials                            bool
}

// app is one run of the program.
type app struct {
	env  Env
	opts globals
	args []string
	// nightly: doctor looks at a host without people.
	nightly bool
	// typed are values given on standard input: where the state backend's own key
	// is dead, they open it.
	typed services.Credential
	// printed is what stands on stdout already.
	printed *counted
}

// Main runs the command line and returns the exit code.
func Main(ctx context.Context, env Env, args []string) int {
	printed := &counted{Writer: env.Stdout}
	stdout, stderr := printable.NewWriter(printed), printable.NewWriter(env.Stderr)
	defer func() { _, _ = stdout.Flush(), stderr.Flush() }()
	env.Stdout, env.Stderr = stdout, stderr
	a := &app{env: env, args: args, printed: printed}
	root := a.command()
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	// After SetOut: the completion command keeps what it finds there.
	a.strictHelp(root)
	if err := a.refuseEngine(); err != nil {
		return a.fail(root, args, err)
	}
	if err := root.ExecuteContext(ctx); err != nil {
		return a.fail(root, args, err)
	}
	return exitOK
}

// refuseEngine: Pulumi.yaml makes a plain `pulumi up` start this program as if
// it were the stack's own. It is not, and without values it must not pretend.
func (a *app) refuseEngine() error {
	if a.env.Get("PULUMI_MONITOR") == "" && a.env.Get("PULUMI_ENGINE") == "" {
		return nil
	}
	return misused("go run . preview", "the stacks of this project are rolled out by this program, not by a plain pulumi up or preview")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "secret-rotation",
		Short: "Rotate secrets from pass into every consumer, with proof",
		Long: `Rotates the credentials of a pass store: brings a new value to every stack and
consumer that holds a copy, has each prove that it runs with it, retires the old
value and proves that it is dead.

Start with:  go run . doctor            what is missing on this machine
             go run . catalog list      the secrets and who uses them
             go run . rotate --secret stripe --sandbox --yes
                                        a whole rotation in a world of its own`,
		SilenceErrors: true, SilenceUsage: true,
		Version: version(),
		Args:    cobra.NoArgs,

		PersistentPreRunE: checkPaths,

		RunE: func(cmd *cobra.Command, _ []string) error { return a.overview(cmd) },
	}
	root.SetVersionTemplate("secret-rotation {{.Version}}\n")
	f := root.PersistentFlags()
	f.StringVar(&a.opts.sandbox, "sandbox", "", "work in the sandbox in `DIR` instead of the company's accounts (default DIR .sandbox)")
	f.Lookup("sandbox").NoOptDefVal = defaultSandbox
	f.StringVar(&a.opts.root, "root", "", "`DIR` that the catalog's project folders are relative to (default: this folder)")
	f.StringVar(&a.opts.pulumi, "pulumi", "", "`PATH` of another Pulumi CLI, 3.258 or newer")
	f.StringVar(&a.opts.catalog, "catalog", "", "catalog `FILE` instead of the built-in one")
	f.BoolVarP(&a.opts.yes, "yes", "y", false, "do not ask, take yes for the answer")
	f.BoolVar(&a.opts.json, "json", false, "print the result as one JSON document")
	f.BoolVar(&a.opts.noColor, "no-color", false, "print without colour")
	f.BoolVarP(&a.opts.verbose, "verbose", "v", false, "say more about what goes on")
	f.BoolVar(&a.opts.noninteractive, "non-interactive", false, "never prompt, as if there were no terminal")
	f.BoolVar(&a.opts.shellCredentials, "shell-credentials", false, "open the state with the shell's AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, not with pass's")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		// What Go's own parser thinks of the value is of no use here.
		text, _, _ := strings.Cut(err.Error(), ": strconv.")
		return misused(typed(path(cmd), "--help"), "%s", text)
	})
	root.AddCommand(a.rotateCommand(), a.previewCommand(), a.verifyCommand(), a.revokeCommand(), a.rollbackCommand(), a.holdCommand(), a.adoptCommand(), a.driftCommand(), a.scheduleCommand(), a.statusCommand(), a.historyCommand(), a.journalCommand(), a.unlockCommand(), a.catalogCommand(), a.envCommand(), a.sandboxCommand(), a.setupCommand(), a.doctorCommand())
	a.complete(root)
	return root
}

const defaultSandbox = ".sandbox"

// interactive: a person sits at the terminal and may be asked.
func (a *app) interactive() bool {
	return !a.opts.noninteractive && ui.Interactive(a.env.In, a.env.Err)
}

// style is for what goes to stderr.
func (a *app) style() ui.Style { return a.styleOf(a.env.Err) }

// styleOf is for what goes to that stream: one of them may be a file where the
// other is a terminal.
func (a *app) styleOf(stream *os.File) ui.Style {
	wanted := !a.opts.noColor && a.env.Get("NO_COLOR") == "" && a.env.Get("TERM") != "dumb"
	return ui.Style{Color: wanted && stream != nil && ui.IsTerminal(stream)}
}
