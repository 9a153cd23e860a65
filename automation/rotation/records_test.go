package rotation_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// archive is a journal with three secrets, each of two entries, whose pass
// entries were set long ago and, by the history of pass, changed just now.
type archive struct {
	t   *testing.T
	dir string
	rotation.Records
}

func records(t *testing.T) *archive {
	a := &archive{t: t, dir: t.TempDir()}
	var all []secrets.Secret
	for _, name := range []string{"one", "two", "three"} {
		all = append(all, secrets.Secret{Name: name, MaxAge: secrets.Duration(90 * 24 * time.Hour), Entries: []secrets.Entry{{Path: name + "/user"}, {Path: name + "/key"}}})
	}
	a.Records = rotation.Records{Catalog: &secrets.Catalog{Secrets: all}, Journal: journal.InDir(a.dir), Now: time.Now,
		Changed: func(_ context.Context, _ string, until time.Time) (time.Time, error) {
			if until.IsZero() {
				return ago(0), nil
			}
			return ago(200), nil
		},
		Edited: func(context.Context, string) (time.Time, error) { return ago(200), nil }}
	return a
}

func ago(days int) time.Time {
	return time.Now().Add(-time.Duration(days)*24*time.Hour - time.Minute)
}

func (a *archive) add(secret string, events ...journal.Event) {
	a.t.Helper()
	log, err := a.Journal.Open(a.t.Context(), secret)
	require.NoError(a.t, err)
	for _, e := range events {
		require.NoError(a.t, log.Append(a.t.Context(), e))
	}
}

// standing of one secret, with its place in the order of urgency.
func (a *archive) standing(secret string) (rotation.Standing, int) {
	a.t.Helper()
	for i, s := range a.Status(a.t.Context()) {
		if s.Secret.Name == secret {
			return s, i
		}
	}
	require.FailNow(a.t, "the secret has no row")
	return rotation.Standing{}, 0
}

func moves(names ...string) map[string]journal.Move {
	out := map[string]journal.Move{}
	for _, n := range names {
		out[n] = journal.Move{From: "aa", To: "bb"}
	}
	return out
}

func TestTheDateIsThatOfAProvenEnd(t *testing.T) {
	both := moves("user", "key")
	for name, c := range map[string]struct {
		events []journal.Event
		age    int
		by     string
	}{
		"no journal": {nil, 0, rotation.ByPass},
		"ended":      {[]journal.Event{{Rotation: "1", State: journal.Planned, Entries: both}, {Rotation: "1", State: journal.Done, Entries: both, PromotedAt: ago(12), RevokedAt: ago(10)}}, 10, rotation.ByJournal},
		"one entry only: the other is as old as ever": {[]journal.Event{{Rotation: "1", State: journal.Done, Entries: moves("key"), RevokedAt: ago(60)},
			{Rotation: "2", State: journal.Done, Entries: moves("user"), RevokedAt: ago(40)}}, 60, rotation.ByJournal},
		"a second one is under way": {[]journal.Event{{Rotation: "1", State: journal.Done, Entries: both, RevokedAt: ago(70)},
			{Rotation: "2", State: journal.Grace, Entries: both, PromotedAt: ago(1)}}, 70, rotation.ByJournal},
		"the first one has no end: what it wrote to pass is no date": {[]journal.Event{{Rotation: "1", State: journal.Grace, Entries: both, PromotedAt: ago(1)}}, 200, rotation.ByPass},
		"refused": {[]journal.Event{{Rotation: "1", State: journal.Abandoned, Entries: both}}, 200, rotation.ByPass},
		"refused after one that ended": {[]journal.Event{{Rotation: "1", State: journal.Done, Entries: both, RevokedAt: ago(5)},
			{Rotation: "2", State: journal.Abandoned, Entries: both}}, 5, rotation.ByJournal},
		"adopted: no old value has died, so pass's history goes on": {[]journal.Event{adoption(both, "bb")}, 200, rotation.ByPass},
		"adopted after one that ended":                              {[]journal.Event{{Rotation: "1", State: journal.Done, Entries: both, RevokedAt: ago(5)}, adoption(both, "bb")}, 5, rotation.ByJournal},
	} {
		t.Run(name, func(t *testing.T) {
			a := records(t)
			a.add("two", c.events...)
			s, _ := a.standing("two")
			require.NoError(t, s.Err)
			require.Equal(t, c.by, s.DatedBy)
			require.Equal(t, c.age, int(s.Age().Hours()/24))
			require.Equal(t, c.age > 90, s.Overdue())
			require.Equal(t, s.Since.Add(90*24*time.Hour), s.Due())
		})
	}
}

// What somebody gave pass after a rotation ended is told, also after an attempt
// that its service refused; a rotation under way has its own word for it.
func TestWhatWasEditedSinceIsTold(t *testing.T) {
	both := moves("user", "key")
	done, refused := journal.Event{Rotation: "1", State: journal.Done, Entries: both, RevokedAt: ago(5)}, journal.Event{Rotation: "2", State: journal.Abandoned, Entries: both}
	for name, c := range map[string]struct {
		events []journal.Event
		want   []string
	}{
		"after one that ended": {[]journal.Event{done}, []string{"two/key"}},
		"and was then refused": {[]journal.Event{done, refused}, []string{"two/key"}},
		"after an adoption":    {[]journal.Event{adoption(both, "bb")}, []string{"two/key"}},
		"never rotated":        {nil, nil},
		"only refused":         {[]journal.Event{refused}, nil},
		"under way":            {[]journal.Event{done, {Rotation: "2", State: journal.Grace, Entries: both, PromotedAt: ago(1)}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := records(t)
			a.add("two", c.events...)
			a.Edited = func(_ context.Context, path string) (time.Time, error) {
				if path == "two/key" {
					return time.Now().Add(time.Hour), nil
				}
				return ago(1), nil
			}
			s, _ := a.standing("two")
			require.NoError(t, s.Err)
			require.Equal(t, c.want, s.Edited)
		})
	}
}

func adoption(entries map[string]journal.Move, value secrets.Fingerprint) journal.Event {
	promoted := map[string]secrets.Fingerprint{}
	for name := range entries {
		promoted[name] = value
	}
	return journal.Event{Rotation: "9", State: journal.Adopted, Entries: entries, Promoted: promoted}
}

// TestAnAdoptedValueIsAsOldAsItIs: what was there before a rotation that has no
// end is as old as it was then; what was edited since is not.
func TestAnAdoptedValueIsAsOldAsItIs(t *testing.T) {
	both := moves("user", "key")
	for value, since := range map[secrets.Fingerprint]int{"aa": 0, "cc": 1} {
		a := records(t)
		began := []time.Time{}
		a.Changed = func(_ context.Context, _ string, until time.Time) (time.Time, error) {
			began = append(began, until)
			return ago(1), nil
		}
		a.add("two", journal.Event{Rotation: "1", State: journal.RolledBack, Entries: both})
		log, err := a.Journal.Open(t.Context(), "two")
		require.NoError(t, err)
		// Events carry milliseconds: the next one has to be in another one.
		for !time.Now().UTC().Truncate(time.Millisecond).After(log.Last().Time) {
			runtime.Gosched()
		}
		a.add("two", adoption(both, value))
		log, err = a.Journal.Open(t.Context(), "two")
		require.NoError(t, err)
		events, err := log.Events(t.Context())
		require.NoError(t, err)
		_, _ = a.standing("two")
		require.Contains(t, began, events[since].Time, value)
		require.NotContains(t, began, events[1-since].Time, value)
	}
}

func TestUrgentFirst(t *testing.T) {
	a := records(t)
	both := moves("user", "key")
	a.add("one", journal.Event{Rotation: "1", State: journal.Done, Entries: both, RevokedAt: ago(1)})
	a.add("two", journal.Event{Rotation: "1", State: journal.Done, Entries: both, RevokedAt: ago(100)})
	a.add("three", journal.Event{Rotation: "1", State: journal.Done, Entries: both, RevokedAt: ago(1), Debts: []string{"old key not proven dead"}})
	order := func() (names []string) {
		for _, s := range a.Status(t.Context()) {
			names = append(names, s.Secret.Name)
		}
		return names
	}
	require.Equal(t, []string{"three", "two", "one"}, order())
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, journal.Root, "one", "000001.json"), []byte("{"), 0o600))
	require.Equal(t, []string{"one", "three", "two"}, order(), "what cannot be read is the worst")
	s, _ := a.standing("one")
	require.Error(t, s.Err)
	require.Zero(t, s.Age())
}

func TestWhatWaitsAndWhatIsLeftToDo(t *testing.T) {
	both := moves("user", "key")
	grace := func(until time.Time, hold *journal.Hold) journal.Event {
		return journal.Event{Rotation: "1", State: journal.Grace, Entries: both, GraceUntil: until, Hold: hold}
	}
	for name, c := range map[string]struct {
		event             journal.Event
		waits, unfinished bool
	}{
		"in grace":         {grace(ago(-1), nil), true, false},
		"grace is over":    {grace(ago(1), nil), false, true},
		"over, but held":   {grace(ago(1), &journal.Hold{By: "ann", At: ago(2)}), true, false},
		"stopped":          {journal.Event{Rotation: "1", State: journal.Deploying, Entries: both}, false, true},
		"ended, with hold": {journal.Event{Rotation: "1", State: journal.Done, Entries: both, Hold: &journal.Hold{By: "ann"}}, false, false},
	} {
		a := records(t)
		a.add("one", c.event)
		s, _ := a.standing("one")
		require.Equal(t, []bool{c.waits, c.unfinished}, []bool{s.Waits(), s.Unfinished()}, name)
	}
	a := records(t)
	a.add("one", journal.Event{Rotation: "1", State: journal.Deploying, Entries: both})
	lease, err := a.Journal.Acquire(t.Context(), "one")
	require.NoError(t, err)
	s, _ := a.standing("one")
	require.Equal(t, os.Getpid(), s.Held.Holder.PID)
	require.True(t, s.Waits(), "it is being worked on")
	require.NoError(t, lease.Release(t.Context()))
	s, _ = a.standing("one")
	require.True(t, s.Unfinished())
}

func TestHistoryIsWhole(t *testing.T) {
	a := records(t)
	both := moves("user", "key")
	answer := func(what string) []journal.Answer {
		return []journal.Answer{{Consumer: "worker", Proof: secrets.ProofExact, Answer: what}}
	}
	a.add("one", journal.Event{Rotation: "1", State: journal.Planned, Entries: both}, journal.Event{Rotation: "1", State: journal.Verified, Entries: both, Answers: answer("differs")},
		journal.Event{Rotation: "1", State: journal.Done, Entries: both, Answers: answer("match"), RevokedAt: ago(0), Evidence: "refused"},
		journal.Event{Rotation: "2", State: journal.Planned, Entries: both})
	a.add("two", journal.Event{Rotation: "3", State: journal.Planned, Entries: moves("key")})
	past, err := a.History(t.Context(), []string{"one", "two", "three"})
	require.NoError(t, err)
	require.Len(t, past, 3)
	for i, p := range past[:2] {
		require.False(t, p.Began.Before(past[i+1].Began), "newest first")
	}
	first := past[2]
	require.Equal(t, journal.Done, first.State)
	require.Len(t, first.Events, 3)
	require.Len(t, first.By, 1)
	require.Equal(t, []rotation.EntryReport{{Name: "key", Path: "one/key", From: "aa", To: "bb"}, {Name: "user", Path: "one/user", From: "aa", To: "bb"}}, first.Entries)
	require.Equal(t, "match", first.Answers[0].Answer, "the last answer counts")

	file := filepath.Join(a.dir, journal.Root, "one", "000002.json")
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(raw, ' '), 0o600))
	past, err = a.History(t.Context(), []string{"one", "two"})
	var damaged *journal.DamagedError
	require.ErrorAs(t, err, &damaged)
	require.Len(t, past, 1, "the other secret's is still told")
}

// Two rotations began at one moment, and the clock of a third computer was ahead: the
// numbers of the events say which came first.
func TestHistoryIsInTheOrderOfTheEvents(t *testing.T) {
	a := records(t)
	a.add("one", journal.Event{Rotation: "1", State: journal.Done}, journal.Event{Rotation: "2", State: journal.Done}, journal.Event{Rotation: "3", State: journal.Done})
	a.add("two", journal.Event{Rotation: "4", State: journal.Done})
	// Only newest events are edited: no other names them.
	edit := func(secret, number, time string) {
		file := filepath.Join(a.dir, journal.Root, secret, number)
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		dated := regexp.MustCompile(`"time": "[^"]*"`).ReplaceAll(raw, []byte(`"time": "`+time+`"`))
		require.NoError(t, os.WriteFile(file, dated, 0o600))
	}
	past := func() (order []string) {
		all, err := a.History(t.Context(), []string{"one", "two"})
		require.NoError(t, err)
		for _, p := range all {
			order = append(order, p.Rotation)
		}
		return order
	}
	require.Equal(t, []string{"4", "3", "2", "1"}, past())
	edit("one", "000003.json", "2026-01-01T00:00:00Z")
	require.Equal(t, []string{"4", "3", "2", "1"}, past(), "the clock was behind")
	edit("two", "000001.json", "2025-01-01T00:00:00Z")
	require.Equal(t, []string{"3", "2", "1", "4"}, past()[0:4])
}
