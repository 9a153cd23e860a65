package drift

import (
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// GapCode is what `drift accept` calls something that cannot be checked: not a
// finding's code, but accepted in the same way.
const GapCode = "unknown"

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
