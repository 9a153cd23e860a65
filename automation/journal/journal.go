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
}

// InDir keeps the journal in a folder, for a file:// backend.
func InDir(dir string) *Journal { return &Journal{store: files{dir}, now: time.Now} }

// InBucket keeps the journal in an opened bucket, for every other backend. The
// bucket is asked for at each access: a rotation of the backend's own key goes
// on with the new one.
func InBucket(b func() *blob.Bucket) *Journal { return &Journal{store: bucket{b}, now: time.Now} }

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

func (l *Log) refresh(ctx context.Context) error {
	numbers, err := l.numbers(ctx)
	if err != nil || len(numbers) == 0 {
		return err
	}
	n := numbers[len(numbers)-1]
	if n != len(numbers) {
		return &DamagedError{l.secret, l.key(n), fmt.Sprintf("%d events before it, %d expected", len(numbers)-1, n-1)}
	}
	l.last, l.sum, err = l.read(ctx, n)
	return err
}

// Events reads the whole log, oldest first, and checks the chain of hashes.
func (l *Log) Events(ctx context.Context) ([]Event, error) {
	numbers, err := l.numbers(ctx)
	if err != nil {
		return nil, err
	}
	events := make([]Event, 0, len(numbers))
	prev := ""
	for i, n := range numbers {
		if n != i+1 {
			return nil, &DamagedError{l.secret, l.key(i + 1), "missing"}
		}
		e, sum, err := l.read(ctx, n)
		if err != nil {
			return nil, err
		}
		if e.Prev != prev {
			return nil, &DamagedError{l.secret, l.key(n), "it does not follow the event before it"}
		}
		events, prev = append(events, e), sum
	}
	return events, nil
}

// Append writes e as the next event, which makes it durable before it returns.
// Secret, number, time, holder and hash chain are filled in. If somebody else
// was first, the error is a *TakenError and this process must stop: whatever it
// meant to do next has been taken over.
func (l *Log) Append(ctx context.Context, e Event) error {
	e.Format, e.Secret, e.Number, e.Prev = Format, l.secret, l.last.Number+1, l.sum
	e.Time, e.Holder = l.journal.now().UTC().Truncate(time.Millisecond), Self()
	data, err := e.encode()
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
	l.last, l.sum = e, digest(data)
	return nil
}

func (l *Log) key(n int) string { return path.Join(Root, l.secret, fmt.Sprintf("%06d.json", n)) }

func (l *Log) read(ctx context.Context, n int) (Event, string, error) {
	data, err := l.journal.store.read(ctx, l.key(n))
	if err != nil {
		return Event{}, "", fmt.Errorf("reading journal of %s: %w", l.secret, err)
	}
	e, err := decode(data)
	if err != nil {
		return Event{}, "", &DamagedError{l.secret, l.key(n), err.Error()}
	}
	if e.Number != n || e.Secret != l.secret {
		return Event{}, "", &DamagedError{l.secret, l.key(n), fmt.Sprintf("it says %s/%d", e.Secret, e.Number)}
	}
	return e, digest(data), nil
}

func (l *Log) numbers(ctx context.Context) ([]int, error) {
	return l.journal.numbers(ctx, l.secret, path.Join(Root, l.secret))
}

// numbers are those of the objects in a folder, sorted.
func (j *Journal) numbers(ctx context.Context, name, dir string) ([]int, error) {
	keys, err := j.store.list(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("journal of %s: %w", name, err)
	}
	numbers := make([]int, 0, len(keys))
	for _, k := range keys {
		n, err := strconv.Atoi(strings.TrimSuffix(path.Base(k), ".json"))
		if err != nil || n < 1 {
			return nil, &DamagedError{name, k, "not an event's name"}
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers, nil
}
