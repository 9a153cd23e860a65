package drift

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
)

// journal looks at every secret's record: whole, finished, paid, not too old.
func (s *scene) journal(ctx context.Context, out *sheet) {
	s.unused(ctx, out)
	for _, st := range s.standing(ctx) {
		name := st.Secret.Name
		if st.Err == nil {
			st.Err = s.chain(ctx, name)
		}
		if damaged := (*journal.DamagedError)(nil); errors.As(st.Err, &damaged) {
			out.find(Finding{Code: ForeignChange, Subject: "journal/" + name, Severity: Error, Secret: name,
				Detail: "the record of its rotations is not as it was written: " + damaged.Error() + fromBackup,
				Fix:    "go run . journal repair --secret " + name})
			continue
		}
		if st.Err != nil {
			out.gap(name, st.Err, "go run . history --secret "+name)
			continue
		}
		s.unrecorded(ctx, st, out)
		owed(st, out)
		aged(st, out)
	}
}

// unused tells of a state that holds nothing of the catalog, where no secret has a
// record either: nothing that is read from it says anything then.
func (s *scene) unused(ctx context.Context, out *sheet) {
	all := s.standing(ctx)
	if !s.whole() || slices.ContainsFunc(all, func(st rotation.Standing) bool { return st.Err != nil || st.Last.Number > 0 }) {
		return
	}
	if err := s.Fleet.Used(ctx); err != nil {
		out.gap("state", err, "go run . doctor")
	}
}

// fromBackup is what can be done about a damaged record.
const fromBackup = "; restore it from the state bucket's versions or from a backup, or accept what can be verified now"

// chain reads a secret's whole log: each event names the one before it.
func (s *scene) chain(ctx context.Context, secret string) error {
	log, err := s.Records.Journal.Open(ctx, secret)
	if err == nil {
		_, err = log.Events(ctx)
	}
	return err
}

// unrecorded compares with pass, whose commits name the rotations that made them:
// one that the journal does not know has been taken out of it.
func (s *scene) unrecorded(ctx context.Context, st rotation.Standing, out *sheet) {
	name := st.Secret.Name
	log, err := s.Records.Journal.Open(ctx, name)
	if err != nil {
		out.gap(name, err, "go run . history --secret "+name)
		return
	}
	events, err := log.Events(ctx)
	if err != nil {
		out.gap(name, err, "go run . history --secret "+name)
		return
	}
	for _, e := range st.Secret.Entries {
		ids, err := s.Store.RotationIDs(ctx, e.Path)
		if err != nil {
			out.gap(e.Path, err, "pass git log")
			return
		}
		for _, id := range ids {
			if journal.Knows(events, id) {
				continue
			}
			out.find(Finding{Code: ForeignChange, Subject: "journal/" + name, Severity: Error, Secret: name,
				Detail: "pass was written by rotation " + id + ", which the record does not have: events have been taken out of it" + fromBackup,
				Fix:    "go run . journal repair --secret " + name})
			return
		}
	}
}

// owed are rotations that stopped and what is not proven.
func owed(st rotation.Standing, out *sheet) {
	name := st.Secret.Name
	if st.Unfinished() && st.Last.Number > 0 {
		detail := fmt.Sprintf("rotation %s stopped at %s (%s) on %s", st.Last.Rotation, st.Last.State, st.Last.Step, Moment(st.Last.Time))
		if st.Last.State == journal.Grace {
			detail = "the grace of rotation " + st.Last.Rotation + " is over since " + Moment(st.Last.GraceUntil) + ", and the old value is not retired"
		}
		f := Finding{Code: UnfinishedRotation, Subject: name, Secret: name, Severity: Error, Detail: detail}
		out.find(f.mendedBy(Repair{goOn(st), name}))
	}
	if len(st.Last.Debts) == 0 {
		return
	}
	f := Finding{Code: UnfinishedRotation, Subject: name, Secret: name, Severity: Error, Detail: "still owed: " + strings.Join(st.Last.Debts, "; ")}
	if slices.ContainsFunc(st.Last.Debts, func(d string) bool { return strings.Contains(d, "not proven dead") }) {
		f.Code = OldStillAlive
	}
	out.find(f.mendedBy(Repair{goOn(st), name}))
}

// aged are secrets that should have been rotated by now.
func aged(st rotation.Standing, out *sheet) {
	f := Finding{Code: Overdue, Subject: st.Secret.Name, Secret: st.Secret.Name, Severity: Warning}
	switch {
	case st.Waits():
		return
	case st.Overdue():
		f.Detail = fmt.Sprintf("it is %s old, %s is the most; due since %s", days(st.Age()), st.Secret.MaxAge, Day(st.Due()))
	case st.Since.IsZero() && st.Secret.MaxAge > 0:
		f.Detail = "nothing tells how old it is, and it may be " + st.Secret.MaxAge.String() + " old at most"
	default:
		return
	}
	// Plain rotate: a value that was prepared in pass is the one to roll out.
	out.find(f.mendedBy(Repair{GoOn, st.Secret.Name}))
}

func days(d time.Duration) string { return rotation.Span(d.Truncate(24 * time.Hour)) }
