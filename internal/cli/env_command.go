package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// envOptions are the flags of env.
type envOptions struct {
	name, format string
	force, watch bool
	every        time.Duration
	// command is what stands behind the two dashes; given says that they do.
	command []string
	given   bool
}

const (
	// lookEvery is how often --watch looks by default, seldom the least.
	lookEvery = 5 * time.Second
	lookLeast = 50 * time.Millisecond
)

func (a *app) envCommand() *cobra.Command {
	var o envOptions
	cmd := &cobra.Command{
		Use:   "env [--for NAME [--watch] -- COMMAND ARGS...]",
		Short: "Run a command with the secrets of an environment of the catalog",
		Long: `Runs a command with the caller's environment and the variables that an
environment of the catalog maps to pass entries; no file, no argument and no
other variable is touched. The command gets the terminal and every signal, its
exit code is that of env (128 and the signal's number where one ended it).

--watch looks every few seconds whether the entries' files in the store have
changed (pass git pull is yours to run). Where a value really did, all of them
are read first, then the command is ended (SIGTERM to it and then to what it has
started, SIGKILL to all of that after 10 seconds) and started anew. On Linux that
holds for processes in a session of their own, too, but for GnuPG's daemons. A
value that cannot be read leaves the command alone. A command that ends by itself
ends env, and env says what it left running; one whose env was killed by SIGKILL
lives on.

A rotation asks such a command after the promotion, and keeps the old value until
it runs with the new one, if the catalog has it as a consumer:
  {name: server, kind: pass, probe: {kind: exact, by: environ,
   pidFile: /run/user/1000/server.pid, variables: {ACME_KEY: api-key}}}

--format prints the variables instead: for sh (shell: export NAME='value'), as a
.env file by the rules of Node's dotenv, which wrangler reads .dev.vars by
(dotenv), or as a JSON object (json). Not to a terminal, unless --force is given.

Without --for it lists the environments.`,
		Example: `  go run . env --for cloudflare -- npx wrangler deploy
  go run . env --for cloudflare --watch -- ./server
  eval "$(go run . env --for pulumi --format shell)"`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			loose := args
			if at := cmd.ArgsLenAtDash(); at >= 0 {
				o.given, o.command, loose = true, args[at:], args[:at]
			}
			return a.environment(cmd.Context(), o, loose, cmd.Flags().Changed("every"))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.name, "for", "", "`NAME` of an environment in the catalog")
	f.StringVar(&o.format, "format", "", "print the variables: shell, dotenv or json (`FORMAT`)")
	f.BoolVar(&o.force, "force", false, "print values to a terminal")
	f.BoolVar(&o.watch, "watch", false, "start the command anew when a value has changed")
	f.DurationVar(&o.every, "every", lookEvery, "how often --watch looks (`DURATION`)")
	_ = cmd.RegisterFlagCompletionFunc("format", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"shell\texport NAME='value'", "dotenv\ta .env file", "json\tone object"}, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// environment is the command.
func (a *app) environment(ctx context.Context, o envOptions, loose []string, every bool) error {
	cat, err := a.loadCatalog()
	if err != nil {
		return err
	}
	if o.name == "" && o.format == "" && !o.given && len(loose) == 0 {
		return a.listEnvironments(cat)
	}
	if err := a.checkEnv(cat, o, loose, every); err != nil {
		return err
	}
	s, err := a.openValues(ctx)
	if err != nil {
		return err
	}
	e, _ := s.catalog.Environment(o.name)
	if o.given {
		err = s.runWith(ctx, e, o)
	} else {
		err = s.printValues(ctx, e, o.format)
	}
	return errors.Join(err, s.close())
}

// checkEnv refuses what makes no sense, before anything is opened.
func (a *app) checkEnv(cat *secrets.Catalog, o envOptions, loose []string, every bool) error {
	call := "go run . env --for " + o.name
	if o.name == "" {
		call += "NAME"
	}
	both := []string{call + " -- COMMAND", `eval "$(` + call + ` --format shell)"`}
	switch _, found := cat.Environment(o.name); {
	case o.name == "":
		return misused("go run . env", "no environment named; the catalog has %s", listed(environmentNames(cat)))
	case !found:
		text, meant := notFound("environment", o.name, environmentNames(cat))
		if meant == "" {
			return misused("go run . env", "%s; the catalog has %s", text, listed(environmentNames(cat)))
		}
		return misused("go run . env --for "+meant, "%s", text)
	case len(loose) > 0:
		return misused(call+" -- "+strings.Join(quotedAll(append(loose, o.command...)), " "), "the command to run stands behind two dashes: -- %s", loose[0])
	case o.given && len(o.command) == 0, !o.given && o.format == "":
		return &usageError{text: "neither a command (behind --) nor a --format is given", next: both}
	case o.given && o.format != "":
		return &usageError{text: "a command and --format exclude each other", next: both}
	case o.format != "" && formats[o.format] == nil:
		return misused(call+" --format shell", "there is no format %q: shell, dotenv and json", o.format)
	case a.opts.json:
		return misused(call+" --format json", "--json lists the environments; the values of one are --format json")
	case o.watch && !o.given:
		return misused(call+" --watch -- COMMAND", "--watch goes with a command")
	case every && !o.watch:
		return misused(call+" --watch --every "+o.every.String()+" -- COMMAND", "--every goes with --watch")
	case o.every < lookLeast:
		return misused(call+" --watch --every 5s -- COMMAND", "--every %s is too often: %s at least", o.every, lookLeast)
	case o.format != "" && !o.force && a.onTerminal():
		return &usageError{text: "the values would stand on the terminal and in its scrollback",
			next: []string{both[1], call + " --format " + o.format + " --force"}}
	}
	return nil
}

func listed(names []string) string {
	if len(names) == 0 {
		return "no environments"
	}
	return strings.Join(names, ", ")
}

func environmentNames(cat *secrets.Catalog) []string {
	var out []string
	for _, e := range cat.Environments {
		out = append(out, e.Name)
	}
	return out
}

// describedEnvironments are the names with what each sets.
func describedEnvironments(cat *secrets.Catalog) []string {
	var out []string
	for _, e := range cat.Environments {
		out = append(out, e.Name+"\t"+strings.Join(variablesOf(e), " "))
	}
	return out
}

// variablesOf are the names of what an environment sets, sorted.
func variablesOf(e secrets.Environment) []string {
	names := slices.Collect(maps.Keys(e.Variables))
	names = append(names, slices.Collect(maps.Keys(e.Text))...)
	slices.Sort(names)
	return names
}

func (a *app) listEnvironments(cat *secrets.Catalog) error {
	type environment struct {
		Name      string   `json:"name"`
		Variables []string `json:"variables"`
	}
	if a.opts.json {
		out := []environment{}
		for _, e := range cat.Environments {
			out = append(out, environment{e.Name, variablesOf(e)})
		}
		return printJSON(a.env.Stdout, map[string]any{"environments": out})
	}
	if len(cat.Environments) == 0 {
		_, err := fmt.Fprintln(a.env.Stdout, "the catalog has no environments")
		return err
	}
	rows := [][]string{{"ENVIRONMENT", "VARIABLES"}}
	for _, e := range cat.Environments {
		rows = append(rows, []string{e.Name, strings.Join(variablesOf(e), " ")})
	}
	table(a.env.Stdout, a.width(), rows)
	return nil
}
