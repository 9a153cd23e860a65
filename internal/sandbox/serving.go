package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const servingName = "serving.lock"

// ErrServed says that another process serves the world: its addresses are those that
// shells hold.
var ErrServed = errors.New("another process serves this sandbox")

// Serve writes the shell exports to DIR/env and keeps the servers running until
// ctx ends; ErrServed where another process does. ready is called once the world can
// be used; may be nil.
func (s *Sandbox) Serve(ctx context.Context, ready func(envFile string)) error {
	serving, err := s.claimServing()
	if err != nil {
		return fmt.Errorf("serving sandbox %s: %w", s.dir, err)
	}
	defer func() { _ = serving.Close() }()
	if err := errors.Join(s.keepSelection(), s.writeEnv()); err != nil {
		return fmt.Errorf("serving sandbox %s: %w", s.dir, err)
	}
	if ready != nil {
		ready(s.env())
	}
	<-ctx.Done()
	return nil
}

// claimServing makes this process the one that serves, until the file is closed, and
// takes the exports of one before it away.
func (l layout) claimServing() (*os.File, error) {
	file, err := os.OpenFile(l.path(servingName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrServed
	}
	if err == nil {
		if err = os.Remove(l.env()); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Exports are what a shell evaluates to see this world: those of the process that
// serves it where there is one, for the servers of this one end with it.
func (s *Sandbox) Exports(ctx context.Context) (string, error) {
	for again := time.NewTicker(20 * time.Millisecond); ; {
		serving, err := os.Open(s.path(servingName))
		if errors.Is(err, os.ErrNotExist) {
			return s.EnvText()
		}
		if err != nil {
			return "", fmt.Errorf("looking who serves the sandbox: %w", err)
		}
		err = unix.Flock(int(serving.Fd()), unix.LOCK_SH|unix.LOCK_NB)
		_ = serving.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return s.EnvText()
		}
		// It has just begun where the file is not there yet.
		text, err := os.ReadFile(s.env())
		if !errors.Is(err, os.ErrNotExist) {
			return string(text), err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}
