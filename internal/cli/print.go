package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/internal/hint"
	"github.com/sanmarcsoft/secret-rotation/internal/printable"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// printJSON writes one document. Several secrets give a list, one gives itself.
func printJSON(out io.Writer, doc any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}

func oneOrList(reports []rotation.Report) any {
	if len(reports) == 1 {
		return reports[0]
	}
	return reports
}

// table lines rows up; empty cells at a row's end are left out, so that the
// sentence before them has the room.
func table(out io.Writer, columns int, rows [][]string) {
	var cells [][]ui.Cell
	for _, row := range rows {
		for len(row) > 1 && row[len(row)-1] == "" {
			row = row[:len(row)-1]
		}
		var line []ui.Cell
		for _, text := range row {
			line = append(line, ui.Cell{Text: text})
		}
		cells = append(cells, line)
	}
	ui.Table(out, columns, nil, cells)
}

// printPlan shows what a person is asked to agree to.
func printPlan(out io.Writer, style ui.Style, columns int, p *rotation.Plan) {
	if p.Changed {
		_, _ = fmt.Fprintln(out, style.Warn("The preview with the new values differs from the one you agreed to."))
	}
	for _, s := range p.Secrets {
		_, _ = fmt.Fprintf(out, "\n%s  %s%s\n", style.Bold(printable.Line(s.Name)), printable.Line(s.Title), goesOn(s))
		var rows [][]string
		for _, e := range s.Entries {
			rows = append(rows, []string{"entry", e.Path, arrow(e.From, e.To)})
		}
		for _, c := range s.Consumers {
			rows = append(rows, []string{"consumer", c.Name, presently(c, s.Back || s.State != "")})
		}
		rows = append(rows, byHand(s.ByHand)...)
		for _, k := range s.Readers {
			rows = append(rows, []string{"readable by", k.String(), ""})
		}
		if s.Adopts {
			rows = append(rows, []string{"adoption", adoption(s), ""})
		} else if s.Back {
			rows = append(rows, []string{"rollback", "to the old value; then the new one is retired", ""})
		} else {
			rows = append(rows, []string{"source", source(s.Source), ""}, []string{"old value", afterwards(s), ""})
		}
		table(out, columns, rows)
		printLimits(out, s)
	}
	for _, s := range p.Stacks {
		_, _ = fmt.Fprintf(out, "\nstack %s\n", style.Bold(printable.Line(s.Name)))
		var rows [][]string
		for _, k := range s.Keys {
			note := ""
			if k.Stale {
				note = "stale: set to the value last promoted"
			}
			rows = append(rows, []string{"config", k.Key, arrow(k.From, k.To), note})
		}
		for _, c := range s.Changes {
			if c.Op != "same" {
				name := c.Name
				if strings.HasPrefix(c.Type, "pulumi:providers:") {
					name = "(provider)" // its name is an address
				}
				rows = append(rows, []string{c.Op, name, kind(c.Type), masked(c.SecretOnly, c.Diffs)})
			}
		}
		table(out, columns, rows)
	}
	_, _ = fmt.Fprintln(out)
}

func goesOn(s rotation.SecretPlan) string {
	if s.State == "" {
		return ""
	}
	return ", goes on at " + string(s.State)
}

func adoption(s rotation.SecretPlan) string {
	if s.Rolls {
		return "the value in pass is rolled out as it is; nothing is issued or retired"
	}
	return "the value in pass is taken over as it is; no consumer is written to"
}

func arrow(from, to string) string {
	if from == "" {
		from = "(unknown)"
	}
	if to == "" {
		to = "(new)"
	}
	if from == to {
		return to
	}
	return from + " -> " + to
}

func presently(c rotation.ConsumerReport, underWay bool) string {
	switch {
	case underWay && c.Answer == proof.Match:
		return has("old", c)
	case underWay && c.Answer == proof.Differs:
		return c.Detail
	}
	switch c.Answer {
	case proof.Match:
		return has("present", c)
	case proof.Differs:
		return "does not run with the present value: " + c.Detail
	}
	return string(c.Answer) + ": " + c.Detail
}

// has says that a consumer has a value, and whether that was seen of what runs.
func has(which string, c rotation.ConsumerReport) string {
	if c.Proof == string(secrets.ProofConfigured) {
		return "has the " + which + " value (configured: not verified at run time)"
	}
	return "runs with the " + which + " value (" + c.Proof + ")"
}

// byHand are the rows of what a person does at consumers, the steps below each.
func byHand(all []rotation.ManualPlan) [][]string {
	var rows [][]string
	for _, m := range all {
		rows = append(rows, []string{"by hand", m.Name, m.When})
		for i, step := range m.Steps {
			rows = append(rows, []string{"", "", fmt.Sprintf("%d. %s", i+1, step)})
		}
	}
	return rows
}

func source(s string) string {
	switch s {
	case "pass":
		return "pass holds a new value that was never rolled out"
	case "pending":
		return "a value stored in pass as pending"
	case "typed":
		return "given on standard input"
	case "hand":
		return "in use already, rolled out by hand: only the value before it is left to revoke"
	case "issuer":
		return "the service's API makes a second one"
	}
	return "a person makes it at the dashboard"
}

func afterwards(s rotation.SecretPlan) string {
	switch {
	case s.OldDead:
		return "is dead: the service refuses it already"
	case s.KillsOld:
		return "dies the moment the new one is made; consumers are without until their up ends"
	case s.NoGrace:
		return "retired as soon as every consumer proves the new one (a sandbox has no grace; --grace gives one)"
	case s.Grace == 0:
		return "retired as soon as every consumer proves the new one"
	}
	return fmt.Sprintf("stays valid for %s, then retired", rotation.Span(s.Grace))
}

// kind shortens cloudflare:index/workersSecret:WorkersSecret to WorkersSecret.
func kind(t string) string { return t[strings.LastIndexByte(t, ':')+1:] }

// masked says what a change is about, by the names of inputs alone.
func masked(secretOnly bool, inputs []string) string {
	switch {
	case secretOnly:
		return "only secret inputs change"
	case len(inputs) > 0:
		return "changes " + strings.Join(inputs, ", ")
	}
	return ""
}

// printReport shows the result of one secret on stdout.
func printReport(out io.Writer, style ui.Style, columns int, r rotation.Report) {
	state := string(r.State)
	if state == "" {
		state = "never rotated by this program"
	}
	_, _ = fmt.Fprintf(out, "%s  %s", style.Bold(printable.Line(r.Secret)), printable.Line(state))
	if r.Rotation != "" {
		_, _ = fmt.Fprintf(out, "  (rotation %s)", printable.Line(r.Rotation))
	}
	_, _ = fmt.Fprintln(out)
	var rows [][]string
	for _, e := range r.Entries {
		rows = append(rows, []string{"entry", e.Path, arrow(e.From, e.To)})
	}
	for _, s := range r.Stacks {
		rows = append(rows, []string{"stack", s.Name, fmt.Sprintf("%s in %.1f s", s.Result, s.Seconds)})
	}
	for _, c := range r.Consumers {
		text := proof.Phrase(c.Answer, secrets.ProofKind(c.Proof))
		if c.Answer != proof.Match || c.Proof == string(secrets.ProofConfigured) {
			text += ": " + c.Detail
		}
		rows = append(rows, []string{"consumer", c.Name, text})
	}
	if r.Rejected != "" {
		rows = append(rows, []string{"rejected", r.Rejected, ""})
	}
	if r.Revoked.ConfirmedAt != "" {
		rows = append(rows, []string{"revoked", r.Revoked.ConfirmedAt, r.Revoked.Evidence})
	}
	for _, d := range r.Debts {
		rows = append(rows, []string{"debt", d, ""})
	}
	table(out, columns, rows)
	if r.Error == "" {
		for _, n := range r.Next {
			printNext(out, style, columns, "  ", n)
		}
	}
}

// printError is the last thing on stderr: what happened, then what to type.
func printError(out io.Writer, style ui.Style, columns int, err error, next []string) {
	printHanging(out, columns, style.Bad("error:")+" ", len("error: "), strings.Split(err.Error(), "\n"))
	for _, n := range next {
		printNext(out, style, columns, "", n)
	}
}

// printNext prints a line of what to type. A command is never wrapped: it stands
// alone on its line where the words around it do not fit beside it.
func printNext(out io.Writer, style ui.Style, columns int, margin, text string) {
	const label = "next: "
	text = printable.Line(text)
	before, command, after := hint.Split(text)
	first, indent := margin+style.Dim("next:")+" ", len(margin)+len(label)
	if columns == 0 || indent+utf8.RuneCountInString(text) <= columns {
		_, _ = fmt.Fprintln(out, first+text)
		return
	}
	if command == "" {
		if isSentence(text) {
			printHanging(out, columns, first, indent, []string{text})
		} else { // another program's command
			_, _ = fmt.Fprintln(out, first+text)
		}
		return
	}
	pad := strings.Repeat(" ", indent)
	if before != "" {
		printHanging(out, columns, first, indent, []string{before})
		first = pad
	}
	_, _ = fmt.Fprintln(out, first+command)
	if after != "" {
		printHanging(out, columns, pad, indent, []string{after})
	}
}

// isSentence tells what is said from what is typed.
func isSentence(text string) bool {
	r := []rune(text)
	return len(r) > 1 && unicode.IsUpper(r[0]) && !unicode.IsUpper(r[1])
}

// printTitle prints what a person is asked about.
func printTitle(out io.Writer, style ui.Style, columns int, title string) {
	for _, line := range ui.Wrap(printable.Line(title), columns, columns > 0) {
		_, _ = fmt.Fprintln(out, style.Bold(line))
	}
}

// printHanging prints lines of text wrapped at words, each but the very first
// below where the text begins: what is foreign never begins a line.
func printHanging(out io.Writer, columns int, first string, indent int, text []string) {
	for _, line := range text {
		line = printable.Line(line)
		for _, part := range ui.Wrap(line, columns-indent, columns > 0) {
			_, _ = fmt.Fprintln(out, strings.TrimRight(first+part, " "))
			first = strings.Repeat(" ", indent)
		}
	}
}
