package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/internal/report"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// driftOptions are the flags of `drift`.
type driftOptions struct {
	notices
	stacks, search []string
	format, output string
	fix            bool
}

func (a *app) driftCommand() *cobra.Command {
	var o driftOptions
	cmd := &cobra.Command{
		Use:   "drift",
		Short: "Check whether every copy of every secret is what pass says it is",
		Long: `Looks at pass, the journal, every stack, every consumer and every issuer, and
changes nothing anywhere. Each finding comes with the command that mends it;
--fix proposes these and runs them through the same preview and question as a
rotation. What was accepted (drift accept) stays in the report and out of the
exit code.

Layers, looked at side by side:
  journal    rotations unfinished, owed, overdue; the record itself
  pass       pushed, behind, entries against the catalog, keys that end
  config     the config secrets of every stack, decrypted, against pass
  resources  a preview with refresh: nothing is refreshed
  names      what Workers, containers and repositories list
  values     every consumer, asked which value it runs with
  issuers    credentials alive, ending, not in pass; old ones still alive
  changes    what somebody else changed; what a code rollback would bring back
  locks      locks and half-done updates
  files      config files that are not committed, not pushed, or replaced
  copies     copies that the catalog does not know: other stacks, Workers,
             containers, and .env files below --search

Exit codes: 0 clean, or a rotation is under way; 1 failed; 2 usage; 3 drift;
4 something could not be checked, and nothing was found; 6 --fix waits for a
person. See also: schedule.`,
		Example: `  go run . drift
  go run . drift --format html --output drift.html
  go run . drift --stack stripe-backend --json
  go run . drift --notify env:NOTIFY_URL --heartbeat env:HEARTBEAT_URL
  go run . drift --fix`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.drift(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.stacks, "stack", nil, "only the stack `NAME` of the catalog and the secrets on it; may be repeated")
	f.StringVar(&o.format, "format", "", "print the report as `FORMAT`: text, json, markdown, html (default: by the name of --output, else text)")
	f.StringVarP(&o.output, "output", "o", "", "write the report to `FILE`, and the answer to standard output")
	f.StringArrayVar(&o.search, "search", nil, "look for copies in the .env files below `DIR` (default: --root); may be repeated")
	f.BoolVar(&o.fix, "fix", false, "propose what mends each finding, and do it after the same preview and question as rotate")
	o.flags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("format", words(report.Formats()...))
	cmd.AddCommand(a.acceptCommand())
	return cmd
}

func (a *app) drift(ctx context.Context, o driftOptions) (err error) {
	cat, err := a.loadCatalog()
	if err != nil {
		return err
	}
	if o.stacks, err = chosenStacks(cat, o.stacks); err != nil {
		return err
	}
	if o.format, err = a.driftFormat(o); err != nil {
		return err
	}
	if err := a.writable(o.output); err != nil {
		return err
	}
	if len(o.stacks) > 0 && len(o.notify)+len(o.heartbeat) > 0 {
		return misused("go run . drift --notify URL", "--stack looks at a part: what it does not look at would be told as resolved, or be called clean; leave --notify and --heartbeat out")
	}
	s, lost := a.open(ctx)
	if lost != nil {
		if code := exitCode(lost); code == exitUsage || errors.Is(lost, context.Canceled) || errors.Is(lost, ui.ErrAborted) {
			return lost
		}
		s = a.bare()
	}
	defer func() { err = errors.Join(err, s.close()) }()
	l, err := s.listeners(ctx, o.notices)
	if err != nil {
		return err
	}
	// What keeps the check from beginning at all is one more thing that could not
	// be checked.
	var found drift.Report
	if lost != nil {
		found = drift.Unchecked(time.Now(), lost, a.nextOf(lost)[0])
		found.About = s.about()
	} else if found, err = s.check(ctx, o); err != nil {
		return err
	}
	fix := &fixing{session: s, options: o}
	if o.fix {
		if found, err = fix.mend(ctx, found); err != nil {
			return err
		}
	}
	s.progress.Close()
	// Who is to be told is told also where nobody reads the report.
	var printErr error
	if !fix.told() {
		printErr = s.printDrift(found, o)
	}
	if printErr == nil && o.fix && o.format == "text" {
		fix.tell(s.out)
	}
	code := s.announce(ctx, l, found, fix.code(found))
	if printErr == nil && code != exitOK {
		return &statusError{code}
	}
	return printErr
}

// writable refuses a report's place that is not there before anything is checked.
func (a *app) writable(file string) error {
	if file == "" {
		return nil
	}
	dir := filepath.Dir(a.absolute(file))
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return misused("mkdir -p "+quoted(dir), "the report cannot be written: there is no folder %s", dir)
	}
	if info, err := os.Stat(a.absolute(file)); err == nil && info.IsDir() {
		return misused(typed("drift --output", quoted(filepath.Join(file, "drift.html"))), "the report cannot be written: %s is a folder", file)
	}
	return nil
}

// chosenStacks are the named ones, or none for all.
func chosenStacks(cat *secrets.Catalog, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	return stacksOf(cat, nil, names, "drift")
}

// driftFormat is the form of the report: as asked for, or by the file's name.
func (a *app) driftFormat(o driftOptions) (string, error) {
	switch {
	case a.opts.json && o.format != "" && o.format != "json":
		return "", misused("go run . drift --json", "--json and --format %s ask for two forms", o.format)
	case a.opts.json:
		return "json", nil
	case o.format == "":
		for suffix, format := range map[string]string{".html": "html", ".htm": "html", ".md": "markdown", ".json": "json"} {
			if strings.HasSuffix(strings.ToLower(o.output), suffix) {
				return format, nil
			}
		}
		return "text", nil
	case !slices.Contains(report.Formats(), o.format):
		text, meant := notFound("format", o.format, report.Formats())
		if meant == "" {
			meant = "text"
		}
		return "", misused(typed("drift --format", meant), "%s; there are %s", text, strings.Join(report.Formats(), ", "))
	}
	return o.format, nil
}

// check looks at everything once.
func (s *session) check(ctx context.Context, o driftOptions) (drift.Report, error) {
	a := s.app
	// The check reads everything once; what mends it needs the store itself.
	whole := s.store
	s.store = whole.Still()
	found, err := s.driftChecker(o).Check(ctx)
	s.store = whole
	if errors.Is(err, context.Canceled) {
		return found, &worldError{err: fmt.Errorf("the check was stopped; it changes nothing: %w", err), next: a.inPlace("go run . drift")}
	}
	if err != nil {
		return drift.Report{}, err
	}
	if s.sandbox != nil {
		found.World = a.opts.sandbox
	}
	found.About = s.about()
	for i := range found.Findings {
		found.Findings[i].Fix = a.inPlace(found.Findings[i].Fix)
		found.Findings[i].Detail = a.withFlags(found.Findings[i].Detail)
	}
	for _, l := range found.Layers {
		for _, gaps := range [][]drift.Gap{l.Gaps, l.AcceptedGaps} {
			for i := range gaps {
				gaps[i].Fix = a.inPlace(gaps[i].Fix)
			}
		}
	}
	return found, nil
}

// about says what is checked, and from where.
func (s *session) about() drift.About {
	out := drift.About{Catalog: "built-in", Version: version()}
	if s.app.opts.catalog != "" {
		out.Catalog = s.app.absolute(s.app.opts.catalog)
	}
	out.Host, _ = os.Hostname() // a report without a host is one all the same
	if s.store != nil {
		out.Store = s.store.Dir()
	}
	return out
}

// driftChecker has what the check needs of a session.
func (s *session) driftChecker(o driftOptions) *drift.Checker {
	r := s.rotator()
	search := o.search
	if len(search) == 0 {
		search = []string{s.root()}
	}
	c := &drift.Checker{
		Catalog: s.catalog, Store: s.store, Records: s.records(), Fleet: r.Fleet, Asker: r.Asker, Service: s.services.Checker,
		Register: func(service string) (drift.Register, bool) {
			i, ok := s.services.Issuer(service)
			if !ok {
				return nil, false
			}
			listed, ok := i.(drift.Register)
			return listed, ok
		},
		Abroad: abroad{s}, Key: s.key, Folders: s.folders(), Search: search, Stacks: o.stacks,
		Hide: func(v ...secrets.Value) { s.redactor.Add(v...) }, Watch: watch{s.progress}, Next: func(err error) string { return s.app.nextOf(err)[0] }, Now: time.Now,
	}
	if s.app.opts.verbose {
		c.Trace = func(layer string, stack []byte) {
			s.progress.Note("the fault that ended layer " + layer + ":\n" + string(stack))
		}
	}
	return c
}

// folders are where the stacks' config files lie.
func (s *session) folders() drift.Folders {
	return drift.Folders{Root: s.root(), Project: s.project(), Environ: s.app.env.Environ}
}

// printDrift prints the report, or writes it and prints the answer. Like all that
// is printed, the file passes the redactor.
func (s *session) printDrift(found drift.Report, o driftOptions) error {
	a := s.app
	if o.output == "" {
		return renderDrift(s.out, found, o.format, a.resultStyle(), a.width())
	}
	var text strings.Builder
	// A file is no terminal, whatever the answer is printed to.
	if err := renderDrift(&text, found, o.format, ui.Style{}, 0); err != nil {
		return err
	}
	if err := writeNew(a.absolute(o.output), []byte(s.redactor.String(text.String())), true); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.out, "%s; the report is in %s\n", report.Headline(found), o.output)
	return err
}

func renderDrift(w io.Writer, found drift.Report, format string, style ui.Style, columns int) error {
	switch format {
	case "json":
		return printJSON(w, found)
	case "markdown":
		return report.Markdown(w, found)
	case "html":
		return report.HTML(w, found)
	}
	return report.Text(w, found, style, columns)
}

// driftCode is the exit code of an answer (DESIGN section 9).
func driftCode(answer drift.Answer) int {
	switch answer {
	case drift.Drift:
		return exitDrift
	case drift.Unknown:
		return exitCannotTell
	}
	return exitOK
}
