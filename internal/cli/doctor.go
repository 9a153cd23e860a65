package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
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
	// Note: it is met, and could be better.
	Note bool `json:"note,omitempty"`
}

func (a *app) doctorCommand() *cobra.Command {
	var nightly bool
	cmd := &cobra.Command{
		Use:   "doctor [--nightly]",
		Short: "Check every prerequisite and name the command that mends it",
		Long: `Checks the programs, the pass store, the Pulumi CLI, the passphrase, every
catalogued entry, the state's bucket, every service's present credential and
every stack (by a preview), and names for each that fails the command that mends
it. It changes nothing, but for a probe object in the bucket that it removes.

--nightly checks what a host needs on which the drift check runs by itself: that
nothing asks for a passphrase or a login, that the key decrypts and can do
nothing else, that the store is read-only here, and which credentials may do
more than the check needs (a note: the same ones rotate).`,
		Example: `  go run . doctor
  go run . doctor --nightly`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if nightly {
				return a.examineNightly(cmd.Context())
			}
			return a.examine(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&nightly, "nightly", false, "check what a host needs that runs the drift check by itself")
	return cmd
}

// doctor is the quick part, without network: what this machine lacks.
func (a *app) doctor(ctx context.Context) error {
	return a.printFindings(a.local(ctx))
}

// examine checks everything that can be, also behind a gap: a person mends them
// all at once and not one by one.
func (a *app) examine(ctx context.Context) error {
	findings := a.local(ctx)
	if a.opts.sandbox != "" {
		s, err := a.open(ctx)
		if err != nil {
			return a.printFindings(append(findings, a.bad("sandbox", err)))
		}
		bucket, _ := s.bucketFindings(ctx)
		findings = slices.Concat(findings, bucket, s.journals(ctx), s.entries(ctx), readerFindings(ctx, s), s.credentials(ctx), s.stacks(ctx))
		s.progress.Close()
		return errors.Join(a.printFindings(findings), s.close())
	}
	s := a.bare()
	findings = append(findings, s.beyond(ctx, findings)...)
	s.progress.Close()
	return errors.Join(a.printFindings(findings), s.close())
}

// beyond opens part after part and checks what the parts at hand allow. local
// are the findings so far: the gaps in them are not told again.
func (s *session) beyond(ctx context.Context, local []finding) (out []finding) {
	a := s.app
	var err error
	if s.catalog, err = a.loadCatalog(); err != nil {
		return []finding{a.bad("catalog", err)}
	}
	out = append(out, good("catalog", ui.Count(len(s.catalog.Secrets), "secret", "secrets")+", "+ui.Count(len(s.catalog.Stacks), "stack", "stacks")))
	if err = s.openWorld(ctx); err != nil {
		return append(out, a.bad("world", err))
	}
	if s.openPass(ctx) != nil { // which local says
		return append(out, unchecked("entries and stacks", "the pass store"))
	}
	missing := ""
	if err = s.readIdentifiers(ctx); err != nil {
		out, missing = append(out, a.bad("identifiers", err)), "the identifiers"
	}
	out = append(out, s.entries(ctx)...)
	if s.cli, err = (engine.Setup{Path: a.opts.pulumi}).Find(ctx); err != nil {
		missing = "the Pulumi CLI"
	}
	if err = s.openEngine(ctx); err != nil {
		return append(out, a.bad("state backend", err), unchecked("services and stacks", "the state backend"))
	}
	bucket, usable := s.bucketFindings(ctx)
	if out = append(out, bucket...); !usable {
		missing = "the state's bucket"
	}
	if usable {
		out = append(out, s.stateFinding(ctx)...)
		out = append(out, s.journals(ctx)...)
	}
	out = append(append(out, readerFindings(ctx, s)...), s.credentials(ctx)...)
	for _, f := range local {
		if f.Name == "passphrase" && !f.OK {
			missing = "the passphrase"
		}
	}
	if missing != "" {
		return append(out, unchecked("stacks", missing))
	}
	return append(append(out, s.stacks(ctx)...), s.holders(ctx)...)
}

// unchecked is what a gap that has its own finding keeps from being checked.
func unchecked(name, gap string) finding {
	return finding{Name: name, Detail: "not checked: " + gap + " first"}
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
	return append(out, a.storeFinding(ctx, out), a.passphraseFinding())
}

func (a *app) storeFinding(ctx context.Context, programs []finding) finding {
	for _, p := range programs {
		if p.Name == "gpg" && !p.OK {
			return unchecked("pass store", "gpg")
		}
	}
	st, err := store.Open(ctx, store.Options{Env: a.env.Environ})
	if err != nil {
		return a.bad("pass store", err)
	}
	return good("pass store", st.Dir())
}

func (a *app) passphraseFinding() finding {
	if cat, err := a.loadCatalog(); err == nil && cat.State.Passphrase != "" {
		return good("passphrase", "pass entry "+cat.State.Passphrase)
	}
	f := finding{Name: "passphrase", Fix: "export PULUMI_CONFIG_PASSPHRASE_FILE=FILE"}
	if a.env.Get("PULUMI_CONFIG_PASSPHRASE") != "" {
		return good("passphrase", "PULUMI_CONFIG_PASSPHRASE")
	}
	file := a.env.Get("PULUMI_CONFIG_PASSPHRASE_FILE")
	if file == "" {
		f.Detail = "PULUMI_CONFIG_PASSPHRASE_FILE is not set"
		f.Fix += "   (or name its pass path as state.passphrase in the catalog)"
		return f
	}
	if _, err := os.Stat(file); err != nil {
		f.Detail = "PULUMI_CONFIG_PASSPHRASE_FILE names " + file + ", which cannot be read"
		return f
	}
	return good("passphrase", "PULUMI_CONFIG_PASSPHRASE_FILE")
}

func (a *app) pulumiFinding(ctx context.Context) finding {
	cli, err := engine.Setup{Path: a.opts.pulumi}.Find(ctx)
	if errors.Is(err, engine.ErrNotInstalled) {
		return finding{Name: "pulumi", Detail: "the pinned CLI " + engine.Version() + " is not installed", Fix: "go run . setup"}
	}
	if err != nil {
		return a.bad("pulumi", err)
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
		out = append(out, s.app.bad("store remote", err))
	} else if err := errors.Join(sync.Ready(), sync.Pushed()); err != nil {
		out = append(out, s.app.bad("store remote", err))
	} else {
		out = append(out, remoteFinding(sync))
	}
	for _, secret := range s.catalog.Secrets {
		cred, err := s.credential(ctx, secret)
		if err != nil {
			out = append(out, s.app.bad("entries of "+secret.Name, err))
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
			out = append(out, s.app.bad(name, err))
		case report.State != services.Alive:
			out = append(out, finding{Name: name, Detail: string(report.State) + ": " + report.Detail, Fix: s.app.inPlace("go run . rotate --secret " + secret.Name + " --new")})
		case len(report.Missing) > 0:
			out = append(out, finding{Name: name, Detail: "it may not: " + strings.Join(report.Missing, ", "), Fix: "give it these permissions at " + secret.Dashboard.URL})
		case s.app.nightly:
			out = append(out, s.power(secret, cred, report))
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
			out = append(out, s.app.bad(name, err))
			continue
		}
		out = append(out, good(name, "a preview works"))
	}
	return out
}

func good(name, detail string) finding { return finding{Name: name, OK: true, Detail: detail} }

func (a *app) bad(name string, err error) finding {
	f := finding{Name: name, Detail: err.Error(), Fix: a.nextOf(err)[0]}
	if strings.Contains(f.Fix, "go run . doctor") {
		f.Fix = "" // this is doctor: what it says of it stands above
	}
	return f
}

// stateFinding says that the state holds nothing of the catalog; none where it does.
func (s *session) stateFinding(ctx context.Context) []finding {
	if err := s.unusedState(ctx, s.records().Status(ctx)); err != nil {
		return []finding{s.app.bad("state", err)}
	}
	return nil
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
		a.listFindings(findings)
	}
	if allGood(findings) {
		return nil
	}
	return &statusError{exitFailed}
}

// listFindings prints one line each, and each remedy once: what mends one gap
// often mends others.
func (a *app) listFindings(findings []finding) {
	style := a.resultStyle()
	var rows [][]ui.Cell
	said := map[string]bool{}
	for _, f := range findings {
		mark := ui.Cell{Text: "ok"}
		if f.Note {
			mark = ui.Cell{Text: "note", Paint: style.Warn}
		}
		if !f.OK {
			mark = ui.Cell{Text: "missing", Paint: style.Bad}
		}
		detail := ui.Cell{Text: f.Detail}
		if f.Fix != "" && !said[f.Fix] {
			detail.Below = "mend: " + f.Fix
		}
		said[f.Fix] = true
		rows = append(rows, []ui.Cell{mark, {Text: f.Name}, detail})
	}
	ui.Table(a.env.Stdout, a.width(), nil, rows)
}
