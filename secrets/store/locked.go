package store

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// holder says which process holds the lock on a folder, as Linux's table of locks
// tells it; empty where that is not known, such as for one of another container.
func holder(dir *os.File) string {
	info, err := dir.Stat()
	if err != nil {
		return ""
	}
	at, ok := info.Sys().(*syscall.Stat_t)
	table, err := os.ReadFile("/proc/locks")
	if !ok || err != nil {
		return ""
	}
	for line := range strings.Lines(string(table)) {
		// 1: FLOCK ADVISORY WRITE 1234 08:02:5678 0 EOF
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || f[3] != "WRITE" || !strings.HasSuffix(f[5], ":"+strconv.FormatUint(at.Ino, 10)) {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
			return process(pid)
		}
	}
	return ""
}

// process names a process, and says so where it was stopped.
func process(pid int) string {
	text := fmt.Sprintf("process %d", pid)
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil {
		text = strings.TrimSpace(string(name)) + ", " + text
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The name before it may hold blanks and brackets.
	_, state, found := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	if err == nil && found && strings.HasPrefix(state, "T") {
		text += ", which is stopped: kill -CONT " + strconv.Itoa(pid) + " lets it go on"
	}
	return text
}
