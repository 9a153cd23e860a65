package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/near"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// acceptOptions are the flags of `drift accept`.
type acceptOptions struct {
	until, reason string
	off, list     bool
	search        []string
}

func (a *app) acceptCommand() *cobra.Command {
	var o acceptOptions
	cmd := &cobra.Command{
		Use:   "accept CODE:SUBJECT",
		Short: "Take a finding out of the exit code until a day, with a reason",
		Long: `Takes a finding out of drift's answer, exit code and notifications until a day.
It stays in the report, with who accepted it and why. CODE:SUBJECT is as drift
prints it; in SUBJECT * stands for one element, and a /** at its end for all that
is below. unknown:SUBJECT accepts that something cannot be checked. The check is
run first: what it does not find is refused.

The record is in the journal, beside the rotations' own. --off withdraws it,
--list shows all.`,
		Example: `  go run . drift accept unmanaged-at-consumer:worker/verifieddit-badges/SENTRY_DSN --until 2027-06-30 --reason 'not ours to rotate'
  go run . drift accept 'unmanaged-at-consumer:repository/acme/shop/*' --until 90d --reason 'CI only'
  go run . drift accept --list`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.accept(cmd.Context(), args, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.until, "until", "", "`DATE` (2027-06-30) until which, or a span from now (90d)")
	f.StringVar(&o.reason, "reason", "", "`TEXT` for those who read the report")
	f.StringArrayVar(&o.search, "search", nil, "look for copies in the .env files below `DIR` (default: --root); may be repeated")
	f.BoolVar(&o.off, "off", false, "withdraw what was accepted")
	f.BoolVar(&o.list, "list", false, "show what is accepted")
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		for _, code := range drift.Codes() {
			out = append(out, string(code)+":")
		}
		return append(out, drift.GapCode+":"), cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

func (a *app) accept(ctx context.Context, args []string, o acceptOptions) (err error) {
	var wanted journal.Acceptance
	if !o.list {
		if wanted, err = acceptance(args, o, time.Now()); err != nil {
			return err
		}
	} else if len(args) > 0 {
		return misused("go run . drift accept --list", "--list takes no argument")
	}
	open := a.light
	if !o.list && !o.off {
		open = a.open // the check is run
	}
	s, err := open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if !o.list {
		err := s.acceptable(ctx, wanted, o.search)
		s.progress.Close()
		if err != nil {
			return err
		}
		if err := s.journal.Accept(ctx, wanted); err != nil {
			return err
		}
	}
	s.progress.Close()
	all, err := s.journal.Accepted(ctx)
	if err != nil {
		return err
	}
	return s.printAccepted(all)
}

// acceptable refuses the acceptance of what a check does not find, and the
// withdrawal of what nobody has accepted.
func (s *session) acceptable(ctx context.Context, a journal.Acceptance, search []string) error {
	if !a.Off {
		found, err := s.check(ctx, driftOptions{search: search})
		if err != nil {
			return err
		}
		return notFoundNow(found, a, time.Now())
	}
	all, err := s.journal.Accepted(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(o journal.Acceptance) bool { return o.Code == a.Code && o.Subject == a.Subject }) {
		return nil
	}
	return misused("go run . drift accept --list", "%s:%s is not accepted", a.Code, a.Subject)
}

// notFoundNow is nil if the check has found what is to be accepted: what is accepted
// and not there would hide what comes later, or, with a slip in it, nothing.
func notFoundNow(found drift.Report, a journal.Acceptance, now time.Time) error {
	if found.Covered(a, now) {
		return nil
	}
	wanted := a.Code + ":" + a.Subject
	if meant := near.Nearest(wanted, found.Keys()); meant != "" && meant != wanted {
		return misused("go run . drift accept "+quoted(meant)+" --until DATE --reason TEXT", "drift finds nothing that %q is for; did you mean %s?", wanted, meant)
	}
	return misused("go run . drift", "drift finds nothing that %q is for; it prints CODE:SUBJECT of what it finds", wanted)
}

// acceptance reads the arguments.
func acceptance(args []string, o acceptOptions, now time.Time) (journal.Acceptance, error) {
	const like = "go run . drift accept CODE:SUBJECT --until DATE --reason TEXT"
	if len(args) != 1 {
		return journal.Acceptance{}, misused(like, "drift accept takes one CODE:SUBJECT, as drift prints it")
	}
	code, subject, ok := strings.Cut(args[0], ":")
	if !ok || subject == "" {
		return journal.Acceptance{}, misused(like, "%q is not CODE:SUBJECT", args[0])
	}
	codes := []string{drift.GapCode}
	for _, c := range drift.Codes() {
		codes = append(codes, string(c))
	}
	if !slices.Contains(codes, code) {
		text, meant := notFound("code", code, codes)
		if meant == "" {
			return journal.Acceptance{}, misused("go run . drift", "%s; drift prints the codes of what it finds", text)
		}
		return journal.Acceptance{}, misused("go run . drift accept "+quoted(meant+":"+subject)+" --until DATE --reason TEXT", "%s", text)
	}
	out := journal.Acceptance{Code: code, Subject: subject, Reason: strings.TrimSpace(o.reason), Off: o.off}
	if o.off {
		return out, nil
	}
	var err error
	if out.Until, err = untilDay(o.until, now); err != nil {
		return out, misused(like, "%v", err)
	}
	if out.Reason == "" || out.Reason == "TEXT" {
		return out, misused(like, "--reason is missing: whoever reads the report wants to know why it may stand")
	}
	return out, nil
}

// farthest is how long something may stay accepted: what is for ever belongs into
// the catalog.
const farthest = 2 * 366 * 24 * time.Hour

// untilDay reads a day, whose end is meant, or a span from now.
func untilDay(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, errors.New("--until is missing: a day (2027-06-30) or a span (90d)")
	}
	until, err := time.ParseInLocation(time.DateOnly, text, time.UTC)
	if err == nil {
		until = until.AddDate(0, 0, 1)
	} else {
		span, spanErr := secrets.ParseDuration(text)
		if spanErr != nil {
			return until, fmt.Errorf("--until %q is neither a day (2027-06-30) nor a span (90d)", text)
		}
		until = now.Add(span.Std())
	}
	switch {
	case !until.After(now):
		return until, fmt.Errorf("--until %s is over", text)
	case until.Sub(now) > farthest:
		return until, fmt.Errorf("--until %s is more than two years away", text)
	}
	return until, nil
}

func (s *session) printAccepted(all []journal.Acceptance) error {
	if s.app.opts.json {
		if all == nil {
			all = []journal.Acceptance{}
		}
		return printJSON(s.out, map[string]any{"accepted": all})
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(s.out, "nothing is accepted")
		return err
	}
	style := s.app.resultStyle()
	var rows [][]ui.Cell
	for _, a := range all {
		until := ui.Cell{Text: a.Until.Add(-time.Second).UTC().Format(time.DateOnly)}
		if !time.Now().Before(a.Until) {
			until = ui.Cell{Text: until.Text + " (over)", Paint: style.Dim}
		}
		rows = append(rows, []ui.Cell{{Text: a.Code + ":" + a.Subject, Paint: style.Bold}, until, {Text: a.Reason}, {Text: a.By}})
	}
	ui.Table(s.out, s.app.width(), []string{"FINDING", "UNTIL", "REASON", "BY"}, rows)
	return nil
}
