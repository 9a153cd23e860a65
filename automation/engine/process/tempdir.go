package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const tempPrefix = "secret-rotation-"

// TempDir makes a private folder (0700) that names its owner, so that Sweep
// finds it after a kill.
func TempDir() (string, error) {
	dir, err := os.MkdirTemp("", tempPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", fmt.Errorf("making a temporary folder: %w", err)
	}
	return dir, nil
}

// Sweep removes the temporary folders of processes that are gone, and ends what
// they have left running: a plugin or a language host that outlives its CLI is of
// no use, and must not write later. A CLI that is still at work is left alone, and
// so is everything around it: cut short, it would leave its lock behind.
func Sweep() {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), tempPrefix+"*-*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		if pid, ok := owner(dir); !ok || !ours(dir) || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if len(end(children("TMPDIR", dir))) == 0 {
			_ = os.RemoveAll(dir)
		}
	}
}

// Orphans are the CLIs that a dead run has left at work on this (Spec.Work), by
// process id. What else such a run has left is ended, unless its CLI is still at
// work. Where the system shows no process's environment there are none.
func Orphans(work string) []int {
	byRun := map[string][]child{}
	for _, c := range children(workMarker, work) {
		if orphaned(c) {
			byRun[c.tmp] = append(byRun[c.tmp], c)
		}
	}
	var out []int
	for _, left := range byRun {
		out = append(out, end(left)...)
	}
	slices.Sort(out)
	return out
}

// orphaned: the run that has started this child is dead. A process of its number
// that is younger than the child is another one.
func orphaned(c child) bool {
	pid, ok := owner(c.tmp)
	if !ok || pid == os.Getpid() {
		return false
	}
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || startTicks(pid) > startTicks(c.pid)
}

// owner is the process whose temporary folder this is.
func owner(dir string) (int, bool) {
	rest, ok := strings.CutPrefix(filepath.Base(dir), tempPrefix)
	if !ok {
		return 0, false
	}
	number, _, ok := strings.Cut(rest, "-")
	pid, err := strconv.Atoi(number)
	return pid, ok && err == nil && pid > 0
}

// cliProgram is the file name of the Pulumi CLI.
const cliProgram = "pulumi"

// end ends what one dead run has left, unless its CLI is among it: then it
// returns that one's process id.
func end(left []child) (atWork []int) {
	for _, c := range left {
		if c.program == cliProgram {
			atWork = append(atWork, c.pid)
		}
	}
	if len(atWork) > 0 {
		return atWork
	}
	for _, c := range left {
		_ = syscall.Kill(c.pid, syscall.SIGKILL)
	}
	return nil
}

func ours(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}

// passphraseFile hands a passphrase over without it ever being on a disk where
// that can be done: an unnamed file in memory, given to the child as its first
// extra file. Else a private file in dir, which goes with dir.
func passphraseFile(dir string, phrase secrets.Value) (name string, extra *os.File, err error) {
	if f, err := memoryFile(); err == nil {
		if _, err := f.Write(phrase.Reveal()); err != nil {
			_ = f.Close()
			return "", nil, fmt.Errorf("handing over the passphrase: %w", err)
		}
		return "/proc/self/fd/3", f, nil
	}
	name, err = diskFile(dir, phrase)
	return name, nil, err
}

// reader is a value for a command's standard input.
func reader(v secrets.Value) io.Reader { return bytes.NewReader(v.Reveal()) }

func diskFile(dir string, phrase secrets.Value) (string, error) {
	name := filepath.Join(dir, "passphrase")
	if err := os.WriteFile(name, phrase.Reveal(), 0o600); err != nil {
		return "", fmt.Errorf("handing over the passphrase: %w", bare(err))
	}
	return name, nil
}
