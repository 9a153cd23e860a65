package notify

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
)

// message is what one address is told by one run.
type message struct {
	report      drift.Report
	was         drift.Answer
	added, gone []Known
	again       string
}

// text is the message in at most most bytes: what does not fit is counted.
func (m message) text(most int) string {
	head := m.head()
	foot := "\nAll of it: " + m.again + "\n"
	var parts []string
	for _, k := range m.added {
		parts = append(parts, m.isNew(k))
	}
	for _, k := range m.gone {
		parts = append(parts, m.isGone(k))
	}
	more := func(n int) string { return fmt.Sprintf("\n… and %d more\n", n) }
	room := most - len(head) - len(foot) - len(more(len(parts)))
	var b strings.Builder
	b.WriteString(head)
	for i, part := range parts {
		if len(part) > room {
			b.WriteString(more(len(parts) - i))
			break
		}
		room -= len(part)
		b.WriteString(part)
	}
	b.WriteString(foot)
	return b.String()
}

func (m message) head() string {
	count := func(n int, what string) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprintf(", %d %s", n, what)
	}
	answer := string(m.report.Answer)
	if m.was != "" && m.was != m.report.Answer {
		answer += " (was " + string(m.was) + ")"
	}
	world := ""
	if m.report.World != "" {
		world = " [sandbox]"
	}
	var from string
	if at := m.report.About; at.Catalog != "" {
		from = ", catalog " + line(at.Catalog) + " on " + line(at.Host)
	}
	return fmt.Sprintf("secret-rotation%s: %s%s%s\nchecked %s%s\n", world, answer, count(len(m.added), "new"), count(len(m.gone), "resolved"),
		drift.Moment(m.report.CheckedAt), from)
}

func (m message) isNew(k Known) string {
	if k.Code == CannotTell {
		layer, subject, _ := strings.Cut(k.Subject, "/")
		for _, l := range m.report.Layers {
			for _, g := range l.Gaps {
				if l.Name == layer && g.Subject == subject {
					return item("CANNOT TELL", k.Subject, g.Detail, g.Fix)
				}
			}
		}
	}
	for _, f := range m.report.Findings {
		if f.Key() == k.key() {
			return item("NEW "+string(f.Severity)+" "+k.Code, k.Subject, f.Detail, f.Fix)
		}
	}
	return item("NEW "+k.Code, k.Subject, "", "")
}

func (m message) isGone(k Known) string {
	if k.Code == CannotTell {
		return item("CAN BE CHECKED AGAIN", k.Subject, "", "")
	}
	for _, f := range m.report.Findings {
		if f.Key() == k.key() && f.Accepted != nil {
			return item("ACCEPTED "+k.Code, k.Subject, "by "+f.Accepted.By+" until "+drift.Day(f.Accepted.Until)+": "+f.Accepted.Reason, "")
		}
	}
	return item("RESOLVED "+k.Code, k.Subject, "", "")
}

// longest is how much of one field is told, in bytes.
const longest = 300

func item(what, subject, detail, fix string) string {
	var b strings.Builder
	b.WriteString("\n" + what + " " + line(subject) + "\n")
	if detail != "" {
		b.WriteString("  " + line(detail) + "\n")
	}
	if fix != "" {
		b.WriteString("  fix: " + line(fix) + "\n")
	}
	return b.String()
}

// line is one line of plain text: names come from services, where anybody may
// have written them.
func line(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
	}), " ")
	text = strings.ToValidUTF8(text, "?")
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}
