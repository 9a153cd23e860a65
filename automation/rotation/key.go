package rotation

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// PassKey is the fingerprint key as pass's newest commit holds it. A file that a
// killed process left in the work tree is none: it is undone before it is used.
type PassKey struct {
	Store *store.Store
	// Hide keeps the key out of all output.
	Hide func(secrets.Value)

	mu  sync.Mutex
	key secrets.Value
}

// Key implements journal.Keys. A key that was found is remembered.
func (p *PassKey) Key(ctx context.Context) (secrets.Value, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.key.IsZero() {
		return p.key, nil
	}
	entry, err := store.Committed(ctx, p.Store, secrets.FingerprintKeyPath)
	if errors.Is(err, store.Missing) {
		return secrets.Value{}, nil
	}
	if err != nil {
		return secrets.Value{}, err
	}
	key, err := entry.Secret(secrets.FormatLine)
	if err == nil {
		p.Hide(key)
		p.key = key
	}
	return key, err
}

// Forget has the key read again: pass may have another one now.
func (p *PassKey) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key = secrets.Value{}
}

// NewKey makes a fingerprint key. It is nothing before it is stored.
func NewKey() secrets.Value {
	b := make([]byte, 32)
	// crypto/rand never fails on the systems this runs on; it would panic.
	_, _ = rand.Read(b)
	return secrets.NewValue([]byte(hex.EncodeToString(b)))
}

// loadKey reads the key once pass is recovered and compared with its remote, and
// refuses one that the journal was not written with: no value would be
// recognised by it, and every secret would look as if it had been edited.
func (r *run) loadKey(ctx context.Context) error {
	r.Keys.Forget()
	key, err := r.Keys.Key(ctx)
	if err != nil {
		return err
	}
	written, err := r.Journal.KeyIDs(ctx)
	if err != nil {
		return err
	}
	if key.IsZero() {
		return r.mayMakeKey(ctx, written)
	}
	r.Key = key
	signer, err := secrets.NewSigner(key)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(written)) {
		id := written[name]
		if id == "" || id == signer.KeyID() {
			continue
		}
		commit, err := r.commitOfKey(ctx, id)
		if err != nil {
			return err
		}
		// One that pass never held can be written by anybody: it bars its own
		// secret only, whose log cannot be opened.
		if commit != "" {
			return keyLost(&journal.KeyError{Name: name, Wanted: id, Has: signer.KeyID()}, commit)
		}
	}
	return nil
}

// mayMakeKey refuses a new key while anything was written with another one.
func (r *run) mayMakeKey(ctx context.Context, written map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(written)) {
		commit, err := r.commitOfKey(ctx, written[name])
		if err != nil {
			return err
		}
		return keyLost(&journal.KeyError{Name: name, Wanted: written[name]}, commit)
	}
	return nil
}

func keyLost(why *journal.KeyError, commit string) error {
	file := secrets.FingerprintKeyPath + ".gpg"
	next := []string{"restore " + file + " from a backup of the store, commit and push it"}
	if commit != "" {
		next = []string{"pass git checkout " + commit + " -- " + file + " && pass git commit -m 'Restore the fingerprint key' -- " + file + " && pass git push"}
	}
	return &Error{Reason: Failed, Step: "reading the key of fingerprints", Err: why, Next: append(next, "pass git log --oneline -- "+file)}
}

// commitOfKey looks in pass's history for the key of an id; an empty id means
// the newest key that there was. It is empty where there is none.
func (r *run) commitOfKey(ctx context.Context, id string) (string, error) {
	old, err := r.Store.History(ctx, secrets.FingerprintKeyPath, 0)
	if err != nil && ctx.Err() != nil {
		return "", err
	}
	for _, e := range old {
		key, err := e.Secret(secrets.FormatLine)
		if err != nil {
			continue
		}
		r.Keys.Hide(key)
		if s, err := secrets.NewSigner(key); err == nil && (id == "" || s.KeyID() == id) {
			return e.Commit, nil
		}
	}
	return "", nil
}

// keepKey makes sure, before the first event, that the key is in pass and at
// pass's remote: an event under a key that nobody has cannot be read again.
func (r *run) keepKey(ctx context.Context) error {
	r.Keys.Forget()
	key, err := r.Keys.Key(ctx)
	if err != nil {
		return err
	}
	if key.IsZero() {
		err := r.Store.Write(ctx, "Add the key of rotation fingerprints", store.Change{Path: secrets.FingerprintKeyPath, Content: r.Key, New: true})
		if err != nil {
			return fmt.Errorf("storing the key of fingerprints in pass: %w", err)
		}
	} else if !key.Equal(r.Key) {
		return &Error{Reason: Held, Step: "reading the key of fingerprints", Detail: "it was exchanged since this plan was made", Next: []string{resumeByName(r, r.jobs[0].secret.Name).String()}}
	}
	shared, err := store.Shared(ctx, r.Store, secrets.FingerprintKeyPath)
	if err != nil || shared {
		return err
	}
	err = r.push(ctx, r.jobs[0])
	if behind := (*store.Error)(nil); errors.As(err, &behind) && behind.Kind == store.Behind {
		return r.adoptKey(ctx, err)
	}
	return err
}

// adoptKey: another clone's first rotation has pushed its key a moment before
// ours. Ours was used for nothing yet, so theirs is taken.
func (r *run) adoptKey(ctx context.Context, rejected error) error {
	taken, err := r.takeTheirKey(ctx)
	if err != nil || !taken {
		return errors.Join(rejected, err)
	}
	r.Keys.Forget()
	key, err := r.Keys.Key(ctx)
	if err != nil {
		return err
	}
	r.Key = key
	for _, j := range r.jobs {
		// What came with it must not have overtaken the plan.
		now, err := r.read(ctx, j.secret, func(p string) string { return p })
		if err != nil {
			return err
		}
		for name, v := range now {
			if !v.Equal(j.current[name]) {
				return &Error{Reason: Held, Secret: j.secret.Name, Detail: "its entry " + name + " was changed in pass since this plan was made", Next: []string{resumeByName(r, j.secret.Name).String()}}
			}
		}
		r.fill(j)
	}
	return nil
}

// takeTheirKey drops our commit of a key that no event was written with, where
// the remote has another key.
func (r *run) takeTheirKey(ctx context.Context) (bool, error) {
	key, err := r.Keys.Key(ctx)
	if err != nil || key.IsZero() {
		return false, err
	}
	signer, err := secrets.NewSigner(key)
	if err != nil {
		return false, err
	}
	written, err := r.Journal.KeyIDs(ctx)
	if err != nil || slices.Contains(slices.Collect(maps.Values(written)), signer.KeyID()) {
		return false, err
	}
	taken, err := store.TakeTheirs(ctx, r.Store, secrets.FingerprintKeyPath)
	if taken {
		r.Keys.Forget()
		r.Watch.Begin("pass", "").Warn("took the remote's key of fingerprints: another first rotation was faster")
	}
	return taken, err
}
