package drift

import (
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// GapCode is what `drift accept` calls something that cannot be checked: not a
// finding's code, but accepted in the same way.
const GapCode = "unknown"

// Covered reports whether the check has found what an acceptance is for, a gap
// included. One of what is not there would hide whatever comes later.
func (r Report) Covered(a journal.Acceptance, now time.Time) bool {
	for _, f := range r.Findings {
		if a.Covers(string(f.Code), f.Subject, now) || f.formerly != "" && a.Covers(string(f.Code), f.formerly, now) {
			return true
		}
	}
	return slices.ContainsFunc(r.gaps(), func(g Gap) bool { return a.Covers(GapCode, g.Subject, now) })
}

// Keys are CODE:SUBJECT of all that was found, and of all that was not checked.
func (r Report) Keys() (out []string) {
	for _, f := range r.Findings {
		out = append(out, f.Key())
	}
	for _, g := range r.gaps() {
		out = append(out, GapCode+":"+g.Subject)
	}
	return out
}

// gaps are those of all layers, the accepted ones too.
func (r Report) gaps() (out []Gap) {
	for _, l := range r.Layers {
		out = append(append(out, l.Gaps...), l.AcceptedGaps...)
	}
	return out
}

// accept marks the findings that somebody has accepted, until the day comes.
func accept(all []Finding, accepted []journal.Acceptance, now time.Time) []Finding {
	for i, f := range all {
		for _, a := range accepted {
			if a.Covers(string(f.Code), f.Subject, now) || f.formerly != "" && a.Covers(string(f.Code), f.formerly, now) {
				all[i].Accepted = &Acceptance{By: a.By, At: a.At, Until: a.Until, Reason: a.Reason}
			}
		}
	}
	return all
}

// acceptGaps parts what could not be checked by whether somebody has accepted that.
func acceptGaps(all []Gap, accepted []journal.Acceptance, now time.Time) (open, taken []Gap) {
	for _, g := range all {
		for _, a := range accepted {
			if a.Covers(GapCode, g.Subject, now) {
				g.Accepted = &Acceptance{By: a.By, At: a.At, Until: a.Until, Reason: a.Reason}
			}
		}
		if g.Accepted == nil {
			open = append(open, g)
		} else {
			taken = append(taken, g)
		}
	}
	return open, taken
}
