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

// child is a process that a command of this program has started.
type child struct {
	pid          int
	program, tmp string
}

// children knows nothing where a process's environment cannot be read.
func children(string, string) []child { return nil }

func startTicks(int) uint64 { return 0 }

// FreeMemory is not known.
func FreeMemory() uint64 { return 0 }

func memoryFile() (*os.File, error) { return nil, errors.New("no files in memory") }
