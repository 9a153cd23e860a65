package journal

import (
	"context"
	"slices"
)

// Repair accepts a log that was damaged, as it stands: no object is deleted or
// written anew, and from this event on the log is whole again.
type Repair struct {
	By string `json:"by"`
	// Found is what was wrong, one line each.
	Found []string `json:"found"`
	// Ignored are objects in the log's folder that are no events.
	Ignored []string `json:"ignored,omitempty"`
	// Rotations are those that wrote to pass and have no event.
	Rotations []string `json:"rotations,omitempty"`
	// Digest is over all objects before this event, so that what was accepted
	// cannot be exchanged later.
	Digest string `json:"digest"`
}

// Repair appends e as the event that accepts what the audit has found. Its
// Repair is filled in, as Append does the rest. lost are rotations that have left
// their marks elsewhere and no event.
func (j *Journal) Repair(ctx context.Context, a *Audit, e Event, lost []string) error {
	e.Repair = &Repair{By: Self().String(), Ignored: slices.Clone(a.strays), Digest: digestOf(a.readings), Found: a.Found(), Rotations: lost}
	e.Number, e.Prev = 1, ""
	if n := len(a.readings); n > 0 {
		e.Number = a.readings[n-1].n + 1
	}
	if e.Number > highest {
		return &DamagedError{a.secret, eventKey(a.secret, highest), "no number is left after it: remove it"}
	}
	return (&Log{journal: j, secret: a.secret}).append(ctx, e)
}

// Knows reports whether the events tell of a rotation, or of its loss.
func Knows(events []Event, rotation string) bool {
	return slices.ContainsFunc(events, func(e Event) bool {
		return e.Rotation == rotation || e.Repair != nil && slices.Contains(e.Repair.Rotations, rotation)
	})
}

// Found says what is wrong, one line each.
func (a *Audit) Found() []string {
	var out []string
	if a.Key != nil {
		out = append(out, a.Key.Error())
	}
	for _, d := range a.Damage {
		out = append(out, d.Object+": "+d.Detail)
	}
	return out
}
