package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// rotateFlags are the flags of one call.
type rotateFlags struct {
	names                               []string
	all, fresh, pending, stdin, preview bool
	entry, grace                        string
	allowOther, hold, commit, create    bool
}

func (a *app) rotateCommand() *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate --secret NAME... | --all",
		Short: "Rotate secrets from their new value to the proven death of the old one",
		Long: `Brings a new value into every consumer and retires the old one: plan, one
question, pass, config secrets, masked preview, one up per stack, proof from
every consumer, grace, retirement, proof of death, date.

Where the new value comes from, in this order: pass already holds one that was
never rolled out (you ran pass edit); standard input; the service's API makes a
second one (Cloudflare, Scaleway); a person makes it at the dashboard and types
it at a hidden prompt.

A rotation that was interrupted goes on where it stopped: run the same command.
Exit codes: 0 ok, 1 failed, 2 usage, 4 cannot tell, 5 locked by another, 6
waiting for a person or for the grace period.`,
		Example: `  go run . rotate --secret stripe
  go run . rotate --secret clerk --secret sightengine --preview
  pbpaste | go run . rotate --secret stripe --entry webhook-secret --value-stdin
  go run . rotate --secret stripe --sandbox --yes`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.rotate(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.names, "secret", "s", nil, "`NAME` of a secret in the catalog; may be repeated")
	flags.BoolVar(&f.all, "all", false, "every secret with a consumer")
	flags.BoolVar(&f.fresh, "new", false, "make a fresh value even if pass holds one that was not rolled out")
	flags.BoolVar(&f.pending, "pending", false, "only roll out what pass holds and was never rolled out")
	flags.StringVar(&f.entry, "entry", "", "change only the entry `NAME` of the secret")
	flags.BoolVar(&f.stdin, "value-stdin", false, `read the value from standard input: raw for one entry, {"ENTRY":"VALUE"} for several`)
	flags.BoolVar(&f.preview, "preview", false, "stop after the masked preview; nothing is changed")
	flags.StringVar(&f.grace, "grace", "", "keep the old value valid for `TIME` (such as 24h or 7d; 0: none) instead of the catalog's grace")
	flags.BoolVar(&f.hold, "hold", false, "keep the old value alive until: hold --off")
	flags.BoolVar(&f.allowOther, "allow-other-changes", false, "go ahead although the preview holds changes that are not the secrets")
	flags.BoolVar(&f.create, "create-keys", false, "make config keys that the catalog names and the stack does not have")
	flags.BoolVar(&f.commit, "commit", false, "commit and push the changed config files of projects that are in git")
	a.completeNames(cmd)
	return cmd
}

// noArgs explains the commonest slip: `rotate stripe`.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.Flags().Lookup("secret") != nil {
		return misused(typed(path(cmd), "--secret", quoted(args[0])), "%s takes no argument %q", path(cmd), args[0])
	}
	return misused(typed(path(cmd), "--help"), "%s takes no argument %q", path(cmd), args[0])
}

func (a *app) rotate(cmd *cobra.Command, f rotateFlags) (err error) {
	cat, err := a.loadCatalog()
	if err != nil {
		return err
	}
	names, err := chosen(cat, f.names, f.all, "rotate")
	if err != nil {
		return err
	}
	o, err := a.rotateOptions(cat, names, f)
	if err != nil {
		return err
	}
	a.typed = o.Typed
	s, err := a.open(cmd.Context())
	if err != nil {
		return err
	}
	for _, v := range o.Typed {
		s.redactor.Add(v)
	}
	reports, err := s.rotator().Rotate(cmd.Context(), names, o)
	return errors.Join(err, s.finish(reports, err))
}

// finish prints the results after the progress has come to rest. What stopped
// them is part of their JSON form.
func (s *session) finish(reports []rotation.Report, stopped error) error {
	s.progress.Close()
	var err error
	for i := range reports {
		if stopped != nil && reports[i].Error == "" && !rotation.SettledFor(stopped, reports[i].Secret) && reports[i].State != journal.Done && reports[i].State != journal.Adopted {
			reports[i].Error, reports[i].Next = stopped.Error(), append([]string{}, nextOf(stopped)...)
		}
		for at, next := range reports[i].Next {
			reports[i].Next[at] = s.app.inPlace(next)
		}
	}
	switch {
	case s.app.opts.json && len(reports) == 0 && stopped == nil:
		err = printJSON(s.out, []rotation.Report{})
	case s.app.opts.json && len(reports) > 0:
		err = printJSON(s.out, oneOrList(reports))
	case !s.app.opts.json:
		for _, r := range reports {
			printReport(s.out, s.app.resultStyle(), s.app.width(), r)
		}
	}
	return errors.Join(err, s.close())
}

// chosen resolves --secret and --all. --all are the secrets with a consumer;
// the others, tried by nobody, are rotated only by name.
func chosen(cat *secrets.Catalog, names []string, all bool, command string) ([]string, error) {
	var known, used []string
	for _, s := range cat.Secrets {
		known = append(known, s.Name)
		if len(s.Consumers) > 0 {
			used = append(used, s.Name)
		}
	}
	switch {
	case all && len(names) > 0:
		return nil, misused("go run . "+command+" --all", "--all and --secret exclude each other")
	case all:
		return used, nil
	case len(names) == 0:
		return nil, misused("go run . "+command+" --secret "+known[0], "no secret named; the catalog has %s", strings.Join(known, ", "))
	}
	var out []string
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, noSecret(command, n, known)
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out, nil
}

// noSecret names what was probably meant.
func noSecret(command, name string, known []string) error {
	if several := strings.Split(name, ","); len(several) > 1 && command != "sandbox roll" {
		return misused(typed(command, "--secret", strings.Join(several, " --secret ")), "--secret takes one name: repeat the flag")
	}
	text, meant := notFound("secret", name, known)
	if meant == "" {
		return misused("go run . catalog list", "%s; the catalog has %s", text, strings.Join(known, ", "))
	}
	if command == "sandbox roll" {
		return misused(typed(command, meant), "%s", text)
	}
	return misused(typed(command, "--secret", meant), "%s", text)
}

func (a *app) rotateOptions(cat *secrets.Catalog, names []string, f rotateFlags) (rotation.Options, error) {
	o := rotation.Options{New: f.fresh, Pending: f.pending, Entry: f.entry, PreviewOnly: f.preview, AllowOther: f.allowOther, CreateKeys: f.create, Hold: f.hold, Commit: f.commit,
		Unattended: !f.preview && (a.opts.yes || !a.interactive())}
	again := "go run . rotate --secret " + names[0]
	switch {
	case f.fresh && f.pending:
		return o, misused(again+" --new", "--new and --pending exclude each other")
	case f.stdin && (f.fresh || f.pending):
		return o, misused(again+" --value-stdin", "--value-stdin excludes --new and --pending")
	case (f.stdin || f.entry != "") && len(names) > 1:
		return o, misused(again, "--value-stdin and --entry go with one secret, %d are named", len(names))
	}
	if f.grace != "" {
		grace, err := secrets.ParseDuration(f.grace)
		if err != nil {
			return o, misused(again+" --grace 24h", "--grace %q: %v", f.grace, err)
		}
		d := time.Duration(grace)
		o.Grace = &d
	}
	s, _ := cat.Secret(names[0])
	if f.entry != "" {
		if _, ok := s.Entry(f.entry); !ok {
			return o, misused(again+" --entry "+s.Entries[0].Name(), "%s has no entry %q; its entries are %s", s.Name, f.entry, entryNames(s))
		}
	}
	if f.stdin {
		typed, err := readTyped(a.env.Stdin, s, f.entry)
		o.Typed = typed
		return o, err
	}
	return o, nil
}

// maxTyped bounds what is read from standard input.
const maxTyped = 64 << 10

// readTyped reads the values of --value-stdin. The raw form keeps every byte
// but one newline at the end, which echo and here-strings add.
func readTyped(in io.Reader, s secrets.Secret, entry string) (services.Credential, error) {
	data, err := io.ReadAll(io.LimitReader(in, maxTyped))
	if err != nil {
		return nil, fmt.Errorf("reading standard input: %w", err)
	}
	out := services.Credential{}
	if several, ok := severalTyped(data, s, entry); ok {
		for name, v := range several {
			out[name] = secrets.NewValue([]byte(v))
		}
		return out, fitting(s, out, len(several) > 0)
	}
	if entry == "" && len(s.Entries) > 1 {
		return nil, misused(typed("rotate --secret", s.Name, "--value-stdin --entry", s.Entries[0].Name()),
			`%s has several entries (%s): name one, or give a JSON object {"ENTRY":"VALUE"}`, s.Name, entryNames(s))
	}
	if entry == "" {
		entry = s.Entries[0].Name()
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	out[entry] = secrets.NewValue([]byte(text))
	return out, fitting(s, out, text != "")
}

// severalTyped reads {"ENTRY":"VALUE"}. With --entry the whole input is that
// entry's value, unless it is an object of this secret's entries: then its part
// is taken. The decoder's error could quote the value: it is dropped.
func severalTyped(data []byte, s secrets.Secret, entry string) (map[string]string, bool) {
	var several map[string]string
	if !strings.HasPrefix(strings.TrimSpace(string(data)), "{") || json.Unmarshal(data, &several) != nil {
		return nil, false
	}
	if entry == "" {
		return several, true
	}
	for name := range several {
		if _, ok := s.Entry(name); !ok {
			return nil, false
		}
	}
	v, ok := several[entry]
	return map[string]string{entry: v}, ok
}

// fitting refuses what cannot be the new value before anything else is done.
func fitting(s secrets.Secret, values services.Credential, any bool) error {
	again := typed("rotate --secret", s.Name, "--value-stdin")
	if !any {
		return misused("COMMAND-THAT-PRINTS-THE-VALUE | "+again, "standard input held no value for %s (%s)", s.Name, entryNames(s))
	}
	for name, v := range values {
		e, ok := s.Entry(name)
		if !ok {
			return misused(again, "%s has no entry %q; its entries are %s", s.Name, name, entryNames(s))
		}
		if err := e.Check(v); err != nil {
			return misused(again+" --entry "+name, "standard input: %v", err)
		}
	}
	return nil
}

func entryNames(s secrets.Secret) string {
	var out []string
	for _, e := range s.Entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, ", ")
}

// completeNames completes --secret from the catalog.
func (a *app) completeNames(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("secret", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		cat, err := a.loadCatalog()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var out []string
		for _, s := range cat.Secrets {
			out = append(out, s.Name+"\t"+s.Title)
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	})
}
