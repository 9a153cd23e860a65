package rotation

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Records reads what the journal and pass's own history say of every secret. It
// changes nothing, and decrypts nothing.
type Records struct {
	Catalog *secrets.Catalog
	Journal *journal.Journal
	// Changed is when an entry of pass last got its content, not after until
	// (zero: now); zero where that is not known.
	Changed func(ctx context.Context, path string, until time.Time) (time.Time, error)
	// Edited is when anything but a rotation last changed the entry.
	Edited func(ctx context.Context, path string) (time.Time, error)
	Now    func() time.Time
}

// Where the date of a secret comes from.
const (
	// ByJournal: a rotation ended with the proven death of the old value.
	ByJournal = "journal"
	// ByPass: no rotation has ended yet, the entry's history in pass tells.
	ByPass = "pass"
)

// Standing is how old a secret is, and where its last rotation stands.
type Standing struct {
	Secret secrets.Secret
	// Since is the date of the oldest of the secret's entries; zero where
	// nothing tells. DatedBy says what did.
	Since   time.Time
	DatedBy string
	// Edited are the entries that pass got new contents for since the last
	// rotation ended; nobody has rolled those out yet.
	Edited []string
	// Last is the newest event of its journal, the zero event where there is
	// none.
	Last journal.Event
	// Held says who works on the secret at this moment; nil where nobody does.
	Held *journal.HeldError
	// Err is why the rest is not known.
	Err error

	now time.Time
}

// Status reads the standing of every secret in the catalog, most urgent first.
func (r Records) Status(ctx context.Context) []Standing {
	out := make([]Standing, 0, len(r.Catalog.Secrets))
	var lost error
	for _, s := range r.Catalog.Secrets {
		st := Standing{Secret: s, now: r.Now(), Err: lost}
		if lost == nil {
			st.Err = r.read(ctx, &st)
		}
		if backend.CauseOf(st.Err) != "" {
			// The bucket is the same for all of them, and asking takes its time.
			lost = st.Err
		}
		out = append(out, st)
	}
	slices.SortStableFunc(out, func(a, b Standing) int {
		if a.urgency() != b.urgency() {
			return b.urgency() - a.urgency()
		}
		return a.byDue(b)
	})
	return out
}

func (r Records) read(ctx context.Context, st *Standing) error {
	log, err := r.Journal.Open(ctx, st.Secret.Name)
	if err != nil {
		return err
	}
	st.Last = log.Last()
	// The newest event is believed for its signature; whoever acts on the log reads it
	// whole, and is refused if any of it is damaged.
	if _, err := log.Events(ctx); err != nil {
		return err
	}
	if err := r.Journal.Holding(ctx, st.Secret.Name); err != nil && !errors.As(err, &st.Held) {
		return err
	}
	dates, err := r.ended(ctx, st.Secret, log)
	if err != nil {
		return err
	}
	if err := r.edited(ctx, st, log); err != nil {
		return err
	}
	for _, e := range st.Secret.Entries {
		date, by := dates[e.Name()].date, ByJournal
		if date.IsZero() {
			by = ByPass
			if date, err = r.Changed(ctx, e.Path, dates[e.Name()].begun); err != nil {
				return err
			}
		}
		// A credential is as old as its oldest entry, and of no known age if
		// one has none.
		if date.IsZero() {
			st.Since, st.DatedBy = time.Time{}, ""
			return nil
		}
		if st.Since.IsZero() || date.Before(st.Since) {
			st.Since, st.DatedBy = date, by
		}
	}
	return nil
}

// edited looks for entries that somebody gave another content after what the
// journal knows of.
func (r Records) edited(ctx context.Context, st *Standing, log *journal.Log) error {
	settled := st.Last
	if settled.State == journal.Abandoned {
		events, err := log.Events(ctx)
		if err != nil {
			return err
		}
		for _, e := range events {
			if e.State.Finished() && e.State != journal.Abandoned {
				settled = e
			}
		}
	}
	if !settled.State.Finished() || settled.State == journal.Abandoned || settled.Number == 0 {
		return nil
	}
	for _, e := range st.Secret.Entries {
		edited, err := r.Edited(ctx, e.Path)
		if err != nil {
			return err
		}
		// git's dates are whole seconds.
		if !edited.Before(settled.Time.Truncate(time.Second)) {
			st.Edited = append(st.Edited, e.Path)
		}
	}
	return nil
}

// dated is what the journal knows of one entry: when its last rotation that
// came to its end did so, and when the first one that tried began. A value that
// pass got from a rotation without an end is not what the entry's age counts
// from: the old one still lives.
type dated struct{ date, begun time.Time }

// ended reads no more of the log than it has to: mostly the newest event.
func (r Records) ended(ctx context.Context, s secrets.Secret, log *journal.Log) (map[string]dated, error) {
	out := map[string]dated{}
	last := log.Last()
	if last.Number == 0 {
		return out, nil
	}
	events := []journal.Event{last}
	if last.State != journal.Done || len(last.Entries) < len(s.Entries) {
		var err error
		if events, err = log.Events(ctx); err != nil {
			return nil, err
		}
	}
	known := map[string]secrets.Fingerprint{}
	for _, e := range events {
		for name, move := range e.Entries {
			d := out[name]
			// What pass held at an adoption is in use, however it came there: by a
			// later edit, unless it is the value from before.
			if d.begun.IsZero() || e.State == journal.Adopted && e.Promoted[name] != known[name] {
				d.begun = e.Time
			}
			known[name] = inUse(e, name, move)
			if e.State == journal.Done {
				d.date = recorded(e)
			}
			out[name] = d
		}
	}
	return out, nil
}

// inUse is the value that consumers are known to have after an event.
func inUse(e journal.Event, name string, move journal.Move) secrets.Fingerprint {
	if promoted := e.Promoted[name]; promoted != "" {
		return promoted
	}
	return move.From
}

// recorded is the date of a rotation: when the old value was seen to be refused.
func recorded(e journal.Event) time.Time {
	if e.RevokedAt.IsZero() {
		return e.PromotedAt
	}
	return e.RevokedAt
}

// Age is the time since the last rotation; 0 where that is not known.
func (s Standing) Age() time.Duration {
	if s.Since.IsZero() {
		return 0
	}
	return max(s.now.Sub(s.Since), 0)
}

// Due is when the next rotation should have ended; zero where the secret has no
// maximum age or no known date.
func (s Standing) Due() time.Time {
	if s.Since.IsZero() || s.Secret.MaxAge == 0 {
		return time.Time{}
	}
	return s.Since.Add(s.Secret.MaxAge.Std())
}

// Overdue reports whether the due date is over.
func (s Standing) Overdue() bool { return !s.Due().IsZero() && s.now.After(s.Due()) }

// Left is the time to the due date, negative when that is over.
func (s Standing) Left() time.Duration { return s.Due().Sub(s.now) }

// InGrace: the old value is to stay alive for now, also because of a hold.
func (s Standing) InGrace() bool {
	return s.Last.State == journal.Grace && (s.Last.Hold != nil || s.now.Before(s.Last.GraceUntil))
}

// Unfinished: a rotation stopped, and somebody has to go on with it.
func (s Standing) Unfinished() bool {
	return !s.Last.State.Finished() && !s.InGrace() && s.Held == nil
}

// Waits: nobody needs to do anything now, and it is not over either.
func (s Standing) Waits() bool { return s.InGrace() || s.Held != nil }

func (s Standing) urgency() int {
	switch {
	case s.Err != nil:
		return 5
	case len(s.Last.Debts) > 0:
		return 4
	case s.Unfinished():
		return 3
	case s.Overdue():
		return 2
	case s.Waits():
		return 1
	}
	return 0
}

// byDue puts what is due first in front and what never is at the end.
func (s Standing) byDue(t Standing) int {
	switch {
	case s.Due().IsZero() && t.Due().IsZero():
		return 0
	case s.Due().IsZero():
		return 1
	case t.Due().IsZero():
		return -1
	}
	return s.Due().Compare(t.Due())
}
