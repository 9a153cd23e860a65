package journal

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"gocloud.dev/blob"
)

// Root is the journal's folder in the state backend, beside Pulumi's .pulumi.
const Root = ".rotation"

// Journal gives the logs of all secrets.
type Journal struct {
	store objects
	now   func() time.Time
	// keys gives the key of signatures; nil: nothing is verified.
	keys Keys
}

// InDir keeps the journal in a folder, for a file:// backend.
func InDir(dir string) *Journal { return &Journal{store: files{dir}, now: time.Now} }

// InBucket keeps the journal in an opened bucket, for every other backend. The
// bucket is asked for at each access: a rotation of the backend's own key goes
// on with the new one.
func InBucket(b func() *blob.Bucket) *Journal { return &Journal{store: bucket{b}, now: time.Now} }

// Clock has every moment that is written or compared taken from now, and returns j.
func (j *Journal) Clock(now func() time.Time) *Journal {
	j.now = now
	return j
}

// Log is the log of one secret as this process last saw it.
type Log struct {
	journal *Journal
	secret  string
	last    Event
	sum     string
}

// TakenError: somebody else wrote the number that this process wanted.
type TakenError struct {
	Secret string
	Winner Event
}

// Error names the winner.
func (e *TakenError) Error() string {
	return fmt.Sprintf("another rotation of %s is running: %s, since %s", e.Secret, e.Winner.Holder, e.Winner.Time.Format(time.RFC3339))
}

// DamagedError: the log cannot be trusted, and nothing may be decided from it.
type DamagedError struct {
	Secret, Object, Detail string
}

// Error names the object.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("journal of %s is damaged at %s: %s", e.Secret, e.Object, e.Detail)
}

// Removable is what has to be removed from the state where no repair can accept the
// damage: whatever stands in the place of a log's or a lease's folder, and the whole
// folder of acceptances, as one that is missing is damage, too. Else it is empty.
func (e *DamagedError) Removable() string {
	switch {
	case strings.HasPrefix(e.Object, acceptances):
		return acceptances
	case strings.HasPrefix(e.Object, leases), path.Dir(e.Object) == Root:
		return e.Object
	}
	return ""
}

// Open reads the newest event of a secret's log.
func (j *Journal) Open(ctx context.Context, secret string) (*Log, error) {
	l := &Log{journal: j, secret: secret}
	return l, l.refresh(ctx)
}

// Held takes up the newest event if all that it and those before it have changed
// since is the hold; it reports whether that was so.
func (l *Log) Held(ctx context.Context) (bool, error) {
	now := &Log{journal: l.journal, secret: l.secret}
	if err := now.refresh(ctx); err != nil {
		return false, err
	}
	for n := l.last.Number + 1; n <= now.last.Number; n++ {
		e, _, err := l.read(ctx, n)
		if err != nil || e.Rotation != l.last.Rotation || e.Step != StepHold && e.Step != StepHoldOff {
			return false, err
		}
	}
	l.last, l.sum = now.last, now.sum
	return true, nil
}

// Last is the newest event; its zero value where there is none.
func (l *Log) Last() Event { return l.last }

// refresh reads the newest event. A signed one vouches for those before it as
// far as a plan goes; else the whole log is looked at.
func (l *Log) refresh(ctx context.Context) error {
	found, err := l.journal.objectsOf(ctx, l.secret, path.Join(Root, l.secret))
	if err != nil {
		return err
	}
	n := found.newest()
	if n == 0 && len(found.strays) == 0 {
		return nil
	}
	if n > 0 && n == len(found.numbers) && len(found.strays) == 0 {
		e, sum, err := l.read(ctx, n)
		if err != nil || e.Trust != Unsigned {
			l.last, l.sum = e, sum
			return err
		}
	}
	a, err := l.journal.Audit(ctx, l.secret)
	if err == nil {
		err = a.Err()
	}
	if err == nil {
		l.last, l.sum = a.last, a.sum
	}
	return err
}

// Events reads the whole log, oldest first, and checks the chain of hashes and
// every signature. What comes before a repair is there as far as it can be read.
func (l *Log) Events(ctx context.Context) ([]Event, error) {
	a, err := l.journal.Audit(ctx, l.secret)
	if err == nil {
		err = a.Err()
	}
	if err != nil {
		return nil, err
	}
	return a.Events, nil
}

// Append writes e as the next event, which makes it durable before it returns.
// Secret, number, time, holder and hash chain are filled in. If somebody else
// was first, the error is a *TakenError and this process must stop: whatever it
// meant to do next has been taken over.
func (l *Log) Append(ctx context.Context, e Event) error {
	e.Number, e.Prev = l.last.Number+1, l.sum
	return l.append(ctx, e)
}

// append writes e under the number and after the object that it names.
func (l *Log) append(ctx context.Context, e Event) error {
	e.Format, e.Secret = Format, l.secret
	e.Time, e.Holder = l.journal.now().UTC().Truncate(time.Millisecond), Self()
	if l.journal.keys == nil && l.last.MAC != "" {
		return fmt.Errorf("journal of %s: it is signed, and was opened without the key", l.secret)
	}
	data, err := l.journal.sign(ctx, l.secret, func(keyID string) ([]byte, error) {
		e.KeyID, e.MAC = keyID, ""
		return e.encode()
	})
	if err != nil {
		return err
	}
	crash(beforeEvent)
	err = l.journal.store.create(ctx, l.key(e.Number), data)
	crash(afterEvent)
	if errors.Is(err, errExists) {
		winner, sum, readErr := l.read(ctx, e.Number)
		if readErr != nil {
			return readErr
		}
		// The same bytes are our own, written by a try whose answer was lost.
		if sum != digest(data) {
			return &TakenError{Secret: l.secret, Winner: winner}
		}
		err = nil
	}
	if err != nil {
		return fmt.Errorf("journal of %s: %w", l.secret, err)
	}
	l.last, l.sum, err = l.journal.decoded(ctx, l.secret, e.Number, object{data: data})
	return err
}

func (l *Log) read(ctx context.Context, n int) (Event, string, error) {
	o, err := l.journal.store.read(ctx, l.key(n))
	if unusable := (*unusableError)(nil); errors.As(err, &unusable) {
		return Event{}, "", &DamagedError{l.secret, l.key(n), unusable.why}
	}
	if err != nil {
		return Event{}, "", fmt.Errorf("reading journal of %s: %w", l.secret, err)
	}
	return l.journal.decoded(ctx, l.secret, n, o)
}

// decoded is an object as the event that it must be, verified, with its digest.
func (j *Journal) decoded(ctx context.Context, secret string, n int, o object) (Event, string, error) {
	key := eventKey(secret, n)
	e, err := decode(o.data)
	if err != nil {
		return Event{}, "", &DamagedError{secret, key, err.Error()}
	}
	if e.Number != n || e.Secret != secret {
		return Event{}, "", &DamagedError{secret, key, fmt.Sprintf("it says %s/%d", e.Secret, e.Number)}
	}
	if e.Trust, err = j.verify(ctx, secret, key, o.data, e.KeyID, e.MAC); err != nil {
		return Event{}, "", err
	}
	e.Stored = o.stored
	e.bound()
	return e, digest(o.data), nil
}

func (l *Log) key(n int) string { return eventKey(l.secret, n) }

func eventKey(secret string, n int) string {
	return path.Join(Root, secret, numbered(n))
}

// numbered is the name of the n-th object of a folder.
func numbered(n int) string { return fmt.Sprintf("%06d.json", n) }

// listing are the objects of a folder: numbers, sorted, and what has no name of
// ours.
type listing struct {
	numbers []int
	strays  []string
}

func (l listing) newest() int {
	if len(l.numbers) == 0 {
		return 0
	}
	return l.numbers[len(l.numbers)-1]
}

// objectsOf lists a folder of what errors call name.
func (j *Journal) objectsOf(ctx context.Context, name, dir string) (listing, error) {
	keys, err := j.store.list(ctx, dir)
	if unusable := (*unusableError)(nil); errors.As(err, &unusable) {
		return listing{}, &DamagedError{name, dir, unusable.why}
	}
	if err != nil {
		return listing{}, fmt.Errorf("journal of %s: %w", name, err)
	}
	var found listing
	for _, k := range keys {
		n, err := strconv.Atoi(strings.TrimSuffix(path.Base(k), ".json"))
		if err != nil || n < 1 || n > highest || path.Base(k) != numbered(n) {
			found.strays = append(found.strays, k)
			continue
		}
		found.numbers = append(found.numbers, n)
	}
	slices.Sort(found.numbers)
	return found, nil
}

// highest is the greatest number that an object may have: one that somebody
// else placed far ahead must leave room for those that follow.
const highest = 1 << 40
