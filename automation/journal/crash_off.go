//go:build !crashtest

package journal

// crash is where a test's build of this program may kill itself; in every other
// build it does nothing.
func crash(moment) {}

type moment string

const (
	beforeEvent moment = "before"
	afterEvent  moment = "after"
)
