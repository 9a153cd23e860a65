package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"
	"time"
)

// leases is where leases are kept beside the logs; no secret's name begins with
// a dot.
const leases = Root + "/.leases"

const (
	// leaseTime is how long a lease lasts without being renewed.
	leaseTime = 5 * time.Minute
	// leasePatience is what a taker on another host waits beyond the expiry: the
	// longest single request that the holder may have begun before it.
	leasePatience = 2 * time.Minute
)

// claim is one lease object. Like events, claims are created only if their
// number is free; the one with the highest number holds.
type claim struct {
	Format   int       `json:"format"`
	Number   int       `json:"number"`
	Name     string    `json:"name"`
	Holder   Holder    `json:"holder"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"`
	Released bool      `json:"released,omitempty"`

	// stored is when the store took it, by its own clock; unread why it is none
	// of this program's.
	stored time.Time
	unread string
}

// free is when the claim may be taken over though its holder says nothing. It
// lasts no longer after its writing than any lease, whatever it says.
func (c claim) free() time.Time {
	until := c.Until
	if latest := c.stored.Add(leaseTime); !c.stored.IsZero() && (c.unread != "" || latest.Before(until)) {
		until = latest
	}
	return until.Add(leasePatience)
}

// held is the error that says who holds it.
func (c claim) held() *HeldError {
	return &HeldError{Name: c.Name, Holder: c.Holder, Since: c.Since, Free: c.free(), Unreadable: c.unread}
}

// HeldError: somebody else holds a lease, or took this one.
type HeldError struct {
	// Name is the secret or "stack NAME".
	Name   string
	Holder Holder
	Since  time.Time
	// Free is when the lease may be taken though its holder says nothing.
	Free time.Time
	// Unreadable is what is wrong with the lease, where it does not say who holds it.
	Unreadable string
}

// Error names the holder.
func (e *HeldError) Error() string {
	if e.Unreadable != "" {
		return fmt.Sprintf("the lease on %s cannot be read (%s), so that it counts as held until %s", e.Name, e.Unreadable, e.Free.Local().Format("2006-01-02 15:04:05 MST"))
	}
	return fmt.Sprintf("%s is being worked on by %s since %s", e.Name, e.Holder, e.Since.Format(time.RFC3339))
}

// ErrExpired: the lease ran out while this process slept or could not renew it;
// somebody else may hold it.
var ErrExpired = errors.New("the lease of this run has expired, so nothing more was changed")

// StackLease is the name of the lease on a stack of the catalog.
func StackLease(stack string) string { return "stack " + stack }

// Lease is held on a set of names from Acquire to Release, and renewed meanwhile.
type Lease struct {
	journal *Journal
	mu      sync.Mutex
	held    []claim
	lost    error
	stop    context.CancelFunc
	done    chan struct{}
}

// Holding returns a *HeldError if somebody else, who is not proven dead, holds a
// lease on one of these names. It changes nothing.
func (j *Journal) Holding(ctx context.Context, names ...string) error {
	for _, name := range names {
		last, err := j.claimed(ctx, name)
		if err != nil {
			return err
		}
		if err := j.barred(last); err != nil {
			return err
		}
	}
	return nil
}

// Acquire takes the lease on all of these names or on none: a *HeldError says
// who is first. Names are taken in one order by everybody, so that of several
// who want overlapping sets one always gets through.
func (j *Journal) Acquire(ctx context.Context, names ...string) (*Lease, error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	l := &Lease{journal: j, done: make(chan struct{})}
	since := j.now()
	for _, name := range names {
		last, err := j.claimed(ctx, name)
		if err == nil {
			err = j.barred(last)
		}
		var mine claim
		if err == nil {
			mine, err = j.claim(ctx, claim{Number: last.Number + 1, Name: name, Since: since})
		}
		if err != nil {
			close(l.done)
			return nil, errors.Join(err, l.Release(ctx))
		}
		l.held = append(l.held, mine)
	}
	var renewing context.Context
	renewing, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	go l.renew(renewing)
	return l, nil
}

// barred is the error for a claim that may not be taken over.
func (j *Journal) barred(c claim) error {
	if c.Number == 0 || c.Released || c.unread == "" && c.Holder.Dead() || j.now().After(c.free()) {
		return nil
	}
	return c.held()
}

// claimed is the newest claim on a name; its zero value where there is none.
func (j *Journal) claimed(ctx context.Context, name string) (claim, error) {
	found, err := j.objectsOf(ctx, "the lease on "+name, path.Join(leases, name))
	if err != nil || len(found.numbers) == 0 {
		return claim{}, err
	}
	return j.readClaim(ctx, name, found.newest())
}

// readClaim gives also what cannot be read: somebody may hold the lease by it,
// as long as a lease lasts.
func (j *Journal) readClaim(ctx context.Context, name string, n int) (claim, error) {
	key := claimKey(name, n)
	o, err := j.store.read(ctx, key)
	if unusable := (*unusableError)(nil); errors.As(err, &unusable) {
		return claim{Number: n, Name: name, Since: unusable.stored, stored: unusable.stored, unread: key + ": " + unusable.why}, nil
	}
	if err != nil {
		return claim{}, fmt.Errorf("reading the lease on %s: %w", name, err)
	}
	c := claim{stored: o.stored}
	if err := json.Unmarshal(o.data, &c); err != nil || c.Format != Format || c.Number != n || c.Name != name {
		return claim{Number: n, Name: name, Since: o.stored, stored: o.stored, unread: key + ": it is none of this program's"}, nil
	}
	return c, nil
}

func claimKey(name string, n int) string { return path.Join(leases, name, numbered(n)) }

// claim writes the next claim and makes sure that it is the newest one.
func (j *Journal) claim(ctx context.Context, c claim) (claim, error) {
	c.Format, c.Holder = Format, Self()
	// Without the monotonic part: it stands still while a machine sleeps.
	c.Until = j.now().Add(leaseTime).UTC().Round(0)
	data, err := json.Marshal(c)
	if err != nil {
		return claim{}, fmt.Errorf("encoding the lease on %s: %w", c.Name, err)
	}
	err = j.store.create(ctx, claimKey(c.Name, c.Number), data)
	if err != nil && !errors.Is(err, errExists) {
		return claim{}, fmt.Errorf("taking the lease on %s: %w", c.Name, err)
	}
	newest, readErr := j.claimed(ctx, c.Name)
	if readErr != nil {
		return claim{}, readErr
	}
	// What exists may be our own, written by a try whose answer was lost.
	if newest.Number != c.Number || newest.Holder != c.Holder || !newest.Until.Equal(c.Until) {
		return claim{}, newest.held()
	}
	// Older claims say nothing any more. A slow writer who takes one of their
	// numbers finds that it is not the newest.
	if old := c.Number - 3; old > 0 {
		_ = j.store.remove(ctx, claimKey(c.Name, old))
	}
	return c, nil
}

// renew keeps the lease until it is released or lost.
func (l *Lease) renew(ctx context.Context) {
	defer close(l.done)
	tick := time.NewTicker(leaseTime / 5)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !l.again(ctx) {
				return
			}
		}
	}
}

// again renews every claim once; false if the lease is lost. An unreachable
// backend is no loss until the time is over.
func (l *Lease) again(ctx context.Context) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, c := range l.held {
		next := c
		next.Number++
		renewed, err := l.journal.claim(ctx, next)
		var held *HeldError
		switch {
		case errors.As(err, &held):
			l.lost = held
			return false
		case err == nil:
			l.held[i] = renewed
		}
	}
	return true
}

// Check returns an error if the lease is lost or its time is over; a holder
// looks before each effect.
func (l *Lease) Check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return l.lost
	}
	for _, c := range l.held {
		if !l.journal.now().Before(c.Until) {
			return ErrExpired
		}
	}
	return nil
}

// Release gives the lease up, so that anybody may take it at once. A failure
// costs the next run only patience: this holder is then recognised as dead, or
// waited for.
func (l *Lease) Release(ctx context.Context) error {
	if l.stop != nil {
		l.stop()
	}
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	if l.lost == nil {
		for _, c := range l.held {
			c.Number, c.Released = c.Number+1, true
			_, err := l.journal.claim(ctx, c)
			errs = append(errs, err)
		}
	}
	l.held = nil
	return errors.Join(errs...)
}

// Free releases the leases on these names, whoever holds them. A holder that still
// runs finds out at its next renewal.
func (j *Journal) Free(ctx context.Context, names ...string) error {
	for _, name := range names {
		last, err := j.claimed(ctx, name)
		if err == nil && last.Number > 0 && !last.Released {
			_, err = j.claim(ctx, claim{Number: last.Number + 1, Name: name, Since: j.now(), Released: true})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
