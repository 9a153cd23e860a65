//go:build !linux

package process

import (
	"errors"
	"os"
	"syscall"
)

// living knows only the command's group where a process's environment cannot
// be read.
func living(group int, _ string) []int {
	if syscall.Kill(-group, 0) == nil {
		return []int{-group}
	}
	return nil
}

// working knows nothing where a process's environment cannot be read.
func working(string) map[int]string { return nil }

func memoryFile() (*os.File, error) { return nil, errors.New("no files in memory") }
