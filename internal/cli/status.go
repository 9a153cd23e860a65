package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show how old every secret is, and what needs doing",
		Long: `Shows for every secret its age, when it is due, where its rotation stands and
what is still owed, most urgent first, and the commands that see to it. It reads
the journal and pass's git history only: no service and no consumer is asked
(verify and doctor do that), and nothing is changed.

The age counts from the last rotation that ended with the proven death of the
old value; where there is none, from the entry's last change in pass.
Exit codes: 0 ok, 1 failed, 2 usage, 4 the record of a secret could not be read,
or the state holds nothing of the catalog.`,
		Example: `  go run . status
  go run . status --json
  go run . status --sandbox`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.light(cmd.Context())
			if err != nil {
				return err
			}
			rows := s.records().Status(cmd.Context())
			loose := s.uncommitted(cmd.Context())
			s.progress.Close()
			if lost := lostState(rows); lost != nil && !a.opts.json {
				return errors.Join(lost, s.close())
			}
			unused := s.unusedState(cmd.Context(), rows)
			if a.opts.json {
				err = printJSON(s.out, statusDocument(rows, loose))
			} else {
				s.printStatus(rows, loose)
			}
			if slices.ContainsFunc(rows, func(r rotation.Standing) bool { return r.Err != nil }) {
				err = errors.Join(err, &statusError{exitCannotTell})
			}
			return errors.Join(unused, err, s.close())
		},
	}
}

// lostState is what keeps every record from being read, nil where one could be:
// the same line for each secret would tell no more.
func lostState(rows []rotation.Standing) error {
	var lost *backend.S3Error
	for _, r := range rows {
		if !errors.As(r.Err, &lost) {
			return nil
		}
	}
	if lost == nil {
		return nil
	}
	return &codedError{fmt.Errorf("no record can be read: %w", lost), exitCannotTell}
}

// unusedState says that nothing of the catalog is in the state at all, where no
// secret has a record: its address is the likeliest slip, and everything would look
// as if nothing were to be done.
func (s *session) unusedState(ctx context.Context, rows []rotation.Standing) error {
	if slices.ContainsFunc(rows, func(r rotation.Standing) bool { return r.Err != nil || r.Last.Number > 0 }) {
		return nil
	}
	if err := s.fleet().Used(ctx); err != nil {
		return &codedError{err, exitCannotTell}
	}
	return nil
}

// uncommitted are the stacks' config files that git has not seen as they stand.
func (s *session) uncommitted(ctx context.Context) []drift.Finding {
	var out []drift.Finding
	for _, stack := range s.catalog.Stacks {
		// What git cannot say is drift's to report.
		found, _ := s.folders().Uncommitted(ctx, stack)
		for _, f := range found {
			if !slices.ContainsFunc(out, func(o drift.Finding) bool { return o.Key() == f.Key() }) {
				out = append(out, f)
			}
		}
	}
	return out
}

func (s *session) printStatus(rows []rotation.Standing, loose []drift.Finding) {
	style := s.app.resultStyle()
	var cells [][]ui.Cell
	for _, r := range rows {
		text, wrong := stateOf(r)
		state := ui.Cell{Text: text}
		due := ui.Cell{Text: "-"}
		if wrong {
			state.Paint = style.Bad
		}
		if !r.Due().IsZero() {
			due.Text = r.Due().Local().Format(time.DateOnly)
		}
		if r.Overdue() {
			due.Paint = style.Bad
		}
		cells = append(cells, []ui.Cell{{Text: r.Secret.Name, Paint: style.Bold}, {Text: ageOf(r)}, {Text: maxAge(r)}, due, state})
	}
	ui.Table(s.out, s.app.width(), []string{"SECRET", "AGE", "MAX", "DUE", "STATE"}, cells)
	_, _ = fmt.Fprintf(s.out, "\n  %s\n", summary(rows, loose))
	for _, f := range loose {
		_, _ = fmt.Fprintf(s.out, "  %s %s: %s\n", style.Dim(string(f.Severity)+":"), f.Code, f.Subject+" "+f.Detail)
	}
	for _, next := range s.nextOfStatus(rows, loose) {
		_, _ = fmt.Fprintf(s.out, "  %s %s\n", style.Dim("next:"), next)
	}
}

func ageOf(r rotation.Standing) string {
	if r.Since.IsZero() {
		return "unknown"
	}
	return roughly(r.Age())
}

func maxAge(r rotation.Standing) string {
	if r.Secret.MaxAge == 0 {
		return "-"
	}
	return r.Secret.MaxAge.String()
}

// stateOf says where a secret stands, and whether that is wrong.
func stateOf(r rotation.Standing) (text string, wrong bool) {
	if r.Err != nil {
		return "cannot be read: " + r.Err.Error(), true
	}
	var lines []string
	for _, d := range r.Last.Debts {
		lines = append(lines, "debt: "+d)
	}
	if r.Unfinished() {
		lines = append(lines, stoppedAt(r))
	}
	if r.Overdue() {
		lines = append(lines, "overdue by "+roughly(-r.Left()))
	}
	wrong = len(lines) > 0
	if r.Last.Hold != nil {
		lines = append(lines, r.Last.Hold.String())
	}
	switch {
	case r.Held != nil:
		lines = append(lines, fmt.Sprintf("under way since %s: %s", minute(r.Held.Since), r.Held.Holder))
	case r.InGrace() && r.Last.Hold != nil:
		lines = append(lines, "promoted; the old value stays valid until that hold is taken off")
	case r.InGrace():
		lines = append(lines, "promoted; the old value stays valid until "+minute(r.Last.GraceUntil))
	}
	lines = append(lines, dated(r, len(lines) > 0)...)
	for _, path := range r.Edited {
		lines = append(lines, "changed in pass since, and not rolled out: "+path)
	}
	return strings.Join(lines, "\n"), wrong
}

func stoppedAt(r rotation.Standing) string {
	if r.Last.State == journal.Grace {
		return "the grace is over since " + minute(r.Last.GraceUntil) + ", and the old value is not retired"
	}
	return fmt.Sprintf("stopped at %s (%s) on %s", r.Last.State, r.Last.Step, minute(r.Last.Time))
}

// dated says what the age counts from, where that is not the usual or nothing
// else is said.
func dated(r rotation.Standing, more bool) []string {
	day := r.Since.Local().Format(time.DateOnly)
	switch {
	case r.Last.State == journal.Adopted:
		return append(adopted(r), dated(rotation.Standing{Since: r.Since, DatedBy: r.DatedBy}, true)...)
	case r.DatedBy == rotation.ByPass && more:
		return []string{"age by pass's history"}
	case r.DatedBy == rotation.ByPass:
		return []string{"not rotated yet; age by pass's history"}
	case r.Since.IsZero():
		return []string{"age unknown: pass has no history of it"}
	case more:
		return nil
	}
	return []string{"rotated on " + day}
}

// adopted says since when a secret that was never rotated is looked after, and
// what was not proven then.
func adopted(r rotation.Standing) []string {
	lines := []string{"adopted on " + r.Last.Time.Local().Format(time.DateOnly)}
	var open []string
	for _, answer := range r.Last.Answers {
		if answer.Answer != string(proof.Match) {
			open = append(open, answer.Consumer+" ("+answer.Answer+")")
		}
	}
	if len(open) > 0 {
		lines = append(lines, "not proven then: "+strings.Join(open, ", "))
	}
	return lines
}

// summary counts what needs doing.
func summary(rows []rotation.Standing, loose []drift.Finding) string {
	var unread, overdue, unfinished, debts, waiting, edited int
	for _, r := range rows {
		unread += one(r.Err != nil)
		overdue += one(r.Overdue())
		unfinished += one(r.Err == nil && r.Unfinished())
		waiting += one(r.Err == nil && r.Waits())
		debts += len(r.Last.Debts)
		edited += one(len(r.Edited) > 0)
	}
	var parts []string
	for _, c := range []struct {
		n          int
		one, other string
	}{
		{unread, "cannot be read", "cannot be read"}, {overdue, "overdue", "overdue"}, {unfinished, "unfinished", "unfinished"}, {debts, "debt", "debts"},
		{waiting, "under way or in grace", "under way or in grace"}, {edited, "changed in pass and not rolled out", "changed in pass and not rolled out"}, {len(loose), "config file not committed", "config files not committed"},
	} {
		if text := c.other; c.n > 0 {
			if c.n == 1 {
				text = c.one
			}
			parts = append(parts, fmt.Sprintf("%d %s", c.n, text))
		}
	}
	if len(parts) == 0 {
		return ui.Count(len(rows), "secret", "secrets") + ", nothing to do"
	}
	return strings.Join(parts, ", ")
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// nextOfStatus are the commands that see to what is wrong.
func (s *session) nextOfStatus(rows []rotation.Standing, loose []drift.Finding) []string {
	var out []string
	overdue := ""
	for _, r := range rows {
		again := " --secret " + r.Secret.Name
		switch {
		case r.Err != nil:
			out = append(out, "go run . history"+again)
		case r.Unfinished() && r.Last.State == journal.Adopting:
			out = append(out, "go run . adopt"+again)
		case r.Unfinished() || len(r.Last.Debts) > 0:
			out = append(out, "go run . rotate"+again)
		case len(r.Edited) > 0:
			out = append(out, "go run . rotate"+again+" --pending")
		case r.Overdue() && !r.Waits():
			overdue += again
		}
	}
	if overdue != "" {
		out = append(out, "go run . rotate"+overdue)
	}
	for i := range out {
		out[i] = s.app.inPlace(out[i])
	}
	for _, f := range loose {
		out = append(out, f.Fix)
	}
	return out
}

// roughly is a span in its largest unit, as a person says it.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= day:
		return fmt.Sprintf("%dd", d/day)
	case d >= time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// minute is a moment as a person reads it.
func minute(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

// statusOf is one secret in the JSON form; the first six fields are a contract
// (DESIGN section 9). Moments are RFC 3339 in UTC, empty where there is none.
type statusOf struct {
	Name string `json:"name"`
	// AgeDays are whole days, null where the age is not known.
	AgeDays    *int     `json:"age_days"`
	MaxAgeDays float64  `json:"max_age_days"`
	Due        string   `json:"due"`
	State      string   `json:"state"`
	Debts      []string `json:"debts"`
	Overdue    bool     `json:"overdue"`
	Since      string   `json:"since"`
	DatedBy    string   `json:"dated_by"`
	GraceUntil string   `json:"grace_until"`
	Hold       string   `json:"hold"`
	Rotation   string   `json:"rotation"`
	Step       string   `json:"step"`
	Running    bool     `json:"running"`
	// Edited are pass paths that were changed since, and not rolled out.
	Edited []string `json:"edited"`
	// Signature is that of the newest event: signed, or unsigned from before
	// events were signed; empty where there is none.
	Signature journal.Trust `json:"signature"`
	Error     string        `json:"error,omitempty"`
}

func statusDocument(rows []rotation.Standing, loose []drift.Finding) any {
	out := struct {
		Secrets     []statusOf      `json:"secrets"`
		Uncommitted []string        `json:"uncommitted"`
		Findings    []drift.Finding `json:"findings"`
	}{Secrets: []statusOf{}, Uncommitted: []string{}, Findings: append([]drift.Finding{}, loose...)}
	for _, f := range loose {
		out.Uncommitted = append(out.Uncommitted, f.Subject)
	}
	for _, r := range rows {
		days := float64(r.Secret.MaxAge.Std()) / float64(24*time.Hour)
		one := statusOf{Name: r.Secret.Name, MaxAgeDays: math.Round(days*100) / 100, Due: utc(r.Due()), State: string(r.Last.State),
			Debts: append([]string{}, r.Last.Debts...), Edited: append([]string{}, r.Edited...), Overdue: r.Overdue(), Since: utc(r.Since), DatedBy: r.DatedBy,
			GraceUntil: utc(r.Last.GraceUntil), Rotation: r.Last.Rotation, Step: r.Last.Step, Running: r.Held != nil, Signature: r.Last.Trust}
		if !r.Since.IsZero() {
			age := int(r.Age() / (24 * time.Hour))
			one.AgeDays = &age
		}
		if r.Last.Hold != nil {
			one.Hold = r.Last.Hold.String()
		}
		if r.Err != nil {
			one.State, one.Error = "UNREADABLE", r.Err.Error()
		}
		out.Secrets = append(out.Secrets, one)
	}
	return out
}

func utc(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
