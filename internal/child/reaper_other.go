//go:build !linux

package child

import "errors"

// Adopt makes this process the parent of what a program leaves behind, which only
// Linux can.
func Adopt() error {
	return errors.New("this system does not hand orphans over: what the command starts in a session of its own is not followed")
}
