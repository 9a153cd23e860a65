package ui

import (
	"os"

	"golang.org/x/sys/unix"
)

// discardTyped throws away what was typed ahead. Where in is no terminal there
// is nothing to throw away.
func discardTyped(in *os.File) {
	_ = unix.IoctlSetInt(int(in.Fd()), unix.TCFLSH, unix.TCIFLUSH)
}
