package store

import "sync"

// still is what a look at the store remembers. Failures are not kept: the next one
// who asks may be luckier.
type still struct {
	mu      sync.Mutex
	repo    *repository
	known   bool
	entries map[string]*reading
}

// reading is one entry's: who asks while it is decrypted waits for it.
type reading struct {
	mu    sync.Mutex
	entry Entry
	done  bool
}

// Still is the store for one look that changes nothing: what git says of it and
// what was decrypted of it is asked once, so that all parts of the look see the
// same. Whoever writes needs the store itself.
func (s *Store) Still() *Store {
	other := *s
	other.still = &still{entries: map[string]*reading{}}
	return &other
}

func (k *still) repository(look func() (*repository, error)) (*repository, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known {
		return k.repo, nil
	}
	r, err := look()
	if err == nil {
		k.repo, k.known = r, true
	}
	return r, err
}

func (k *still) read(path string, open func() (Entry, error)) (Entry, error) {
	k.mu.Lock()
	r := k.entries[path]
	if r == nil {
		r = &reading{}
		k.entries[path] = r
	}
	k.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return r.entry, nil
	}
	e, err := open()
	if err == nil {
		r.entry, r.done = e, true
	}
	return e, err
}
