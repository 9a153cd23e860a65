package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/internal/report"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
)

// does says what a proposal would do.
func does(verb drift.Verb, names []string) string {
	of := enumerated(names)
	switch verb {
	case drift.Pull:
		return "take in what the remote of pass has; the rest is looked at again after that"
	case drift.Push:
		return "push pass to its remote"
	case drift.Unlock:
		return "take the lock off stack " + of
	case drift.GoOn:
		return "rotate " + of + ", from where it stands"
	case drift.Readopt:
		return "go on with the adoption of " + of
	case drift.Pending:
		return "roll out what was edited into pass for " + of + ", then retire the value before"
	case drift.Roll:
		return "bring pass's value of " + of + " to every consumer; nothing is issued or retired"
	case drift.Anew:
		return "look at all that holds " + of + " anew and bring pass's value where it is missing; nothing is issued or retired"
	case drift.Renew:
		return "rotate " + of + " to a fresh value"
	}
	return ""
}

func enumerated(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// show prints what was found and what is proposed, before the first question.
func (f *fixing) show(found drift.Report, proposals []drift.Proposal, round int) error {
	var mendings []drift.Mending
	for _, p := range proposals {
		mendings = append(mendings, f.mending(p))
	}
	return f.progress.Pause(func() error {
		style := f.app.style()
		if round == 1 {
			if err := report.Text(f.err, found, style, ui.Columns(f.app.env.Err)); err != nil {
				return err
			}
		}
		title := "PROPOSALS"
		if round > 1 {
			title = "FURTHER PROPOSALS"
		}
		offered(f.err, style, title, mendings)
		if round == 1 {
			f.forAPerson(f.err, style)
		}
		_, err := fmt.Fprintf(f.err, "\n%s\n", style.Dim("Each is asked about on its own; No skips it, Ctrl-C ends here."))
		return err
	})
}

// offered are the proposals with the findings that each mends, and its command.
func offered(w io.Writer, style ui.Style, title string, all []drift.Mending) {
	_, _ = fmt.Fprintf(w, "\n%s\n", style.Bold(fmt.Sprintf("%s (%d)", title, len(all))))
	for i, m := range all {
		_, _ = fmt.Fprintf(w, "  %d. %s\n", i+1, style.Bold(does(m.Verb, m.Names)))
		mends(w, style, m)
		_, _ = fmt.Fprintf(w, "       %s %s\n", style.Dim("by hand:"), m.Command)
	}
}

func mends(w io.Writer, style ui.Style, m drift.Mending) {
	for _, key := range m.Findings {
		code, subject, _ := strings.Cut(key, ":")
		_, _ = fmt.Fprintf(w, "     %s %s  %s\n", style.Dim("mends"), subject, style.Dim(code))
	}
}

// forAPerson are the findings that this program cannot mend.
func (f *fixing) forAPerson(w io.Writer, style ui.Style) {
	if len(f.byHand) == 0 {
		return
	}
	_, _ = fmt.Fprintf(w, "\n%s\n", style.Bold(fmt.Sprintf("FOR A PERSON (%d)", len(f.byHand))))
	for _, b := range f.byHand {
		_, _ = fmt.Fprintf(w, "  %s %s  %s\n       %s\n", style.Warn("!"), b.Subject, style.Dim(string(b.Code)), b.Fix)
	}
}

// heading opens one proposal.
func (f *fixing) heading(p drift.Proposal, n, of int) {
	_ = f.progress.Pause(func() error {
		style := f.app.style()
		_, err := fmt.Fprintf(f.err, "\n%s %s\n", style.Dim(fmt.Sprintf("[%d/%d]", n, of)), style.Bold(does(p.Verb, p.Names)))
		return err
	})
}

// ended closes one proposal; the error is said at once, and again at the end.
func (f *fixing) ended(m drift.Mending) {
	_ = f.progress.Pause(func() error {
		style := f.app.style()
		switch m.Outcome {
		case drift.Declined:
			_, _ = fmt.Fprintln(f.err, style.Dim("skipped: nothing was changed"))
		case drift.Failed, drift.Waiting, drift.Interrupted:
			_, _ = fmt.Fprintf(f.err, "%s %s\n", style.Bad(string(m.Outcome)+":"), m.Error)
		}
		return nil
	})
}

// told: the report in its text form would say once more what stands above, or,
// after Ctrl-C, what is not so any more.
func (f *fixing) told() bool {
	return f.options.format == "text" && f.options.output == "" && (f.stopped || f.shown && ui.IsTerminal(f.app.stdout()))
}

// tell is the end of the text form: what was done, or what could be.
func (f *fixing) tell(w io.Writer) {
	style := f.app.resultStyle()
	proposed := f.waits && !f.app.opts.yes && !f.asks()
	switch {
	case proposed:
		offered(w, style, "PROPOSALS", f.mendings)
		f.forAPerson(w, style)
		_, _ = fmt.Fprintf(w, "\nNothing was changed: there is no terminal to ask at.\n  %s %s\n", style.Dim("next:"), typed(append(quotedAll(f.app.args), "--yes")...))
		return
	case len(f.mendings) == 0:
		_, _ = fmt.Fprintln(w, "\nThere is nothing here that --fix can mend.")
		f.forAPerson(w, style)
		return
	}
	_, _ = fmt.Fprintf(w, "\n%s\n", style.Bold("WHAT WAS DONE"))
	for _, m := range f.mendings {
		mark := style.Good("✓")
		switch m.Outcome {
		case drift.Declined, drift.Proposed:
			mark = style.Dim("-")
		case drift.Waiting, drift.Unconfirmed:
			mark = style.Warn("…")
		case drift.Failed, drift.Interrupted:
			mark = style.Bad("✗")
		}
		outcome := string(m.Outcome)
		if m.Outcome == drift.Proposed {
			outcome = "not begun"
		}
		_, _ = fmt.Fprintf(w, "  %s %s: %s\n", mark, outcome, does(m.Verb, m.Names))
		if m.Error != "" {
			_, _ = fmt.Fprintf(w, "      %s\n", m.Error)
		}
		for _, n := range m.Next {
			_, _ = fmt.Fprintf(w, "      %s %s\n", style.Dim("next:"), n)
		}
	}
	switch n := len(f.byHand); {
	case f.stopped:
		_, _ = fmt.Fprintf(w, "  stopped here, and not checked again\n      %s %s\n", style.Dim("next:"), f.app.inPlace("go run . drift"))
	case n > 0:
		_, _ = fmt.Fprintf(w, "  %s for a person to mend: %d, with what to do, in the report above\n", style.Warn("!"), n)
	}
}
