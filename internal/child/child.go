// Package child runs another program as if it stood in this one's place: the
// same streams and terminal, the same signals, the same exit code.
package child

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Spec is the program to run.
type Spec struct {
	// Path is the program's file, Args what it is called with, its own name first.
	Path string
	Args []string
	// Env is the whole environment, as os.Environ gives it.
	Env []string
	Dir string
	// The streams, handed over as they are.
	Stdin, Stdout, Stderr *os.File
}

// Child is a running program. It has a process group of its own, which is the
// terminal's foreground one where ours was: Ctrl-C reaches it once and us not
// at all.
type Child struct {
	pid   int
	tty   *terminal
	ended chan struct{}

	mu   sync.Mutex
	done bool
	code int
}

// Start starts the program. The error says why it could not be, without the
// environment.
func Start(s Spec) (*Child, error) {
	c := &Child{tty: controlling(s.Stdin, s.Stdout, s.Stderr), ended: make(chan struct{})}
	attr := &syscall.ProcAttr{Dir: s.Dir, Env: s.Env, Sys: &syscall.SysProcAttr{Setpgid: true},
		Files: []uintptr{s.Stdin.Fd(), s.Stdout.Fd(), s.Stderr.Fd()}}
	if c.tty.ours() {
		attr.Sys.Foreground, attr.Sys.Ctty = true, c.tty.fd
	}
	pid, err := syscall.ForkExec(s.Path, s.Args, attr)
	if err != nil {
		c.tty.take()
		return nil, fmt.Errorf("starting %s: %w", s.Path, err)
	}
	c.pid = pid
	running.Store(pid, true)
	go c.wait()
	return c, nil
}

// wait follows the child until it has ended. Where the person at the terminal
// stops it (Ctrl-Z), this process stops with it, for the shell to notice.
func (c *Child) wait() {
	defer close(c.ended)
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(c.pid, &status, syscall.WUNTRACED, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err == nil && status.Stopped():
			if by := status.StopSignal(); by == syscall.SIGTSTP || by == syscall.SIGTTIN || by == syscall.SIGTTOU {
				c.tty.suspend(c.pid)
			}
			continue
		}
		running.Delete(c.pid)
		c.mu.Lock()
		c.done, c.code = true, exitCode(status, err)
		c.mu.Unlock()
		c.tty.take()
		return
	}
}

// exitCode is the program's own, or as a shell says it, 128 and the signal that
// ended it.
func exitCode(status syscall.WaitStatus, err error) int {
	switch {
	case err != nil:
		return 1 // the kernel knows nothing of it, which cannot be
	case status.Signaled():
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// Ended is closed when the program has ended.
func (c *Child) Ended() <-chan struct{} { return c.ended }

// Code is the exit code of a program that has ended; 128 and the signal's number
// where one ended it.
func (c *Child) Code() int {
	<-c.ended
	return c.code
}

// Signal hands a signal on: what a terminal sends to all of its foreground group
// goes to all of the child's, anything else to the child alone.
func (c *Child) Signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.done:
	case sig == syscall.SIGINT || sig == syscall.SIGQUIT:
		_ = syscall.Kill(-c.pid, sig)
	default:
		_ = syscall.Kill(c.pid, sig)
	}
	// One that is stopped would not hear that it is to end.
	if ends := sig == syscall.SIGINT || sig == syscall.SIGQUIT || sig == syscall.SIGTERM || sig == syscall.SIGHUP; ends && !c.done {
		_ = syscall.Kill(-c.pid, syscall.SIGCONT)
	}
}

// every is how often the group is looked at while it ends.
const every = 20 * time.Millisecond

// Stop ends the program: SIGTERM to it, then to what it leaves behind, in its group
// and, after Adopt, in any other, and after patience SIGKILL to all of that. When
// Stop returns nothing of it runs.
func (c *Child) Stop(patience time.Duration) {
	late := time.NewTimer(patience)
	defer late.Stop()
	c.Signal(syscall.SIGTERM)
	select {
	case <-c.ended:
		_ = syscall.Kill(-c.pid, syscall.SIGTERM)
		c.each(syscall.SIGTERM, syscall.SIGCONT)
	case <-late.C:
		late.Reset(0)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for killed := false; c.left(); {
		select {
		case <-late.C:
			if killed {
				return // the kernel holds what is left: it is dead to us
			}
			_ = syscall.Kill(-c.pid, syscall.SIGKILL)
			c.each(syscall.SIGKILL)
			killed = true
			<-c.ended
			late.Reset(time.Second)
		case <-tick.C:
		}
	}
	<-c.ended
}

// each sends signals to every process of the program.
func (c *Child) each(signals ...syscall.Signal) {
	for _, k := range c.family() {
		for _, sig := range signals {
			_ = syscall.Kill(k.pid, sig)
		}
	}
}

// left reports whether anything of the program runs. In a container nobody may
// take note of the dead ones for long, or ever.
func (c *Child) left() bool {
	c.Reap()
	if len(everybody()) == 0 {
		// This system does not show its processes: one of the group may be alive.
		return syscall.Kill(-c.pid, 0) != syscall.ESRCH
	}
	return len(c.family()) > 0
}

// Find is the file that a command's name means: as a shell finds it, in the
// folders of path, or where the name has a slash, from dir.
func Find(name, path, dir string) (string, error) {
	if strings.Contains(name, "/") {
		file := name
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		return file, executable(file)
	}
	var denied error
	for _, folder := range filepath.SplitList(path) {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		file := filepath.Join(folder, name)
		err := executable(file)
		if err == nil {
			return file, nil
		}
		if _, missing := os.Stat(file); missing == nil {
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", fmt.Errorf("there is no program %q on PATH", name)
}

func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return fmt.Errorf("there is no program %s", file)
	case info.IsDir():
		return fmt.Errorf("%s is a folder, not a program", file)
	case info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%s is not executable", file)
	}
	return nil
}
