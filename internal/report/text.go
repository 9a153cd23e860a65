package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
)

// Text writes the report for a person at a terminal of so many columns (0: not
// known, nothing is wrapped). The answer is the first line; a finding's fix is a
// line of its own and is never wrapped. A clean report has three to six lines.
func Text(w io.Writer, r drift.Report, style ui.Style, columns int) error {
	t := &terminal{style: style, columns: columns}
	t.answer(r)
	for _, g := range groupOf(ofKind(r, drift.Finding.Counts)) {
		t.group(g)
	}
	t.gaps(r)
	if verdict(r) == drift.Drift || verdict(r) == drift.Unknown {
		t.layers(r)
	}
	t.debts(r)
	t.copies(r)
	t.quiet(r)
	_, err := w.Write(t.out.Bytes())
	return err
}

type terminal struct {
	out     bytes.Buffer
	style   ui.Style
	columns int
}

func (t *terminal) line(text string) { t.out.WriteString(text + "\n") }

// wrapped prints text behind an indent, painted, within the columns.
func (t *terminal) wrapped(indent int, text string, paint func(string) string) {
	for _, line := range ui.Wrap(text, t.columns-indent, t.columns > 0) {
		t.line(strings.Repeat(" ", indent) + paint(line))
	}
}

func plain(s string) string { return s }

func (t *terminal) answer(r drift.Report) {
	mark, paint := t.style.Bad("✗"), t.style.Bad
	switch verdict(r) {
	case drift.Clean:
		mark, paint = t.style.Good("✓"), t.style.Good
	case drift.InProgress:
		mark, paint = t.style.Good("…"), t.style.Good
	case drift.Unknown:
		mark, paint = t.style.Warn("?"), t.style.Warn
	}
	for i, line := range ui.Wrap(headline(r)+".", t.columns-2, t.columns > 0) {
		if i > 0 {
			mark = " "
		}
		t.line(mark + " " + t.style.Bold(paint(line)))
	}
	t.wrapped(2, t.checked(r), t.style.Dim)
	if text := about(r.About); text != "" {
		t.wrapped(2, text, t.style.Dim)
	}
}

func (t *terminal) checked(r drift.Report) string {
	text := fmt.Sprintf("Checked %s: %s, %s in %s", minute(r.CheckedAt), count(len(r.Secrets), "secret", "secrets"),
		count(len(r.Layers), "layer", "layers"), roughly(slowest(r)))
	if r.World != "" {
		text += ", in the sandbox " + printable(r.World)
	}
	return text + "."
}

func (t *terminal) heading(text, who string) {
	t.line("")
	t.line(t.style.Bold(text))
	if who != "" {
		t.wrapped(2, who, t.style.Dim)
	}
}

func (t *terminal) group(g group) {
	if len(g.findings) == 0 {
		return
	}
	t.heading(fmt.Sprintf("%s (%d)", strings.ToUpper(g.Title), len(g.findings)), g.Who)
	for _, f := range g.findings {
		mark := t.style.Warn("!")
		if f.Severity == drift.Error {
			mark = t.style.Bad("✗")
		}
		t.line(fmt.Sprintf("  %s %s  %s", mark, t.style.Bold(printable(f.Subject)), t.style.Dim(printable(string(f.Code)))))
		t.detail(f.Detail, plain)
		t.fix(f.Fix)
	}
}

func (t *terminal) detail(text string, paint func(string) string) {
	for _, line := range lines(text) {
		t.wrapped(4, line, paint)
	}
}

// fix is whole, alone on its line, and begins with the command: it is to be copied.
func (t *terminal) fix(text string) {
	if text = command(text); text != "" {
		t.line("      " + t.style.Bold(text))
	}
}

func (t *terminal) gaps(r drift.Report) {
	if countGaps(r) == 0 {
		return
	}
	t.heading(fmt.Sprintf("NOT CHECKED (%d)", countGaps(r)), "nobody knows how these stand")
	for _, g := range gapsOf(r) {
		subject, layer := g.Subject, t.style.Dim(g.Layer)
		if g.Layer == g.Subject {
			layer = ""
		}
		// A list of subjects is wrapped, a single one is whole.
		for i, line := range ui.Wrap(subject, t.columns-4, t.columns > 0) {
			if i == 0 {
				t.line(strings.TrimRight(fmt.Sprintf("  %s %s  %s", t.style.Warn("?"), t.style.Bold(line), layer), " "))
				continue
			}
			t.line("    " + t.style.Bold(line))
		}
		t.detail(g.Detail, plain)
		t.fix(g.Fix)
	}
}

// layers are one line for each status.
func (t *terminal) layers(r drift.Report) {
	t.heading("LAYERS", "")
	var rows [][]ui.Cell
	for _, s := range []struct {
		status drift.Status
		paint  func(string) string
	}{{drift.StatusUnknown, t.style.Warn}, {drift.StatusDrift, t.style.Bad}, {drift.StatusOK, t.style.Good}} {
		var names []string
		for _, l := range r.Layers {
			if statusOf(l) == s.status {
				names = append(names, printable(l.Name)+" ("+strings.ReplaceAll(seconds(l.Seconds), " ", "")+")")
			}
		}
		if len(names) > 0 {
			rows = append(rows, []ui.Cell{{Text: string(s.status), Paint: s.paint}, {Text: strings.Join(names, ", ")}})
		}
	}
	if len(rows) == 0 {
		rows = [][]ui.Cell{{{Text: "none", Paint: t.style.Warn}, {Text: "nothing was checked"}}}
	}
	ui.Table(&t.out, t.columns, nil, rows)
}

// statusOf is a layer's status; one that could not be checked whole, or has a
// status that is not known here, is unknown.
func statusOf(l drift.Layer) drift.Status {
	if len(l.Gaps) > 0 || (l.Status != drift.StatusOK && l.Status != drift.StatusDrift) {
		return drift.StatusUnknown
	}
	return l.Status
}

func (t *terminal) debts(r drift.Report) {
	headed := false
	for _, s := range r.Secrets {
		for _, d := range s.Debts {
			if !headed {
				t.heading("OWED", "")
				headed = true
			}
			t.wrapped(2, printable(s.Name)+": "+printable(d), plain)
		}
	}
}

// copies is how sure the answer is, and what is due next.
func (t *terminal) copies(r drift.Report) {
	if verdict(r) == drift.Drift || verdict(r) == drift.Unknown {
		t.line("")
	}
	t.wrapped(2, strings.TrimSpace(sureness(r.Copies)+" "+proven(r.Copies)), plain)
	if next := nextDue(r); next != "" {
		t.wrapped(2, next+".", plain)
	}
	if keys := readers(r); len(keys) > 0 {
		t.wrapped(2, "Readable in pass by "+strings.Join(keys, ", ")+".", t.style.Dim)
	}
}

// readers are the keys that pass encrypts to, each once.
func readers(r drift.Report) []string {
	var all []string
	for _, s := range r.Secrets {
		for _, key := range s.Readers {
			all = append(all, printable(key))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// quiet is what does not change the answer, a line each.
func (t *terminal) quiet(r drift.Report) {
	if all := ofKind(r, accepted); len(all) > 0 {
		t.line("")
		t.line(t.style.Dim(fmt.Sprintf("ACCEPTED (%d)", len(all))))
		for _, f := range all {
			t.wrapped(2, fmt.Sprintf("%s, until %s by %s: %s", printable(f.Key()), day(f.Accepted.Until),
				printable(f.Accepted.By), printable(f.Accepted.Reason)), t.style.Dim)
		}
	}
	if all := ofKind(r, info); len(all) > 0 {
		t.line("")
		t.line(t.style.Dim(fmt.Sprintf("FOR INFORMATION (%d)", len(all))))
		for _, f := range all {
			t.wrapped(2, fmt.Sprintf("%s: %s", printable(f.Key()), printable(f.Detail)), t.style.Dim)
			if f.Fix != "" {
				t.line("      " + t.style.Dim(command(f.Fix)))
			}
		}
	}
}
