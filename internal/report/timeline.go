package report

import (
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
)

// timeline is the rotations of the journal: a lane for each secret, on one scale.
// Positions are per cent of the width, so that the drawing needs no script and its
// text keeps its size on a phone.
type timeline struct {
	From, To string
	Ticks    []tick
	Lanes    []lane
	// Rows are the same in words; Left of them are not listed.
	Rows []rotationRow
	Left int
}

type tick struct{ X, Text string }

type lane struct {
	Secret string
	Spans  []span
}

// span is a rotation: a line from begin to end, and marks at its ends.
type span struct {
	X1, X2 string
	// End is done, back (rolled back or given up) or open.
	End     string
	Revoked string // empty until the old value was revoked
	Stated  bool   // the revocation rests on a person's word
	Title   string
}

// rotationRow is a rotation in words. How says what the end of the old value rests
// on: that its service refuses it, or a person's word.
type rotationRow struct{ Secret, Rotation, State, Began, Ended, Revoked, How, By string }

// listed is how many rotations are told in words.
const listed = 100

// timelineOf is nil where no rotation has a date.
func timelineOf(r drift.Report) *timeline {
	dated := pick(r.Rotations, func(x drift.Rotation) bool { return !x.Began.IsZero() })
	if len(dated) == 0 {
		return nil
	}
	from, to := dated[0].Began, r.CheckedAt
	for _, x := range dated {
		for _, at := range []time.Time{x.Began, x.Ended, x.RevokedAt} {
			if at.IsZero() {
				continue
			}
			from, to = earlier(from, at), later(to, at)
		}
	}
	// A month at least: a single rotation of an hour is not to fill the width.
	from = earlier(from, to.AddDate(0, -1, 0))
	scale := func(at time.Time) float64 { return at.Sub(from).Seconds() / to.Sub(from).Seconds() }
	t := &timeline{From: day(from), To: day(to), Ticks: ticks(from, to, scale)}
	for _, x := range dated {
		i := slices.IndexFunc(t.Lanes, func(l lane) bool { return l.Secret == brief(x.Secret) })
		if i < 0 {
			i, t.Lanes = len(t.Lanes), append(t.Lanes, lane{Secret: brief(x.Secret)})
		}
		t.Lanes[i].Spans = append(t.Lanes[i].Spans, spanOf(x, to, scale))
	}
	for i, x := range dated {
		if i == listed {
			t.Left = len(dated) - listed
			break
		}
		t.Rows = append(t.Rows, rowOf(x))
	}
	return t
}

func spanOf(x drift.Rotation, to time.Time, scale func(time.Time) float64) span {
	row := rowOf(x)
	s := span{X1: percent(scale(x.Began)), End: endOf(x), Title: row.Secret + ", " + row.State + ": " + row.Began}
	end := later(x.Began, x.Ended)
	if s.End == "open" {
		end = to
	} else {
		s.Title += " to " + row.Ended
	}
	s.X2 = percent(scale(end))
	if !x.RevokedAt.IsZero() {
		s.Revoked = percent(scale(x.RevokedAt))
		s.Stated = x.StatedBy != ""
		s.Title += "; old value " + row.How + " " + row.Revoked
	}
	return s
}

func endOf(x drift.Rotation) string {
	switch x.State {
	case "DONE", "ADOPTED":
		return "done"
	case "ROLLED_BACK", "ABANDONED":
		return "back"
	}
	return "open"
}

func rowOf(x drift.Rotation) rotationRow {
	row := rotationRow{Secret: brief(x.Secret), Rotation: brief(x.Rotation), State: brief(x.State),
		Began: minute(x.Began), Ended: minute(x.Ended), Revoked: "not yet"}
	if x.Ended.IsZero() {
		row.Ended = "not yet"
	}
	if !x.RevokedAt.IsZero() {
		row.Revoked, row.How = minute(x.RevokedAt), "refused"
		if x.StatedBy != "" {
			row.How = "confirmed revoked by " + brief(x.StatedBy)
		}
	}
	for i, by := range x.By {
		if i > 0 {
			row.By += ", "
		}
		row.By += brief(by)
	}
	return row
}

// ticks are the first days of months or years, at most a few that do not collide
// on a phone.
func ticks(from, to time.Time, scale func(time.Time) float64) []tick {
	months := int(to.Sub(from).Hours()/24/30) + 1
	step := 1
	for _, s := range []int{1, 2, 3, 6, 12, 24, 60, 120, 600, 6000} {
		if step = s; months/s <= 4 {
			break
		}
	}
	at := time.Date(from.UTC().Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	var out []tick
	for ; !at.After(to); at = at.AddDate(0, step, 0) {
		// What stands nearer to an end would be cut off there.
		if x := scale(at); x >= 0.02 && x <= 0.9 {
			out = append(out, tick{percent(x), at.Format("2006-01")})
		}
	}
	return out
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
