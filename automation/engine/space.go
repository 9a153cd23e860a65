package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
)

// An update writes the checkpoint several times over: the new one, the one
// before it, and a copy for the history, each before an old one goes.
const (
	checkpointCopies = 6
	leastSpace       = 16 << 20
)

// freeSpace is how many bytes a user may still write below a folder.
func freeSpace(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("looking at the free space of %s: %w", dir, err)
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}

// CheckSpace returns an error of kind Disk where an update of the stack would
// not have room for its state and its config file: a state cut short by a full
// disk can be read by nobody. State kept elsewhere has no limit that is known.
func (s *Stack) CheckSpace(ctx context.Context) error {
	const step = "looking at the free space"
	st, err := s.State(ctx)
	if err != nil {
		return err
	}
	need := uint64(leastSpace + checkpointCopies*st.Size)
	dirs := []string{filepath.Dir(s.file.Path)}
	if dir, ok := strings.CutPrefix(s.address, "file://"); ok {
		dir, _, _ = strings.Cut(dir, "?")
		dirs = append(dirs, dir)
	}
	for _, dir := range dirs {
		free, err := s.engine.freeSpace(dir)
		if err != nil {
			return s.wrap(step, err)
		}
		if free < need {
			return s.wrap(step, fmt.Errorf("%s has %d MiB left and an update needs up to %d: %w", dir, free>>20, (need+1<<20-1)>>20, syscall.ENOSPC))
		}
	}
	return nil
}
