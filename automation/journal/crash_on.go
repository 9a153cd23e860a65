//go:build crashtest

package journal

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
)

// begun and written count this process's events.
var begun, written atomic.Int64

// crash kills this process without warning at the moment that
// SECRET_ROTATION_CRASH names: "before:3" is before the third event that this
// process writes, when the effect of the second is done; "after:3" is when the
// third is durable and its effect has not begun.
func crash(m moment) {
	counter := &begun
	if m == afterEvent {
		counter = &written
	}
	n := counter.Add(1)
	if os.Getenv("SECRET_ROTATION_CRASH") == fmt.Sprintf("%s:%d", m, n) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

type moment string

const (
	beforeEvent moment = "before"
	afterEvent  moment = "after"
)
