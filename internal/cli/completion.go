package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// completer gives the words that may stand at a place of the command line, each
// followed by a tab and what it means.
type completer = func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective)

// complete has every command complete the names that it takes.
func (a *app) complete(cmd *cobra.Command) {
	for name, words := range map[string]completer{"secret": a.fromCatalog(secretNames), "stack": a.fromCatalog(stackNames), "entry": a.entryNames, "for": a.fromCatalog(describedEnvironments)} {
		if cmd.Flags().Lookup(name) != nil {
			// A command that has its own keeps it.
			_ = cmd.RegisterFlagCompletionFunc(name, words)
		}
	}
	switch path(cmd) {
	case "sandbox roll":
		cmd.ValidArgsFunction = first(a.fromCatalog(secretNames))
	case "sandbox tamper":
		cmd.ValidArgsFunction = first(kindsOf(sandbox.TamperUsage()))
	case "sandbox fault":
		cmd.ValidArgsFunction = faults
	}
	for _, sub := range cmd.Commands() {
		a.complete(sub)
	}
}

func (a *app) fromCatalog(names func(*secrets.Catalog) []string) completer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		cat, err := a.loadCatalog()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return names(cat), cobra.ShellCompDirectiveNoFileComp
	}
}

func secretNames(cat *secrets.Catalog) []string {
	var out []string
	for _, s := range cat.Secrets {
		out = append(out, s.Name+"\t"+s.Title)
	}
	return out
}

func stackNames(cat *secrets.Catalog) []string {
	var out []string
	for _, s := range cat.Stacks {
		what := "declared here"
		if !s.Declared {
			what = s.Dir
		}
		out = append(out, s.Name+"\t"+what)
	}
	return out
}

// entryNames are those of the secret chosen, or of all where none is yet.
func (a *app) entryNames(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	chosen, err := cmd.Flags().GetStringArray("secret")
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return a.fromCatalog(func(cat *secrets.Catalog) []string {
		var out []string
		for _, s := range cat.Secrets {
			for _, e := range s.Entries {
				if len(chosen) == 0 || slices.Contains(chosen, s.Name) {
					out = append(out, e.Name()+"\t"+e.Path)
				}
			}
		}
		return out
	})(cmd, nil, "")
}

// first completes the first argument only.
func first(words completer) completer {
	return func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words(cmd, args, start)
	}
}

// kindsOf reads lines such as "KIND ARGUMENTS: what it does".
func kindsOf(usage []string) completer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var out []string
		for _, line := range usage {
			out = append(out, kindOf(line)+"\t"+line)
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

func kindOf(usage string) string { return strings.TrimSuffix(strings.Fields(usage)[0], ":") }

// faultServices are what `sandbox fault` takes as a service; * is all of them.
func faultServices() []string {
	return []string{world.Cloudflare, world.Scaleway, world.Stripe, world.Clerk, world.Sightengine, world.GitHub, "registry", "*"}
}

func faults(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	switch {
	case len(args) == 0:
		return kindsOf(sandbox.FaultUsage())(cmd, args, start)
	case len(args) == 1 && args[0] != "clear":
		return faultServices(), cobra.ShellCompDirectiveNoFileComp
	case len(args) == 2:
		return []string{"GET", "POST", "PUT", "PATCH", "DELETE", "*"}, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
