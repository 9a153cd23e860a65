package e2e

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sampler keeps every argument list and environment that a process of a tree
// was ever seen with. What is looked for is known only afterwards.
type sampler struct {
	root    string // in the environment of every process of the tree
	mu      sync.Mutex
	seen    map[string]bool // what was read, each once
	ours    map[int]bool
	foreign map[int]bool
	looks   int
	stop    chan struct{}
	ended   chan struct{}
}

// sample looks every two milliseconds until end is called.
func sample(root string) *sampler {
	s := &sampler{root: root, seen: map[string]bool{}, ours: map[int]bool{}, foreign: map[int]bool{},
		stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			s.look()
			select {
			case <-s.stop:
				return
			case <-tick.C:
			}
		}
	}()
	return s
}

func (s *sampler) end() {
	close(s.stop)
	<-s.ended
}

func (s *sampler) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || s.foreign[pid] || pid == os.Getpid() {
			continue
		}
		environ, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err != nil {
			continue
		}
		arguments, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err != nil {
			continue
		}
		ours, parent := s.belongs(pid, environ)
		if !ours {
			// Between fork and exec a child of this very process still has its
			// environment: it is looked at again.
			s.foreign[pid] = len(environ) > 0 && parent != os.Getpid()
			continue
		}
		s.ours[pid] = true
		s.seen["argv of "+name(arguments)+": "+string(arguments)] = true
		s.seen["environ of "+name(arguments)+": "+string(environ)] = true
	}
}

func name(arguments []byte) string {
	program, _, _ := bytes.Cut(arguments, []byte{0})
	return string(program[bytes.LastIndexByte(program, '/')+1:])
}

// belongs: by environment or by parent; either may be shed.
func (s *sampler) belongs(pid int, environ []byte) (ours bool, parent int) {
	if s.ours[pid] || bytes.Contains(environ, []byte(s.root)) {
		return true, 0
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false, os.Getpid()
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 2 {
		return false, os.Getpid()
	}
	parent, _ = strconv.Atoi(fields[1])
	return s.ours[parent], parent
}
