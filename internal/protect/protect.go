// Package protect keeps the memory of this process, which holds secrets, out of
// files and of other processes' sight.
package protect

import "syscall"

// Memory lowers the limit of core dumps to nothing, also for every child, and has
// the kernel refuse dumps of this process and looks into it by others of the same
// user. It is called first of all: a child that was started before would dump. What
// the system does not know is left as it is.
func Memory() {
	// Lowering one's own limit cannot fail for want of rights.
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	undumpable()
}
