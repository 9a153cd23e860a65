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
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if got, ok := environ(e.Name()).get(Marker); inGroup(e.Name(), group) || ok && got == id {
			out = append(out, pid)
		}
	}
	return out
}

// child is a process that a command of this program has started, or a descendant.
type child struct {
	pid int
	// program is the name of its file.
	program string
	// tmp is the command's temporary folder.
	tmp string
}

// children lists the processes that carry the variable with this value and have
// not ended; a zombie has no program any more.
func children(variable, value string) []child {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var out []child
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		env := environ(e.Name())
		if got, ok := env.get(variable); !ok || got != value {
			continue
		}
		program, err := os.Readlink(filepath.Join("/proc", e.Name(), "exe"))
		if err != nil {
			continue
		}
		tmp, _ := env.get("TMPDIR")
		out = append(out, child{pid: pid, program: filepath.Base(program), tmp: tmp})
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

// block is a process's environment as the system gives it.
type block []byte

func environ(pid string) block {
	env, err := os.ReadFile(filepath.Join("/proc", pid, "environ"))
	if err != nil {
		return nil
	}
	return env
}

func (b block) get(name string) (string, bool) {
	for v := range bytes.SplitSeq(b, []byte{0}) {
		if key, value, ok := bytes.Cut(v, []byte{'='}); ok && string(key) == name {
			return string(value), true
		}
	}
	return "", false
}

// startTicks is when a process started, in clock ticks since the machine did;
// zero where that cannot be read.
func startTicks(pid int) uint64 {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(f) < 20 {
		return 0
	}
	ticks, err := strconv.ParseUint(string(f[19]), 10, 64)
	if err != nil {
		return 0
	}
	return ticks
}

// FreeMemory is how many bytes processes may still take, by the system's and the
// control group's account; zero where neither tells.
func FreeMemory() uint64 {
	free := uint64(0)
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if _, rest, ok := bytes.Cut(text, []byte("MemAvailable:")); ok {
			free = number(bytes.Fields(rest)[0]) << 10
		}
	}
	most, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	now, nowErr := os.ReadFile("/sys/fs/cgroup/memory.current")
	if limit := number(bytes.TrimSpace(most)); err == nil && nowErr == nil && limit > 0 {
		left := limit - min(limit, number(bytes.TrimSpace(now)))
		if free == 0 || left < free {
			free = max(left, 1)
		}
	}
	return free
}

// number is zero for what is none, such as a limit of "max".
func number(text []byte) uint64 {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return 0
	}
	return n
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
