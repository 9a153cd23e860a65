package process

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// living lists the processes of a command that have not ended: those of its
// group and those that carry its marker.
func living(group int, id string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	marker := []byte(Marker + "=" + id)
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if inGroup(e.Name(), group) || carries(e.Name(), marker) {
			out = append(out, pid)
		}
	}
	return out
}

// working lists the processes that have a temporary folder as theirs, by the name
// of their program; a zombie has ended.
func working(dir string) map[int]string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	out := map[int]string{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() || !carries(e.Name(), []byte("TMPDIR="+dir)) {
			continue
		}
		if program, err := os.Readlink(filepath.Join("/proc", e.Name(), "exe")); err == nil {
			out[pid] = filepath.Base(program)
		}
	}
	return out
}

// inGroup reads the state and the group of a process: the first and the third
// field after the name in brackets. A zombie has ended.
func inGroup(pid string, group int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return false
	}
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	return len(f) > 2 && f[0][0] != 'Z' && f[0][0] != 'X' && string(f[2]) == strconv.Itoa(group)
}

func carries(pid string, marker []byte) bool {
	env, err := os.ReadFile(filepath.Join("/proc", pid, "environ"))
	if err != nil {
		return false
	}
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.Equal(v, marker) {
			return true
		}
	}
	return false
}

func memoryFile() (*os.File, error) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("passphrase", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "passphrase")
	if f == nil {
		return nil, errors.New("no file")
	}
	return f, nil
}
