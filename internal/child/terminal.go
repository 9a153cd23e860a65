package child

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal is the one that this process and the child share; nil where there is
// none.
type terminal struct {
	fd int
	// lent: the child's group has the foreground, which was ours.
	lent bool
}

// controlling finds it among the streams.
func controlling(streams ...*os.File) *terminal {
	for _, f := range streams {
		fd := int(f.Fd())
		if !term.IsTerminal(fd) {
			continue
		}
		// Another session's terminal has no foreground group for us.
		if _, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil {
			return &terminal{fd: fd}
		}
	}
	return nil
}

// ours reports whether this process stands in the foreground; the child is then
// put there.
func (t *terminal) ours() bool {
	if t == nil {
		return false
	}
	group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	t.lent = err == nil && group == syscall.Getpgrp()
	return t.lent
}

// take brings the foreground back.
func (t *terminal) take() {
	if t != nil && t.lent {
		t.give(syscall.Getpgrp())
	}
}

// give puts a group into the foreground. A process in the background is stopped
// for that, unless it ignores the signal.
func (t *terminal) give(group int) {
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, group)
}

// suspend stops our own group after the child's was stopped at the terminal, and
// when the shell lets us go on, the child does.
func (t *terminal) suspend(child int) {
	if t == nil {
		return
	}
	t.take()
	// Other threads are stopped a moment before this one: only the shell's signal
	// says that the stop is over.
	resumed := make(chan os.Signal, 1)
	signal.Notify(resumed, syscall.SIGCONT)
	defer signal.Stop(resumed)
	_ = syscall.Kill(0, syscall.SIGSTOP)
	<-resumed
	// By fg with the terminal, by bg without.
	if t.ours() {
		t.give(child)
	}
	_ = syscall.Kill(-child, syscall.SIGCONT)
}
