package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
)

// readsAtOnce bounds the objects that are read side by side: a log grows by some
// fifteen with every rotation.
const readsAtOnce = 16

// Audit is a log that was read as a whole.
type Audit struct {
	// Events are those that can be read, oldest first.
	Events []Event
	// Damage is what is wrong since the last repair: nothing may be decided from
	// a log that has any.
	Damage []*DamagedError
	// Key is set where events are signed with another key than pass's.
	Key *KeyError

	secret   string
	readings []reading
	strays   []string
	last     Event
	sum      string
}

// Err is why nothing may be decided from the log; nil where it is whole. The
// missing key is named first: without it nothing can be told of the rest.
func (a *Audit) Err() error {
	switch {
	case a.Key != nil:
		return a.Key
	case len(a.Damage) > 0:
		return a.Damage[0]
	}
	return nil
}

// Whole reports whether everything in it can be relied on.
func (a *Audit) Whole() bool { return a.Err() == nil }

// reading is one numbered object, or why it is none.
type reading struct {
	n int
	object
	bad *unusableError
}

func (r reading) sum() string {
	if r.bad != nil {
		return "unusable: " + r.bad.why
	}
	return digest(r.data)
}

// Audit reads a whole log and checks everything about it. An error is about the
// store; what is wrong with the log is in the Audit.
func (j *Journal) Audit(ctx context.Context, secret string) (*Audit, error) {
	a := &Audit{secret: secret}
	found, err := j.objectsOf(ctx, secret, path.Join(Root, secret))
	if damaged := (*DamagedError)(nil); errors.As(err, &damaged) {
		a.Damage = append(a.Damage, damaged)
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	if a.readings, err = j.readings(ctx, secret, found.numbers); err != nil {
		return nil, err
	}
	a.strays = found.strays
	from, err := a.sinceRepair(ctx, j)
	if err != nil {
		return nil, err
	}
	return a, a.check(ctx, j, from)
}

// readings reads the objects of these numbers.
func (j *Journal) readings(ctx context.Context, secret string, numbers []int) ([]reading, error) {
	out, errs := make([]reading, len(numbers)), make([]error, len(numbers))
	free := make(chan struct{}, readsAtOnce)
	var wg sync.WaitGroup
	for i, n := range numbers {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			o, err := j.store.read(ctx, eventKey(secret, n))
			out[i] = reading{n: n, object: o}
			if !errors.As(err, &out[i].bad) && err != nil {
				errs[i] = fmt.Errorf("reading journal of %s: %w", secret, err)
			}
		})
	}
	wg.Wait()
	return out, errors.Join(errs...)
}

// sinceRepair takes in what comes before the last repair, which has accepted it,
// and gives the index of the repair; 0 where there is none.
func (a *Audit) sinceRepair(ctx context.Context, j *Journal) (int, error) {
	for i := len(a.readings) - 1; i > 0; i-- {
		r := a.readings[i]
		if r.bad != nil {
			continue
		}
		e, _, err := j.decoded(ctx, a.secret, r.n, r.object)
		if err != nil && !Unreliable(err) {
			return 0, err
		}
		// One that is not signed could be anybody's.
		if err != nil || e.Repair == nil || e.Trust == Unsigned {
			continue
		}
		for _, before := range a.readings[:i] {
			if old, err := decode(before.data); before.bad == nil && err == nil && old.Secret == a.secret && old.Number == before.n {
				old.Trust, old.Stored = Replaced, before.stored
				old.bound()
				a.Events = append(a.Events, old)
			}
		}
		if e.Repair.Digest != digestOf(a.readings[:i]) {
			a.damaged(r.n, "what it has accepted is not what comes before it any more")
		}
		a.strays = slices.DeleteFunc(a.strays, func(key string) bool { return slices.Contains(e.Repair.Ignored, key) })
		return i, nil
	}
	return 0, nil
}

// Unreliable reports whether an error is about what a log says, and not about
// what kept it from being read: a damaged one, or one of another key.
func Unreliable(err error) bool {
	var damaged *DamagedError
	var key *KeyError
	return errors.As(err, &damaged) || errors.As(err, &key)
}

// check goes through the log from an index on: number after number, each with
// the digest of the one before, all signed from the first signed one on.
func (a *Audit) check(ctx context.Context, j *Journal, from int) error {
	for _, key := range a.strays {
		a.Damage = append(a.Damage, &DamagedError{a.secret, key, "it is no event, and does not belong there"})
	}
	prev, signed, expected := "", false, 1
	for i, r := range a.readings[from:] {
		repaired := from > 0 && i == 0
		if r.n != expected && !repaired {
			a.damaged(expected, "missing")
		}
		expected = r.n + 1
		if r.bad != nil {
			a.damaged(r.n, r.bad.why)
			prev = ""
			continue
		}
		e, sum, err := j.decoded(ctx, a.secret, r.n, r.object)
		var damaged *DamagedError
		var key *KeyError
		switch {
		case errors.As(err, &key):
			if a.Key == nil {
				a.Key = key
			}
			// It is shown, and relied on for nothing.
			e, _ = decode(r.data)
			sum = digest(r.data)
		case errors.As(err, &damaged):
			a.Damage = append(a.Damage, damaged)
			prev = digest(r.data)
			continue
		case err != nil:
			return err
		case e.Prev != prev && !repaired:
			a.damaged(r.n, "it does not follow the event before it")
		case e.Trust == Unsigned && signed:
			a.damaged(r.n, "it is not signed, and events before it are")
		}
		signed = signed || e.MAC != ""
		a.Events, a.last, a.sum, prev = append(a.Events, e), e, sum, sum
	}
	return nil
}

func (a *Audit) damaged(n int, detail string) {
	a.Damage = append(a.Damage, &DamagedError{a.secret, eventKey(a.secret, n), detail})
}

// digestOf is over the names and contents of objects.
func digestOf(readings []reading) string {
	h := sha256.New()
	for _, r := range readings {
		fmt.Fprintf(h, "%s %s\n", numbered(r.n), r.sum())
	}
	return hex.EncodeToString(h.Sum(nil))
}

// KeyIDs are, for every log that has events, the id of the key that its newest
// readable one names; empty for one from before events were signed. Nothing is
// verified: it takes the key to do so.
func (j *Journal) KeyIDs(ctx context.Context) (map[string]string, error) {
	dirs, err := j.store.list(ctx, Root)
	if err != nil {
		return nil, fmt.Errorf("listing the journal: %w", err)
	}
	out, errs := make([]*string, len(dirs)), make([]error, len(dirs))
	free := make(chan struct{}, readsAtOnce)
	var wg sync.WaitGroup
	for i, dir := range dirs {
		if strings.HasPrefix(path.Base(dir), ".") {
			continue
		}
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			out[i], errs[i] = j.newestKeyID(ctx, path.Base(dir))
		})
	}
	wg.Wait()
	ids := map[string]string{}
	for i, id := range out {
		if id != nil {
			ids[path.Base(dirs[i])] = *id
		}
	}
	return ids, errors.Join(errs...)
}

// newestKeyID is nil where there is no event.
func (j *Journal) newestKeyID(ctx context.Context, secret string) (*string, error) {
	found, err := j.objectsOf(ctx, secret, path.Join(Root, secret))
	if Unreliable(err) {
		return nil, nil // no log, and told where this secret is meant
	}
	if err != nil {
		return nil, err
	}
	for _, n := range slices.Backward(found.numbers) {
		o, err := j.store.read(ctx, eventKey(secret, n))
		if unusable := (*unusableError)(nil); errors.As(err, &unusable) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading journal of %s: %w", secret, err)
		}
		if e, err := decode(o.data); err == nil {
			return &e.KeyID, nil
		}
	}
	return nil, nil
}
