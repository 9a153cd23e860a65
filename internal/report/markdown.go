package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
)

// The limits of a Markdown report in bytes. The body of a GitHub issue may have
// 65536 characters, a step summary 1 MiB: what fits the first fits both.
// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
const (
	markdownLimit = 65536
	gapsLimit     = 9000
	layersLimit   = 3000
	secretsLimit  = 9000
	quietLimit    = 9000
	// detailLimit is in characters: one talkative service must not push the others out.
	detailLimit = 600
)

// Markdown writes the report for a GitHub step summary or an issue's body. Where
// it would be too long for an issue, whole rows are left out and counted.
func Markdown(w io.Writer, r drift.Report) error {
	head := "## " + mark(r) + " " + prose(headline(r)) + "\n\n" + markdownChecked(r)
	rest := markdownGaps(r) + markdownLayers(r) + markdownSecrets(r) + markdownQuiet(r)
	findings := markdownFindings(r, markdownLimit-len(head)-len(rest))
	_, err := io.WriteString(w, head+findings+rest)
	return err
}

// mark is the answer as a picture, beside its word.
func mark(r drift.Report) string {
	switch verdict(r) {
	case drift.Clean:
		return "✅"
	case drift.InProgress:
		return "⏳"
	case drift.Drift:
		return "❌"
	}
	return "❓"
}

func markdownChecked(r drift.Report) string {
	text := "Checked " + minute(r.CheckedAt)
	if r.World != "" {
		text += " in the sandbox " + code(cut(r.World, detailLimit))
	}
	text += ". **" + sureness(r.Copies) + "** " + proven(r.Copies) + "\n"
	if a := about(r.About); a != "" {
		text += "\n" + prose(a) + "\n"
	}
	return text
}

// rows are table rows, or list items, of which as many are written as fit.
type rows struct {
	title, foot string
	rows        []string
	what, whats string
}

// within renders them in at most limit bytes. What does not fit is left out whole,
// so that one huge row does not hide the others.
func (t rows) within(limit int) string {
	if len(t.rows) == 0 {
		return ""
	}
	const note = 200 // the sentence about what was left out
	out, left := "\n"+t.title, 0
	for _, row := range t.rows {
		if len(out)+len(row)+len(t.foot)+note > limit {
			left++
			continue
		}
		out += row
	}
	if left > 0 {
		out += fmt.Sprintf("\n**%s left out here**: GitHub takes no longer text. `--format html` and `--format json` have all.\n", count(left, t.what+" is", t.whats+" are"))
	}
	return out + t.foot
}

func markdownFindings(r drift.Report, limit int) string {
	t := rows{title: "| | Finding | What is wrong | What to type |\n|---|---|---|---|\n", what: "finding", whats: "findings"}
	for _, g := range groupOf(ofKind(r, drift.Finding.Counts)) {
		for _, f := range g.findings {
			t.rows = append(t.rows, fmt.Sprintf("| %s | **%s** %s | %s | %s |\n", g.Title, prose(string(f.Code)), code(f.Subject),
				prose(cut(f.Detail, detailLimit)), code(f.Fix)))
		}
	}
	return t.within(limit)
}

func markdownGaps(r drift.Report) string {
	t := rows{title: "### Not checked\n\n| Layer | Subject | Why | What to type |\n|---|---|---|---|\n", what: "subject", whats: "subjects"}
	for _, g := range gapsOf(r) {
		t.rows = append(t.rows, fmt.Sprintf("| %s | %s | %s | %s |\n", prose(g.Layer), code(g.Subject), prose(cut(g.Detail, detailLimit)), code(g.Fix)))
	}
	return t.within(gapsLimit)
}

func markdownLayers(r drift.Report) string {
	t := rows{what: "layer", whats: "layers", foot: "\n</details>\n",
		title: fmt.Sprintf("<details><summary>Layers (%d)</summary>\n\n| Layer | Status | Seconds |\n|---|---|---:|\n", len(r.Layers))}
	for _, l := range r.Layers {
		t.rows = append(t.rows, fmt.Sprintf("| %s | %s | %.1f |\n", prose(l.Name), statusOf(l), l.Seconds))
	}
	return t.within(layersLimit)
}

func markdownSecrets(r drift.Report) string {
	t := rows{what: "secret", whats: "secrets", foot: "\n</details>\n",
		title: fmt.Sprintf("<details><summary>Secrets (%d)</summary>\n\n| Secret | Age | Due | Copies | Owed |\n|---|---|---|---|---|\n", len(r.Secrets))}
	for _, s := range dueSecrets(r) {
		t.rows = append(t.rows, fmt.Sprintf("| %s | %s | %s | %s | %s |\n", code(s.Name), ageText(s), markdownDue(s, r.CheckedAt),
			copiesOf(s), prose(cut(strings.Join(s.Debts, "; "), detailLimit))))
	}
	return t.within(secretsLimit)
}

func markdownDue(s drift.Secret, now time.Time) string {
	if overdue(s, now) {
		return "**" + dueText(s, now) + "**"
	}
	return dueText(s, now)
}

// copiesOf counts a secret's consumers by how sure their answer is.
func copiesOf(s drift.Secret) string {
	var parts []string
	for _, c := range certainties() {
		if n := len(pick(s.Consumers, func(x drift.Consumer) bool { return sure(x) == c })); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, c.Word))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func markdownQuiet(r drift.Report) string {
	info, stand := ofKind(r, info), ofKind(r, accepted)
	t := rows{what: "finding", whats: "findings", foot: "\n</details>\n",
		title: fmt.Sprintf("<details><summary>Accepted (%d) and for information (%d)</summary>\n\n", len(stand), len(info))}
	for _, f := range stand {
		t.rows = append(t.rows, fmt.Sprintf("- %s: accepted until %s by %s: %s\n", code(f.Key()), day(f.Accepted.Until),
			prose(f.Accepted.By), prose(cut(f.Accepted.Reason, detailLimit))))
	}
	for _, f := range info {
		row := fmt.Sprintf("- %s: %s", code(f.Key()), prose(cut(f.Detail, detailLimit)))
		if f.Fix != "" {
			row += " " + code(f.Fix)
		}
		t.rows = append(t.rows, row+"\n")
	}
	return t.within(quietLimit)
}
