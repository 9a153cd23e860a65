// Package report shows what a drift check found: Text to a person at a terminal,
// Markdown to a GitHub step summary or issue, HTML as one page without a network.
//
// All three answer in the same order what an operator asks: is anything broken,
// what do I type, how sure is that, what is due soon. What could not be checked
// is never shown as fine. Subjects and details come from other people's services,
// so nothing they hold may leave its place: no control character reaches a
// terminal, no mention or link GitHub, no markup a browser.
package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
)

// Formats are the names that `drift --format` takes. json is the report's own
// encoding, the others are this package's Text, Markdown and HTML.
func Formats() []string { return []string{"text", "json", "markdown", "html"} }

// verdict is the report's answer, except that nothing which was not checked, and
// no answer that is not known here, is shown as fine.
func verdict(r drift.Report) drift.Answer {
	switch r.Answer {
	case drift.Drift, drift.Unknown:
		return r.Answer
	case drift.Clean, drift.InProgress:
		if slices.ContainsFunc(r.Findings, drift.Finding.Counts) {
			return drift.Drift
		}
		if len(r.Layers) > 0 && !slices.ContainsFunc(r.Layers, unsure) {
			return r.Answer
		}
	}
	return drift.Unknown
}

func unsure(l drift.Layer) bool { return len(l.Gaps) > 0 || l.Status == drift.StatusUnknown }

// headline is the whole answer in a sentence without its end.
func headline(r drift.Report) string {
	counted := ofKind(r, drift.Finding.Counts)
	gaps := countGaps(r)
	switch verdict(r) {
	case drift.Clean:
		if n := len(acceptedGaps(r)); n > 0 {
			return "Clean: nothing to do; " + count(n, "thing", "things") + " not checked, which was accepted"
		}
		if len(r.Stacks) > 0 {
			return "Clean, as far as was looked: only stack " + brief(strings.Join(r.Stacks, ", ")) + " and the secrets on it"
		}
		return "Clean: nothing to do"
	case drift.InProgress:
		return "In progress: " + underWay(r)
	case drift.Drift:
		text := "Drift: " + count(len(counted), "finding", "findings")
		switch now := len(groupOf(counted)[0].findings); {
		case now == 0:
		case len(counted) == 1:
			text += " that breaks something now"
		case now == len(counted):
			text += ", all break something now"
		case now == 1:
			text += ", 1 breaks something now"
		default:
			text += fmt.Sprintf(", %d break something now", now)
		}
		if gaps > 0 {
			text += "; " + count(gaps, "thing", "things") + " not checked"
		}
		return text
	}
	switch {
	case len(r.Layers) == 0:
		return "Cannot tell: nothing was checked"
	case len(pick(r.Layers, unsure)) == len(r.Layers):
		return "Cannot tell: no layer could be checked"
	case gaps == 0 && slices.ContainsFunc(r.Layers, unsure):
		return "Cannot tell: " + count(len(pick(r.Layers, unsure)), "layer", "layers") + " could not be checked"
	case gaps == 0:
		return "Cannot tell: the check gave no answer"
	}
	return "Cannot tell: " + count(gaps, "thing", "things") + " could not be checked; nothing wrong in the rest"
}

// underWay names the rotations that keep a check from being clean.
func underWay(r drift.Report) string {
	var parts []string
	for _, s := range r.Secrets {
		switch {
		case s.Running:
			parts = append(parts, brief(s.Name)+" is being rotated")
		case !s.GraceUntil.IsZero():
			parts = append(parts, brief(s.Name)+"'s old value stays valid until "+day(s.GraceUntil))
		}
	}
	switch {
	case len(parts) == 0:
		return "a rotation is under way"
	case len(parts) > 3:
		return fmt.Sprintf("%s and %d more", strings.Join(parts[:2], ", "), len(parts)-2)
	}
	return strings.Join(parts, ", ")
}

// sureness says how many copies are known by name only; it is part of every report.
func sureness(c drift.Copies) string {
	switch {
	case c.Total == 0:
		return "No copy was looked at."
	case c.NameOnly == 0:
		return fmt.Sprintf("None of %s is known by name only.", count(c.Total, "copy", "copies"))
	case c.NameOnly == 1:
		return fmt.Sprintf("1 of %s is known by name only: which value it runs with nobody knows.", count(c.Total, "copy", "copies"))
	}
	return fmt.Sprintf("%d of %s are known by name only: which value they run with nobody knows.", c.NameOnly, count(c.Total, "copy", "copies"))
}

// proven says of the other copies how they answered.
func proven(c drift.Copies) string {
	differ := "differ from pass's value"
	if c.Differs == 1 {
		differ = "differs from pass's value"
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{c.Exact, "proven exact"}, {c.Works, "proven to work"}, {c.Configured, "deployed, not verified at run time"}, {c.Differs, differ}, {c.Unproven, "not proven"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, "; ") + "."
}

// group is the findings of which one kind of person has one kind of thing to do.
type group struct {
	Title, Who string
	codes      []drift.Code
	findings   []drift.Finding
}

// groupOf puts findings into groups, what is broken first; all groups are
// returned, the empty ones too. A code that no group names is in the last one.
func groupOf(findings []drift.Finding) []group {
	groups := []group{
		{Title: "Broken now", Who: "a consumer is without the right value: mend this first",
			codes: []drift.Code{drift.CredentialDead, drift.MissingAtConsumer, drift.ValueDiffers, drift.StaleConsumer}},
		{Title: "Unsafe", Who: "a value lives that should not, or somebody else changed something: find out who",
			codes: []drift.Code{drift.OldStillAlive, drift.UnlistedCredential, drift.ForeignChange}},
		{Title: "Due", Who: "a rotation is to be made or finished: whoever owns the secret",
			codes: []drift.Code{drift.UnfinishedRotation, drift.Expiring, drift.Overdue}},
		{Title: "Out of step", Who: "pass, catalog and stacks disagree: whoever edited last"},
	}
	for _, f := range findings {
		at := slices.IndexFunc(groups, func(g group) bool { return slices.Contains(g.codes, f.Code) })
		switch {
		case stopped(f):
			at = 0
		case at < 0:
			at = len(groups) - 1
		}
		groups[at].findings = append(groups[at].findings, f)
	}
	return groups
}

// stopped: nothing runs where something should, or pass itself lacks the value.
func stopped(f drift.Finding) bool {
	return f.Severity == drift.Error && (f.Code == drift.MissingEntry || f.Code == drift.ForeignChange && strings.HasPrefix(f.Subject, "container/"))
}

func ofKind(r drift.Report, is func(drift.Finding) bool) []drift.Finding {
	return pick(append(slices.Clone(r.Findings), acceptedGaps(r)...), is)
}

// acceptedGaps are what could not be checked and somebody has accepted, shown beside
// the findings that were.
func acceptedGaps(r drift.Report) (out []drift.Finding) {
	for _, l := range r.Layers {
		for _, g := range l.AcceptedGaps {
			out = append(out, drift.Finding{Code: drift.GapCode, Subject: g.Subject, Severity: drift.Warning, Detail: "not checked: " + g.Detail, Fix: g.Fix, Accepted: g.Accepted})
		}
	}
	return out
}

func accepted(f drift.Finding) bool { return f.Accepted != nil }
func info(f drift.Finding) bool     { return f.Accepted == nil && !f.Counts() }

func pick[T any](all []T, is func(T) bool) []T {
	var out []T
	for _, x := range all {
		if is(x) {
			out = append(out, x)
		}
	}
	return out
}

func countGaps(r drift.Report) int {
	n := 0
	for _, l := range r.Layers {
		n += len(l.Gaps)
	}
	return n
}

// gap is something that could not be checked, or several for one reason.
type gap struct{ Layer, Subject, Detail, Fix string }

// gapsOf are the gaps of all layers. Those that have one cause, or say the same, are
// one: what keeps ten things from being looked at is said once, with the ten.
func gapsOf(r drift.Report) []gap {
	causes := map[string]string{}
	for _, l := range r.Layers {
		for _, g := range l.Gaps {
			if g.Cause != "" {
				causes[g.Detail] = g.Cause
			}
		}
	}
	var out []gap
	at := map[string]int{}
	for _, l := range r.Layers {
		for _, g := range l.Gaps {
			next := gap{printable(l.Name), printable(g.Subject), g.Detail, g.Fix}
			key := cmp.Or(g.Cause, causes[g.Detail], g.Detail)
			first, known := at[key]
			if !known || g.Detail == "" {
				at[key] = len(out)
				out = append(out, next)
				continue
			}
			out[first].Subject, out[first].Layer = withItem(out[first].Subject, next.Subject), withItem(out[first].Layer, next.Layer)
		}
	}
	return out
}

// withItem is a list with one more in it, unless it is there.
func withItem(list, one string) string {
	if slices.Contains(strings.Split(list, ", "), one) {
		return list
	}
	return list + ", " + one
}

// slowest is how long the check took: layers run side by side.
func slowest(r drift.Report) time.Duration {
	longest := 0.0
	for _, l := range r.Layers {
		longest = max(longest, l.Seconds)
	}
	return time.Duration(min(longest, 1e6) * float64(time.Second))
}

// Headline is the answer in one line, without a full stop.
func Headline(r drift.Report) string { return headline(r) }
