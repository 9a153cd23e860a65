package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

func (a *app) historyCommand() *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show every rotation: who, when, how it ended, with which proofs",
		Long: `Shows the rotations of the secrets (default: all), newest first: when it began,
how it ended and how long it took, who carried it out, the fingerprints it moved
between and the proofs that the consumers gave. With -v also every event. The
journal's chain of hashes is checked: one that was tampered with is said.
Exit codes: 0 ok, 1 failed, also where a journal is damaged, 2 usage.`,
		Example: `  go run . history
  go run . history --secret stripe -v
  go run . history --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cat, err := a.loadCatalog()
			if err != nil {
				return err
			}
			if names, err = named(cat, names); err != nil {
				return err
			}
			s, err := a.light(cmd.Context())
			if err != nil {
				return err
			}
			past, err := s.records().History(cmd.Context(), names)
			s.progress.Close()
			switch {
			case a.opts.json && (err == nil || len(past) > 0):
				err = errors.Join(err, printJSON(s.out, historyDocument(past)))
			case !a.opts.json:
				s.printHistory(past, err == nil)
			}
			return errors.Join(err, s.close())
		},
	}
	cmd.Flags().StringArrayVarP(&names, "secret", "s", nil, "`NAME` of a secret; may be repeated")
	return cmd
}

// named are the secrets that are meant: those named, else all.
func named(cat *secrets.Catalog, names []string) ([]string, error) {
	if len(names) > 0 {
		return chosen(cat, names, false, "history")
	}
	for _, s := range cat.Secrets {
		names = append(names, s.Name)
	}
	return names, nil
}

func (s *session) printHistory(past []rotation.Past, whole bool) {
	if len(past) == 0 && whole {
		_, _ = fmt.Fprintln(s.out, "  no rotation is recorded yet")
		return
	}
	style := s.app.resultStyle()
	var rows [][]ui.Cell
	for _, p := range past {
		row := []ui.Cell{{Text: minute(p.Began)}, {Text: p.Secret, Paint: style.Bold}, {Text: endOf(p)}, {Text: whatOf(p)}}
		if !p.State.Finished() || len(p.Debts) > 0 {
			row[2].Paint = style.Bad
		}
		if !s.app.opts.verbose {
			rows = append(rows, row)
			continue
		}
		ui.Table(s.out, s.app.width(), nil, [][]ui.Cell{row})
		s.printEvents(p)
	}
	if len(rows) > 0 {
		ui.Table(s.out, s.app.width(), []string{"BEGUN", "SECRET", "ENDED", "WHAT"}, rows)
	}
}

// printEvents is what -v adds under a rotation.
func (s *session) printEvents(p rotation.Past) {
	var rows [][]ui.Cell
	add := func(at, state, text string) { rows = append(rows, []ui.Cell{{Text: at}, {Text: state}, {Text: text}}) }
	by := ""
	for _, e := range p.Events {
		text := e.Step
		if who := e.Holder.String(); who != by {
			text, by = text+", by "+who, who
		}
		add(e.Time.Local().Format("01-02 15:04:05"), string(e.State), text+trustText(e))
	}
	for _, answer := range p.Answers {
		text := answer.Consumer + ": " + proof.Phrase(proof.Answer(answer.Answer), answer.Proof)
		if answer.Word != "" {
			text += ", confirmed by " + answer.Word
		}
		add("", "proof", text)
	}
	if p.Evidence != "" {
		add("", "evidence", p.Evidence)
	}
	ui.Table(s.out, s.app.width(), nil, rows)
	_, _ = fmt.Fprintln(s.out)
}

// trustText marks an event of which it is not proven who wrote it.
func trustText(e journal.Event) string {
	text := ""
	if e.Trust == journal.Unsigned || e.Trust == journal.Replaced {
		text = " [" + string(e.Trust) + "]"
	}
	if e.Misdated() {
		text += " [its date is later than its object's, " + minute(e.Stored) + "]"
	}
	return text
}

func endOf(p rotation.Past) string {
	if !p.State.Finished() {
		return "at " + string(p.State)
	}
	return string(p.State) + " in " + roughly(p.Took())
}

// whatOf is who moved which entries between which fingerprints, and the proofs.
func whatOf(p rotation.Past) string {
	parts := []string{strings.Join(p.By, ", ")}
	for _, e := range p.Entries {
		parts = append(parts, e.Name+" "+arrow(e.From, e.To))
	}
	if proofs := rotation.CountProofs(p.Answers); proofs != "" {
		parts = append(parts, "proofs: "+proofs)
	}
	if p.StatedBy != "" {
		parts = append(parts, "old value confirmed revoked by "+p.StatedBy)
	}
	if p.State == journal.Adopted {
		parts = append(parts, p.Events[len(p.Events)-1].Step)
	}
	for _, d := range p.Debts {
		parts = append(parts, "debt: "+d)
	}
	return strings.Join(parts, "; ")
}

// pastOf is one rotation in the JSON form. Moments are RFC 3339 in UTC; ended is
// empty where it is not finished.
type pastOf struct {
	Rotation string                 `json:"rotation"`
	Secret   string                 `json:"secret"`
	State    journal.State          `json:"state"`
	Began    string                 `json:"began"`
	Ended    string                 `json:"ended"`
	Seconds  float64                `json:"seconds"`
	By       []string               `json:"by"`
	Source   string                 `json:"source"`
	Entries  []rotation.EntryReport `json:"entries"`
	Proofs   []journal.Answer       `json:"proofs"`
	Revoked  rotation.RevokedReport `json:"revoked"`
	Debts    []string               `json:"debts"`
	Events   []eventOf              `json:"events"`
}

type eventOf struct {
	Number int           `json:"number"`
	Time   string        `json:"time"`
	State  journal.State `json:"state"`
	Step   string        `json:"step"`
	Holder string        `json:"holder"`
	// Signature is signed, unsigned (written before events were signed) or
	// replaced (accepted by a later repair).
	Signature journal.Trust `json:"signature"`
}

func historyDocument(past []rotation.Past) []pastOf {
	out := []pastOf{}
	for _, p := range past {
		one := pastOf{Rotation: p.Rotation, Secret: p.Secret, State: p.State, Began: utc(p.Began), Seconds: p.Took().Round(time.Millisecond).Seconds(),
			By: p.By, Source: p.Source, Entries: append([]rotation.EntryReport{}, p.Entries...), Proofs: append([]journal.Answer{}, p.Answers...),
			Revoked: rotation.RevokedReport{ConfirmedAt: utc(p.RevokedAt), Evidence: p.Evidence, StatedBy: p.StatedBy}, Debts: append([]string{}, p.Debts...), Events: []eventOf{}}
		if p.State.Finished() {
			one.Ended = utc(p.Last)
		}
		for _, e := range p.Events {
			one.Events = append(one.Events, eventOf{Number: e.Number, Time: utc(e.Time), State: e.State, Step: e.Step, Holder: e.Holder.String(), Signature: e.Trust})
		}
		out = append(out, one)
	}
	return out
}
