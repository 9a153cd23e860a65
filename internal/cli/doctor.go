package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// finding is one prerequisite: whether it is met, and what mends it.
type finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Fix    string `json:"fix"`
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check every prerequisite and name the command that mends it",
		Long: `Checks the programs, the pass store, the Pulumi CLI, the passphrase, every
catalogued entry, every service's present credential and every stack (by a
preview), and names for each that fails the command that mends it. It changes
nothing.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.examine(cmd.Context()) },
	}
}

// doctor is the quick part, without network: what this machine lacks.
func (a *app) doctor(ctx context.Context) error {
	return a.printFindings(a.local(ctx))
}

func (a *app) examine(ctx context.Context) error {
	findings := a.local(ctx)
	if !allGood(findings) && a.opts.sandbox == "" {
		return a.printFindings(findings)
	}
	s, err := a.open(ctx)
	if err != nil {
		return a.printFindings(append(findings, bad("session", err)))
	}
	findings = append(findings, s.entries(ctx)...)
	findings = append(findings, s.credentials(ctx)...)
	findings = append(findings, s.stacks(ctx)...)
	s.progress.Close()
	return errors.Join(a.printFindings(findings), s.close())
}

// local are the checks that need no network and no secret.
func (a *app) local(ctx context.Context) []finding {
	out := []finding{
		program("git", "install git with your package manager, e.g. apt-get install git"),
		program("gpg", "apt-get install gnupg   (or: brew install gnupg)"),
		program("pass", "apt-get install pass   (or: brew install pass)"),
	}
	out = append(out, a.pulumiFinding(ctx))
	if a.opts.sandbox != "" {
		return out
	}
	st, err := store.Open(ctx, store.Options{Env: a.env.Environ})
	if err != nil {
		return append(out, bad("pass store", err))
	}
	out = append(out, good("pass store", st.Dir()))
	if cat, err := a.loadCatalog(); err == nil && cat.State.Passphrase != "" {
		return append(out, good("passphrase", "pass entry "+cat.State.Passphrase))
	}
	file := a.env.Get("PULUMI_CONFIG_PASSPHRASE_FILE")
	if _, err := os.Stat(file); file != "" && err != nil {
		return append(out, finding{Name: "passphrase", Detail: "PULUMI_CONFIG_PASSPHRASE_FILE names " + file + ", which cannot be read", Fix: "export PULUMI_CONFIG_PASSPHRASE_FILE=FILE"})
	}
	if file == "" {
		return append(out, finding{Name: "passphrase", Detail: "PULUMI_CONFIG_PASSPHRASE_FILE is not set", Fix: "export PULUMI_CONFIG_PASSPHRASE_FILE=FILE   (or name its pass path as state.passphrase in the catalog)"})
	}
	return append(out, good("passphrase", "PULUMI_CONFIG_PASSPHRASE_FILE"))
}

func (a *app) pulumiFinding(ctx context.Context) finding {
	cli, err := engine.Setup{Path: a.opts.pulumi}.Find(ctx)
	if errors.Is(err, engine.ErrNotInstalled) {
		return finding{Name: "pulumi", Detail: "the pinned CLI " + engine.Version() + " is not installed", Fix: "go run . setup"}
	}
	if err != nil {
		return bad("pulumi", err)
	}
	return good("pulumi", cli.Version+"  "+cli.Path)
}

func program(name, fix string) finding {
	path, err := exec.LookPath(name)
	if err != nil {
		return finding{Name: name, Detail: "not on PATH", Fix: fix}
	}
	return good(name, path)
}

// entries checks that every catalogued entry is there and has its format.
func (s *session) entries(ctx context.Context) []finding {
	var out []finding
	if sync, err := s.store.Sync(ctx); err != nil {
		out = append(out, bad("store remote", err))
	} else if err := errors.Join(sync.Ready(), sync.Pushed()); err != nil {
		out = append(out, bad("store remote", err))
	} else {
		out = append(out, remoteFinding(sync))
	}
	for _, secret := range s.catalog.Secrets {
		cred, err := s.credential(ctx, secret)
		if err != nil {
			out = append(out, bad("entries of "+secret.Name, err))
			continue
		}
		out = append(out, good("entries of "+secret.Name, fmt.Sprintf("%d in pass, right format", len(cred))))
	}
	return out
}

// remoteFinding: without a remote a new value is on this machine alone.
func remoteFinding(sync store.Sync) finding {
	if sync.Remote == "" {
		return finding{Name: "store remote", Detail: "the store has no git remote: a value is kept on this machine only", Fix: "pass git remote add origin URL && pass git push --set-upstream origin HEAD"}
	}
	return good("store remote", "committed, pushed, not behind")
}

// credential reads a secret's entries from pass.
func (s *session) credential(ctx context.Context, secret secrets.Secret) (services.Credential, error) {
	out := services.Credential{}
	for _, e := range secret.Entries {
		entry, err := s.store.Read(ctx, e.Path)
		if err != nil {
			return nil, err
		}
		v, err := entry.Secret(e.Read)
		if err != nil {
			return nil, err
		}
		if err := e.Check(v); err != nil {
			return nil, err
		}
		s.redactor.Add(v)
		out[e.Name()] = v
	}
	return out, nil
}

// credentials asks every service about the present credential.
func (s *session) credentials(ctx context.Context) []finding {
	var out []finding
	for _, secret := range s.catalog.Secrets {
		checker, ok := s.services.Checker(secret.Service)
		cred, err := s.credential(ctx, secret)
		if !ok || err != nil {
			continue
		}
		name := secret.Service + " accepts " + secret.Name
		report, err := checker.Check(ctx, cred)
		switch {
		case err != nil:
			out = append(out, bad(name, err))
		case report.State != services.Alive:
			out = append(out, finding{Name: name, Detail: string(report.State) + ": " + report.Detail, Fix: "go run . rotate --secret " + secret.Name + " --new"})
		case len(report.Missing) > 0:
			out = append(out, finding{Name: name, Detail: "it may not: " + strings.Join(report.Missing, ", "), Fix: "give it these permissions at " + secret.Dashboard.URL})
		default:
			out = append(out, good(name, strings.TrimSpace(report.Mode+" "+report.Detail)))
		}
	}
	return out
}

// stacks proves each stack with a preview.
func (s *session) stacks(ctx context.Context) []finding {
	var out []finding
	r := s.rotator()
	for _, stack := range s.catalog.Stacks {
		name := "stack " + stack.Name
		if _, err := r.Preview(ctx, []string{stack.Name}); err != nil {
			out = append(out, bad(name, err))
			continue
		}
		out = append(out, good(name, "a preview works"))
	}
	return out
}

func good(name, detail string) finding { return finding{Name: name, OK: true, Detail: detail} }

func bad(name string, err error) finding {
	f := finding{Name: name, Detail: err.Error()}
	if next := nextOf(err); len(next) > 0 {
		f.Fix = next[0]
	}
	return f
}

func allGood(findings []finding) bool {
	for _, f := range findings {
		if !f.OK {
			return false
		}
	}
	return true
}

// printFindings prints them and fails if one is not met.
func (a *app) printFindings(findings []finding) error {
	if a.opts.json {
		if err := printJSON(a.env.Stdout, map[string]any{"findings": findings}); err != nil {
			return err
		}
	} else {
		style := a.style()
		for _, f := range findings {
			mark := style.Good("ok     ")
			if !f.OK {
				mark = style.Bad("missing")
			}
			_, _ = fmt.Fprintf(a.env.Stdout, "%s  %-24s %s\n", mark, f.Name, f.Detail)
			if f.Fix != "" {
				_, _ = fmt.Fprintf(a.env.Stdout, "%s  %-24s %s\n", "       ", "", "mend: "+f.Fix)
			}
		}
	}
	if allGood(findings) {
		return nil
	}
	return &statusError{exitFailed}
}
