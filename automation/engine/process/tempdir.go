package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
		owner, _, ok := strings.Cut(strings.TrimPrefix(filepath.Base(dir), tempPrefix), "-")
		pid, err := strconv.Atoi(owner)
		if !ok || err != nil || pid <= 0 || !ours(dir) {
			continue
		}
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) && ended(dir) {
			_ = os.RemoveAll(dir)
		}
	}
}

// ended ends what works in a dead run's folder, unless its CLI does.
func ended(dir string) bool {
	left := working(dir)
	for _, program := range left {
		if program == "pulumi" {
			return false
		}
	}
	for pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return true
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
