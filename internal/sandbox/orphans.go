package sandbox

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// orphanPatience bounds the wait for what a killed maker had started.
const orphanPatience = 15 * time.Second

// awaitOrphans waits until no process works on the world any more: a Pulumi CLI
// outlives the maker that was killed by a moment, and would write its state
// into the next world. Where processes cannot be looked at, it waits for none.
func awaitOrphans(ctx context.Context, l layout) {
	ctx, cancel := context.WithTimeout(ctx, orphanPatience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for worksOn(l.dir) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// worksOn looks for a process of ours that was given a path in dir.
func worksOn(dir string) bool {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return false
	}
	own := filepath.Join("/proc", strconv.Itoa(os.Getpid()), "environ")
	for _, file := range files {
		environ, err := os.ReadFile(file)
		if err != nil || file == own {
			continue
		}
		for _, form := range []string{"=" + dir + "/", "=" + dir + "\x00", "=file://" + dir + "/"} {
			if bytes.Contains(environ, []byte(form)) {
				return true
			}
		}
	}
	return false
}
