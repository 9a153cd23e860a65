package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockName   = "sandbox.lock"
	makingName = "making"       // written first: what is here is ours and not whole
	markerName = "sandbox.json" // written last: the world is whole
	marker     = `{"sandbox":1}` + "\n"
)

// ErrInUse says that another process has the world open.
var ErrInUse = errors.New("another process has this sandbox open")

// ErrForeign says that a folder is no sandbox and not empty.
var ErrForeign = errors.New("the folder holds something that is no sandbox")

// claim is a lock on a world's folder: shared while the world is open, alone
// while it is made or taken away.
type claim struct{ file *os.File }

// claim locks the folder. fresh: there is no whole world in it, the lock is
// held alone and the folder is emptied.
func (l layout) claim(ctx context.Context) (held *claim, fresh bool, err error) {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return nil, false, fmt.Errorf("sandbox: making folder: %w", err)
	}
	file, err := os.OpenFile(l.path(lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("sandbox %s: opening lock: %w", l.dir, err)
	}
	held = &claim{file: file}
	fresh, err = l.settle(ctx, held)
	if err != nil {
		return nil, false, errors.Join(fmt.Errorf("sandbox %s: %w", l.dir, err), held.release())
	}
	return held, fresh, nil
}

func (l layout) settle(ctx context.Context, held *claim) (fresh bool, err error) {
	if err := held.lock(ctx, unix.LOCK_SH); err != nil {
		return false, err
	}
	if l.whole() {
		return false, nil
	}
	if err := held.lock(ctx, unix.LOCK_EX); err != nil {
		return false, err
	}
	if l.whole() { // somebody made it meanwhile
		return false, held.share()
	}
	return true, l.empty(ctx)
}

func (l layout) whole() bool {
	raw, err := os.ReadFile(l.path(markerName))
	return err == nil && string(raw) == marker
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// empty takes away what a killed making left, and nothing else.
func (l layout) empty(ctx context.Context) error {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return fmt.Errorf("looking into folder: %w", err)
	}
	// A marker of another version: the world is fake and made anew.
	ours := exists(l.path(makingName)) || exists(l.path(markerName))
	for _, e := range entries {
		if e.Name() != lockName && !ours {
			return fmt.Errorf("%w: %s", ErrForeign, e.Name())
		}
	}
	if ours {
		stopAgent(ctx, l)
		awaitOrphans(ctx, l)
	}
	return l.wipe(ctx)
}

// wipe ends the world's gpg-agent and removes all but the lock; the note that
// says whose the rest is goes last.
func (l layout) wipe(ctx context.Context) error {
	stopAgent(ctx, l)
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return fmt.Errorf("looking into folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() == lockName || e.Name() == makingName {
			continue
		}
		if err := os.RemoveAll(l.path(e.Name())); err != nil {
			return fmt.Errorf("removing %s: %w", e.Name(), err)
		}
	}
	if err := os.Remove(l.path(makingName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing %s: %w", makingName, err)
	}
	return nil
}

// lock waits until the lock can be had; the kernel drops it with the process.
func (c *claim) lock(ctx context.Context, how int) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Flock(int(c.file.Fd()), how|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("locking: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for another process to make it: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// share turns a lock held alone into a shared one.
func (c *claim) share() error { return c.lock(context.Background(), unix.LOCK_SH) }

func (c *claim) release() error {
	if c == nil {
		return nil
	}
	if err := c.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("releasing the sandbox: %w", err)
	}
	return nil
}

// Reset takes the world in dir away, so that the next Open makes a fresh one.
// ErrInUse while a process has it open, ErrForeign for another kind of folder.
func Reset(ctx context.Context, dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("sandbox: resolving folder: %w", err)
	}
	l := layout{dir: abs}
	file, err := os.OpenFile(l.path(lockName), os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return l.resetUnlocked()
	}
	if err != nil {
		return fmt.Errorf("resetting sandbox %s: opening lock: %w", abs, err)
	}
	held := &claim{file: file}
	defer func() { _ = held.release() }()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("resetting sandbox %s: %w", abs, ErrInUse)
	}
	if !l.whole() {
		err = l.empty(ctx)
	} else if err = os.WriteFile(l.path(makingName), nil, 0o600); err == nil {
		// Killed from here on, the rest is known to be ours and not whole.
		if err = os.Remove(l.path(markerName)); err == nil {
			err = l.wipe(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("resetting sandbox %s: %w", abs, err)
	}
	return nil
}

// resetUnlocked: without a lock file there was never a sandbox here.
func (l layout) resetUnlocked() error {
	entries, err := os.ReadDir(l.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("resetting sandbox %s: %w", l.dir, err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if len(names) > 0 {
		return fmt.Errorf("resetting sandbox %s: %w: %s", l.dir, ErrForeign, strings.Join(names, ", "))
	}
	return nil
}
