package notify

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// StateDir is where it is kept what was told: below XDG_STATE_HOME, else
// ~/.local/state. env is the caller's environment.
func StateDir(env func(name string) string) string {
	base := env("XDG_STATE_HOME")
	if !filepath.IsAbs(base) {
		base = filepath.Join(env("HOME"), ".local", "state")
	}
	return filepath.Join(base, "secret-rotation", "notify")
}

// memory is the file of what one address was told of one world.
type memory struct {
	CheckedAt time.Time    `json:"checked_at"`
	Answer    drift.Answer `json:"answer"`
	Known     []Known      `json:"known"`
}

// place is the file for one address and world. Its name tells neither: it is
// keyed by a salt that never leaves the folder.
func (n *Notifier) place(t target) (string, error) {
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return "", err
	}
	salt, err := n.salt()
	if err != nil {
		return "", err
	}
	world := sha256.Sum256([]byte(n.world))
	return filepath.Join(n.dir, hex.EncodeToString(world[:4])+"-"+string(t.url.Fingerprint(salt))[:24]+".json"), nil
}

// salt reads the folder's salt or makes it; of two that make it at once, one
// wins and both read that one.
func (n *Notifier) salt() (secrets.Value, error) {
	file := filepath.Join(n.dir, "salt")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		fresh := make([]byte, 32)
		_, _ = rand.Read(fresh) // never fails on the systems this runs on
		temporary, err := written(n.dir, fresh)
		if err != nil {
			return secrets.Value{}, err
		}
		err = os.Link(temporary, file)
		_ = os.Remove(temporary)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return secrets.Value{}, err
		}
	}
	data, err := os.ReadFile(file)
	return secrets.NewValue(data), err
}

// recall reads what was told; a file that cannot be understood is as none, so
// that too much is told and not too little.
func recall(file string) (memory, error) {
	var m memory
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	if json.Unmarshal(data, &m) != nil {
		return memory{}, nil
	}
	return m, nil
}

// keep replaces the file in one step.
func keep(file string, m memory) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	temporary, err := written(filepath.Dir(file), append(data, '\n'))
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, file); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	return nil
}

// written is a temporary file in dir, of its owner alone, with data on the disk.
func written(dir string, data []byte) (string, error) {
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return f.Name(), err
}

// lock waits until no other run tells the same address; the kernel drops it
// with its holder.
func lock(ctx context.Context, file string) (func(), error) {
	f, err := os.OpenFile(file+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("another run is telling it: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
