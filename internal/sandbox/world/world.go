package world

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	stateFile = "world.json"
	lockFile  = "world.lock"
	// RequestsFile is the log of API requests inside a world's folder.
	RequestsFile = "requests.ndjson"
)

// World is a handle on one world's folder. It keeps nothing in memory: another
// process may change the file between any two calls.
type World struct {
	dir string
	// The lock file keeps processes apart; mu keeps goroutines from queueing on
	// the kernel, one open file each.
	mu sync.RWMutex
}

// Open returns the world in dir and makes an empty one (default settings,
// nothing issued) if there is none. The folder is 0700, its files 0600.
func Open(dir string) (*World, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("resolving the world's folder: %w", err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("making the world's folder: %w", err)
	}
	w := &World{dir: abs}
	if _, err := os.Stat(w.file()); errors.Is(err, fs.ErrNotExist) {
		// Update, not a bare write: two processes may open the folder at once.
		if err := w.Update(func(*State) error { return nil }); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Dir is the world's folder, absolute.
func (w *World) Dir() string { return w.dir }

// RequestsPath is the file that the emulators log requests to.
func (w *World) RequestsPath() string { return filepath.Join(w.dir, RequestsFile) }

func (w *World) file() string { return filepath.Join(w.dir, stateFile) }

// Snapshot returns the state as it is now. The copy is the caller's own.
func (w *World) Snapshot() (*State, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	unlock, err := w.lock(unix.LOCK_SH)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return w.load()
}

// Read calls f with the state as it is now; what f changes in it is lost.
func (w *World) Read(f func(*State)) error {
	s, err := w.Snapshot()
	if err != nil {
		return err
	}
	f(s)
	return nil
}

// Update calls f with the state and writes it back, alone among all processes.
// When f fails nothing is written and its error is returned as it is.
func (w *World) Update(f func(*State) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	unlock, err := w.lock(unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := w.load()
	if err != nil {
		return err
	}
	if err := f(s); err != nil {
		return err
	}
	return w.save(s)
}

func (w *World) lock(how int) (func(), error) {
	f, err := os.OpenFile(filepath.Join(w.dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the world's lock: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking the world: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

func (w *World) load() (*State, error) {
	raw, err := os.ReadFile(w.file())
	if errors.Is(err, fs.ErrNotExist) {
		return newState(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the world: %w", err)
	}
	s := newState()
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", w.file(), err)
	}
	return s, nil
}

// save needs no fsync: a world that a power cut eats is made anew. The rename
// keeps a reader of the file (a person with jq) from ever seeing half of it.
func (w *World) save(s *State) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encoding the world: %w", err)
	}
	tmp := w.file() + ".tmp"
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return fmt.Errorf("writing the world: %w", err)
	}
	if err := os.Rename(tmp, w.file()); err != nil {
		return fmt.Errorf("replacing the world: %w", err)
	}
	return nil
}

// Now is the world's time, UTC: the computer's clock plus Settings.ClockOffset.
func (s *State) Now() time.Time {
	return time.Now().UTC().Add(s.Settings.ClockOffset.Duration())
}
