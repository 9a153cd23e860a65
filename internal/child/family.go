package child

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// running are the process ids of the programs that this process has started and
// that have not ended: none of them is another one's orphan.
var running sync.Map

// kin is a process as the kernel shows it.
type kin struct {
	pid, parent, group int
	name               string
	dead               bool
}

// everybody lists all processes; nil where this system does not show them.
func everybody() []kin {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	var out []kin
	for _, file := range files {
		raw, err := os.ReadFile(file)
		open, end := bytes.IndexByte(raw, '('), bytes.LastIndexByte(raw, ')')
		if err != nil || open < 0 || end < open {
			continue
		}
		// proc_pid_stat(5): state, parent and process group follow the name, which may
		// hold anything.
		fields := strings.Fields(string(raw[end+1:]))
		if len(fields) < 3 {
			continue
		}
		k := kin{name: string(raw[open+1 : end]), dead: fields[0] == "Z" || fields[0] == "X"}
		k.pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(file)))
		k.parent, _ = strconv.Atoi(fields[1])
		k.group, _ = strconv.Atoi(fields[2])
		out = append(out, k)
	}
	return out
}

// keepers are GnuPG's daemons. They belong to the user and not to who happened to
// start them, and a passphrase that they hold is lost with them.
var keepers = []string{"gpg-agent", "keyboxd", "dirmngr", "scdaemon"}

// family are the living processes that the program has brought up: its group, its
// descendants in any session, and those that have lost their parent and came to us
// (Adopt). What this process starts itself is in its own group, the program never.
func (c *Child) family() []kin {
	all, own := everybody(), os.Getpid()
	group := syscall.Getpgrp()
	in := map[int]bool{c.pid: true}
	ours := func(k kin) bool {
		if slices.Contains(keepers, k.name) {
			return false
		}
		_, started := running.Load(k.pid)
		orphan := k.parent == own && k.group != group && !started
		return k.pid == c.pid || k.group == c.pid || in[k.parent] || orphan
	}
	for grown := true; grown; {
		grown = false
		for _, k := range all {
			if !in[k.pid] && ours(k) {
				in[k.pid], grown = true, true
			}
		}
	}
	return slices.DeleteFunc(all, func(k kin) bool { return !in[k.pid] || k.dead })
}

// Left names the processes that a program which has ended left behind, as NAME
// (PID).
func (c *Child) Left() []string {
	var out []string
	for _, k := range c.family() {
		out = append(out, k.name+" ("+strconv.Itoa(k.pid)+")")
	}
	return out
}

// Reap takes note of orphans that came to us and have ended: nobody else does.
func (c *Child) Reap() {
	own, group := os.Getpid(), syscall.Getpgrp()
	for _, k := range everybody() {
		_, started := running.Load(k.pid)
		if k.dead && k.parent == own && k.group != group && !started {
			_, _ = syscall.Wait4(k.pid, nil, syscall.WNOHANG, nil)
		}
	}
}
